"""Replay: reading failed records from Kafka, the plan file, and publishing what the plan selects."""
