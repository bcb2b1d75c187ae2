#!/usr/bin/env bash
# Guess: every operation of an interval library encloses the exact result.
# Seen (intvalpy 2.0.3): interval by interval does; an interval divided by the number 3, and a square written `x ** 2`, do not: 1/3 is
# not in Interval(1, 1) / 3, and of 1,000 random squares some miss the exact value.
# So: every bound here is proved for the operation that is written, numbers and powers included.
"$(dirname "$0")/with" numpy==2.4.6 mpmath==1.3.0 intvalpy==2.0.3 <<'PY'
import random
from fractions import Fraction

from intvalpy import Interval

def encloses(interval, exact):
    return Fraction(float(interval.a)) <= exact <= Fraction(float(interval.b))

random.seed(0)
numbers = [random.random() for _ in range(1000)]
assert encloses(Interval(1, 1) / Interval(3, 3), Fraction(1, 3))
assert not encloses(Interval(1, 1) / 3, Fraction(1, 3))
products = sum(not encloses(Interval(x, x) * Interval(x, x), Fraction(x) ** 2) for x in numbers)
powers = sum(not encloses(Interval(x, x) ** 2, Fraction(x) ** 2) for x in numbers)
assert products == 0 and powers > 0
print("intvalpy 2.0.3: 1/3 is not in Interval(1, 1) / 3;", powers, "of 1,000 squares are not in Interval(x, x) ** 2")
PY
