"""What the simulated Twilio does with requests, messages, keywords and replies. No I/O."""
