"""What is said: records, topics and their wire format. Imports nothing of ours and touches no network."""
