"""One layer of a language model on a text: codes, nearest boundaries, firing, bfloat16, and what is
crossed from token to token; a summary, and the tables of tokens, neurons and crossings behind it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from exact import (
    Network,
    NormBall,
    Sphere,
    codes_in_precision,
    expected_crossings,
    firing_shares,
    hamming,
    nearest_boundaries,
    neuron_status,
    partition_lines,
)
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.numbers import FloatArray
from exact.sources.residual_streams import ResidualStreams

Columns = Mapping[str, Any]
LISTED = 12  # neurons of a summary
_ROWS = 1 << 12  # of codes that are unpacked at a time
SUMMARY = frozenset(
    [
        "tokens",
        "width",
        "neurons",
        "distinct_codes",
        "on_share_float",
        "hamming_mean_float",
        "angle_median_degrees_float",
        "distance_median_float",
        "nearest_neurons",
        "never",
        "never_neurons",
        "always",
        "always_neurons",
        "never_anywhere",
        "always_anywhere",
        "dtype",
        "norm_computed_by",
        "wrong_bits_share_float",
        "wrong_codes_share_float",
        "wrong_margin_float",
        "geodesics",
        "crossings",
        "crossings_mean_float",
        "expected_mean_float",
        "decided_exactly",
        "seconds_float",
    ]
)
"""What a summary has; one that lacks some of it is of an older version."""


@dataclass(frozen=True)
class LayerTables:
    """What was found: numbers for people, and columns of equal length by the name of their
    table.
    """

    summary: Mapping[str, Any]
    tables: Mapping[str, Columns]


def measure(
    network: Network,
    vectors: FloatArray,
    streams: ResidualStreams,
    *,
    geodesics: int,
    dtype: str = "bfloat16",
    norm: nn.Module | None = None,
    device: str = "cpu",
) -> LayerTables:
    """Ask everything of the vectors in front of one MLP (N x d), in their order.

    `geodesics` is the most pairs of neighbouring tokens between which crossings are sought, spread
    evenly. `norm` is the model's own in front of the MLP, where it is at hand: what it makes of the
    vectors in `dtype` is what the model computes. Raises InvalidInput for the first row that has no
    code, Unsupported for one that leaves the range of `dtype`.
    """
    started = time.monotonic()
    low = codes_in_precision(network, vectors, dtype, norm=norm, device=device)
    codes = low.exact
    near = nearest_boundaries(network, vectors, device=device)
    fired = _fired(codes.packed, network.hinge_count)
    follows = _neighbours(streams)
    steps = np.full(len(codes), -1, dtype=np.int64)
    if len(follows):
        steps[follows] = hamming(codes[follows], codes[follows + 1])
    tokens = {
        "row": np.arange(len(codes)),
        "sequence": streams.sequences,
        "position": streams.positions,
        "token": streams.tokens,
        "code": np.array([row.tobytes() for row in codes.packed], dtype=object),
        "hamming_to_next": steps,
        "nearest_neuron": near.neurons[:, 0],
        "nearest_on": near.on[:, 0],
        "angle": near.angles_float[:, 0],
        "angle_bound": near.angles_bound[:, 0],
        "distance": near.distances_float[:, 0],
        "distance_bound": near.distances_bound[:, 0],
        "wrong_bits": np.bincount(low.rows, minlength=len(codes)),
    }
    uniform = firing_shares(network) if network.has_norm else np.full(len(fired), np.nan)
    named = np.array(network.hinges, dtype=np.int64).reshape(-1, 3)
    neurons = {
        "neuron": named[:, 1],
        "tokens_on": fired,
        "share": fired / len(codes),
        "uniform_share": uniform,
        "anywhere": _anywhere(network),
        "nearest_of": _counted(near.neurons[:, 0], network.hinge_count),
        "wrong_bits": _counted(low.neurons, network.hinge_count),
    }
    pairs, crossings, decided = _crossings(network, vectors, follows, geodesics, device)
    summary = {
        "tokens": len(codes),
        "width": network.input_dim,
        "neurons": network.hinge_count,
        "distinct_codes": distinct(codes.packed),
        "on_share_float": float(fired.sum()) / (len(codes) * network.hinge_count),
        "hamming_mean_float": _mean(steps[follows]),
        "angle_median_degrees_float": _median(np.degrees(tokens["angle"])),
        "distance_median_float": _median(tokens["distance"]),
        "nearest_neurons": _most(neurons["nearest_of"], neurons["neuron"]),
        "never": int((fired == 0).sum()),
        "never_neurons": neurons["neuron"][fired == 0][:LISTED].tolist(),
        "always": int((fired == len(codes)).sum()),
        "always_neurons": neurons["neuron"][fired == len(codes)][:LISTED].tolist(),
        "never_anywhere": int((neurons["anywhere"] == "never").sum()),
        "always_anywhere": int((neurons["anywhere"] == "always").sum()),
        "dtype": low.dtype,
        "norm_computed_by": low.norm,
        "wrong_bits_share_float": float(low.wrong_bit_shares_float[0]),
        "wrong_codes_share_float": float(low.wrong_code_shares_float[0]),
        "wrong_margin_float": float(low.largest_margins_float[0]),
        "geodesics": len(pairs["row"]),
        "crossings": len(crossings["row"]),
        "crossings_mean_float": _mean(pairs["crossings"]),
        "expected_mean_float": _mean(pairs["expected"]),
        "decided_exactly": {
            "codes": codes.decisions["exact"],
            "nearest boundaries": near.decisions["exact"],
            "crossings": decided,
        },
        "seconds_float": time.monotonic() - started,
    }
    tables = {"tokens": tokens, "neurons": neurons, "pairs": pairs, "crossings": crossings}
    return LayerTables(summary, {**tables, "wrong_bits": low.columns()})


def distinct(packed: np.ndarray) -> int:
    """How many different rows packed codes have."""
    if not packed.size:
        return min(len(packed), 1)
    whole = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1])))
    return len(np.unique(whole))


def _neighbours(streams: ResidualStreams) -> IndexArray:
    """The rows behind which the next token of the same text stands."""
    same = streams.sequences[1:] == streams.sequences[:-1]
    found: IndexArray = np.flatnonzero(same & (np.diff(streams.positions) == 1))
    return found


def _fired(packed: np.ndarray, count: int) -> IndexArray:
    total = np.zeros(count, dtype=np.int64)
    for begin in range(0, len(packed), _ROWS):
        total += np.unpackbits(packed[begin : begin + _ROWS], axis=1, count=count).sum(
            axis=0, dtype=np.int64
        )
    return total


def _anywhere(network: Network) -> np.ndarray[Any, np.dtype[np.object_]]:
    """The status of each neuron over all inputs, with proof; "unknown" without a norm, whose range
    is the only bound of a residual stream.
    """
    if not network.has_norm:
        return np.full(network.hinge_count, "unknown", dtype=object)
    domain = Sphere() if network.norms[0].eps == 0 else NormBall()
    names: np.ndarray[Any, np.dtype[np.object_]] = np.array(
        neuron_status(network, domain).names, dtype=object
    )
    return names


def _crossings(
    network: Network, vectors: FloatArray, follows: IndexArray, most: int, device: str
) -> tuple[dict[str, Any], dict[str, Any], int]:
    """The pairs, the crossings on the segments between them, and how many zeros needed exact
    arithmetic. A pair of equal vectors is passed over: nothing lies between them.
    """
    moves = follows[(vectors[follows] != vectors[follows + 1]).any(axis=1)]
    rows = moves[np.arange(min(most, len(moves))) * len(moves) // max(1, min(most, len(moves)))]
    lines = partition_lines(network, vectors[rows], vectors[rows + 1], device=device)
    counts = np.diff(lines.starts)
    owner = np.repeat(np.arange(len(rows)), counts)
    angles = _angles(network, vectors[rows], vectors[rows + 1])
    null = expected_crossings(network).crossings_float if network.has_norm else math.nan
    pairs = {
        "row": rows,
        "crossings": counts,
        "angle": angles,
        "expected": null * angles / (2 * math.pi),
    }
    hinges = lines.rows.astype(np.int64)
    crossings = {
        "row": rows[owner],
        "alpha": (lines.low + lines.high) / 2,
        "alpha_bound": (lines.high - lines.low) / 2 + 4 * U,
        "neuron": np.array(network.hinges, dtype=np.int64).reshape(-1, 3)[hinges, 1],
        "on": lines.turns_on,
    }
    return pairs, crossings, lines.decisions["exact"]


def _angles(network: Network, a: FloatArray, b: FloatArray) -> FloatArray:
    """The angle between the directions that the norm sees, without a bound; NaN without a norm."""
    if not network.has_norm or not len(a):
        return np.full(len(a), np.nan)
    u, v = (network.norms[0].project_float(x) for x in (a, b))
    u, v = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (u, v))
    found: FloatArray = 2 * np.arctan2(np.linalg.norm(u - v, axis=1), np.linalg.norm(u + v, axis=1))
    return found


def _counted(neurons: IndexArray, count: int) -> IndexArray:
    return np.bincount(neurons[neurons >= 0], minlength=count)


def _most(counts: IndexArray, neurons: IndexArray) -> list[tuple[int, int]]:
    """(neuron, of how many tokens it is the nearest), most first."""
    order = np.argsort(-counts, kind="stable")[:LISTED]
    return [(int(neurons[k]), int(counts[k])) for k in order if counts[k]]


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) and np.isfinite(values).all() else None


def _median(values: FloatArray) -> float | None:
    return float(np.median(values)) if np.isfinite(values).all() else None
