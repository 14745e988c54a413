"""What leads to some targets: after a what-if the same as from a graph that is built anew."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.worlds import (
    MEMBER,
    NODES,
    PLAIN,
    TECHNIQUES,
    Buckets,
    edge,
    edges_between,
    graph_of,
    graph_with,
    random_buckets,
    replaced,
)
from workbench.analysis.compiled import Compiled
from workbench.analysis.leading import IdOrder, Leading
from workbench.graph.graph import Edge


def distances(leading: Leading, goals: list[str]) -> dict[tuple[str, str], float]:
    """The least weight from each node to each target, by ids."""
    compiled = leading.compiled
    found: dict[tuple[str, str], float] = {}
    for goal in goals:
        number = compiled.number(goal)
        if number is not None:
            each = leading.folded.distances(leading.place(number))
            for place, weight in enumerate(leading.folded.of(each, np.arange(len(leading.nodes))).tolist()):
                if np.isfinite(weight):
                    found[compiled.nodes[leading.nodes[place]], goal] = weight
    return found


def leading(compiled: Compiled, goals: list[str]) -> set[str]:
    numbers = compiled.numbers(goals).tolist()
    part = Leading(compiled, numbers)
    return {compiled.nodes[number] for number in part.nodes[part.leading_to(numbers)].tolist()}


def test_what_leads_nowhere_is_left_out() -> None:
    compiled = Compiled(
        graph_with(edge("User:a", "User:b"), edge("User:b", "User:c"), edge("User:a", "User:d")), TECHNIQUES
    )
    assert leading(compiled, ["User:b", "User:nobody"]) == {"User:a", "User:b"}
    assert leading(compiled, []) == set()


@settings(deadline=None)
@given(
    random_buckets(),
    st.dictionaries(
        st.tuples(st.sampled_from(["ALPHA", "MIKE", MEMBER]), st.sampled_from(["one", "two"])),
        st.lists(edges_between((*NODES, "User:new")), max_size=4),
        max_size=3,
    ),
    st.lists(st.sampled_from([*PLAIN, "User:new"]), unique=True, max_size=3),
    st.lists(st.sampled_from([*PLAIN, "User:new"]), unique=True, max_size=3),
)
def test_after_a_change_it_is_what_a_new_graph_gives(
    buckets: Buckets, drawn: dict[tuple[str, str], list[Edge]], goals: list[str], others: list[str]
) -> None:
    changes = {
        key: [Edge(each.source, each.target, key[0], each.effort, each.missing, each.cause) for each in edges]
        for key, edges in drawn.items()
    }
    before = Compiled(graph_of(buckets, NODES), TECHNIQUES)
    after, recomputed = replaced(buckets, changes)
    patched = before.patched(recomputed)
    fresh = Compiled(graph_of(after, NODES), TECHNIQUES)
    part = Leading(before, before.numbers(goals).tolist())
    untouched = distances(part, goals)
    changed = part.after(patched, patched.numbers(others).tolist())
    wanted = Leading(fresh, fresh.numbers(others).tolist())
    assert distances(changed, others) == distances(wanted, others)
    assert distances(part, goals) == untouched


@given(
    st.lists(st.text("ab:", max_size=3), unique=True, min_size=1, max_size=12),
    st.data(),
)
def test_ids_are_put_in_order_however_they_are_asked_for(names: list[str], data: st.DataObject) -> None:
    nodes = data.draw(st.lists(st.sampled_from(range(len(names))), unique=True))
    ids = IdOrder(names, np.array(nodes, np.int64))
    places = st.lists(st.sampled_from(range(len(nodes)))) if nodes else st.just([])
    for asked in data.draw(st.lists(places, max_size=4)):
        ranks = ids.ranks(np.array(asked, np.int32)).tolist()
        called = [names[nodes[place]] for place in asked]
        order = sorted(set(called))
        assert [sorted(set(ranks)).index(rank) for rank in ranks] == [order.index(name) for name in called]
