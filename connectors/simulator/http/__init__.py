"""The simulator's HTTP side: Twilio's Messages API, the control API, the ledger and the invoice."""
