"""The simulated Twilio without any I/O: what is accepted, what becomes of it, and which webhooks are due."""
