"""The floors of the house: imports point down only, few modules know the heavy libraries, `exact`
has no tolerance.

Every rule is a function from a module's name and text to a list of faults, so that it can be tried
on texts that break it. What is counted over the whole tree is in `house.py`, as are the floors.
"""

import ast
import sys
from collections.abc import Iterator

import pytest

from tests import house
from tests.house import ROOT, Import, Tree, called_name, is_within

ONLY_IMPORTERS = {"flint": ("exact.arithmetic.numbers",)}
CHECKER_MAY_IMPORT = ("exact.errors", "exact.check")
WITHOUT_TORCH = ("exact.arithmetic", "exact.geometry")
TORCH_MODULES = (
    "exact.arithmetic.enclosures.late",  # loads it where somebody asks
    "exact.arithmetic.enclosures.affine_maps",  # weights with their error norms, on any device
    "exact.arithmetic.enclosures.ball_tensors",  # arrays of balls, on any device
    "exact.arithmetic.enclosures.float_environment",  # what torch's floats must do, it asks torch
    "exact.arithmetic.stored_numbers",  # reads tensors of every kind, exactly
    "exact.geometry.arrangements.generic_coordinates",  # which rows are parallel, on any device
    "exact.geometry.arrangements.lowest_vertices",  # batches of vertices, on any device
    "exact.geometry.pencils.filters",  # batches of zeros, on any device
)
LAZY_ONLY = {
    "dask",
    "distributed",
    "nnsight",
    "onnx",
    "pandas",
    "pyarrow",
    "sklearn",
    "transformer_lens",
    "transformers",
}
FLOAT_PROPOSALS = (  # decided exactly elsewhere, or read from outside
    "exact.arithmetic.enclosures.ball_tensors",
    "exact.geometry.pencils.filters",
    "exact.geometry.polyhedra.programmes.lp",
    "exact.sources",
)
TOLERANT_NAMES = ("isclose", "allclose")
SMALLEST_PLAIN_FLOAT = 0.01  # a float literal nearer to zero than this is a tolerance

HERE = Tree.read(ROOT)
TEXTS = {
    name: text
    for name, text in HERE.texts.items()
    if any(is_within(name, package) for package in ("exact", "toy_models", "viz", "studies"))
}


def imports_of(module: str, text: str) -> list[Import]:
    return HERE.imports_of(module, text)


# ---- rules


def foreign_imports(module: str, text: str) -> list[str]:
    """Libraries imported where they may not be, or too early."""
    faults = []
    for found in imports_of(module, text):
        library = found.target.split(".")[0]
        if module not in ONLY_IMPORTERS.get(library, (module,)):
            faults.append(
                f"{module}:{found.line} imports {library}; only {ONLY_IMPORTERS[library]} may"
            )
        if library in LAZY_ONLY and found.when == "import":
            faults.append(
                f"{module}:{found.line} imports {library} at the top; do it in the function that "
                f"needs it"
            )
    return faults


def checker_imports(module: str, text: str) -> list[str]:
    """What checks a partition shares nothing with what made it: the standard library, the error
    types and itself only.
    """
    if not is_within(module, "exact.check"):
        return []
    found = [
        i for i in imports_of(module, text) if i.target.split(".")[0] not in sys.stdlib_module_names
    ]
    foreign = [i for i in found if not any(is_within(i.target, own) for own in CHECKER_MAY_IMPORT)]
    return [f"{module}:{i.line} imports {i.target}" for i in foreign]


def torch_imports(module: str, text: str) -> list[str]:
    """Exact arithmetic and geometry know no tensors, but for the modules that say so."""
    if module in TORCH_MODULES or not any(is_within(module, room) for room in WITHOUT_TORCH):
        return []
    lines = [i.line for i in imports_of(module, text) if is_within(i.target, "torch")]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "exact.arithmetic.enclosures.late":
            lines += [node.lineno for alias in node.names if alias.name == "torch"]
    return [f"{module}:{line} imports torch" for line in lines]


def kernel_imports(module: str, text: str) -> list[str]:
    """Kernels are leaves: numba caches by file, so that no kernel may rest on another file."""
    if not is_within(module, "exact.kernels"):
        return []
    found = [i for i in imports_of(module, text) if HERE.is_ours(i.target)]
    return [f"{module}:{i.line} imports {i.target}" for i in found]


def tolerances(module: str, text: str) -> list[str]:
    """`isclose`, `allclose`, `round(...)` and float literals close to zero, outside the places that
    may approximate.
    """
    if any(is_within(module, place) for place in FLOAT_PROPOSALS):
        return []
    tree = ast.parse(text)
    return [
        f"{module}:{line} has {what}"
        for line, what in _walk_tolerances(tree, _approximate_parts(module, tree))
    ]


def _approximate_parts(module: str, tree: ast.AST) -> set[ast.AST]:
    """The float passes of a network, and a norm's default `eps`: a constant of its definition, no
    tolerance of ours.
    """
    if module == "exact.networks.network":
        return {
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name.endswith("_float")
        }
    if module == "exact.networks.norms":
        return {
            part
            for node in ast.walk(tree)
            if isinstance(node, ast.arguments)
            for part in _defaults(node, "eps")
        }
    return set()


def _defaults(arguments: ast.arguments, name: str) -> list[ast.AST]:
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(reversed(positional), reversed(arguments.defaults), strict=False)]
    pairs += [
        (a, d)
        for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if d is not None
    ]
    return [default for argument, default in pairs if argument.arg == name]


def _walk_tolerances(node: ast.AST, allowed: set[ast.AST]) -> Iterator[tuple[int, str]]:
    if node in allowed:
        return
    what = _tolerance(node)
    if what:
        yield node.lineno, what  # type: ignore[attr-defined]
    for child in ast.iter_child_nodes(node):
        yield from _walk_tolerances(child, allowed)


def _tolerance(node: ast.AST) -> str | None:
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, float)
        and 0 < node.value < SMALLEST_PLAIN_FLOAT
    ):
        return f"the float literal {node.value!r}"
    if isinstance(node, ast.Call) and called_name(node) == "round":
        return "round("
    if isinstance(node, ast.ImportFrom):
        named = [alias.name for alias in node.names]
    else:
        named = [getattr(node, "attr", None) or getattr(node, "id", None) or ""]
    return next((name for name in named if name.endswith(TOLERANT_NAMES)), None)


# ---- the house obeys the rules


@pytest.mark.parametrize("module", HERE.texts)
def test_imports_point_down(module: str) -> None:
    text = HERE.texts[module]
    assert house.upward_imports(HERE, module, text) == []
    assert house.unplaced_imports(HERE, module, text) == []
    assert house.wing_imports(HERE, module, text) == []


@pytest.mark.parametrize("module", TEXTS)
def test_libraries_are_imported_where_they_may_be(module: str) -> None:
    assert foreign_imports(module, TEXTS[module]) == []
    assert checker_imports(module, TEXTS[module]) == []
    assert torch_imports(module, TEXTS[module]) == []
    assert kernel_imports(module, TEXTS[module]) == []


@pytest.mark.parametrize("module", [name for name in TEXTS if is_within(name, "exact")])
def test_exact_has_no_tolerance(module: str) -> None:
    assert tolerances(module, TEXTS[module]) == []


def test_no_import_cycle() -> None:
    """Imports of types count, and tests and benchmarks are searched too."""
    assert house.circles_in(house.module_graph(HERE)).where == ()


def test_no_floor_has_an_exception() -> None:
    assert set() == house.EXCEPTIONS


def test_the_packages_are_there() -> None:
    assert {"exact", "toy_models", "viz", "studies"} <= TEXTS.keys()


@pytest.mark.parametrize(
    "module", [*TORCH_MODULES, *FLOAT_PROPOSALS, *CHECKER_MAY_IMPORT, *ONLY_IMPORTERS["flint"]]
)
def test_a_module_that_a_rule_names_is_there(module: str) -> None:
    assert module in TEXTS


# ---- the rules find what they forbid

UPWARD = [
    ("exact.arithmetic.numbers", "import exact.geometry.polyhedra"),
    ("exact.arithmetic.numbers", "from exact.geometry.polyhedra import lp"),
    ("exact.arithmetic.numbers", "from exact import geometry"),
    ("exact.arithmetic.numbers", "from .. import geometry"),
    ("exact.arithmetic.numbers", "from ..geometry.polyhedra import lp"),
    ("exact.arithmetic.numbers", "def f():\n    from exact.geometry.polyhedra import lp"),
    (
        "exact.arithmetic.numbers",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from exact.networks.network "
        "import Network",
    ),
    ("exact.arithmetic.numbers", "import importlib\nimportlib.import_module('exact.partition')"),
    ("exact.networks.network", "from exact.regions.arcs.engines.circle import Circle"),
    ("exact.networks.network", "from exact import partition"),
    ("exact.regions.arcs.engines.circle", "from ....partition import Partition"),
    ("exact.regions.arcs.engines.circle", "import exact"),
    ("exact.partition", "import toy_models"),
    ("exact.partition", "from viz import style"),
    ("exact.partition", "from tests.conftest import settings"),
    ("viz.figures.arcs", "from toy_models.tasks import moons"),
    ("toy_models.train", "import viz.style"),
    ("toy_models.train", "from studies.cli import main"),
    ("studies.cli", "from benchmarks import timing"),
    ("benchmarks.jobs", "from tests.benchmarks import test_benchmarks"),
    ("exact.geometry.polyhedra.faces", "from exact.networks.network import Network"),
    ("exact.propagation.charts", "from exact.sources import tensors"),
    ("exact.sources.tensors", "import exact.propagation.bounds"),
    ("exact.kernels.rows", "from exact.arithmetic import arrays"),
    ("exact.atomic_files", "from exact.check import check_certificate"),
    ("exact.regions.engine", "from exact.regions.arcs import cells"),
    ("exact.regions.engine", "from exact.regions.arcs.cells import CurveCells"),
    ("exact.regions.arcs.cells", "from exact.regions.spheres.cells import SphereCells"),
    ("exact.regions.arcs.cells", "from ..spheres import cells"),
    ("exact.regions.region", "from exact import instruments"),
]

DOWNWARD = [
    ("exact.arithmetic.numbers", "from exact.errors import InvalidInput"),
    ("exact.geometry.polyhedra.programmes.lp", "from exact.arithmetic import numbers, surds"),
    (
        "exact.regions.arcs.engines.circle",
        "from .curve_cells import cells\nfrom ...engine import Engine",
    ),
    ("exact.partition", "from exact.regions.arcs.engines import circle"),
    ("viz.figures.arcs", "from exact import Partition\nfrom viz.style import BLUE"),
    ("studies.cli", "import exact, toy_models.train, viz.html, typer"),
    ("exact.instruments.decision.ties", "from exact.instruments.neighbourhood import rank"),
    ("exact.regions.arcs.partition", "from exact.regions.arcs import cells"),
    ("exact.regions.storage", "from exact.sources import weight_files"),
    ("benchmarks.jobs", "from tests.truths import reading"),
    ("tests.benchmarks.test_benchmarks", "from benchmarks import measure"),
]


@pytest.mark.parametrize(("module", "text"), UPWARD)
def test_an_upward_import_is_found(module: str, text: str) -> None:
    assert len(house.upward_imports(HERE, module, text)) == 1


@pytest.mark.parametrize(("module", "text"), DOWNWARD)
def test_a_downward_import_is_allowed(module: str, text: str) -> None:
    assert house.upward_imports(HERE, module, text) == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("exact.mystery", "from exact.errors import InvalidInput"),
        ("exact.mysteries.one", "from exact.errors import InvalidInput"),
        ("exact.partition", "import exact.mystery"),
    ],
)
def test_a_room_on_no_floor_is_named(module: str, text: str) -> None:
    (fault,) = house.unplaced_imports(HERE, module, text)
    assert "exact.myster" in fault
    assert "stands on no floor" in fault


def test_one_wing_in_another_is_found() -> None:
    text = "from exact.regions.spheres import cells\nfrom exact.regions import engine"
    assert len(house.wing_imports(HERE, "exact.regions.arcs.engines.circle", text)) == 1
    assert house.wing_imports(HERE, "exact.partition", text) == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("exact.arithmetic.surds", "from flint import fmpq"),
        ("exact.arithmetic.surds", "def f():\n    import flint"),
        ("exact.sources.gpt2", "import transformers"),
        (
            "exact.sources.gpt2",
            "try:\n    from transformers import GPT2Model\nexcept ImportError:\n    raise",
        ),
        ("studies.features", "from sklearn.cluster import HDBSCAN"),
        ("exact.regions.storage", "class Table:\n    import pyarrow.parquet"),
        (
            "exact.regions.storage",
            "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import pyarrow",
        ),
        (
            "toy_models.train",
            "import importlib\nlens = importlib.import_module('transformer_lens')",
        ),
    ],
)
def test_a_misplaced_library_is_found(module: str, text: str) -> None:
    assert len(foreign_imports(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("exact.arithmetic.numbers", "from flint import fmpq"),
        ("exact.sources.gpt2", "def read():\n    from transformers import GPT2Model"),
        (
            "exact.sources.gpt2",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import transformers",
        ),
        ("exact.regions.region", "import sympy\nimport transformers_of_ours"),
    ],
)
def test_a_library_in_its_place_is_allowed(module: str, text: str) -> None:
    assert foreign_imports(module, text) == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("exact.arithmetic.surds", "import math\nmath.isclose(a, b)"),
        ("exact.arithmetic.surds", "from math import isclose as near"),
        ("exact.regions.polytopes.engines.lp_tree", "torch.allclose(a, b)"),
        ("exact.regions.polytopes.engines.lp_tree", "np.testing.assert_allclose(a, b)"),
        ("exact.geometry.polyhedra.halfspace", "sign = round(x)"),
        ("exact.geometry.polyhedra.halfspace", "x = m.round()"),
        ("exact.geometry.polyhedra.halfspace", "if x < 1e-9: pass"),
        ("exact.geometry.polyhedra.halfspace", "if x > -0.000001: pass"),
        ("exact.networks.network", "def forward(x):\n    return x + 1e-5"),
        ("exact.regions.region", "def length_float(x):\n    return x + 1e-5"),
        ("exact.networks.norms", "def of(eps, near=1e-5): ..."),
        ("exact.regions.polytopes.engines.lp_tree", "def of(eps=1e-5): ..."),
    ],
)
def test_a_tolerance_is_found(module: str, text: str) -> None:
    assert len(tolerances(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (
            "exact.arithmetic.surds",
            '"""No 1e-9, no isclose(a, b), no round(x)."""\nhalf = 0.5\nzero = 0.0\n'
            "ground = around(2)",
        ),
        ("exact.arithmetic.enclosures.ball_tensors", "margin = 1e-9"),
        ("exact.geometry.polyhedra.programmes.lp", "x = round(y)"),
        ("exact.sources.tensors", "def block(eps=1e-5): ..."),
        ("exact.networks.norms", "def of(cls, n, eps=1e-5, gain=None, *, bias=None): ..."),
        ("exact.networks.norms", "def of(gain=None, *, dim, eps=1e-5): ..."),
        (
            "exact.networks.network",
            "class Network:\n    def forward_float(self, x):\n        return x + 1e-5",
        ),
    ],
)
def test_what_is_no_tolerance_is_allowed(module: str, text: str) -> None:
    assert tolerances(module, text) == []


@pytest.mark.parametrize(
    "text", ["import numpy", "from exact.regions import engine", "from exact import partition"]
)
def test_a_checker_that_leans_on_others_is_found(text: str) -> None:
    assert len(checker_imports("exact.check", text)) == 1


def test_a_checker_that_stands_apart_is_allowed() -> None:
    text = (
        "from fractions import Fraction\nfrom exact.errors import InvalidInput\nimport exact.errors"
    )
    assert checker_imports("exact.check", text) == []


@pytest.mark.parametrize(
    "text",
    [
        "import torch",
        "from torch import nn",
        "def f():\n    import torch.nn.functional",
        "from exact.arithmetic.enclosures.late import torch",
    ],
)
def test_torch_in_exact_geometry_is_found(text: str) -> None:
    assert len(torch_imports("exact.geometry.polyhedra.programmes.lp", text)) == 1
    assert len(torch_imports("exact.arithmetic.surds", text)) == 1
    assert torch_imports("exact.geometry.pencils.filters", text) == []
    assert torch_imports("exact.propagation.norm_walks", text) == []


@pytest.mark.parametrize(
    "text", ["import exact.errors", "from exact.kernels import rows", "from . import rows"]
)
def test_a_kernel_that_leans_on_ours_is_found(text: str) -> None:
    assert len(kernel_imports("exact.kernels.splitting", text)) == 1
    assert kernel_imports("exact.kernels.splitting", "import numba\nimport math") == []
    assert kernel_imports("exact.geometry.polyhedra.programmes.lp", text) == []
