"""The demo: real texts through the whole system, and a report that compares the result with the simulator's ledger."""
