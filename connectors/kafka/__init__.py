"""Kafka: producer, reader, compacted reference, topic administration, and a real broker for one machine."""
