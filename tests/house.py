"""Count what keeps the house readable, and say which figure slips: `python -m tests.house`.

The figures are read off the text of all modules of the repository: absolute and relative imports,
those inside functions and those under `if TYPE_CHECKING` alike, since a reader follows them all.
`--tree PATH` measures another tree. Exit codes: 0 all figures hold, 1 one slips, 2 bad input.

A room is a folder directly in `exact`, or a module that stands there alone; the folder of regions
is several rooms, what all kinds share and a wing for each kind. The packages around `exact` are a
room each, and so are the tests of the benchmarks.
"""

import argparse
import ast
import io
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import networkx as nx

ROOT = Path(__file__).resolve().parents[1]

# Imports point from a room to a lower floor. Rooms on one floor know nothing of each other. A new
# module needs no entry, nor does a new wing.
FLOORS = {
    "exact.errors": 0,
    "exact.atomic_files": 1,
    "exact.check": 1,
    "exact.kernels": 1,
    "exact.arithmetic": 2,
    "exact.geometry": 3,
    "exact.networks": 4,
    "exact.propagation": 5,
    "exact.sources": 5,
    "exact.regions": 6,
    "exact.regions.*": 7,
    "exact.partition": 8,
    "exact.instruments": 9,
    "exact": 10,
    "toy_models": 11,
    "viz": 11,
    "studies": 12,
    "tests": 13,
    "benchmarks": 14,  # which read the problems and truths of the tests
    "tests.benchmarks": 15,
}
EXCEPTIONS: frozenset[tuple[str, str]] = frozenset()  # (room, higher or equal room it may import)

FRONT_DOOR = "exact.partition"
REGIONS = "exact.regions"
KINDS = ("Cells", "Partition", "Region")  # the abstract classes that every wing has one of
LEAVES = ("engines", "kernels", "sources")  # lists of files with one plan: they may be long
LONGEST_MODULE = 450  # lines
REASONS = ("longer than others", "in one file", "in this one file")  # in the docstring
NO_CODE = ("build", "dist", "runs")
TYPE_CHECKING = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
SHOWN = 12  # faults printed for a figure that slips

When = Literal["import", "call", "never"]  # at the top, inside a function, under `if TYPE_CHECKING`


@dataclass(frozen=True)
class Import:
    # absolute dotted name: a module of ours where that is known, else what the statement names
    target: str
    line: int
    when: When


@dataclass(frozen=True)
class Count:
    """A figure as found in a tree, None where it has nothing to count; `where` says what was."""

    value: int | None
    where: tuple[str, ...] = ()


# ---- reading


@dataclass(frozen=True)
class Tree:
    """The modules of a repository: dotted name -> text; `packages` are the names of folders."""

    texts: Mapping[str, str]
    packages: frozenset[str]

    @classmethod
    def read(cls, root: Path) -> "Tree":
        """All .py files under `root`, but those in hidden folders and what is built or written."""
        texts, packages = {}, set()
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if any(part.startswith(".") or part in NO_CODE for part in parts):
                continue
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if not name:
                continue
            texts[name] = path.read_text(encoding="utf-8")
            packages |= {".".join(parts[:end]) for end in range(1, len(parts))}
        return cls(texts, frozenset(packages))

    @cached_property
    def imports(self) -> dict[str, list[Import]]:
        """Every import of every module."""
        return {name: self._read_imports(name, text) for name, text in self.texts.items()}

    def imports_of(self, module: str, text: str) -> list[Import]:
        """Every import of the text: absolute, relative, inside functions, and
        `import_module("...")` by a literal name.
        """
        if self.texts.get(module) is text:
            return self.imports[module]
        return self._read_imports(module, text)

    def _read_imports(self, module: str, text: str) -> list[Import]:
        return list(dict.fromkeys(self._walk(ast.parse(text), module, "import")))

    def _walk(self, node: ast.AST, module: str, when: When) -> Iterator[Import]:
        for target in self._targets(node, module):
            yield Import(target, node.lineno, when)  # type: ignore[attr-defined]
        if isinstance(node, ast.If) and ast.unparse(node.test) in TYPE_CHECKING:
            for statement in node.body:
                yield from self._walk(statement, module, "never")
            for other in node.orelse:
                yield from self._walk(other, module, when)
            return
        function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        if when == "import" and isinstance(node, function):
            when = "call"
        for child in ast.iter_child_nodes(node):
            yield from self._walk(child, module, when)

    def _targets(self, node: ast.AST, module: str) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = self._absolute_base(node, module)
            for name in (f"{base}.{alias.name}" for alias in node.names):
                known = name in self.texts or name in self.packages or name in FLOORS
                yield name if known else base
        elif isinstance(node, ast.Call) and called_name(node) in ("import_module", "__import__"):
            literals = [a for a in node.args[:1] if isinstance(a, ast.Constant)]
            yield from (str(argument.value) for argument in literals)

    def _absolute_base(self, node: ast.ImportFrom, module: str) -> str:
        if node.level == 0:
            return node.module or ""
        steps_up = node.level - (module in self.packages)
        package = ".".join(module.split(".")[: len(module.split(".")) - steps_up])
        return f"{package}.{node.module}" if node.module else package

    def is_ours(self, name: str) -> bool:
        top = name.split(".")[0]
        return top in FLOORS or top in self.packages or top in self.texts

    def room_of(self, name: str) -> str:
        """The room that a module of ours stands in."""
        parts = name.split(".")
        if parts[0] != "exact":
            around = [room for room in FLOORS if is_within(name, room)]
            return max(around, key=len, default=parts[0])
        if ".".join(parts[:2]) != REGIONS:
            return ".".join(parts[:2])
        wing = ".".join(parts[:3])
        return wing if len(parts) > 3 or wing in self.packages else REGIONS


def called_name(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def is_wing(room: str) -> bool:
    return room.startswith(REGIONS + ".")


def floor_of(room: str) -> int | None:
    """The floor that the table gives a room; None for a room that nobody placed."""
    return FLOORS.get(f"{REGIONS}.*" if is_wing(room) else room)


# ---- rules on one module


def upward_imports(tree: Tree, module: str, text: str) -> list[str]:
    """Imports of a room that is not on a lower floor."""
    faults = []
    for found, own, other in _between_rooms(tree, module, tree.imports_of(module, text)):
        below, above = floor_of(own), floor_of(other)
        if below is None or above is None or above < below or (own, other) in EXCEPTIONS:
            continue
        faults.append(
            f"{module}:{found.line} (floor {below}) imports {found.target} (floor {above})"
        )
    return faults


def unplaced_imports(tree: Tree, module: str, text: str) -> list[str]:
    """Imports from or of a room that stands on no floor: no rule holds them."""
    faults = []
    for found, own, other in _between_rooms(tree, module, tree.imports_of(module, text)):
        nowhere = [room for room in (own, other) if floor_of(room) is None]
        if nowhere:
            rooms = " and ".join(nowhere)
            faults.append(
                f"{module}:{found.line} imports {found.target}: {rooms} stands on no floor; "
                f"give it one in FLOORS of tests/house.py"
            )
    return faults


def wing_imports(tree: Tree, module: str, text: str) -> list[str]:
    """Imports of one wing by another."""
    return [
        f"{module}:{found.line} imports {found.target}"
        for found, own, other in _between_rooms(tree, module, tree.imports_of(module, text))
        if is_wing(own) and is_wing(other)
    ]


def _between_rooms(
    tree: Tree, module: str, imports: list[Import]
) -> Iterator[tuple[Import, str, str]]:
    own = tree.room_of(module)
    for found in imports:
        if tree.is_ours(found.target) and tree.room_of(found.target) != own:
            yield found, own, tree.room_of(found.target)


def kinds_of(tree: Tree) -> dict[str, set[str]]:
    """Name of a class of one kind of region -> the rooms that define it.

    These are the subclasses of the three abstract classes, however far down, and the members of a
    union of that name. The checker shares no class with the others and is left out.
    """
    found: dict[str, set[str]] = {}
    modules = [name for name in tree.texts if is_within(name, "exact") and not _is_checker(name)]
    nodes = [(name, node) for name in modules for node in ast.walk(ast.parse(tree.texts[name]))]
    classes = [(name, node) for name, node in nodes if isinstance(node, ast.ClassDef)]
    named = {
        part.id
        for _, node in nodes
        if isinstance(node, ast.Assign) and _assigned(node) & set(KINDS)
        for part in ast.walk(node.value)
        if isinstance(part, ast.Name)
    }
    size = -1
    while size != len(found):
        size = len(found)
        for module, node in classes:
            bases = {_last_name(base) for base in node.bases}
            if node.name not in KINDS and (node.name in named or bases & ({*KINDS} | found.keys())):
                found.setdefault(node.name, set()).add(tree.room_of(module))
    return found


def kind_questions(tree: Tree, kinds: Mapping[str, set[str]], module: str, text: str) -> list[str]:
    """Where a module outside its room asks whether something is of a kind of region: isinstance,
    issubclass, a pattern of match, or a comparison of types.
    """
    if _is_checker(module) or is_within(module, "tests"):
        return []
    parsed = ast.parse(text)
    meanings, own, faults = _meanings(parsed), tree.room_of(module), []
    for node in ast.walk(parsed):
        names = set().union(*(meanings.get(name, {name}) for name in _asked_names(node)))
        foreign = sorted(name for name in names if name in kinds and own not in kinds[name])
        if foreign:
            line = node.lineno  # type: ignore[attr-defined]
            faults.append(f"{module}:{line} asks for {', '.join(foreign)}")
    return faults


def _is_checker(module: str) -> bool:
    return is_within(module, "exact.check")


def _assigned(node: ast.Assign) -> set[str]:
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


def _last_name(node: ast.AST) -> str:
    """`Partition` of Partition, of results.Partition and of Partition[T]."""
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _names_in(node: ast.AST) -> set[str]:
    named = [part for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute)]
    return {_last_name(part) for part in named}


def _meanings(parsed: ast.Module) -> dict[str, set[str]]:
    """Names under which a module knows other names: `import ... as`, tuples and unions of them."""
    meanings = {
        alias.asname: {alias.name}
        for node in ast.walk(parsed)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    for node in parsed.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple | ast.BinOp):
            parts = set().union(*(meanings.get(name, {name}) for name in _names_in(node.value)))
            meanings |= {name: parts for name in _assigned(node)}
    return meanings


def _asked_names(node: ast.AST) -> set[str]:
    if isinstance(node, ast.MatchClass):
        return _names_in(node.cls)
    if isinstance(node, ast.Call) and called_name(node) in ("isinstance", "issubclass"):
        return set().union(*(_names_in(argument) for argument in node.args[1:]))
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Call) and called_name(side) == "type" for side in sides):
            return set().union(*(_names_in(side) for side in sides))
    return set()


def lines_too_many(module: str, text: str) -> list[str]:
    """A long module whose docstring does not say why it is one."""
    lines = len(text.splitlines())
    docstring = " ".join((ast.get_docstring(ast.parse(text)) or "").split())
    if lines <= LONGEST_MODULE or any(reason in docstring for reason in REASONS):
        return []
    return [f"{module} has {lines} lines and no reason in its docstring"]


def format_skips(module: str, text: str) -> list[str]:
    """Comments that keep the formatter away."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    return [f"{module}:{token.start[0]}" for token in comments if "fmt: skip" in token.string]


# ---- figures of a whole tree


def _faults(tree: Tree, rule: Callable[[Tree, str, str], list[str]], within: str = "") -> Count:
    modules = [name for name in tree.texts if not within or is_within(name, within)]
    faults = [fault for name in modules for fault in rule(tree, name, tree.texts[name])]
    return Count(len(faults), tuple(faults))


def modules_in_exact(tree: Tree) -> Count:
    found = [name for name in tree.texts if _folder(tree, name) == "exact"]
    return Count(len(found), tuple(found))


def folders_in_exact(tree: Tree) -> Count:
    found = sorted(name for name in tree.packages if name.rpartition(".")[0] == "exact")
    return Count(len(found), tuple(found))


def most_rooms(tree: Tree) -> Count:
    """The most folders and modules in one folder below `exact`, lists of leaves left out."""
    rooms: dict[str, set[str]] = {}
    for name in {*tree.texts, *tree.packages}:
        folder = name.rpartition(".")[0]
        if is_within(folder, "exact") and folder != "exact" and folder.split(".")[-1] not in LEAVES:
            rooms.setdefault(folder, set()).add(name)
    most = max(map(len, rooms.values()), default=0)
    full = sorted(folder for folder, found in rooms.items() if len(found) == most)
    return Count(most, tuple(f"{folder}: {', '.join(sorted(rooms[folder]))}" for folder in full))


def _folder(tree: Tree, module: str) -> str:
    return module if module in tree.packages else module.rpartition(".")[0]


def module_graph(tree: Tree, within: str = "") -> nx.DiGraph:
    """Arrows from every module to those it imports."""
    nodes = [name for name in tree.texts if not within or is_within(name, within)]
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    for name in nodes:
        targets = {found.target for found in tree.imports[name]} & set(nodes) - {name}
        graph.add_edges_from((name, target) for target in sorted(targets))
    return graph


def room_graph(tree: Tree) -> nx.DiGraph:
    """Arrows from every room of `exact` to those it imports."""
    graph, modules = nx.DiGraph(), [name for name in tree.texts if is_within(name, "exact")]
    graph.add_nodes_from(tree.room_of(name) for name in modules)
    for name in modules:
        for _, own, other in _between_rooms(tree, name, tree.imports[name]):
            if is_within(other, "exact"):
                graph.add_edge(own, other)
    return graph


def circles_in(graph: nx.DiGraph) -> Count:
    """The largest sets of nodes that all reach each other."""
    found = [sorted(part) for part in nx.strongly_connected_components(graph) if len(part) > 1]
    return Count(len(found), tuple(" - ".join(part) for part in sorted(found)))


def front_door_floor(tree: Tree) -> Count:
    """A room stands one floor above the highest that it imports; rooms in a circle stand as one."""
    graph = room_graph(tree)
    if FRONT_DOOR not in graph:
        return Count(None)
    parts = nx.condensation(graph)
    floors: dict[int, int] = {}
    for part in reversed(list(nx.topological_sort(parts))):
        floors[part] = max((floors[lower] + 1 for lower in parts[part]), default=0)
    part = parts.graph["mapping"][FRONT_DOOR]
    way = [part]
    while parts[way[-1]]:
        way.append(max(parts[way[-1]], key=lambda lower: floors[lower]))
    return Count(floors[part], (" > ".join(_members(parts, place) for place in way),))


def longest_chain(tree: Tree) -> Count:
    """The modules of `exact` that import each other in a row; modules in a circle count as one."""
    parts = nx.condensation(module_graph(tree, "exact"))
    way = nx.dag_longest_path(parts)
    return Count(len(way), (" > ".join(_members(parts, place) for place in way),))


def _members(parts: nx.DiGraph, part: int) -> str:
    return " = ".join(sorted(parts.nodes[part]["members"]))


def wings(tree: Tree) -> list[str]:
    """The folders inside that of the regions."""
    return sorted(name for name in tree.packages if name.rpartition(".")[0] == REGIONS)


def imports_between_wings(tree: Tree) -> Count:
    return _faults(tree, wing_imports, REGIONS) if wings(tree) else Count(None)


def kind_questions_elsewhere(tree: Tree) -> Count:
    kinds = kinds_of(tree)
    return _faults(tree, lambda tree, name, text: kind_questions(tree, kinds, name, text))


def long_modules(tree: Tree) -> Count:
    """Tests are left out: they are lists of cases, and nobody reads one for its plan."""
    return _faults(
        tree, lambda _, name, text: [] if is_within(name, "tests") else lines_too_many(name, text)
    )


def lines_of_code(tree: Tree) -> Count:
    """Lines of `exact` without docstrings, comments and blank ones, all formatted by one rule."""
    texts = [text for name, text in tree.texts.items() if is_within(name, "exact")]
    with tempfile.TemporaryDirectory() as folder:
        for place, text in enumerate(texts):
            (Path(folder) / f"{place}.py").write_text(only_code(text), encoding="utf-8")
        settings = ("line-length = 100", "format.skip-magic-trailing-comma = true")
        options = [option for setting in settings for option in ("--config", setting)]
        command = [sys.executable, "-m", "ruff", "format", "--isolated", "--no-cache", "--quiet"]
        subprocess.run([*command, *options, folder], check=True)
        formatted = [path.read_text(encoding="utf-8") for path in Path(folder).glob("*.py")]
    return Count(sum(bool(line.strip()) for text in formatted for line in text.splitlines()))


def only_code(text: str) -> str:
    """The text without docstrings and comments; a body that was its docstring is `pass`."""
    lines = text.encode().split(b"\n")
    for node, alone in sorted(_docstrings(ast.parse(text)), key=lambda found: -found[0].lineno):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
        lines[first : last + 1] = [before + (b"pass" if alone else b"") + after]
    bare = b"\n".join(lines).decode()
    kept = bare.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(bare).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            kept[row - 1] = kept[row - 1][:column].rstrip()
    return "\n".join(kept)


def _docstrings(parsed: ast.Module) -> Iterator[tuple[ast.Expr, bool]]:
    """Every docstring, and whether nothing else stands in its body."""
    bodies = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(parsed):
        if isinstance(node, bodies) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            assert isinstance(first, ast.Expr)
            yield first, len(node.body) == 1 and not isinstance(node, ast.Module)


@dataclass(frozen=True)
class Figure:
    name: str
    count: Callable[[Tree], Count]
    before: int | None  # see below
    bound: int | None  # None: shown, not guarded

    def slips(self, found: Count) -> bool:
        return self.bound is not None and found.value is not None and found.value > self.bound


# `before` is what this file counts in the tree of commit a131a52, the last one in which `exact` was
# one drawer: `git archive a131a52 | tar -x -C FOLDER`, then `python -m tests.house --tree FOLDER`.
# That tree has no wings, so nothing is counted between them. Hardly a room of it has a place in
# FLOORS, so its imports are on no floor where they would else go up.
FIGURES = (
    Figure("modules directly in exact", modules_in_exact, 83, 4),
    Figure("folders directly in exact", folders_in_exact, 4, 9),
    Figure("most rooms in a folder below exact", most_rooms, 12, 9),
    Figure("floor of exact/partition.py", front_door_floor, 16, 7),
    Figure("imports that do not point down", lambda tree: _faults(tree, upward_imports), 0, 0),
    Figure("imports on no floor", lambda tree: _faults(tree, unplaced_imports), 1_514, 0),
    Figure("circles of rooms in exact", lambda tree: circles_in(room_graph(tree)), 3, 0),
    Figure("circles of modules anywhere", lambda tree: circles_in(module_graph(tree)), 4, 0),
    Figure("imports of a wing by a wing", imports_between_wings, None, 0),
    Figure("longest chain of modules in exact", longest_chain, 18, 16),  # 14 is wanted
    Figure("long modules without a reason", long_modules, 6, 0),
    Figure("kinds asked outside their wing", kind_questions_elsewhere, 63, 0),
    Figure(
        "fmt: skip", lambda tree: _faults(tree, lambda _, *module: format_skips(*module)), 803, 0
    ),
    Figure("lines of code of exact", lines_of_code, 26_750, None),
)


def report(tree: Tree) -> tuple[str, bool]:
    """The table with what is behind every figure that slips, and whether all hold."""
    counts = {figure: figure.count(tree) for figure in FIGURES}
    rows = [("figure", "before", "now", "bound")]
    rows += [
        (figure.name, _shown(figure.before), _shown(found.value), _shown(figure.bound))
        for figure, found in counts.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))  # type: ignore[arg-type]
    lines = [" | ".join([row[0].ljust(widths[0]), *_right(row[1:], widths[1:])]) for row in rows]
    slipped = {figure: found for figure, found in counts.items() if figure.slips(found)}
    for figure, found in slipped.items():
        lines += ["", f"{figure.name}: {found.value} > {figure.bound}"]
        lines += [f"  {place}" for place in found.where[:SHOWN]]
        if len(found.where) > SHOWN:
            lines.append(f"  and {len(found.where) - SHOWN} more")
    return "\n".join(lines), not slipped


def _shown(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _right(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    return [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.house", description=__doc__)
    parser.add_argument("--tree", type=Path, default=ROOT, help="another tree to measure")
    root = parser.parse_args(arguments).tree
    if not (root / "exact").is_dir():
        parser.error(f"there is no folder `exact` in {root}")
    text, holds = report(Tree.read(root))
    print(text)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
