"""Twilio's twin: speaks its wire format to the unmodified SDK, and keeps a ledger of what it accepted."""
