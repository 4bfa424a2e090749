"""A real Apache Kafka broker for one machine: its jars, its Java runtime, its files and its process."""
