"""Of replicas with the same single way on one is searched: nothing that is said of any of them may differ for it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.worlds import TECHNIQUES, edge, graph_with
from tests.builders import container, inventory, owner, pod
from workbench.analysis.compiled import Compiled
from workbench.analysis.paths import PathSet, find_paths
from workbench.analysis.replicas import Replicas
from workbench.graph.graph import Edge

COUNT = 5
PODS = [(f"web-{number}", "web") for number in range(COUNT)] + [("api-0", "api"), ("api-1", "api")]
VIEW = inventory(
    *(
        pod(name, container("app"), node=f"n{number % 3}", owners=[owner("StatefulSet", workload)])
        for number, (name, workload) in enumerate(PODS)
    )
)
ALL = [f"Container:default/{name}/app" for name, _ in PODS]
WEB = ALL[:COUNT]
ENTRIES = [*ALL, "User:lone"]
MIDDLE = ["Hub:x/one", "ServiceAccount:x/a", "Node:n0", "Node:n1", "Node:n2", WEB[0]]
WAYS = [
    edge("Node:n0", "ServiceAccount:x/a", "MIKE", missing=[("C-ONE", "x")]),
    edge("Node:n1", "ServiceAccount:x/a"),
    edge("Node:n2", "ServiceAccount:x/a"),
    edge("ServiceAccount:x/a", "Secret:x/s"),
]
JEWELS = {"ClusterAdmin": 10.0, "Secret:x/s": 8.0, "Node:n0": 6.0, WEB[1]: 6.0}


def searched(edges: list[Edge], entries: list[str]) -> PathSet:
    compiled = Compiled(graph_with(*edges, nodes=[*ENTRIES, *MIDDLE, *JEWELS]), TECHNIQUES)
    return find_paths(compiled, Replicas(VIEW, compiled), entries, JEWELS)


def edges_from(sources: list[str], targets: list[str]) -> st.SearchStrategy[Edge]:
    drawn = st.builds(
        edge,
        st.sampled_from(sources),
        st.sampled_from(targets),
        st.sampled_from(["ALPHA", "MIKE"]),
        st.integers(1, 2),
        st.sampled_from([(), (("C-ONE", "x"),), (("C-ONE", "y"),), (("C-TWO", "x"),)]),
    )
    return drawn.filter(lambda each: each.source != each.target)


def check(*edges: Edge) -> None:
    """All entry points together say of each what it says when it is alone."""
    together = searched([*edges, *WAYS], ENTRIES)
    alone = {entry: searched([*edges, *WAYS], [entry]) for entry in ENTRIES}
    assert together.pairs == sum(each.pairs for each in alone.values())
    of_entry = {
        (path.source, path.target): (path.id, path.risk, path.effort)
        for each in alone.values()
        for path in each.paths()
    }
    listed = together.paths()
    # Paths that differ only by replica are one, and it names the entry points of all of them.
    assert Counter((source, path.target, path.id) for path in listed for source in path.sources) == Counter(
        (source, target, known[0]) for (source, target), known in of_entry.items()
    )
    assert len({(path.id, path.target) for path in listed}) == len(listed)
    for path in listed:
        known = {source: of_entry[source, path.target] for source in path.sources}
        assert known[path.source] == (path.id, path.risk, path.effort)
        best = min(known, key=lambda source: (-known[source][1], known[source][2], source))
        assert path.source == best, "the best one is shown"
        assert together.path(path.source, path.target) == path


@given(
    st.one_of(
        st.lists(edges_from(ENTRIES, [*MIDDLE, *JEWELS]), max_size=9),
        # Several replicas with one way on, alike but for one thing at most, are what twins are mistaken for.
        st.lists(edges_from(ALL, ["Node:n0", "Node:n1"]), min_size=2, max_size=5, unique_by=lambda each: each.source),
    ),
    st.lists(edges_from([*MIDDLE, "Secret:x/s"], [*MIDDLE, *JEWELS, WEB[2]]), max_size=7),
)
def test_of_each_entry_point_all_together_say_what_it_alone_says(first: list[Edge], further: list[Edge]) -> None:
    check(*first, *further)


@pytest.mark.parametrize(
    "other",
    [
        edge(WEB[0], "Node:n0"),
        edge(WEB[0], "Node:n0", "MIKE"),
        edge(WEB[0], "Node:n0", effort=2),
        edge(WEB[0], "Node:n0", missing=[("C-ONE", "x")]),
        edge(WEB[0], "Node:n0", missing=[("C-TWO", "x")]),
        edge(WEB[0], "Node:n1"),
        edge(WEB[2], "Node:n0"),
        edge("Container:default/api-0/app", "Node:n1"),
        edge("Container:default/api-1/app", "Node:n2"),
    ],
)
@pytest.mark.parametrize(
    "one", [edge(WEB[3], "Node:n0"), edge(WEB[3], "Node:n0", missing=[("C-ONE", "x")]), edge(WEB[3], "Node:n2")]
)
def test_what_is_alike_but_for_one_thing_is_told_apart(one: Edge, other: Edge) -> None:
    check(one, other)


def test_twins_count_for_what_leads_to_each_jewel() -> None:
    edges = [edge(node, "Hub:x/one") for node in WEB[:3]]
    edges += [edge("Hub:x/one", "Secret:x/s"), edge(WEB[3], "Secret:x/s")]
    found = searched(edges, ENTRIES)
    numbers = found.pairs_to("Secret:x/s").tolist()
    assert sorted(found.compiled.nodes[number] for number in numbers) == WEB[:4]
    assert found.pairs == 4
    assert len(found.pairs_to("Node:n0")) == 0
