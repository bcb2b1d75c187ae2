"""The floors of the house: imports point down only, few modules know the heavy libraries, `exact`
has no tolerance.

Every rule is a function from a module's name and text to a list of faults, so that it can be tried
on texts that break it.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Literal

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A module stands on the floor of the longest entry that is its name or a package around it, except
# that the modules directly in `exact` must each be listed. A new engine, source, figure or question
# needs no entry.
FLOORS = {
    "exact.errors": 0,
    "exact.kernels": 0,
    "exact.atomic_files": 1,
    "exact.check": 1,
    "exact.arithmetic": 1,
    "exact.geometry": 2,
    "exact.networks": 3,
    "exact.propagation": 4,
    "exact.sources": 4,
    "exact.regions": 5,
    "exact.regions.arcs": 6,
    "exact.regions.polytopes": 6,
    "exact.regions.spheres": 6,
    "exact.partition": 7,
    "exact.instruments": 8,
    "exact": 9,
    "toy_models": 10,
    "viz": 10,
    "studies": 11,
    "benchmarks": 12,
    "tests": 13,
}
PACKAGES = ("exact", "toy_models", "viz", "studies")

ONLY_IMPORTERS = {"flint": ("exact.arithmetic.numbers",)}
CHECKER_MAY_IMPORT = ("exact.errors", "exact.check")
LAZY_ONLY = {
    "dask",
    "distributed",
    "nnsight",
    "pyarrow",
    "sklearn",
    "transformer_lens",
    "transformers",
}
FLOAT_PROPOSALS = (  # decided exactly elsewhere, or read from outside
    "exact.arithmetic.enclosures.ball_tensors",
    "exact.geometry.pencils.filters",
    "exact.geometry.polyhedra.lp",
    "exact.sources",
)
TYPE_CHECKING = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
TOLERANT_NAMES = ("isclose", "allclose")
SMALLEST_PLAIN_FLOAT = 0.01  # a float literal nearer to zero than this is a tolerance


When = Literal["import", "call", "never"]  # at the top, inside a function, under `if TYPE_CHECKING`


@dataclass(frozen=True)
class Import:
    # absolute dotted name: a module of ours where that is known, else what the statement names
    target: str
    line: int
    when: When


# ---- reading


def module_paths() -> dict[str, Path]:
    """Dotted name -> file, for every module of the four packages."""
    paths = {}
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return paths


PATHS = module_paths()
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PATHS.items()}


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def is_package(module: str) -> bool:
    return module in PATHS and PATHS[module].name == "__init__.py"


def imports_of(module: str, text: str) -> list[Import]:
    """Every import of the text: absolute, relative, inside functions, and `import_module("...")` by
    a literal name.
    """
    return list(_walk_imports(ast.parse(text), module, "import"))


def _walk_imports(node: ast.AST, module: str, when: When) -> Iterator[Import]:
    for target in _targets(node, module):
        yield Import(target, node.lineno, when)  # type: ignore[attr-defined]
    if _is_type_checking(node):
        when = "never"
    elif when == "import" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        when = "call"
    for child in ast.iter_child_nodes(node):
        yield from _walk_imports(child, module, when)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and not node.orelse and ast.unparse(node.test) in TYPE_CHECKING


def _targets(node: ast.AST, module: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute_base(node, module)
        for name in (f"{base}.{alias.name}" for alias in node.names):
            yield name if name in PATHS or name in FLOORS else base
    elif isinstance(node, ast.Call) and _called_name(node) in ("import_module", "__import__"):
        yield from (
            str(argument.value) for argument in node.args[:1] if isinstance(argument, ast.Constant)
        )


def _absolute_base(node: ast.ImportFrom, module: str) -> str:
    if node.level == 0:
        return node.module or ""
    steps_up = node.level - is_package(module)
    package = ".".join(module.split(".")[: len(module.split(".")) - steps_up])
    return f"{package}.{node.module}" if node.module else package


def _called_name(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


# ---- rules


def floor_of(module: str) -> int | None:
    """The floor, None for what is not ours; LookupError for a module directly in `exact` that
    nobody placed.
    """
    if module.startswith("exact.") and module.count(".") == 1 and module not in FLOORS:
        raise LookupError(
            f"{module} stands on no floor; give it one in FLOORS of tests/test_floors.py"
        )
    around = [name for name in FLOORS if is_within(module, name)]
    return FLOORS[max(around, key=len)] if around else None


def upward_imports(module: str, text: str) -> list[str]:
    """Imports of a higher floor, or of another package on the same floor."""
    own, faults = floor_of(module), []
    for found in imports_of(module, text):
        floor = floor_of(found.target)
        if floor is None or own is None:
            continue
        neighbour = floor == own and found.target.split(".")[0] != module.split(".")[0]
        if floor > own or neighbour:
            faults.append(
                f"{module}:{found.line} (floor {own}) imports {found.target} (floor {floor})"
            )
    return faults


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
    if isinstance(node, ast.Call) and _called_name(node) == "round":
        return "round("
    if isinstance(node, ast.ImportFrom):
        named = [alias.name for alias in node.names]
    else:
        named = [getattr(node, "attr", None) or getattr(node, "id", None) or ""]
    return next((name for name in named if name.endswith(TOLERANT_NAMES)), None)


def cycle(texts: dict[str, str]) -> list[str]:
    """The modules of one cycle of imports that happen, first one repeated at the end; empty where
    there is none.
    """
    graph = {}
    for name, text in texts.items():
        happening = {found.target for found in imports_of(name, text) if found.when != "never"}
        graph[name] = happening & texts.keys() - {name}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


# ---- the house obeys the rules


@pytest.mark.parametrize("module", PATHS)
def test_imports_point_down(module: str) -> None:
    assert upward_imports(module, TEXTS[module]) == []


@pytest.mark.parametrize("module", PATHS)
def test_libraries_are_imported_where_they_may_be(module: str) -> None:
    assert foreign_imports(module, TEXTS[module]) == []
    assert checker_imports(module, TEXTS[module]) == []


@pytest.mark.parametrize("module", [name for name in PATHS if is_within(name, "exact")])
def test_exact_has_no_tolerance(module: str) -> None:
    assert tolerances(module, TEXTS[module]) == []


def test_no_import_cycle() -> None:
    assert cycle(TEXTS) == []


def test_the_packages_are_there() -> None:
    assert {"exact", "toy_models", "viz", "studies"} <= PATHS.keys()


# ---- the rules find what they forbid

UPWARD = [
    ("exact.arithmetic.numbers", "import exact.geometry.polyhedra"),
    ("exact.arithmetic.numbers", "from exact.geometry.polyhedra import lp"),
    ("exact.arithmetic.numbers", "from exact import geometry"),
    ("exact.arithmetic.numbers", "from .. import geometry"),
    ("exact.arithmetic.numbers", "from ..geometry.polyhedra import lp"),
    ("exact.arithmetic.numbers", "def f():\n    from exact.geometry.polyhedra.lp import solve"),
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
]

DOWNWARD = [
    ("exact.arithmetic.numbers", "from exact.errors import InvalidInput"),
    ("exact.geometry.polyhedra.lp", "from exact.arithmetic import numbers, surds"),
    (
        "exact.regions.arcs.engines.circle",
        "from .base import Engine\nfrom ..network import Network",
    ),
    ("exact.partition", "from exact.regions.arcs.engines import circle"),
    ("viz.figures.arcs", "from exact import Partition\nfrom viz.style import BLUE"),
    ("studies.cli", "import exact, toy_models.train, viz.html, typer"),
]


@pytest.mark.parametrize(("module", "text"), UPWARD)
def test_an_upward_import_is_found(module: str, text: str) -> None:
    assert len(upward_imports(module, text)) == 1


@pytest.mark.parametrize(("module", "text"), DOWNWARD)
def test_a_downward_import_is_allowed(module: str, text: str) -> None:
    assert upward_imports(module, text) == []


def test_an_unlisted_module_is_named() -> None:
    with pytest.raises(LookupError, match=r"exact\.mystery stands on no floor"):
        upward_imports("exact.mystery", "import math")


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
        ("exact.geometry.polyhedra.lp", "x = round(y)"),
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


def test_a_cycle_is_found() -> None:
    texts = {
        "exact.networks.network": "from exact.networks.norms import Norm",
        "exact.networks.norms": "def f():\n    from exact.regions.region import Region",
        "exact.regions.region": "import exact.networks.network",
        "exact.geometry.domains.base": "from exact.networks.network import Network",
    }
    found = cycle(texts)
    assert found[0] == found[-1]
    assert set(found) == {"exact.networks.network", "exact.networks.norms", "exact.regions.region"}
    assert cycle({**texts, "exact.networks.norms": "import math"}) == []
    only_typed = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from "
        "exact.regions.region import Region"
    )
    assert cycle({**texts, "exact.networks.norms": only_typed}) == []
