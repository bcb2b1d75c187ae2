"""Graphs of structured operators, and polygons and intervals in which they are affine."""
