"""Loops over irregular structure, compiled by numba: floats that propose or are certified, never
exact arithmetic.
"""
