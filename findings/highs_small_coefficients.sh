#!/usr/bin/env bash
# Guess: a linear program with one coefficient of 1e-9 is solved like one with 2e-9.
# Seen (scipy 1.17.1, method "highs"): coefficients of 1e-9 and less are dropped without a word. The answer is "optimal",
# status 0, and 10^6 times too large, for a bound that is not among the constraints asked for.
# So: rows are scaled before a float solver sees them, and its answer is only ever a proposal.
"$(dirname "$0")/with" numpy==2.4.6 scipy==1.17.1 <<'PY'
from scipy.optimize import linprog

def largest(coefficient):  # of x with coefficient * x <= 1 and 0 <= x <= 1e15
    found = linprog([-1], A_ub=[[coefficient]], b_ub=[1], bounds=[(0, 1e15)], method="highs")
    assert found.status == 0
    return found.x[0]

assert abs(largest(2e-9) / 5e8 - 1) < 1e-6
assert largest(1e-9) == 1e15      # 1e9 is right
assert largest(1e-10) == 1e15     # 1e10 is right
print("scipy 1.17.1: max x with 1e-9 x <= 1 and x <= 1e15 is said to be", largest(1e-9), "with status 0")
PY
