"""One-machine mode: every role as a supervised process on this machine, with its data directory."""
