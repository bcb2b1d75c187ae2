"""Spline codes at exact points: one by one, and in batches."""
