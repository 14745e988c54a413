"""What blocks the pairs of an entry point and a crown jewel that have no path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from workbench.analysis.arrays import Ints, reached
from workbench.analysis.compiled import Compiled
from workbench.analysis.paths import PathSet
from workbench.graph.graph import BlockedEdge
from workbench.graph.nodes import is_hub

EXAMPLES = 3
"""How many pairs are named of a blocked step."""


@dataclass(frozen=True, slots=True)
class Blocking:
    """A step that a mitigation turns off and that alone would open paths."""

    edge: BlockedEdge
    pairs: int
    """How many pairs of an entry point and a crown jewel without a path it would join."""
    examples: tuple[tuple[str, str], ...]
    """The first of them, by id."""


def blocking(found: PathSet, blocked: Iterable[BlockedEdge]) -> list[Blocking]:
    """The blocked steps that alone would join pairs which have no path, those of the most pairs first.

    Args:
        found: The searched paths of a query; what the query leaves out stays out.
        blocked: What mitigations turn off.
    """
    compiled = found.compiled
    lonely = [entry for entry in found.entries if compiled.number(entry) is None]
    jewels = {compiled.number(jewel): jewel for jewel in found.jewels if compiled.number(jewel) is not None}
    before: dict[str, Ints] = {}
    after: dict[str, list[str]] = {}
    joined: dict[str, Ints] = {jewel: found.pairs_to(jewel) for jewel in found.jewels}
    out: list[Blocking] = []
    for edge in blocked:
        if edge.technique in compiled.excluded:
            continue
        if edge.target not in after:
            inside = _reached(compiled, edge.target, forward=True)
            after[edge.target] = sorted(
                {jewel for number, jewel in jewels.items() if number in inside} | ({edge.target} & found.jewels.keys())
            )
        if not after[edge.target]:
            continue
        if edge.source not in before:
            inside = _reached(compiled, edge.source, forward=False)
            before[edge.source] = found.starts.numbers[np.isin(found.starts.numbers, inside)]
        alone = [edge.source] if edge.source in lonely else []
        total, examples = 0, []
        for jewel in after[edge.target]:
            without = before[edge.source][~np.isin(before[edge.source], joined[jewel])]
            sources = sorted(alone + [compiled.nodes[number] for number in without.tolist()])
            pairs = [(source, jewel) for source in sources if source != jewel]
            total += len(pairs)
            examples += pairs[:EXAMPLES]
        if total:
            named = replace(edge, source=_example(compiled, edge.source), target=_example(compiled, edge.target, after))
            out.append(Blocking(named, total, tuple(sorted(examples)[:EXAMPLES])))
    return sorted(out, key=lambda item: (-item.pairs, item.edge.source, item.edge.target, item.edge.technique))


def _example(compiled: Compiled, node: str, after: Mapping[str, list[str]] | None = None) -> str:
    """A node that people see in the place of a hub: the first that leads into it or, with ``after``, out of it.

    Args:
        compiled: The graph.
        node: Any node.
        after: For a target what it leads to, by id: the first member that leads to some of it is named.
    """
    if not is_hub(node):
        return node
    matrix = compiled.reverse if after is None else compiled.forward
    seen, queue, found = {node}, [node], list[str]()
    while queue:
        number = compiled.number(queue.pop())
        assert number is not None, "a hub that is in the graph"
        for name in map(
            compiled.nodes.__getitem__, matrix.indices[slice(*matrix.indptr[number : number + 2])].tolist()
        ):
            if not is_hub(name):
                found.append(name)
            elif name not in seen:
                seen.add(name)
                queue.append(name)
    if after is not None:
        wanted = {compiled.number(jewel) for jewel in after[node]}
        found = [name for name in found if wanted.intersection(_reached(compiled, name, forward=True).tolist())]
    return min(found)


def _reached(compiled: Compiled, node: str, *, forward: bool) -> Ints:
    """The numbers of what a node leads to, or of what leads to it, itself included; none if the graph lacks it."""
    number = compiled.number(node)
    if number is None:
        return np.empty(0, np.int64)
    return np.flatnonzero(reached(compiled.forward if forward else compiled.reverse, [number]))
