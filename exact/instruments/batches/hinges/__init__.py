"""Hinges as unit normals, on spheres, in cells and as surfaces: what instruments share."""
