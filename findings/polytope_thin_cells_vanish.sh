#!/usr/bin/env bash
# Guess: a polytope with an interior keeps it, whatever its units: to scale all coordinates changes no answer but sizes.
# Seen (polytope 0.2.5, numpy 2.4.6, scipy 1.17.1): a Chebyshev radius below the absolute 1e-7 counts as no interior. The unit square scaled by 1e-7 has no
# volume and no vertices (None), and the square without all but a strip of 1e-8 is an empty Polytope, without a word. Volumes are drawn
# from numpy's global generator: two calls on the unit simplex differ by some per cent, which the docstring says.
# So: cells of trained networks can be thinner than that; here emptiness is decided in rationals, and a volume is exact.
"$(dirname "$0")/with" numpy==2.4.6 scipy==1.17.1 polytope==0.2.5 <<'PY'
import numpy as np
import polytope

square = np.vstack([np.eye(2), -np.eye(2)]), np.array([1.0, 1.0, 0.0, 0.0])
whole = polytope.Polytope(*square)
small = polytope.Polytope(square[0], 1e-7 * square[1])
assert whole.volume == 1.0 and len(polytope.extreme(whole)) == 4
assert small.volume == 0.0 and polytope.extreme(small) is None and not polytope.is_fulldim(small)
rest = whole.diff(polytope.Polytope(np.array([[1.0, 0.0]]), np.array([1 - 1e-8])))
assert rest.A.size == 0 and not polytope.is_fulldim(rest)
simplex = np.vstack([-np.eye(3), np.ones((1, 3))]), np.array([0.0, 0.0, 0.0, 1.0])
volumes = {polytope.Polytope(*simplex).volume for _ in range(5)}
assert len(volumes) > 1 and all(abs(6 * volume - 1) < 0.2 for volume in volumes)
print("a square of side 1e-7 has volume", small.volume, "and vertices", polytope.extreme(small), "; the simplex has volumes", sorted(volumes))
PY
