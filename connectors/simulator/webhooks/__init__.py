"""The simulator's webhooks: their contents, when they are due, and the client that posts them."""
