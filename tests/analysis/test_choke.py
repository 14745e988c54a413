"""Choke points, against taking out every node and every edge."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.analysis import naive
from tests.analysis.worlds import MEMBER, NODES, PLAIN, TECHNIQUES, Buckets, edge, graph_of, graph_with, random_buckets
from tests.builders import inventory
from workbench.analysis.choke import ChokePoint, choke_points
from workbench.analysis.compiled import Compiled
from workbench.analysis.paths import find_paths
from workbench.analysis.replicas import Replicas
from workbench.graph import nodes as node_ids
from workbench.graph.graph import Edge, Graph


def found(graph: Graph, entries: list[str], jewels: list[str]) -> list[ChokePoint]:
    compiled = Compiled(graph, TECHNIQUES)
    return choke_points(find_paths(compiled, Replicas(inventory(), compiled), entries, dict.fromkeys(jewels, 6.0)))


Cuts = dict[tuple[str, str | None], tuple[int, tuple[str, ...]]]


def brute(edges: list[Edge], entries: list[str], jewels: list[str]) -> Cuts:
    graph = naive.links(edges)
    joined = [(one, two) for one in entries for two in jewels if one != two and two in naive.reach(graph, one)]
    out: Cuts = {}
    names = {name for link in graph for name in link}
    for node in names:
        left = [link for link in graph if node not in link]
        cut = [pair for pair in joined if node not in pair and pair[1] not in naive.reach(left, pair[0])]
        if cut and not node_ids.is_hub(node):
            out[node, None] = (len(cut), tuple(sorted({jewel for _, jewel in cut})))
    for link, used in graph.items():
        left = [other for other in graph if other != link]
        cut = [pair for pair in joined if pair[1] not in naive.reach(left, pair[0])]
        if cut and used.technique != MEMBER:
            out[link] = (len(cut), tuple(sorted({jewel for _, jewel in cut})))
    return out


@given(random_buckets(), st.permutations(NODES), st.integers(1, 7), st.integers(1, 4))
def test_counts_are_those_of_taking_each_out(buckets: Buckets, order: list[str], entries: int, jewels: int) -> None:
    starts, goals = list(PLAIN[:entries]), list(PLAIN[-jewels:])
    points = found(graph_of(buckets, order), starts, goals)
    edges = [each for each_bucket in buckets.values() for each in each_bucket]
    assert {(point.source, point.target): (point.pairs, point.jewels) for point in points} == brute(
        edges, starts, goals
    )
    assert [point.pairs for point in points] == sorted((point.pairs for point in points), reverse=True)
    assert all(point.is_edge == bool(point.techniques) for point in points)


def test_one_permission_set_in_front_of_many_secrets() -> None:
    secrets = [f"Secret:x/{name}" for name in "abc"]
    graph = graph_with(
        edge("User:one", "PermissionSet:x/read@all"),
        edge("User:two", "PermissionSet:x/read@all"),
        *(edge("PermissionSet:x/read@all", secret) for secret in secrets),
        edge("User:two", "Secret:x/c", "ZULU"),
    )
    points = found(graph, ["User:one", "User:two"], secrets)
    assert (points[0].source, points[0].target, points[0].pairs) == ("PermissionSet:x/read@all", None, 5)
    assert points[0].jewels == ("Secret:x/a", "Secret:x/b", "Secret:x/c")
    assert [(point.source, point.target, point.pairs) for point in points[1:]] == [
        ("User:one", "PermissionSet:x/read@all", 3),
        ("PermissionSet:x/read@all", "Secret:x/a", 2),
        ("PermissionSet:x/read@all", "Secret:x/b", 2),
        ("User:two", "PermissionSet:x/read@all", 2),
        ("PermissionSet:x/read@all", "Secret:x/c", 1),
    ]


def test_all_techniques_of_an_edge_are_named_and_memberships_are_no_choke_points() -> None:
    graph = graph_with(
        edge("User:one", "Hub:x/y", "ZULU"),
        edge("User:one", "Hub:x/y", "ALPHA", 3),
        Edge("Hub:x/y", "ClusterAdmin", MEMBER, 0, (), None),
    )
    points = found(graph, ["User:one"], ["ClusterAdmin"])
    assert [(point.source, point.target, point.techniques) for point in points] == [
        ("User:one", "Hub:x/y", ("ALPHA", "ZULU"))
    ]


def test_joining_a_set_is_no_choke_point_either() -> None:
    graph = graph_with(
        Edge("User:one", "Hub:from/x", MEMBER, 0, (), None),
        edge("Hub:from/x", "User:two"),
        edge("User:two", "User:end"),
    )
    points = found(graph, ["User:one"], ["User:end"])
    assert [(point.source, point.target) for point in points] == [("User:two", None), ("User:two", "User:end")]


def test_an_entry_point_that_is_the_jewel_itself_is_no_end_of_a_pair_even_where_one_node_alone_leads_there() -> None:
    graph = graph_with(edge("User:a", "User:b"), edge("User:a", "User:c"), edge("User:c", "User:a"))
    points = found(graph, ["User:a", "User:c"], ["User:b", "User:c"])
    assert {(point.source, point.target): (point.pairs, point.jewels) for point in points} == {
        ("User:a", None): (1, ("User:b",)),
        ("User:a", "User:b"): (2, ("User:b",)),
        ("User:a", "User:c"): (1, ("User:c",)),
        ("User:c", "User:a"): (1, ("User:b",)),
    }


def test_a_limit_keeps_the_first() -> None:
    graph = graph_with(*(edge(f"User:{name}", f"User:{following}") for name, following in ("ab", "bc", "cd", "de")))
    every = found(graph, ["User:a", "User:b"], ["User:e"])
    compiled = Compiled(graph, TECHNIQUES)
    paths = find_paths(compiled, Replicas(inventory(), compiled), ["User:a", "User:b"], {"User:e": 6.0})
    assert [choke_points(paths, limit) for limit in range(5)] == [every[:limit] for limit in range(5)]


def test_nothing_to_cut() -> None:
    assert found(graph_with(nodes=["User:one", "ClusterAdmin"]), ["User:one"], ["ClusterAdmin"]) == []
