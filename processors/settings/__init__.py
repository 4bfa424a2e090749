"""Settings from the environment and a TOML file, and the logging they configure."""
