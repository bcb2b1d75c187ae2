"""Directions of a pencil (alpha : beta), where functions on a curve vanish, and in which order."""
