"""Kafka: producer, consumer, topic reader, compacted topic, topic administration, and a real broker for one machine."""
