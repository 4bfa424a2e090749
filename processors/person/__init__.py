"""The person stage: everything about one person is decided in one partition."""
