"""What methods see: float64 forward passes of many points at once, and points of domains to send
through. Approximate, and only ever compared with exact results.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy.special import ellipe

from exact import (
    Box,
    Domain,
    Ellipse,
    GreatCircle,
    Layer,
    Network,
    Norm,
    ReLU,
    Segment,
    Sphere,
    Unsupported,
)
from exact.arithmetic.numbers import FloatArray, nearest_float
from exact.geometry.combinatorics.codes import code_keys
from exact.networks.activations import Identity
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.steps import Sum, walk

FAR = 2.0**40
"""The length of inputs that stand for directions: behind a norm eps is nothing beside it."""


def codes_float(network: Network, x: FloatArray) -> np.ndarray:
    """The spline codes of points (batch, n) by a float64 forward pass: bool (batch, hinges).

    A hinge is on where its pre-activation exceeds its breakpoint; near a boundary rounding may say
    otherwise.
    """
    rows = np.atleast_2d(np.asarray(x, dtype=np.float64))
    bits = [
        (
            z[:, :, None] > np.array([nearest_float(t) for t in layer.activation.breakpoints])
        ).reshape(len(rows), -1)
        for layer, z in zip(network.hidden_layers, network.hidden_float(rows), strict=True)
    ]
    return np.concatenate(bits, axis=1) if bits else np.zeros((len(rows), 0), dtype=bool)


def units_float(network: Network, x: FloatArray) -> np.ndarray:
    """What every neuron and window does at points (batch, n), by a float64 forward pass (batch,
    units): the number of bends below a pre-activation; the number of the largest candidate of a
    maximum, 0 for none where it is zero.
    """
    rows = np.atleast_2d(np.asarray(x, dtype=np.float64))
    found = [np.zeros((len(rows), 0), dtype=np.int16)]

    def apply(does: Any, *values: FloatArray) -> FloatArray:
        if isinstance(does, Maximum):
            read = np.where(does.windows >= 0, values[0][:, does.windows], -np.inf)
            winner = np.where(read.max(axis=2) == 0, 0, read.argmax(axis=2) + 1)
            found.append(winner.astype(np.int16))
            return does.forward_float(values[0])
        if not isinstance(does, Layer):
            return np.asarray(does.forward_float(*values))
        z = np.asarray(does.operator.apply_float(values[0]) + does.bias.float64().T)
        if does.bits:
            bends = np.array([nearest_float(t) for t in does.activation.breakpoints])
            found.append((z[:, :, None] > bends).sum(axis=2).astype(np.int16))
        return does.activation.forward_float(z)

    walk(network.steps_to_last_hinge, rows, apply)
    return np.concatenate(found, axis=1)


def occurrences(codes: np.ndarray) -> Counter[bytes]:
    """How often each different row of a bool array occurs; keys are the packed rows."""
    packed = np.packbits(codes, axis=1)
    keys, counts = np.unique(code_keys(packed), return_counts=True)
    width = packed.shape[1]
    names = (bytes(key).ljust(width, b"\0") for key in keys)  # numpy leaves out zeros at the end
    return Counter(dict(zip(names, counts.tolist(), strict=True)))


def unpacked(codes: Counter[bytes], hinges: int) -> np.ndarray:
    """The different codes as rows of bools."""
    packed = np.array([list(code) for code in codes], dtype=np.uint8).reshape(len(codes), -1)
    return np.unpackbits(packed, axis=1, count=hinges).astype(bool)


# ---- points of domains


def box_bounds(box: Box) -> tuple[FloatArray, FloatArray]:
    """The lower and upper corner of a box."""
    lower, upper = (np.array([nearest_float(x) for x in end]) for end in (box.lo, box.hi))
    return lower, upper


def points_float(
    network: Network, domain: Domain, count: int, rng: np.random.Generator
) -> FloatArray:
    """Uniform random points (count, n) of a Box or a Sphere, as inputs of the network.

    Behind a norm points of the sphere are inputs of length 2^40 along their directions. Raises
    Unsupported for other domains.
    """
    if isinstance(domain, Box):
        lower, upper = box_bounds(domain)
        return rng.uniform(lower, upper, (count, len(lower)))
    if isinstance(domain, Sphere):
        return on_sphere(network, domain, rng.standard_normal((count, network.input_dim)))
    raise not_for(domain, "Box", "Sphere")


def not_for(domain: Domain, *kinds: str) -> Unsupported:
    """That a method does not know how to treat a domain."""
    return Unsupported(
        "the method has no meaning on this domain",
        value=type(domain).__name__,
        remedy=f"give a {' or a '.join(kinds)}",
    )


def on_sphere(network: Network, sphere: Sphere, x: FloatArray) -> FloatArray:
    """Vectors scaled onto the sphere, projected first where a norm supplies it."""
    return _scaled(projected(network, x), input_radius(network, sphere))


def input_radius(network: Network, domain: Sphere | GreatCircle) -> float:
    """The length of inputs that stand for points of a sphere or circle."""
    if domain.radius_squared is not None:
        return math.sqrt(nearest_float(domain.radius_squared))
    return FAR


def radius_float(network: Network, domain: Sphere | GreatCircle) -> float:
    """The radius in the metric of the domain: sqrt(n) behind a norm."""
    if domain.radius_squared is not None:
        return math.sqrt(nearest_float(domain.radius_squared))
    return math.sqrt(network.input_dim)


def sphere_dimension(network: Network, domain: Domain) -> int:
    """The dimension of a Sphere, or of a Box."""
    norm = network.blocks[0].norm
    if isinstance(domain, Sphere):
        return network.input_dim - 1 if norm is None else norm.sphere_dim
    if isinstance(domain, Box):
        return len(domain.lo)
    raise not_for(domain, "Box", "Sphere")


def projected(network: Network, x: FloatArray) -> FloatArray:
    """P of the first norm applied to rows; without a norm the rows."""
    norm = network.blocks[0].norm
    return x if norm is None else norm.project_float(x)


def _scaled(x: FloatArray, radius: float) -> FloatArray:
    return radius * x / np.linalg.norm(x, axis=1, keepdims=True)


# ---- paths


@dataclass(frozen=True)
class Path:
    """A curve: `at` the points are `basis(at) @ columns`, with the basis (1, t), t from 0 to 1, or
    (1, cos t, sin t), t from 0 to 2 pi. Its length is in the metric of the domain.
    """

    kind: Literal["straight", "round"]
    columns: FloatArray
    length: float

    @property
    def end(self) -> float:
        """The last parameter; the first is 0."""
        return 1.0 if self.kind == "straight" else 2 * math.pi

    def __call__(self, t: FloatArray) -> FloatArray:
        """The inputs (len(t), n) at parameters."""
        ones = np.ones_like(t)
        basis = [ones, t] if self.kind == "straight" else [ones, np.cos(t), np.sin(t)]
        return np.stack(basis, axis=1) @ self.columns


def path_of(network: Network, domain: Domain) -> Path:
    """A Segment, an Ellipse, or a GreatCircle from u towards v. Raises Unsupported for other
    domains.
    """
    if isinstance(domain, Segment):
        p, q = (np.array([nearest_float(x) for x in end]) for end in (domain.p, domain.q))
        return segment_path(p, q)
    if isinstance(domain, GreatCircle):
        u, v = (np.array([[nearest_float(x) for x in end]]) for end in (domain.u, domain.v))
        return circle_path(network, domain, u, v)
    if isinstance(domain, Ellipse):
        return ellipse_path(domain)
    raise not_for(domain, "Segment", "GreatCircle", "Ellipse")


def segment_path(p: FloatArray, q: FloatArray) -> Path:
    """The segment between two points."""
    return Path("straight", np.stack([p, q - p]), float(np.linalg.norm(q - p)))


def circle_path(
    network: Network, domain: Sphere | GreatCircle, u: FloatArray, v: FloatArray
) -> Path:
    """The great circle through the directions of two rows (1, n)."""
    radius = input_radius(network, domain)
    first = _scaled(projected(network, u), 1.0)
    second = projected(network, v)
    second = _scaled(second - (second @ first.T) * first, 1.0)
    columns = np.concatenate([0 * first, radius * first, radius * second])
    return Path("round", columns, 2 * math.pi * radius_float(network, domain))


def ellipse_path(domain: Ellipse) -> Path:
    """An ellipse, by its centre and the vectors of cos t and sin t."""
    centre, u, v = (
        np.array([nearest_float(x) for x in one]) for one in (domain.centre, domain.u, domain.v)
    )
    cosine = nearest_float(domain.cosine)
    w = (v - cosine * u) / math.sqrt(1 - cosine**2)
    longest, shortest = np.linalg.svd(np.stack([u, w]), compute_uv=False)
    length = 4 * longest * float(ellipe(1 - (shortest / longest) ** 2))
    return Path("round", np.stack([centre, u, w]), length)


def random_path(network: Network, domain: Domain, rng: np.random.Generator) -> Path:
    """A chord of a box through a uniform point in a uniform direction, or a uniform great circle of
    a sphere.
    """
    if isinstance(domain, Box):
        lower, upper = box_bounds(domain)
        point, direction = rng.uniform(lower, upper), rng.standard_normal(len(lower))
        begin, end = chord(lower, upper, point, direction)
        return segment_path(point + begin * direction, point + end * direction)
    if isinstance(domain, Sphere):
        u, v = rng.standard_normal((2, 1, network.input_dim))
        return circle_path(network, domain, u, v)
    raise not_for(domain, "Box", "Sphere")


def chord(
    lower: FloatArray, upper: FloatArray, point: FloatArray, direction: FloatArray
) -> tuple[Any, Any]:
    """Where `point + t direction` enters and leaves a box, t below and above 0; rows of points and
    directions give arrays.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([(lower - point) / direction, (upper - point) / direction])
    begin = np.nanmax(ends.min(axis=0), axis=-1)
    return begin, np.nanmin(ends.max(axis=0), axis=-1)


def flips_between(codes: np.ndarray) -> int:
    """The Hamming distances between consecutive rows, summed."""
    return int((codes[1:] != codes[:-1]).sum())


# ---- linear forms along a direction


def forms_along(network: Network, columns: FloatArray, place: FloatArray) -> FloatArray:
    """The pre-activations of all hinges as linear forms over a basis, on the regions where their
    walkers are: (walkers, hinges, k).

    `columns` (walkers, k, n) are the inputs over k basis functions, of which the first is the
    constant 1, and `place` (walkers, k) holds their values where the walkers are. Behind a norm
    columns are those of points of its sphere. Raises Unsupported for activations other than ReLU.
    """
    found: list[FloatArray] = []
    apply = partial(_apply_form, place=place, found=found)
    walk(network.steps_to_last_hinge, columns, apply)
    return np.concatenate(found, axis=2).transpose(0, 2, 1)


def _apply_form(
    does: Any, *values: FloatArray, place: FloatArray, found: list[FloatArray]
) -> FloatArray:
    if isinstance(does, Sum):
        return does.total(values)
    (state,) = values
    if isinstance(does, Norm):
        y = state * does.gain.float64().T
        y[:, 0] += does.bias.float64().T
        return y
    assert isinstance(does, Layer)
    z = np.asarray(state @ does.weight.float64().T)
    z[:, 0] += does.bias.float64().T
    if isinstance(does.activation, Identity):
        return z
    if not isinstance(does.activation, ReLU):
        raise Unsupported(
            "the method follows affine pieces of ReLUs only",
            value=does.activation.name,
            remedy="take a network of ReLUs, or network.relu_ised()",
        )
    found.append(z)
    on = np.einsum("wkm,wk->wm", z, place) > 0
    return z * on[:, None]
