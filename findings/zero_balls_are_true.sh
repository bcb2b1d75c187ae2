#!/usr/bin/env bash
# Guess: the zero of a ball or interval type is false, like every other zero of the same library.
# Seen (python-flint 0.9.0, mpmath 1.3.0): arb(0), acb(0) and iv.mpf(0), which hold zero and nothing else, are true, while fmpz(0),
# fmpq(0) and mpf(0) are false. `if x:` and `any(...)` read a zero as "not zero", and no error is raised.
# So: signs of balls are asked for by name here (is_zero, contains(0), > 0), never by their truth value.
"$(dirname "$0")/with" python-flint==0.9.0 mpmath==1.3.0 <<'PY'
from flint import acb, arb, fmpq, fmpz
from mpmath import iv, mpf

assert not fmpz(0) and not fmpq(0) and not mpf(0)
assert arb(0).is_zero() and bool(arb(0)) and bool(acb(0))
assert iv.mpf(0) == 0 and bool(iv.mpf(0))
print("python-flint 0.9.0: bool(arb(0)) is", bool(arb(0)), "- mpmath 1.3.0: bool(iv.mpf(0)) is", bool(iv.mpf(0)))
PY
