"""Curves cut into arcs and intervals."""
