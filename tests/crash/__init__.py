"""The whole system is killed at named steps while the simulator loses answers; the simulator's ledger is the judge."""
