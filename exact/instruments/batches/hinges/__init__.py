"""Hinges as unit normals, on spheres, in cells and as surfaces: what the instruments of batches share."""
