"""The whole system is killed at named steps while Twilio's twin loses answers; the twin's ledger is the judge."""
