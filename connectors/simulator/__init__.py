"""The Twilio simulator: serves Twilio's Messages API to the unmodified SDK, and records every accepted message."""
