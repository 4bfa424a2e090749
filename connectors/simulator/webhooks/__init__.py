"""The simulator's webhooks: what they contain, when they are due, and the client that posts them."""
