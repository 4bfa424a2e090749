"""Calls to Twilio's Messages API: sending one message, and reading the message list."""
