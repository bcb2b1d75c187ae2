#!/usr/bin/env bash
# Guess: a spherical triangle of one octant does not contain the opposite point of the sphere; four points of the equator with the
# north pole inside bound a hemisphere of area 2 pi.
# Seen (spherical-geometry 1.4.0): contains_point answers True for the antipode of the octant's inner point (the arc between them is
# undefined, and no crossing is counted), and the hemisphere has area 0.
# So: cells here are located by signs of hinges, and a circle that carries no vertex has its own place in the complex.
"$(dirname "$0")/with" numpy==2.4.6 spherical-geometry==1.4.0 <<'PY'
import numpy as np
from spherical_geometry.polygon import SingleSphericalPolygon

x, y, z = np.eye(3)
inner = np.ones(3) / np.sqrt(3)
octant = SingleSphericalPolygon([x, y, z, x], inside=inner)
assert abs(octant.area() - np.pi / 2) < 1e-12 and octant.contains_point(inner)
assert not octant.contains_point(-z + 0.1 * x)
assert octant.contains_point(-inner)
hemisphere = SingleSphericalPolygon([x, y, -x, -y, x], inside=z)
assert hemisphere.area() == 0
print("spherical-geometry 1.4.0: the octant contains (1,1,1) and (-1,-1,-1); the hemisphere has area", hemisphere.area())
PY
