"""Where a network can be partitioned: boxes, polyhedra, lines, circles, spheres, balls."""
