"""Certificates: what anyone needs to verify a partition with integers alone (`exact.check`,
`docs/certificates.md`).

A partition tells its records, header first (`Partition.records`; the wings make them); here they
become lines, a digest and a file. The parts that all kinds share are here too: numbers in base 16,
matrices, networks, headers. The region numbers are those of `partition.regions`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import lcm
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from exact import check
from exact.arithmetic.numbers import Rational
from exact.atomic_files import place_to_write, publishing
from exact.errors import EngineDefect, Unsupported
from exact.geometry.domains.base import Curve, CurveDomain, Domain
from exact.geometry.domains.round import GreatSphere, Sphere
from exact.networks.activations import Activation
from exact.networks.graphs.convolutions import Convolution
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.rearrangements import Placement, Scaling, Selection
from exact.networks.graphs.steps import Sum
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.networks.norms import Norm
from exact.networks.operators import Dense, LinearOperator
from exact.regions.cells import Outcome

Json = Any


class Certified(Protocol):
    """What a certificate is about: a partition, of whatever kind."""

    network: Network
    domain: Domain
    engine: str
    outcome: Outcome

    @property
    def digest(self) -> str:
        """sha256 of the number of cells and the sorted codes."""

    def records(self, maps: bool) -> Iterator[Json]:
        """The records of the certificate, header first."""

    def domain_record(self) -> Json:
        """The domain as a certificate states it, made from the domain and not from what an engine
        made of it.
        """


def write(
    partition: Certified,
    path: str | Path,
    *,
    maps: bool = True,
    made_by: Mapping[str, Json] | None = None,
) -> Path:
    """Write the certificate of a partition to a file that is whole or absent; packed where its name
    ends in `.gz`.

    `made_by` goes into the header as it is (program, engine, ...); nothing is proved about it.
    Raises as :func:`of` does, InvalidInput where the folder is missing or the path is that of a
    folder, and OSError. Cost: see :func:`of`; one line is in memory at a time.
    """
    target = place_to_write(path, "certificate", "certificate.jsonl.gz")
    with _published(target) as file:
        for line in of(partition, maps=maps, made_by=made_by):
            file.write(line)
    return target


def verified(partition: Certified, *, maps: bool = True) -> check.Verdict:
    """Make the certificate of a partition and verify it; the verdict is about this network, this
    domain and these codes.

    Raises as :func:`of` does, and EngineDefect where the certificate speaks of another network or
    domain, or of other codes. Cost: that of :func:`of` and of `exact.check.verify`.

    >>> from exact import Box, partition
    >>> from exact.sources import tensors
    >>> hat = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1]], [0])])
    >>> verdict = verified(partition(hat, Box(-1, 3, dim=1)))
    >>> verdict.status, verdict.regions, verdict.domain
    (<Status.COMPLETE: 'verified, complete'>, 4, 'R^1 where (1).x + 1 > 0, (-1).x + 3 > 0')
    """
    verdict = check.verify(of(partition, maps=maps))
    if verdict.status is check.Status.REJECTED:
        return verdict
    complete = (
        check.Status.COMPLETE if partition.outcome is Outcome.COMPLETE else check.Status.INCOMPLETE
    )
    told = (verdict.network_sha256, verdict.domain_sha256, verdict.digest, verdict.status)
    if told != (
        partition.network.sha256,
        check.domain_digest(partition.domain_record()),
        partition.digest,
        complete,
    ):
        raise EngineDefect(
            "the certificate speaks of another partition",
            value=verdict,
            remedy="this is a defect of the writer: please report the network",
        )
    return verdict


def of(
    partition: Certified, *, maps: bool = True, made_by: Mapping[str, Json] | None = None
) -> Iterator[bytes]:
    """The lines of a certificate. With `maps` every region carries its exact affine map over the
    domain's parameters.

    Maps are left out where an activation is smooth, on curves and on spheres. Raises Unsupported
    for partitions of balls, behind two norms, and of curves and 2-spheres that stopped early. Cost:
    every exact vertex of a complex; otherwise, for every region, a few rays and one LP per
    halfspace that no ray decides; see the `certificate` module of each wing.
    """
    origin = {"engine": partition.engine, "domain": repr(partition.domain), **(made_by or {})}
    records = partition.records(maps)
    return _signed(
        record | {"made_by": origin} if i == 0 else record for i, record in enumerate(records)
    )


def _signed(records: Iterable[Json]) -> Iterator[bytes]:
    """The records as lines, and the sha256 of all of them as the last one."""
    digest = hashlib.sha256()
    for record in records:
        line = _line(record)
        digest.update(line)
        yield line
    yield _line({"sha256": digest.hexdigest()})


def _line(record: Json) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


@contextmanager
def _published(target: Path) -> Iterator[BinaryIO]:
    """A file to fill, packed where its name ends in `.gz`; it appears whole or not at all."""
    with publishing(target) as raw:
        if target.suffix == ".gz":
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
                yield cast(BinaryIO, packed)
        else:
            yield raw


def header(
    network: Network, kind: str, complete: bool, regions: int, domain: Json
) -> dict[str, Json]:
    """The first record of a certificate of any kind; who made it is filled in by :func:`of`."""
    if network.is_chain:
        network.require_bits("certificates")
    return {
        "format": check.FORMAT,
        "kind": kind,
        "complete": complete,
        "regions": regions,
        "faces": [],
        "maps": False,
        "made_by": {},
        "network_sha256": network.sha256,
        "network": network_record(network),
        "domain": domain,
    }


def spanned(
    basis: Sequence[Sequence[Rational]],
    radius_squared: Rational | None,
    centre: Sequence[Rational] | None = None,
) -> Json:
    """The vectors that span a domain, as columns, and its centre, 0 by default."""
    middle = [Rational(0)] * len(basis[0]) if centre is None else centre
    rows, denominator = matrix_rows(
        [x for row in zip(*basis, middle, strict=True) for x in row], len(basis) + 1
    )
    if radius_squared is None:
        radius = {}
    else:
        radius = {"radius_squared": hexadecimal([radius_squared.p, radius_squared.q])}
    return {"chart": {"denominator": denominator, "rows": rows}, **radius}


def round_domain(network: Network, domain: Domain) -> Json:
    """A curve or a sphere as a certificate states it: without `dim` the vectors that span it, and
    its radius or ends.
    """
    if isinstance(domain, CurveDomain):
        return curve_domain(domain.curve())
    assert isinstance(domain, Sphere | GreatSphere), "all others are flat"
    radius = None if network.has_norm else domain.radius_squared
    if isinstance(domain, GreatSphere):
        return spanned((domain.u, domain.v, domain.w), radius)
    norm, n = network.blocks[0].norm, network.input_dim
    units = [[Rational(int(i == j)) for j in range(n)] for i in range(n)]
    return spanned(units if norm is None else norm.sphere_basis(), radius)


def curve_domain(curve: Curve) -> Json:
    """A curve as a certificate states it: the vectors that span it, and its radius or ends, or the
    cosine of an ellipse.
    """
    if curve.centre is not None:
        cosine = hexadecimal([curve.cosine.p, curve.cosine.q])
        return spanned((curve.u, curve.v), None, curve.centre) | {"cosine": cosine}
    domain = spanned((curve.u, curve.v), None if curve.one is not None else curve.radius_squared)
    if curve.end is None or curve.one is None:
        return domain
    return domain | {
        name: hexadecimal(over_common(pair)[0])
        for name, pair in (("end", curve.end), ("one", curve.one))
    }


def hexadecimal(values: Sequence[Any]) -> str:
    """Integers in base 16, separated by spaces."""
    return " ".join(f"{int(x):x}" for x in values)


def over_common(values: Sequence[Rational]) -> tuple[list[int], int]:
    """Numerators over the least common denominator, and the denominator."""
    denominator = lcm(*(int(x.q) for x in values))
    return [int(x.p) * (denominator // int(x.q)) for x in values], denominator


def matrix_rows(entries: Sequence[Rational], width: int) -> tuple[list[str], str]:
    """The rows of a matrix given by its entries, over one denominator."""
    numbers, denominator = over_common(entries)
    return [
        hexadecimal(numbers[i : i + width]) for i in range(0, len(numbers), width)
    ], hexadecimal([denominator])


def _layer_record(layer: Layer) -> Json:
    bias = layer.bias.column()
    entries = [x for j in range(layer.width) for x in (*layer.operator.row(j), bias[j])]
    rows, denominator = matrix_rows(entries, layer.input_dim + 1)
    return {
        "activation": _activation_record(layer.activation),
        "denominator": denominator,
        "rows": rows,
    }


def _activation_record(activation: Activation) -> Json:
    """Bends and pieces over one unit; of a smooth activation its name in place of pieces."""
    if not activation.is_continuous:
        raise Unsupported(
            "such an activation has no certificate",
            value=activation.name,
            remedy="give bends that ascend, and pieces that meet at the bends between them",
        )
    pieces = activation.pieces if activation.is_piecewise_linear else ()
    numbers, unit = over_common([*activation.breakpoints, *(x for piece in pieces for x in piece)])
    count = len(activation.breakpoints)
    written = {"unit": hexadecimal([unit]), "bends": hexadecimal(numbers[:count])}
    if not activation.is_piecewise_linear:
        return written | {"smooth": activation.name}
    return written | {
        "pieces": [hexadecimal(numbers[i : i + 2]) for i in range(count, len(numbers), 2)]
    }


def network_record(network: Network) -> Json:
    """Weights, bends and pieces, norms and skips of a network; of a graph its steps.

    Raises Unsupported where an activation jumps or its bends do not ascend, a norm's P is no
    orthogonal projection, or an operator in a graph is one of the user's own.
    """
    if not network.is_chain:
        steps = [graph_step(does, inputs) for does, inputs, _ in network.steps]
        return {"input_dim": network.input_dim, "steps": steps}
    blocks = [
        {
            "residual": block.residual,
            "layers": [_layer_record(layer) for layer in block.layers],
            **({} if block.norm is None else {"norm": _norm_record(block.norm)}),
        }
        for block in network.blocks
    ]
    return {"input_dim": network.input_dim, "blocks": blocks}


def graph_step(does: Any, inputs: Sequence[int]) -> Json:
    """A step of a graph: a sum, a maximum or a layer, with its operator as it is."""
    if isinstance(does, Sum):
        return {"does": "sum", "inputs": list(inputs)}
    if isinstance(does, Maximum):
        windows = [hexadecimal(row) for row in does.windows.tolist()]
        return {"does": "maximum", "inputs": list(inputs), "windows": windows}
    (bias,), denominator = matrix_rows(does.bias.column(), does.width)
    return {
        "does": "layer",
        "inputs": list(inputs),
        "operator": _operator_record(does.operator),
        "bias": bias,
        "bias_denominator": denominator,
        "activation": _activation_record(does.activation),
    }


def _operator_record(operator: LinearOperator) -> Json:
    """An operator of those that the checker knows; exactly these classes, since one derived from
    them can do something else.
    """
    kind = type(operator)
    if isinstance(operator, Selection) and kind is Selection:
        return {"kind": "selection", "places": hexadecimal(operator.places.tolist())}
    if isinstance(operator, Placement) and kind is Placement:
        places = hexadecimal(operator.places.tolist())
        return {"kind": "placement", "places": places, "outputs": operator.shape[0]}
    if isinstance(operator, Scaling) and kind is Scaling:
        (factors,), denominator = matrix_rows(operator.factors.column(), operator.shape[0])
        return {"kind": "scaling", "factors": factors, "denominator": denominator}
    if isinstance(operator, Convolution) and kind is Convolution:
        taps, weight = operator.taps, operator.weight
        rows, denominator = matrix_rows(list(weight.exact.entries()), weight.shape[1])
        sizes = {name: [*getattr(taps, name)] for name in ("image", "kernel", "stride", "dilation")}
        return {
            "kind": "convolution",
            "rows": rows,
            "denominator": denominator,
            "channels": operator.channels,
            "groups": operator.groups,
            "padding": [list(pair) for pair in taps.padding],
            "ceil": taps.ceil,
            **sizes,
        }
    if isinstance(operator, Dense) and kind is Dense:
        rows, denominator = matrix_rows(list(operator.matrix.exact.entries()), operator.shape[1])
        return {"kind": "dense", "rows": rows, "denominator": denominator}
    raise Unsupported(
        "an operator of this kind has no certificate in a graph",
        value=operator,
        remedy="give Dense, Convolution, Selection, Placement or Scaling",
    )


def _norm_record(norm: Norm) -> Json:
    (gain, bias), denominator = matrix_rows([*norm.gain.column(), *norm.bias.column()], norm.dim)
    eps = {
        f"eps_{place}_root": hexadecimal([x.p, x.q])
        for place, x in (("under", norm.eps_under_root), ("beside", norm.eps_beside_root))
    }
    return {
        "projection": _projection_record(norm),
        "gain": gain,
        "bias": bias,
        "denominator": denominator,
        **eps,
    }


def _projection_record(norm: Norm) -> Json:
    """The name or the matrix of P, an orthogonal projection; eps and the mean square are the same
    for all norms.
    """
    projection = norm.projector()
    if isinstance(projection, str):
        return projection
    rows, denominator = matrix_rows(list(projection.exact.entries()), norm.dim)
    return {"denominator": denominator, "rows": rows}
