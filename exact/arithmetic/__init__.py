"""Exact numbers and enclosures of them: rationals, surds, towers of roots, balls of floats; nothing
here knows geometry.
"""
