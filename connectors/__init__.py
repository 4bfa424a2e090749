"""Who is outside: one folder per system, its stand-in beside it."""
