"""The spool: records on disk until Kafka acknowledges them, and the publisher and drainer around it."""
