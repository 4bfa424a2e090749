"""Twilio: the client that sends, the list that is looked up, the webhooks that come back."""
