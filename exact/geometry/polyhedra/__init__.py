"""Halfspaces and what they bound: feasibility with proof, vertices, volumes, distances."""
