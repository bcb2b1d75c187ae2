#!/usr/bin/env bash
# Guess: the vertices of a square do not change when one of its four inequalities is multiplied by 1e-9.
# Seen (pycddlib-standalone 3.0.0, floats): the inequality is lost; the square comes back as an unbounded strip, with a
# ray, and no error. A corner cut off at a distance of 1e-7 is lost as well; at 1e-6 it is there.
# So: hyperplanes are coprime integers here, which no positive factor changes.
"$(dirname "$0")/with" numpy==2.4.6 pycddlib-standalone==3.0.0 <<'PY'
import cdd

def generators(rows):  # rows (b, -A) of A x <= b; a generator starts with 1 for a vertex, with 0 for a ray
    system = cdd.matrix_from_array(rows, rep_type=cdd.RepType.INEQUALITY)
    return sorted(cdd.copy_generators(cdd.polyhedron_from_matrix(system)).array)

def square(factor):
    return generators([[factor, -factor, 0], [1, 0, -1], [0, 1, 0], [0, 0, 1]])

def cut_triangle(depth):
    return generators([[0, 1, 0], [0, 0, 1], [1, -1, -1], [-depth, 1, 1]])

assert [row[0] for row in square(1.0)] == [1, 1, 1, 1]
assert square(1e-9) == [[0, 1, 0], [1, 0, 0], [1, 0, 1]]
assert len(cut_triangle(1e-6)) == 4 and len(cut_triangle(1e-7)) == 3
print("pycddlib-standalone 3.0.0: the unit square with one row times 1e-9 has the generators", square(1e-9))
PY
