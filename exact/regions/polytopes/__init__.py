"""Flat domains cut into convex polytopes, and the cells of a norm's ball."""
