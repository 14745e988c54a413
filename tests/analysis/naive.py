"""The same answers by other means: dictionaries, tuples and trying everything, for small graphs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from workbench.graph import nodes as node_ids
from workbench.graph.graph import Edge

Weight = tuple[int, int, int, int]
"""Effort, missing facts, steps, hubs passed."""
Links = dict[tuple[str, str], Edge]
_ZERO: Weight = (0, 0, 0, 0)


def links(edges: Iterable[Edge]) -> Links:
    """The edge that a search uses between each two nodes: the best cause of each technique, then the least."""
    causes: dict[tuple[str, str, str], Edge] = {}
    for edge in edges:
        key = (edge.source, edge.target, edge.technique)
        causes[key] = min(edge, causes.get(key, edge), key=lambda each: each.rank)
    out: Links = {}
    for (source, target, _), edge in causes.items():
        known = out.get((source, target), edge)
        out[source, target] = min(edge, known, key=lambda each: (each.effort, len(each.missing), each.technique))
    return out


def cost(edge: Edge) -> Weight:
    """What an edge adds."""
    hub = node_ids.is_hub(edge.source)
    return (edge.effort, len(edge.missing), 0 if hub else 1, 1 if hub else 0)


def plus(one: Weight, other: Weight) -> Weight:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3])


def distances(graph: Links, goal: str) -> dict[str, Weight]:
    """The least cost to a goal, by relaxing all edges until nothing changes."""
    out = {goal: _ZERO}
    changed = True
    while changed:
        changed = False
        for (source, target), edge in graph.items():
            if target in out:
                through = plus(cost(edge), out[target])
                if source not in out or through < out[source]:
                    out[source] = through
                    changed = True
    return out


def best_path(graph: Links, start: str, goal: str, known: Mapping[str, Weight] | None = None) -> list[str] | None:
    """The nodes of the best path; of equally good next nodes the first id."""
    far = distances(graph, goal) if known is None else known
    if start not in far or start == goal:
        return None
    out = [start]
    while out[-1] != goal:
        here = out[-1]
        out.append(
            min(
                target
                for (source, target), edge in graph.items()
                if source == here and target in far and plus(cost(edge), far[target]) == far[here]
            )
        )
    return out


def simple_paths(graph: Links, start: str, goal: str) -> Iterator[list[str]]:
    """All simple paths."""
    stack = [[start]]
    while stack:
        path = stack.pop()
        if path[-1] == goal:
            yield path
            continue
        for source, target in graph:
            if source == path[-1] and target not in path:
                stack.append([*path, target])


def weight_of(graph: Links, path: Iterable[str]) -> Weight:
    """The cost of a path."""
    total = _ZERO
    for link in pairwise(path):
        total = plus(total, cost(graph[link]))
    return total


def reach(graph: Iterable[tuple[str, str]], start: str) -> set[str]:
    """What a node leads to, itself included."""
    following: dict[str, list[str]] = {}
    for source, target in graph:
        following.setdefault(source, []).append(target)
    seen, stack = {start}, [start]
    while stack:
        for target in following.get(stack.pop(), ()):
            if target not in seen:
                seen.add(target)
                stack.append(target)
    return seen
