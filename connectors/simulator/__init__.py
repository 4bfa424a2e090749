"""The Twilio simulator: speaks its wire format to the unmodified SDK, and keeps a ledger of what it accepted."""
