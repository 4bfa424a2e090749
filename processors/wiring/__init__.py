"""Builds the parts of each role from the settings, and runs them."""
