"""Words of the report that not every reader knows, each explained where it first stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Term(NamedTuple):
    """A word, the pattern by which it is found in a text, and what it means."""

    name: str
    pattern: str
    meaning: str


TERMS = (
    Term(
        "LayerNorm",
        r"LayerNorms?|\bLN\b",
        "takes the mean off a vector, divides it by its standard deviation (the root of "
        "variance + eps), multiplies by a gain and adds a bias: but for eps and these two "
        "it leaves the direction of the centred vector alone.",
    ),
    Term(
        "RMSNorm", r"RMSNorm", "LayerNorm without the mean: divides by the root of the mean square."
    ),
    Term(
        "eps",
        r"\beps\b",
        "the small number under the root of a norm that keeps it from dividing by zero; "
        "with eps = 0 a norm sees directions alone.",
    ),
    Term(
        "polytope",
        r"polytopes?|\bcells?\b|\bregions?\b",
        "a maximal set of inputs on which the network is one affine map, bounded by "
        "hyperplanes; behind a norm a cell, or arc, of the sphere.",
    ),
    Term(
        "arc",
        r"\barcs?\b",
        "a cell of the circle that a norm leaves of three inputs (or two, for RMSNorm).",
    ),
    Term(
        "spline code",
        r"spline codes?|\bcodes?\b",
        "one bit for each neuron and input: whether it is on. Inputs with one code have one"
        " affine map.",
    ),
    Term(
        "boundary",
        r"boundar(?:y|ies)|hinges?",
        "where a neuron turns on or off: between two cells.",
    ),
    Term("Hamming distance", r"Hamming", "the number of bits in which two codes differ."),
    Term(
        "residual stream",
        r"residual(?: stream|s)?\b",
        "the sum of all that the layers of a transformer have added so far, at one token; "
        "each MLP reads it through a norm and adds to it.",
    ),
    Term(
        "monosemantic",
        r"monosemantic|polysemantic",
        "of one meaning: here a direction whose code, or a cluster or neuron whose label, "
        "is the same throughout.",
    ),
    Term(
        "critical radius",
        r"critical radi(?:us|i)",
        "the length of the centred input beyond which no neuron flips any more along a "
        "direction: eps no longer matters.",
    ),
    Term(
        "geodesic",
        r"geodesics?",
        "the shortest way between two points of a sphere: a part of a great circle.",
    ),
    Term("untrained", r"untrained", "the same net, of the same seed, as it was before training."),
    Term(
        "95% interval",
        r"intervals?\b",
        "over the units named (nets, sequences): Student's t below ten of them, a bootstrap "
        "from there on, Wilson's of independent draws; docs/studies.md has its coverage.",
    ),
    Term("facet", r"facets?\b", "a shared side of two cells, of one dimension less."),
    Term(
        "purity", r"purit(?:y|ies)|\bpure\b", "the share of the most frequent label in a cluster."
    ),
    Term("SoLU", r"SoLU", "the activation z softmax(z)."),
    Term("GELU", r"GELU", "the smooth activation z Phi(z), close to ReLU far from 0."),
)


def first_used(texts: Iterable[str]) -> Iterator[list[Term]]:
    """For each text in turn the terms that stand in it and in none before.

    >>> [[term.name for term in new] for new in first_used(["An arc of GELU.", "LN, and an arc."])]
    [['arc', 'GELU'], ['LayerNorm']]
    """
    left = list(TERMS)
    for text in texts:
        new = [term for term in left if re.search(term.pattern, text)]
        left = [term for term in left if term not in new]
        yield new
