"""Geometry that knows no network: combinatorics, polyhedra, arrangements, pencils, circles on
spheres, domains.
"""
