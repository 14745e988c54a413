"""What blocks the pairs of an entry point and a crown jewel that have no path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from workbench.analysis.arrays import Ints, reached
from workbench.analysis.compiled import Compiled
from workbench.analysis.paths import PathSet
from workbench.graph.graph import BlockedEdge

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
            out.append(Blocking(edge, total, tuple(sorted(examples)[:EXAMPLES])))
    return sorted(out, key=lambda item: (-item.pairs, item.edge.source, item.edge.target, item.edge.technique))


def _reached(compiled: Compiled, node: str, *, forward: bool) -> Ints:
    """The numbers of what a node leads to, or of what leads to it, itself included; none if the graph lacks it."""
    number = compiled.number(node)
    if number is None:
        return np.empty(0, np.int64)
    return np.flatnonzero(reached(compiled.forward if forward else compiled.reverse, [number]))
