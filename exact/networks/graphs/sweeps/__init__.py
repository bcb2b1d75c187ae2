"""Graphs along a segment, a ray or a line: every value as a piecewise linear function."""
