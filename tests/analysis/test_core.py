"""The tree of the core, with what gets around it, against a tree for each jewel."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workbench.analysis.core import Core
from workbench.analysis.dominators import Dominators, Edges

Cuts = dict[tuple[int, int | None], int]


@st.composite
def dense(draw: st.DrawFn) -> Edges:
    """A graph with one or two nodes that lead to most others, as hubs do, so that there is a core."""
    size = draw(st.integers(3, 12))
    nodes = st.integers(0, size - 1)
    pairs = set(draw(st.lists(st.tuples(nodes, nodes), max_size=4 * size)))
    for hub in draw(st.sets(nodes, max_size=2)):
        pairs |= {(hub, node) for node in draw(st.sets(nodes, min_size=size // 2))}
        pairs |= {(node, hub) for node in draw(st.sets(nodes, min_size=size // 2))}
    chosen = sorted(pair for pair in pairs if pair[0] != pair[1])
    source, target = (np.array([pair[at] for pair in chosen], np.int64) for at in (0, 1))
    shown = np.array(draw(st.lists(st.booleans(), min_size=len(chosen), max_size=len(chosen))), np.bool_)
    return Edges(size, source, target, shown)


def cuts(tree: Dominators, names: list[int]) -> Counter[tuple[int, int | None]]:
    nodes, cut = tree.nodes
    out: Counter[tuple[int, int | None]] = Counter()
    for node, pairs in zip(nodes.tolist(), cut.tolist(), strict=True):
        out[names[node], None] += pairs
    for source, target, pairs in zip(*(each.tolist() for each in tree.edges), strict=True):
        out[names[source], names[target]] += pairs
    return out


@given(dense(), st.data())
def test_the_tree_of_the_core_says_what_that_of_each_jewel_says(edges: Edges, data: st.DataObject) -> None:
    nodes = st.integers(0, edges.size - 1)
    goals = sorted(data.draw(st.sets(nodes, min_size=1, max_size=3)))
    entry = np.zeros(edges.size, np.int64)
    entry[sorted(data.draw(st.sets(nodes)))] = 1
    core = Core(edges, entry, goals)
    for goal in filter(core.serves, goals):
        others = entry.copy()
        others[goal] = 0
        names = list(range(edges.size))
        around = core.around(goal)
        fewer = core.fewer(around)
        found = cuts(core.tree, [*names, -1])
        for source, target in found:
            found[source, target] -= min(int(fewer[source]), found[source, target])
        found += cuts(around.tree, [*around.nodes.tolist(), -1, -1])
        assert +found == +cuts(Dominators(edges, goal, others), names)


def test_what_is_cut_off_from_a_jewel_by_one_node_is_not_served() -> None:
    # 0 and 1 lead to each other and, over 2 alone, to 3; 4 is led to by both.
    pairs = [(0, 1), (0, 2), (0, 4), (1, 0), (1, 2), (1, 4), (2, 3), (4, 0), (4, 1)]
    source, target = (np.array([pair[at] for pair in pairs], np.int64) for at in (0, 1))
    core = Core(Edges(5, source, target, np.ones(len(pairs), np.bool_)), np.ones(5, np.int64), [3, 4])
    assert not core.serves(3)
    assert core.serves(4)
