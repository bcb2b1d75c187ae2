#!/usr/bin/env bash
# Guess: arb.contains(q) says whether the rational q lies in the ball, as FLINT's own arb_contains_fmpq does.
# Seen (python-flint 0.9.0): q is made a ball of the working precision first, and the question is whether that ball lies in the
# other. A ball around 1/10 that holds 1/10 is said not to contain it, at every precision; the bounds of the ball prove that it does.
# So: a rational is compared with the exact ends of a ball here.
"$(dirname "$0")/with" python-flint==0.9.0 <<'PY'
from flint import arb, ctx, fmpq

def exactly(point):
    mantissa, exponent = (int(x) for x in point.man_exp())
    return fmpq(mantissa) * fmpq(2) ** exponent

tenth = fmpq(1, 10)
for bits in (20, 53, 200):
    ctx.prec = bits
    ball = arb("0.1")
    assert exactly(ball.lower()) < tenth < exactly(ball.upper())
    assert not ball.contains(tenth)
print("python-flint 0.9.0: arb('0.1').contains(fmpq(1, 10)) is False at 20, 53 and 200 bits")
PY
