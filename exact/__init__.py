"""Exactlens: the regions of networks with ReLUs and LayerNorm, in exact arithmetic.

`partition(network, domain)` is the one call; see its docstring. Everything named here is exact: a
float may propose, and never decides. A name is imported when it is first asked for: `import exact`
waits for no library.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exact.arithmetic.numbers import RationalMatrix, rational
    from exact.errors import (
        EngineDefect,
        ExactlensError,
        InvalidInput,
        MissingExtra,
        NotPiecewiseLinear,
        TooLarge,
        Undecided,
        Unsupported,
    )
    from exact.geometry.budgets import Budget
    from exact.geometry.combinatorics.code_batches import Codes, hamming
    from exact.geometry.combinatorics.codes import Hinge, SplineCode
    from exact.geometry.domains.base import Domain
    from exact.geometry.domains.flat import Ball, Box, HPolytope, Plane, RealSpace
    from exact.geometry.domains.round import Ellipse, GreatCircle, GreatSphere, NormBall, Sphere
    from exact.geometry.domains.straight import Line, Ray, Segment
    from exact.instruments.batches.many_partitions import PartitionBatch, partition_many
    from exact.instruments.batches.neurons.directions import expected_crossings, firing_shares
    from exact.instruments.batches.neurons.map_change import map_change
    from exact.instruments.batches.neurons.nearest_boundaries import nearest_boundaries
    from exact.instruments.batches.neurons.neuron_status import neuron_status
    from exact.instruments.batches.neurons.pair_logic import joint_counts, pair_logic
    from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
    from exact.instruments.batches.neurons.soft_codes import soft_codes
    from exact.instruments.batches.precision import PrecisionCodes, codes_in_precision
    from exact.instruments.batches.rotations import Rotations, rotations
    from exact.instruments.batches.steering import Steering, steering
    from exact.instruments.comparisons.region_events import (
        RegionEvents,
        region_events,
        region_history,
    )
    from exact.instruments.critical_radii import critical_radii
    from exact.instruments.loading import load
    from exact.instruments.neighbourhood import neighbourhood
    from exact.instruments.output_sets.conditions import Condition, outputs
    from exact.instruments.output_sets.holds import Answer, Verdict, holds
    from exact.networks.activations import (
        GELU,
        AbsoluteValue,
        Activation,
        HardTanh,
        Identity,
        LeakyReLU,
        ReLU,
        SiLU,
    )
    from exact.networks.affine_map import AffineMap
    from exact.networks.graphs.graph import Graph
    from exact.networks.layers import Block, Layer
    from exact.networks.network import Network
    from exact.networks.norms import LayerNorm, Norm, RMSNorm
    from exact.networks.operators import LinearOperator
    from exact.partition import Choice, choose, partition
    from exact.regions.arcs.circles.batches import CircleBatch, partition_circles
    from exact.regions.arcs.lines.batches import LineBatch, partition_lines
    from exact.regions.cells import Outcome
    from exact.regions.engine import Problem, Refusal
    from exact.regions.partition import Partition
    from exact.regions.region import Facet, Region, SymbolicRegion
    from exact.sources.gated import GatedMLP, QuadraticForm

__version__ = "0.1.0"

__all__ = [
    "GELU",
    "AbsoluteValue",
    "Activation",
    "AffineMap",
    "Answer",
    "Ball",
    "Block",
    "Box",
    "Budget",
    "Choice",
    "CircleBatch",
    "Codes",
    "Condition",
    "Domain",
    "Ellipse",
    "EngineDefect",
    "ExactlensError",
    "Facet",
    "GatedMLP",
    "Graph",
    "GreatCircle",
    "GreatSphere",
    "HPolytope",
    "HardTanh",
    "Hinge",
    "Identity",
    "InvalidInput",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Line",
    "LineBatch",
    "LinearOperator",
    "MissingExtra",
    "Network",
    "Norm",
    "NormBall",
    "NotPiecewiseLinear",
    "Outcome",
    "Partition",
    "PartitionBatch",
    "Plane",
    "PrecisionCodes",
    "Problem",
    "QuadraticForm",
    "RMSNorm",
    "RationalMatrix",
    "Ray",
    "ReLU",
    "RealSpace",
    "Refusal",
    "Region",
    "RegionEvents",
    "Rotations",
    "Segment",
    "SiLU",
    "Sphere",
    "SplineCode",
    "Steering",
    "SymbolicRegion",
    "TooLarge",
    "Undecided",
    "Unsupported",
    "Verdict",
    "choose",
    "codes_in_precision",
    "critical_radii",
    "critical_radii_float",
    "expected_crossings",
    "firing_shares",
    "hamming",
    "holds",
    "joint_counts",
    "load",
    "map_change",
    "nearest_boundaries",
    "neighbourhood",
    "neuron_status",
    "outputs",
    "pair_logic",
    "partition",
    "partition_circles",
    "partition_lines",
    "partition_many",
    "rational",
    "region_events",
    "region_history",
    "rotations",
    "soft_codes",
    "steering",
]

_PLACES = {
    "AbsoluteValue": "exact.networks.activations",
    "Activation": "exact.networks.activations",
    "AffineMap": "exact.networks.affine_map",
    "Answer": "exact.instruments.output_sets.holds",
    "Ball": "exact.geometry.domains.flat",
    "Block": "exact.networks.layers",
    "Box": "exact.geometry.domains.flat",
    "Budget": "exact.geometry.budgets",
    "Choice": "exact.partition",
    "CircleBatch": "exact.regions.arcs.circles.batches",
    "Codes": "exact.geometry.combinatorics.code_batches",
    "Condition": "exact.instruments.output_sets.conditions",
    "Domain": "exact.geometry.domains.base",
    "Ellipse": "exact.geometry.domains.round",
    "EngineDefect": "exact.errors",
    "ExactlensError": "exact.errors",
    "Facet": "exact.regions.region",
    "GELU": "exact.networks.activations",
    "GatedMLP": "exact.sources.gated",
    "Graph": "exact.networks.graphs.graph",
    "GreatCircle": "exact.geometry.domains.round",
    "GreatSphere": "exact.geometry.domains.round",
    "HPolytope": "exact.geometry.domains.flat",
    "HardTanh": "exact.networks.activations",
    "Hinge": "exact.geometry.combinatorics.codes",
    "Identity": "exact.networks.activations",
    "InvalidInput": "exact.errors",
    "Layer": "exact.networks.layers",
    "LayerNorm": "exact.networks.norms",
    "LeakyReLU": "exact.networks.activations",
    "Line": "exact.geometry.domains.straight",
    "LineBatch": "exact.regions.arcs.lines.batches",
    "LinearOperator": "exact.networks.operators",
    "MissingExtra": "exact.errors",
    "Network": "exact.networks.network",
    "Norm": "exact.networks.norms",
    "NormBall": "exact.geometry.domains.round",
    "NotPiecewiseLinear": "exact.errors",
    "Outcome": "exact.regions.cells",
    "Partition": "exact.regions.partition",
    "PartitionBatch": "exact.instruments.batches.many_partitions",
    "Plane": "exact.geometry.domains.flat",
    "PrecisionCodes": "exact.instruments.batches.precision",
    "Problem": "exact.regions.engine",
    "QuadraticForm": "exact.sources.gated",
    "RMSNorm": "exact.networks.norms",
    "RationalMatrix": "exact.arithmetic.numbers",
    "Ray": "exact.geometry.domains.straight",
    "ReLU": "exact.networks.activations",
    "RealSpace": "exact.geometry.domains.flat",
    "Refusal": "exact.regions.engine",
    "Region": "exact.regions.region",
    "RegionEvents": "exact.instruments.comparisons.region_events",
    "Rotations": "exact.instruments.batches.rotations",
    "Segment": "exact.geometry.domains.straight",
    "SiLU": "exact.networks.activations",
    "Sphere": "exact.geometry.domains.round",
    "SplineCode": "exact.geometry.combinatorics.codes",
    "Steering": "exact.instruments.batches.steering",
    "SymbolicRegion": "exact.regions.region",
    "TooLarge": "exact.errors",
    "Undecided": "exact.errors",
    "Unsupported": "exact.errors",
    "Verdict": "exact.instruments.output_sets.holds",
    "choose": "exact.partition",
    "codes_in_precision": "exact.instruments.batches.precision",
    "critical_radii": "exact.instruments.critical_radii",
    "critical_radii_float": "exact.instruments.batches.neurons.radius_bounds",
    "expected_crossings": "exact.instruments.batches.neurons.directions",
    "firing_shares": "exact.instruments.batches.neurons.directions",
    "hamming": "exact.geometry.combinatorics.code_batches",
    "holds": "exact.instruments.output_sets.holds",
    "joint_counts": "exact.instruments.batches.neurons.pair_logic",
    "load": "exact.instruments.loading",
    "map_change": "exact.instruments.batches.neurons.map_change",
    "nearest_boundaries": "exact.instruments.batches.neurons.nearest_boundaries",
    "neighbourhood": "exact.instruments.neighbourhood",
    "neuron_status": "exact.instruments.batches.neurons.neuron_status",
    "outputs": "exact.instruments.output_sets.conditions",
    "pair_logic": "exact.instruments.batches.neurons.pair_logic",
    "partition": "exact.partition",
    "partition_circles": "exact.regions.arcs.circles.batches",
    "partition_lines": "exact.regions.arcs.lines.batches",
    "partition_many": "exact.instruments.batches.many_partitions",
    "rational": "exact.arithmetic.numbers",
    "region_events": "exact.instruments.comparisons.region_events",
    "region_history": "exact.instruments.comparisons.region_events",
    "rotations": "exact.instruments.batches.rotations",
    "soft_codes": "exact.instruments.batches.neurons.soft_codes",
    "steering": "exact.instruments.batches.steering",
}
"""Where every public name is defined."""
_ROOMS = (
    *("arithmetic", "check", "errors", "geometry", "instruments", "kernels", "networks"),
    *("propagation", "regions", "sources"),
)


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        value = getattr(import_module(_PLACES[name]), name)
    elif name in _ROOMS:
        value = import_module(f"exact.{name}")
    else:
        raise AttributeError(f"module 'exact' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})


class _Face(ModuleType):
    """This module, in which the function `partition` hides the module of that name: importing a
    module of a package sets it there, and would hide the function.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        is_module = name == "partition" and isinstance(value, ModuleType)
        super().__setattr__(name, value.partition if is_module else value)


sys.modules[__name__].__class__ = _Face
