"""Claim 0.10: attention layers need no polytopes, as they are essentially linear and bilinear.

Two parts. Behind a norm at eps = 0 queries, keys and values do not depend on the length of the
stream: a theorem, checked on exact norms. So a direction means one thing to attention as well. But
that is no linearity: the pattern is a softmax. The query's stream moves straight from its own
vector to that of another sequence at the same position, all keys and other values held still. How
far does the pattern depart from the straight way between its ends, at most, over the distance of
the ends? An affine pattern departs by 0. Moving the normed query straight leaves the norm's bend
out, so that what is left is the softmax's. Beside it, the error of the output when the pattern is
frozen at the start: what an exact treatment of MLPs with frozen attention leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from exact import LayerNorm, Norm
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.instruments.norm_geometry import image
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.one_hidden_layer import over_places
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.solu_models import Norm as FloatNorm
from studies.questions.shared.solu_models import SoLUModel, held_out, trained, untrained
from studies.rules import Claim, below, theorem
from studies.statistics import SEQUENCES, Degenerate, Estimate
from studies.subjects import Subjects

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.10"
STRAIGHT, STEPS, POSITIONS, VECTORS = 0.1, 32, (15, 31, 47, 63), 6
FACTORS = (Fraction(1, 100), Fraction(3), Fraction(1000))
SCALE = Claim(
    CLAIM,
    "Behind a norm, its eps set aside, queries, keys and values depend on the direction of the "
    "stream alone.",
    Kind.THEOREM,
    theorem("the normed vector is exactly the same at every length"),
)
POSITIVE = (0.0, np.inf)
LINEAR = Claim(
    CLAIM,
    "Attention is essentially linear: along a straight way of the query its pattern goes nearly "
    "straight.",
    Kind.ESTIMATE,
    below(
        STRAIGHT,
        "the median over queries of (largest departure of the pattern from the straight way / "
        "distance of its ends)",
        range=POSITIVE,
        unit=SEQUENCES,
        least=10,
    ),
    measures="departure",
)
STREAM, NORMED = "the stream moves", "the normed query moves"


def ask(subjects: Subjects) -> Answer:
    """Scale invariance, exactly, and how the pattern bends."""
    tokens, rng = held_out(subjects), np.random.default_rng(subjects.seed)
    findings: list[Finding] = []
    for name, model in (("trained", trained(subjects)), ("untrained", untrained(subjects))):
        attention = Attention.of(model, tokens)
        subject = f"one layer of attention, {name}"
        findings.append(SCALE.guarded(subject, partial(scale_finding, subject, attention)))
        for what in (STREAM, NORMED):
            full = f"{subject}: {what}"
            findings.append(
                LINEAR.guarded(full, partial(linear_finding, full, attention, what, rng))
            )
    return Answer(tuple(findings), _figures(findings))


# ---- one layer of attention


@dataclass(frozen=True, eq=False)
class Attention:
    """The first attention layer of a model and the stream in front of it (sequences x positions x
    d_model), float64. `weight` (d_model x 3 d_model) makes queries, keys and values, `out` what the
    heads write.
    """

    stream: Tensor
    norm: FloatNorm
    weight: Tensor
    bias: Tensor
    out: Tensor
    heads: int

    @classmethod
    def of(cls, model: SoLUModel, tokens: Tensor) -> Attention:
        """From the weights: the stream in front of the first layer is the embedding."""
        body = model.model.transformer
        block = body.h[0]
        places = body.wpe.weight[: tokens.shape[1]]
        stream = (body.wte.weight[tokens] + places).detach().double()
        weight, bias, out = (
            x.detach().double()
            for x in (block.attn.c_attn.weight, block.attn.c_attn.bias, block.attn.c_proj.weight)
        )
        return cls(stream, FloatNorm.of(block.ln_1), weight, bias, out, block.attn.num_heads)

    def parts(self, normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of normed rows (..., heads, d_head)."""
        found = (normed @ self.weight + self.bias).split(normed.shape[-1], -1)
        shape = (*normed.shape[:-1], self.heads, normed.shape[-1] // self.heads)
        first, second, third = (one.reshape(shape) for one in found)
        return first, second, third

    def pattern(self, queries: Tensor, keys: Tensor) -> Tensor:
        """The softmax (..., heads, keys) of queries (..., heads, d_head) on keys (keys, heads,
        d_head).
        """
        scores = torch.einsum("...hd,khd->...hk", queries, keys) / queries.shape[-1] ** 0.5
        return torch.softmax(scores, -1)

    def write(self, pattern: Tensor, values: Tensor) -> Tensor:
        """What is written for patterns (..., heads, keys) on values (..., keys, heads, d_head)."""
        mixed = torch.einsum("...hk,...khd->...hd", pattern, values)
        return mixed.flatten(-2) @ self.out


@dataclass(frozen=True)
class Bend:
    """Of one query: how far its pattern departs from the straight way over the distance of the
    ends, and the error of the output with the pattern frozen, over the output's change.
    """

    departure: float
    frozen: float


def bend(attention: Attention, sequence: int, position: int, what: str) -> Bend | None:
    """Of the query at a position, on its way to that of the next sequence; None where the pattern
    stays.
    """
    here = attention.stream[sequence]
    there = attention.stream[(sequence + 1) % len(attention.stream), position]
    context, norm = here[:position], attention.norm
    along = torch.linspace(0, 1, STEPS + 1, dtype=here.dtype)[:, None]
    if what == STREAM:
        moved = norm(here[position] + along * (there - here[position]))
    else:
        start, end = norm(torch.stack([here[position], there]))
        moved = start + along * (end - start)
    queries, own_keys, own_values = attention.parts(moved)
    _, keys, values = attention.parts(norm(context))
    patterns = _with_own(attention, queries, keys, own_keys[:1])
    gap = float((patterns[-1] - patterns[0]).norm())
    if gap < 1e-12:
        return None
    straight = patterns[0] + along[:, :, None] * (patterns[-1] - patterns[0])
    departure = float((patterns - straight).flatten(1).norm(dim=1).max()) / gap
    outputs = [
        attention.write(pattern, torch.cat([values, own[None]]))
        for pattern, own in (
            (patterns[0], own_values[0]),
            (patterns[-1], own_values[-1]),
            (patterns[0], own_values[-1]),
        )
    ]
    change = float((outputs[1] - outputs[0]).norm())
    frozen = float((outputs[2] - outputs[1]).norm())
    return Bend(departure, frozen / change if change else 0.0)


def _with_own(attention: Attention, queries: Tensor, keys: Tensor, own: Tensor) -> Tensor:
    """Patterns on the context and the query's own key, as it is at the start: keys are held
    still.
    """
    return attention.pattern(queries, torch.cat([keys, own]))


def bends(attention: Attention, what: str) -> tuple[list[Bend], IndexArray]:
    """Of some positions of every sequence, and the sequence of each. Degenerate where no pattern
    moves.
    """
    found, places = list[Bend](), list[int]()
    for sequence in range(len(attention.stream)):
        for position in POSITIONS:
            one = bend(attention, sequence, position, what)
            if one is not None:
                found.append(one)
                places.append(sequence)
    if not found:
        raise Degenerate("no pattern moves", value=0, remedy="take another model")
    return found, np.array(places)


# ---- findings


def same_at_every_length(norm: Norm, vector: Sequence[float]) -> bool:
    """Whether the norm of t x is that of x, exactly: both are bias + b sqrt(d), so that signs and
    b^2 d are compared.
    """
    rows = [[Fraction(x) * t for x in vector] for t in (Fraction(1), *FACTORS)]
    found = [
        [(one.a, (one.b > 0) - (one.b < 0), one.b**2 * one.d) for one in image(norm, row)]
        for row in rows
    ]
    return all(other == found[0] for other in found[1:])


def scale_finding(subject: str, attention: Attention) -> Finding:
    """The theorem at some vectors of the stream."""
    gain, shift = attention.norm.gain.numpy(), attention.norm.shift.numpy()
    norm = LayerNorm.of(eps=0, gain=gain, bias=shift)
    rows = attention.stream[:VECTORS, -1].tolist()
    wrong = sum(not same_at_every_length(norm, row) for row in rows)
    value = f"{len(rows) - wrong} of {len(rows)} vectors the same at {len(FACTORS)} other lengths"
    data: dict[str, JSON] = {"vectors": len(rows), "violations": wrong}
    return SCALE.finding(subject, Estimate.exactly(wrong), value=value, data=data)


def linear_finding(
    subject: str, attention: Attention, what: str, rng: np.random.Generator
) -> Finding:
    """How far patterns depart, by sequence."""
    found, places = bends(attention, what)
    departures = np.array([one.departure for one in found])
    frozen = np.array([one.frozen for one in found])
    return departure_finding(subject, departures, frozen, places, rng)


def departure_finding(
    subject: str,
    departures: FloatArray,
    frozen: FloatArray,
    places: IndexArray,
    rng: np.random.Generator,
) -> Finding:
    """The median departure over sequences."""
    estimate = over_places(departures, places, SEQUENCES, rng, range=POSITIVE)
    error = float(np.median(frozen))
    data: dict[str, JSON] = {
        **estimate.data("departure"),
        "frozen_error_float": error,
        "queries": len(departures),
    }
    value = f"{estimate}; a frozen pattern leaves {error:.2g} of the output's change out"
    return LINEAR.finding(subject, estimate, value=value, data=data)


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = [
        Row(f.subject, *(number(f.data[f"departure{end}_float"]) for end in ("", "_low", "_high")))
        for f in findings
        if f.data.get("departure_low_float") is not None
    ]
    caption = (
        "How far the attention pattern departs from the straight way between its ends, over their "
        "distance, when the query moves straight from one vector to another. 0 is linear; left of "
        "the line the claim holds."
    )
    return (Figure("bent-patterns", caption, partial(_draw, rows)),) if rows else ()


def _draw(rows: Sequence[Row]) -> Canvas:
    title, axis = "Is attention linear in the query?", "largest departure / distance of the ends"
    return forest(rows, title, "medians over queries, 95% intervals", axis, mark=STRAIGHT)


QUESTION = Question(
    CLAIM,
    "Are attention layers linear but for a sprinkling of softmax?",
    ask,
    (SCALE, LINEAR),
    groups=(),
    fits=lambda _: False,
    needs="a language model whose attention can be read, which this question trains for itself",
    text=texts.MONOSEMANTIC,
    asked="A footnote leaves attention layers out: they are said to be monosemantic, as "
    "essentially linear and bilinear operations with some softmax.",
    controls="None but the margin.",
    beside="The model before training, and the normed query in the place of the stream.",
)
