"""Degenerate networks and bad input."""
