"""Floats with proved error bounds: how they are rounded, and arrays of balls."""
