"""Spheres cut into cells and codes."""
