"""Which affine maps on many codes are equal: residues modulo primes prove that maps differ, and
modulo enough of them that maps are equal.

A map M (outputs x k) is first fingerprinted by `u' M v` with fixed random vectors u and v: one
column is carried through the layers instead of k. Different maps have equal fingerprints modulo a
prime p, for random u and v, about once in p / 2 times (Schwartz 1980); equal ones prove nothing.
Then whole maps are compared: all entries of two maps have a common denominator D that is read off
the weights, and sizes of at most V, so that maps that agree modulo primes whose product is above
2 V D are equal (mathematics.md, "Equal maps").

Residues are carried as float64 numbers of at most half a prime below 2^23, products of which are
below 2^44 and sums of 256 of them below 2^53, so that matrix products are exact in any order
(Dumas, Giorgi, Pernet 2008).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import count, islice
from math import inf, lcm, log2
from random import Random

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.numbers import Rational, RationalArray, RationalMatrix
from exact.networks.evaluation.code_blocks import CodeBlock, Level, blocks, pieces_of, through
from exact.networks.graphs.steps import Sum
from exact.networks.layers import Layer
from exact.networks.network import Network

_TOP = 2**23
_BITS = 22.9  # of the primes: the thousand largest below 2^23 are above 2^22.9
_OF_FINGERPRINTS = 2
MOST_PRIMES = 64
"""Maps that would need more of them are compared as rationals."""
_AT_ONCE = 256  # products that are added up before they are reduced
Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class Residues:
    """The maps of a network without norms modulo primes, over the functions in which `state`
    (inputs x k) are its inputs and `one` (k) is the constant 1; codes come in blocks of at most
    `most`.
    """

    def __init__(
        self, network: Network, state: RationalArray, one: Sequence[Rational], most: int
    ) -> None:
        self._network, self._state, self._one, self._most = network, state, tuple(one), most

    def fingerprints(self, codes: ByteArray) -> IndexArray:
        """A number for every packed code (R x bytes), the same where maps are equal. Cost: a
        product of one column a prime.
        """
        found = np.zeros(len(codes), np.int64)
        fields = tuple(islice(self._fields(mixed=True), _OF_FINGERPRINTS))
        for rows, block in blocks(codes, self._network.bits_per_layer, self._most):
            for field in fields:
                found[rows] = found[rows] * _TOP + field.fingerprints(block)
        return found

    def refined(self, codes: ByteArray, labels: IndexArray) -> IndexArray | None:
        """Numbers for packed codes that are equal iff the labels are and the maps; None where that
        would take too many primes. Cost: a product of k columns a prime.
        """
        if self.primes_needed > MOST_PRIMES:
            return None
        for field in islice(self._fields(mixed=False), int(self.primes_needed)):
            found = [
                field.maps(block)
                for _, block in blocks(codes, self._network.bits_per_layer, self._most)
            ]
            labels = _split(labels, np.concatenate(found))
        return labels

    @cached_property
    def primes_needed(self) -> float:
        """How many primes have a product above the numerator of every difference of two maps;
        infinite where floats do not hold the sizes.
        """
        steps = [does for does, *_ in self._network.steps]
        given = RationalMatrix.from_backend(self._state), _column(self._one)
        denominator = sum(_denominator_bits(values) for values in given)
        size, one = (_size_bits(np.abs(values.float64()).ravel().tolist()) for values in given)
        for does in steps:
            if isinstance(does, Sum):
                size += len(steps).bit_length()
                continue
            straight = does if does.bits else does.as_affine
            slopes, raised = (_column(x) for x in zip(*straight.activation.pieces, strict=True))
            parts = straight.weight, straight.bias, slopes, raised
            denominator += sum(_denominator_bits(values) for values in parts)
            weight, bias, slope, high = (_norm_bits(values) for values in parts)
            size = max(weight + size, bias + one) + 1
            size = max(slope + size, high + one, size) + 1
        bits = denominator + size + 8  # with room for the rounding of logarithms
        return int(max(bits, 0.0) / _BITS) + 1 if bits < inf else inf

    def _fields(self, mixed: bool) -> Iterator[_Field]:
        for prime in primes():
            try:
                yield _Field(prime, self._network, self._state, self._one, mixed)
            except ZeroDivisionError:  # of a denominator: another prime serves as well
                continue


class _Field:
    """Arithmetic modulo a prime on numbers of at most half its size, and a network in it; `mixed`
    carries one random combination of the k functions.

    Raises ZeroDivisionError where the prime divides a denominator.
    """

    def __init__(
        self,
        prime: int,
        network: Network,
        state: RationalArray,
        one: Sequence[Rational],
        mixed: bool,
    ) -> None:
        self._prime, self._network, chosen = prime, network, Random(prime)
        start, unit = self._read(state), self._of(one)[None]
        if mixed:
            v = self._of([Rational(chosen.randrange(prime)) for _ in one])
            start, unit = (self._product(x, v[:, None]) for x in (start, unit))
        u = self._of([Rational(chosen.randrange(prime)) for _ in range(network.output_dim)])
        self._outputs = u[None]
        self._start, self._one = start[:, None, :], unit[0]
        self._layers = lru_cache(maxsize=None)(self._read_layer)
        for does, *_ in network.steps:
            if isinstance(does, Layer):
                self._layers(does)

    def fingerprints(self, block: CodeBlock) -> IndexArray:
        """The residues of `u' M v` on the rows of a block."""
        return self._whole(self._product(self._outputs, self._through(block)[:, :, 0])[0])

    def maps(self, block: CodeBlock) -> IndexArray:
        """The residues of the maps (B x outputs k)."""
        found = self._whole(self._through(block)).transpose(1, 0, 2)
        return found.reshape(len(block.rows), -1)

    def _through(self, block: CodeBlock) -> Numbers:
        return through(
            self._network.steps, self._start, block, self._moved, self._bent, _taken, self._added
        )

    def _whole(self, x: Numbers) -> IndexArray:
        numbers: IndexArray = x.astype(np.int64) % self._prime
        return numbers

    # ---- weights

    def _read_layer(self, layer: Layer) -> tuple[Numbers, Numbers, Numbers]:
        """Weight, bias times the constant 1, and the pieces (2 x pieces)."""
        straight = layer if layer.bits else layer.as_affine
        weight, bias = (self._read_matrix(x) for x in (straight.weight, straight.bias))
        raised = self._reduced(bias * self._one)[:, None, :]
        pieces = [self._of(x) for x in zip(*straight.activation.pieces, strict=True)]
        return weight, raised, np.stack(pieces)

    def _read_matrix(self, values: RationalMatrix) -> Numbers:
        if not values.is_float:
            return self._read(values.exact)
        whole, exponents = _mantissas(values.float64())
        shifts, back = np.unique(exponents, return_inverse=True)
        powers = np.array([pow(2, int(shift), self._prime) for shift in shifts], np.int64)
        return self._centred(whole % self._prime * powers[back].reshape(whole.shape) % self._prime)

    def _read(self, values: RationalArray) -> Numbers:
        return self._of(values.entries()).reshape(values.nrows(), values.ncols())

    def _of(self, values: Sequence[Rational]) -> Numbers:
        p = self._prime
        found = [int(x.p) * _inverse(int(x.q), p) % p for x in values]
        return self._centred(np.array(found, np.int64))

    def _centred(self, x: IndexArray) -> Numbers:
        """Residues as numbers of at most half the size of the prime."""
        return np.where(2 * x > self._prime, x - self._prime, x).astype(np.float64)

    # ---- arithmetic

    def _reduced(self, x: Numbers) -> Numbers:
        """The same modulo the prime: whole numbers below 2^53 in size as ones of about half its
        size.
        """
        found: Numbers = x - np.floor(x * (1.0 / self._prime) + 0.5) * self._prime
        return found

    def _product(self, a: Numbers, b: Numbers) -> Numbers:
        """A product of matrices."""
        total = self._reduced(a[:, :_AT_ONCE] @ b[:_AT_ONCE])
        for start in range(_AT_ONCE, a.shape[1], _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            total = self._reduced(total + a[:, part] @ b[part])
        return total

    def _moved(self, layer: Layer, x: Numbers) -> Numbers:
        """Columns (n x G x k) through the affine part of a layer."""
        (weight, raised, _), (n, groups, k) = self._layers(layer), x.shape
        z = self._product(weight, x.reshape(n, groups * k)).reshape(len(weight), groups, k)
        return self._reduced(z + raised)

    def _bent(self, layer: Layer, z: Numbers, level: Level) -> Numbers:
        """Columns through its activation, for the groups of the next level."""
        slopes, intercepts = self._layers(layer)[2]
        pieces = pieces_of(layer, level.bits).T
        a: Numbers = z[:, level.parents] * slopes[pieces][:, :, None]
        if not np.isin(slopes, (-1.0, 0.0, 1.0)).all() or intercepts.any():
            raised = intercepts[pieces][:, :, None] * self._one
            a = self._reduced(self._reduced(a) + raised)
        return a

    def _added(self, x: Numbers, y: Numbers) -> Numbers:
        return self._reduced(x + y)


@lru_cache(maxsize=1)
def _first_primes() -> tuple[int, ...]:
    small = [n for n in range(3, 2897, 2) if all(n % k for k in range(3, int(n**0.5) + 1, 2))]
    odd = count(_TOP - 1, -2)
    return tuple(islice((n for n in odd if all(n % k for k in small)), 2 * MOST_PRIMES))


def primes() -> Iterator[int]:
    """The largest primes below 2^23, twice as many as are ever used.

    >>> from itertools import islice
    >>> list(islice(primes(), 3))
    [8388593, 8388587, 8388581]
    """
    return iter(_first_primes())


def _split(labels: IndexArray, residues: IndexArray) -> IndexArray:
    """Numbers that are equal iff the labels are and the rows of residues (R x n)."""
    _, first, back = np.unique(labels, return_index=True, return_inverse=True)
    if bool((residues == residues[first[back.reshape(-1)]]).all()):
        return labels
    rows = np.concatenate([labels[:, None], residues], axis=1)
    found: IndexArray = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    return found


def _mantissas(values: Numbers) -> tuple[IndexArray, IndexArray]:
    """Floats as whole numbers times powers of two: `whole 2^exponent`."""
    mantissas, exponents = np.frexp(values)
    return np.ldexp(mantissas, 53).astype(np.int64), exponents.astype(np.int64) - 53


def _denominator_bits(values: RationalMatrix) -> float:
    """An upper bound on the binary logarithm of a common denominator."""
    if not values.is_float:
        return float(lcm(*(int(x.q) for x in values.exact.entries())).bit_length())
    whole, exponents = _mantissas(values.float64())
    lowest = np.log2(
        (whole & -whole).astype(np.float64), where=whole != 0, out=np.zeros(whole.shape)
    )
    return float(np.max(-(exponents + lowest), where=whole != 0, initial=0.0))


def _norm_bits(values: RationalMatrix) -> float:
    """An upper bound on the binary logarithm of the sums of the sizes of the entries of a row."""
    return _size_bits(np.abs(values.float64()).sum(axis=1).tolist())


def _size_bits(values: Sequence[float]) -> float:
    largest = max(values, default=0.0)
    return log2(largest) + 0.01 if 0.0 < largest < inf else (inf if largest else -inf)


def _column(values: Sequence[Rational]) -> RationalMatrix:
    return RationalMatrix.from_rationals(list(values))


def _inverse(x: int, prime: int) -> int:
    """The inverse modulo a prime; ZeroDivisionError for its multiples."""
    if x % prime == 0:
        raise ZeroDivisionError
    return pow(x, -1, prime)


def _taken(x: Numbers, index: IndexArray) -> Numbers:
    return x[:, index]
