"""Where a network can be partitioned: boxes, polyhedra, lines, circles, spheres, balls. A domain is
one class in `flat`, `straight` or `round`, which states its own option of the command line.
"""
