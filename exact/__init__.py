"""Exactlens: the regions of networks with ReLUs and LayerNorm, in exact arithmetic.

`partition(network, domain)` is the one call; see its docstring. Everything named here is exact: a
float may propose, and never decides.
"""

from __future__ import annotations

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
from exact.instruments.comparisons.region_events import RegionEvents, region_events, region_history
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
