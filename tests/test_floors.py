"""The floors of the house: imports point down only, few modules know the heavy libraries, `exact` has no tolerance.

Every rule is a function from a module's name and text to a list of faults, so that it can be tried on texts that
break it.
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

# A module stands on the floor of the longest entry that is its name or a package around it, except that the modules
# directly in `exact` must each be listed. A new engine, source, figure or question needs no entry.
FLOORS = {
    "exact.errors": 0,
    "exact.float_environment": 0,
    "exact.atomic_files": 1,
    "exact.number_texts": 1,
    "exact.linear_algebra": 0,
    "exact.budgets": 0,
    "exact.numbers": 0,
    "exact.stored_numbers": 0,
    "exact.nearest": 0,
    "exact.printing": 0,
    "exact.surds": 0,
    "exact.affine_hulls": 1,
    "exact.constructions": 1,
    "exact.filters": 1,
    "exact.float_halfspaces": 1,
    "exact.halfspace": 1,
    "exact.lp": 1,
    "exact.predicates": 1,
    "exact.activations": 2,
    "exact.adjacency": 2,
    "exact.affine_map": 2,
    "exact.architectures": 2,
    "exact.arrangements": 2,
    "exact.chords": 2,
    "exact.circle_arrangements": 2,
    "exact.circle_filters": 2,
    "exact.circle_meetings": 2,
    "exact.circle_points": 2,
    "exact.convex_norms": 2,
    "exact.counting": 2,
    "exact.crossings": 2,
    "exact.curve_positions": 2,
    "exact.curves": 2,
    "exact.domain_records": 2,
    "exact.domains": 2,
    "exact.dual_graph": 2,
    "exact.enclosures": 2,
    "exact.evaluation": 2,
    "exact.faces": 2,
    "exact.isolated_directions": 2,
    "exact.listed_circles": 2,
    "exact.nested_functions": 2,
    "exact.network": 2,
    "exact.norm_geometry": 2,
    "exact.norm_walks": 2,
    "exact.norms": 2,
    "exact.propagation": 2,
    "exact.quadrics": 2,
    "exact.region": 2,
    "exact.region_maps": 2,
    "exact.root_isolation": 2,
    "exact.root_towers": 2,
    "exact.round_geometry": 2,
    "exact.running_codes": 2,
    "exact.sphere_charts": 2,
    "exact.sphere_complex": 2,
    "exact.sphere_tree": 2,
    "exact.spline_code": 2,
    "exact.vertex_polytopes": 2,
    "exact.volumes": 2,
    "exact.kernels": 1,
    "exact.engines": 3,
    "exact.sources": 3,
    "exact": 4,
    "exact.arcs": 4,
    "exact.certificate_records": 4,
    "exact.certificates": 4,
    "exact.check": 4,
    "exact.circle_batches": 4,
    "exact.code_certificates": 4,
    "exact.critical_radii": 4,
    "exact.curve_records": 4,
    "exact.decision": 4,
    "exact.eps_comparison": 4,
    "exact.loading": 4,
    "exact.neighbourhood": 4,
    "exact.norm_balls": 4,
    "exact.output_sets": 4,
    "exact.partition": 4,
    "exact.polytopes": 4,
    "exact.portable_cells": 4,
    "exact.results": 4,
    "exact.sphere_cells": 4,
    "exact.sphere_certificates": 4,
    "exact.sphere_codes": 4,
    "exact.spheres": 4,
    "exact.storage": 4,
    "toy_models": 5,
    "viz": 5,
    "studies": 6,
    "benchmarks": 7,
    "tests": 7,
}
PACKAGES = ("exact", "toy_models", "viz", "studies")

ONLY_IMPORTERS = {"flint": ("exact.numbers",)}
CHECKER_MAY_IMPORT = ("exact.errors", "exact.check")
LAZY_ONLY = {"dask", "distributed", "nnsight", "pyarrow", "sklearn", "transformer_lens", "transformers"}
FLOAT_PROPOSALS = ("exact.filters", "exact.lp", "exact.sources")  # decided exactly elsewhere, or read from outside
TYPE_CHECKING = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
TOLERANT_NAMES = ("isclose", "allclose")
SMALLEST_PLAIN_FLOAT = 0.01  # a float literal nearer to zero than this is a tolerance


When = Literal["import", "call", "never"]  # at the top, inside a function, under `if TYPE_CHECKING`


@dataclass(frozen=True)
class Import:
    target: str  # absolute dotted name: a module of ours where that is known, else what the statement names
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
    """Every import of the text: absolute, relative, inside functions, and `import_module("...")` by a literal name."""
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
        yield from (str(argument.value) for argument in node.args[:1] if isinstance(argument, ast.Constant))


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
    """The floor, None for what is not ours; LookupError for a module directly in `exact` that nobody placed."""
    if module.startswith("exact.") and module.count(".") == 1 and module not in FLOORS:
        raise LookupError(f"{module} stands on no floor; give it one in FLOORS of tests/test_floors.py")
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
            faults.append(f"{module}:{found.line} (floor {own}) imports {found.target} (floor {floor})")
    return faults


def foreign_imports(module: str, text: str) -> list[str]:
    """Libraries imported where they may not be, or too early."""
    faults = []
    for found in imports_of(module, text):
        library = found.target.split(".")[0]
        if module not in ONLY_IMPORTERS.get(library, (module,)):
            faults.append(f"{module}:{found.line} imports {library}; only {ONLY_IMPORTERS[library]} may")
        if library in LAZY_ONLY and found.when == "import":
            faults.append(f"{module}:{found.line} imports {library} at the top; do it in the function that needs it")
    return faults


def checker_imports(module: str, text: str) -> list[str]:
    """What checks a partition shares nothing with what made it: the standard library, the error types and itself only."""
    if not is_within(module, "exact.check"):
        return []
    found = [i for i in imports_of(module, text) if i.target.split(".")[0] not in sys.stdlib_module_names]
    foreign = [i for i in found if not any(is_within(i.target, own) for own in CHECKER_MAY_IMPORT)]
    return [f"{module}:{i.line} imports {i.target}" for i in foreign]


def tolerances(module: str, text: str) -> list[str]:
    """`isclose`, `allclose`, `round(...)` and float literals close to zero, outside the places that may approximate."""
    if any(is_within(module, place) for place in FLOAT_PROPOSALS):
        return []
    tree = ast.parse(text)
    return [f"{module}:{line} has {what}" for line, what in _walk_tolerances(tree, _approximate_parts(module, tree))]


def _approximate_parts(module: str, tree: ast.AST) -> set[ast.AST]:
    """The float passes of a network, and a norm's default `eps`: a constant of its definition, no tolerance of ours."""
    if module == "exact.network":
        return {node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.endswith("_float")}
    if module == "exact.norms":
        return {part for node in ast.walk(tree) if isinstance(node, ast.arguments) for part in _defaults(node, "eps")}
    return set()


def _defaults(arguments: ast.arguments, name: str) -> list[ast.AST]:
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(reversed(positional), reversed(arguments.defaults), strict=False)]
    pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
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
    if isinstance(node, ast.Constant) and isinstance(node.value, float) and 0 < node.value < SMALLEST_PLAIN_FLOAT:
        return f"the float literal {node.value!r}"
    if isinstance(node, ast.Call) and _called_name(node) == "round":
        return "round("
    if isinstance(node, ast.ImportFrom):
        named = [alias.name for alias in node.names]
    else:
        named = [getattr(node, "attr", None) or getattr(node, "id", None) or ""]
    return next((name for name in named if name.endswith(TOLERANT_NAMES)), None)


def cycle(texts: dict[str, str]) -> list[str]:
    """The modules of one cycle of imports that happen, first one repeated at the end; empty where there is none."""
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
    ("exact.numbers", "import exact.predicates"),
    ("exact.numbers", "from exact.predicates import sign"),
    ("exact.numbers", "from exact import predicates"),
    ("exact.numbers", "from . import predicates"),
    ("exact.numbers", "from .predicates import sign"),
    ("exact.numbers", "def f():\n    from exact.lp import solve"),
    ("exact.numbers", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from exact.network import Network"),
    ("exact.numbers", "import importlib\nimportlib.import_module('exact.partition')"),
    ("exact.network", "from exact.engines.circle import Circle"),
    ("exact.network", "from exact import partition"),
    ("exact.engines.circle", "from ..partition import Partition"),
    ("exact.engines.circle", "import exact"),
    ("exact.partition", "import toy_models"),
    ("exact.partition", "from viz import style"),
    ("exact.partition", "from tests.conftest import settings"),
    ("viz.figures.arcs", "from toy_models.tasks import moons"),
    ("toy_models.train", "import viz.style"),
    ("toy_models.train", "from studies.cli import main"),
    ("studies.cli", "from benchmarks import timing"),
]

DOWNWARD = [
    ("exact.numbers", "from exact.errors import InvalidInput"),
    ("exact.lp", "from exact import numbers, surds"),
    ("exact.engines.circle", "from .base import Engine\nfrom ..network import Network"),
    ("exact.partition", "from exact.engines import circle"),
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
        ("exact.surds", "from flint import fmpq"),
        ("exact.surds", "def f():\n    import flint"),
        ("exact.sources.gpt2", "import transformers"),
        ("exact.sources.gpt2", "try:\n    from transformers import GPT2Model\nexcept ImportError:\n    raise"),
        ("studies.features", "from sklearn.cluster import HDBSCAN"),
        ("exact.storage", "class Table:\n    import pyarrow.parquet"),
        ("exact.storage", "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import pyarrow"),
        ("toy_models.train", "import importlib\nlens = importlib.import_module('transformer_lens')"),
    ],
)
def test_a_misplaced_library_is_found(module: str, text: str) -> None:
    assert len(foreign_imports(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("exact.numbers", "from flint import fmpq"),
        ("exact.sources.gpt2", "def read():\n    from transformers import GPT2Model"),
        ("exact.sources.gpt2", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import transformers"),
        ("exact.region", "import sympy\nimport transformers_of_ours"),
    ],
)
def test_a_library_in_its_place_is_allowed(module: str, text: str) -> None:
    assert foreign_imports(module, text) == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("exact.surds", "import math\nmath.isclose(a, b)"),
        ("exact.surds", "from math import isclose as near"),
        ("exact.engines.lp_tree", "torch.allclose(a, b)"),
        ("exact.engines.lp_tree", "np.testing.assert_allclose(a, b)"),
        ("exact.predicates", "sign = round(x)"),
        ("exact.predicates", "x = m.round()"),
        ("exact.predicates", "if x < 1e-9: pass"),
        ("exact.predicates", "if x > -0.000001: pass"),
        ("exact.network", "def forward(x):\n    return x + 1e-5"),
        ("exact.region", "def length_float(x):\n    return x + 1e-5"),
        ("exact.norms", "def of(eps, near=1e-5): ..."),
        ("exact.engines.lp_tree", "def of(eps=1e-5): ..."),
    ],
)
def test_a_tolerance_is_found(module: str, text: str) -> None:
    assert len(tolerances(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("exact.surds", '"""No 1e-9, no isclose(a, b), no round(x)."""\nhalf = 0.5\nzero = 0.0\nground = around(2)'),
        ("exact.filters", "margin = 1e-9"),
        ("exact.lp", "x = round(y)"),
        ("exact.sources.tensors", "def block(eps=1e-5): ..."),
        ("exact.norms", "def of(cls, n, eps=1e-5, gain=None, *, bias=None): ..."),
        ("exact.norms", "def of(gain=None, *, dim, eps=1e-5): ..."),
        ("exact.network", "class Network:\n    def forward_float(self, x):\n        return x + 1e-5"),
    ],
)
def test_what_is_no_tolerance_is_allowed(module: str, text: str) -> None:
    assert tolerances(module, text) == []


@pytest.mark.parametrize("text", ["import numpy", "from exact.engines import circle", "from exact import region"])
def test_a_checker_that_leans_on_others_is_found(text: str) -> None:
    assert len(checker_imports("exact.check", text)) == 1


def test_a_checker_that_stands_apart_is_allowed() -> None:
    text = "from fractions import Fraction\nfrom exact.errors import InvalidInput\nimport exact.errors"
    assert checker_imports("exact.check", text) == []


def test_a_cycle_is_found() -> None:
    texts = {
        "exact.network": "from exact.norms import Norm",
        "exact.norms": "def f():\n    from exact.region import Region",
        "exact.region": "import exact.network",
        "exact.domains": "from exact.network import Network",
    }
    found = cycle(texts)
    assert found[0] == found[-1]
    assert set(found) == {"exact.network", "exact.norms", "exact.region"}
    assert cycle({**texts, "exact.norms": "import math"}) == []
    only_typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from exact.region import Region"
    assert cycle({**texts, "exact.norms": only_typed}) == []
