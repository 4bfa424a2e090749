"""Inbound texts: what a person's text means, and whether it gets an automatic reply."""
