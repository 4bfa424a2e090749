"""Twilio's webhooks: the HTTP server that verifies them and publishes them as records."""
