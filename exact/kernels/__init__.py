"""Loops over irregular structure, compiled by numba: floats that propose or are certified, never
exact arithmetic.

No kernel calls one of another file: what numba keeps on disk is renewed when the file itself
changes, and not when a file that it calls does. So the few lines that several need (Gauss-Jordan
elimination) stand in each of them.

What only other kernels of its file call is a `part`: without the functions that let Python and C
call it, which are never used and take half of the time that compiling does, and without an entry
of its own on disk, since what calls it is kept there whole. A part cannot be called from Python.
"""
