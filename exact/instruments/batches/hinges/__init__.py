"""Hinges as unit normals, on spheres and in cells: what the instruments of batches share."""
