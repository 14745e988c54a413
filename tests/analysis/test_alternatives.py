"""Other ways between two nodes, against trying all simple paths."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis import naive
from tests.analysis.worlds import NODES, PLAIN, TECHNIQUES, Buckets, edge, graph_of, graph_with, random_buckets
from tests.builders import container, inventory, owner, pod
from workbench.analysis.alternatives import alternatives
from workbench.analysis.compiled import Compiled
from workbench.analysis.paths import PathSet, find_paths
from workbench.analysis.replicas import Replicas
from workbench.graph import nodes as node_ids
from workbench.graph.graph import Graph


def searched(graph: Graph) -> PathSet:
    compiled = Compiled(graph, TECHNIQUES)
    return find_paths(compiled, Replicas(inventory(), compiled), [PLAIN[0]], {PLAIN[1]: 10.0})


@given(random_buckets(most=18), st.integers(1, 8), st.permutations(NODES))
def test_the_shortest_simple_paths(buckets: Buckets, limit: int, order: list[str]) -> None:
    graph = naive.links(each for edges in buckets.values() for each in edges)
    every = [(naive.weight_of(graph, path), path) for path in naive.simple_paths(graph, PLAIN[0], PLAIN[1])]
    found = alternatives(searched(graph_of(buckets, order)), PLAIN[0], PLAIN[1], limit)
    shown: dict[tuple[str, ...], tuple[int, int, int, int]] = {}
    for weight, path in sorted(every):
        words = []
        for link in pairwise(path):
            words.append("" if node_ids.is_hub(link[0]) else link[0] + " " + graph[link].technique)
        shown.setdefault(tuple(word for word in words if word), weight)
    wanted = sorted(shown.values())[:limit]
    assert [(path.effort, len(path.steps)) for path in found] == [(weight[0], weight[2]) for weight in wanted]
    assert len({path.id for path in found}) == len(found)
    for path in found:
        assert len(set(path.nodes)) == len(path.nodes)
        assert (path.source, path.target) == (PLAIN[0], PLAIN[1])


def test_the_first_is_the_best_path_and_ties_go_by_id() -> None:
    graph = graph_with(
        edge("User:u0", "User:c"),
        edge("User:u0", "User:b"),
        edge("User:b", "User:u1"),
        edge("User:c", "User:u1"),
        edge("User:u0", "User:u1", effort=5),
    )
    found = searched(graph)
    ways = alternatives(found, "User:u0", "User:u1")
    assert [path.nodes[1:-1] for path in ways] == [("User:b",), ("User:c",), ()]
    assert ways[0] == found.path("User:u0", "User:u1")


def test_no_way_no_node_and_no_distance() -> None:
    found = searched(graph_with(edge("User:u0", "User:b"), nodes=["User:u1"]))
    assert alternatives(found, "User:u0", "User:u1") == []
    assert alternatives(found, "User:nobody", "User:u1") == []
    assert alternatives(found, "User:u0", "User:u0") == []


@given(random_buckets(most=18), st.integers(1, 8), st.permutations(NODES))
def test_the_search_that_is_not_misled_finds_the_same(buckets: Buckets, limit: int, order: list[str]) -> None:
    found = searched(graph_of(buckets, order))
    usual = alternatives(found, PLAIN[0], PLAIN[1], limit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.analysis.alternatives._WANDERING", 0)
        other = alternatives(found, PLAIN[0], PLAIN[1], limit)
    assert other == usual


def test_several_nodes_of_a_prefix_are_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.analysis.alternatives._WANDERING", 0)
    graph = graph_with(
        edge("User:u0", "User:a"),
        edge("User:a", "User:u1"),
        edge("User:a", "User:b"),
        edge("User:b", "User:u1", effort=9),
        edge("User:b", "User:c"),
        edge("User:c", "User:a"),
        edge("User:c", "User:d"),
        edge("User:d", "User:b"),
        edge("User:d", "User:u1", effort=20),
    )
    ways = alternatives(searched(graph), "User:u0", "User:u1")
    assert [path.nodes[2:-1] for path in ways] == [
        (),
        ("User:b",),
        ("User:b", "User:c", "User:d"),
    ]


@pytest.mark.parametrize("wandering", [0, 100])
def test_of_equally_far_replicas_the_one_that_is_free_is_taken(wandering: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.analysis.alternatives._WANDERING", wandering)
    pods = [pod(f"web-{number}", container("app"), owners=[owner("StatefulSet", "web")]) for number in (1, 2)]
    one, two = (f"Container:default/web-{number}/app" for number in (1, 2))
    graph = graph_with(
        edge("User:u0", "User:a"),
        edge("User:a", "User:u1"),
        edge("User:a", "User:d"),
        edge("User:d", one),
        edge("User:d", two),
        edge(one, "User:a"),  # as far from the goal as the other, but only back through the path
        edge(two, "User:c"),
        edge("User:c", "User:u1"),
    )
    compiled = Compiled(graph, TECHNIQUES)
    found = find_paths(compiled, Replicas(inventory(*pods), compiled), ["User:u0"], {"User:u1": 10.0})
    ways = alternatives(found, "User:u0", "User:u1")
    assert [path.nodes[1:-1] for path in ways] == [("User:a",), ("User:a", "User:d", two, "User:c")]
