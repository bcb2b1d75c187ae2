"""`exactlens graph`: write the adjacency graph of a partition."""

from __future__ import annotations

from pathlib import Path

import networkx as nx

from exact import Outcome
from exact.atomic_files import write_atomically
from studies import storage
from studies.commands.job import JobOptions, console, enumerate_regions, in_options
from studies.runs import writable


def run(options: JobOptions, *, out: Path) -> int:
    """Write the graph as JSON or GraphML, print its size, and return the exit code."""
    writable(out, (".json", ".graphml"))
    result = enumerate_regions(options)
    graph = result.partition.graph(witnesses=True)
    if out.suffix.lower() == ".json":
        storage.write(
            out,
            storage.graph_document(result.partition, graph, provenance=result.provenance(options)),
        )
    else:
        write_atomically(out, storage.graphml(graph))
    screen = console()
    screen.print(f"{result.opened.label()}: {result.partition.domain!r}")
    screen.print(f"  nodes    {graph.number_of_nodes():,}")
    screen.print(f"  edges    {graph.number_of_edges():,}")
    screen.print(f"  degree   {_degrees(graph)}")
    screen.print(
        f"  pieces   {nx.number_connected_components(graph) if len(graph) else 0} connected"
    )
    screen.print(f"  outcome  {result.partition.outcome.value}")
    if result.partition.outcome is not Outcome.COMPLETE:
        screen.print(f"  evidence {in_options(result.partition.evidence)}")
    screen.print(f"written to {out}")
    return result.exit_code


def _degrees(graph: nx.Graph) -> str:
    degrees = [degree for _, degree in graph.degree()]
    if not degrees:
        return "none"
    return f"{min(degrees)} to {max(degrees)}, mean {sum(degrees) / len(degrees):.3f}"
