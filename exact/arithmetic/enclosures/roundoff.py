"""The constants of every float64 error bound, on one page, with what they stand on.

Model. In round-to-nearest float64, `fl(x op y) = (x op y)(1 + d) + e` for +, -, *, / and the square
root, with |d| <= U = 2^-53 and |e| <= 2^-1075; e = 0 for + and -, and for every result of at least
2^-1022 in size. Overflow gives infinities and NaN: bounds are infinite or NaN then, and no
comparison with one of these is true, so that they prove nothing.

Sum of products. `s = x_1 y_1 + ... + x_n y_n`, in any order and with any fused operations, is
within `n U / (1 - n U) sum |x_i y_i| + n 2^-1074` (Higham 2002, section 3.1). Quotient and root:
`|fl - exact| <= U |fl| + 2^-1074` once the exact one is enclosed between neighbours of `fl`.
Subtraction of enclosed numbers adds their errors, and U times the size of the difference.

Bounds are rounded as well. A bound that is a nonnegative expression of k roundings is at least
`(1 - U)^k` of the exact one, so that `inflation(k) >= 1 / (1 - U)^k` times it is an upper bound:
1 / (1 - U)^k <= 1 + 2 k U wherever k <= 2^50.

Underflow. The 2^-1074 of n products are added as one number. `LEAST_NORMAL` covers 2^52 of them;
`LEAST` covers them after the sum is multiplied by anything below 2^22; `LEAST_ROOT` what they can
do under a square root, sqrt(2^74 2^-1074), and `LEAST_ROOT_SCALED` that times a factor of 2^100.
"""

from __future__ import annotations

U = 2.0**-53
"""The unit roundoff of float64."""

LEAST_NORMAL = 2.0**-1022
"""Above the underflow of a sum of 2^52 products; the least normal number too."""

LEAST = 2.0**-1000
"""Above the same times a factor of 2^22."""

LEAST_ROOT = 2.0**-500
"""Above the square root of the underflow of a sum of 2^74 products."""

LEAST_ROOT_SCALED = 2.0**-400
"""Above the same times a factor of 2^100."""


def inflation(roundings: int) -> float:
    """A power of two plus 1 that a nonnegative bound of so many roundings is multiplied by.

    With one rounding more, that of the product itself, it is at least 1 / (1 - U)^roundings.

    >>> [inflation(k) == 1 + 2.0**-e for k, e in ((16, 48), (128, 45), (4096, 40))]
    [True, True, True]
    """
    return 1.0 + 2.0 ** ((max(roundings, 2) - 1).bit_length() + 1) * U
