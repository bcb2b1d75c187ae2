"""Loops over irregular structure, compiled by numba: floats that propose or are certified, never
exact arithmetic.

No kernel calls one of another file: what numba keeps on disk is renewed when the file itself
changes, and not when a file that it calls does. So the few lines that several need (Gauss-Jordan
elimination) stand in each of them.
"""
