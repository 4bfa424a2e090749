"""The sender stage's decisions: which attempt goes next, how fast, and whether it may be made at all."""
