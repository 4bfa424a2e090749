"""The person stage's decisions: intake, rules, consent, and the life of each message."""
