"""Crash tests: the whole system is killed at named steps, and the simulator's ledger shows what really happened."""
