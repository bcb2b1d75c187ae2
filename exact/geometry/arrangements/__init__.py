"""Hyperplanes in R^d: arrangements without repetition, and their cells."""
