"""The sender stage: the only place that asks Twilio to send."""
