"""Floats with proved error bounds: how they are rounded, arrays of balls, their libraries."""
