"""Buckets and causes of the graph, which keeps no more of them than it has to."""

from __future__ import annotations

from workbench.graph.graph import Columns, Graph


def columns(graph: Graph, *edges: tuple[str, str, object]) -> Columns:
    out = Columns(graph)
    for source, target, cause in edges:
        out.source.append(graph.numbers[source])
        out.target.append(graph.numbers[target])
        out.effort.append(1)
        out.missing.append(graph.fact_numbers[()])
        out.causes.append(cause)
    return out


def test_buckets_of_edges_that_start_at_their_subject_follow_from_the_sources() -> None:
    graph = Graph(["NONE", "FROM", "GIVEN"])
    graph.add_nodes(["a", "b"])
    graph.add(0, Columns(graph))
    graph.add(1, columns(graph, ("a", "x", None), ("a", "y", None), ("b", "x", None)))
    graph.add(2, columns(graph, ("b", "y", "why"), ("a", "z", 0)), ["one", "two"], [0, 1])
    assert graph.subjects(0) == []
    assert graph.subjects(1) == ["a", "b"]
    assert graph.subjects(2) == ["one", "two"]
    assert [graph.bucket(1, key) for key in "abc"] == [range(2), range(2, 3), range(0)]
    assert [graph.bucket(2, key) for key in ("one", "two")] == [range(3, 4), range(4, 5)]


def test_causes_are_those_that_were_given_and_none_where_none_were() -> None:
    graph = Graph(["WITHOUT", "WITH"])
    graph.add(0, columns(graph, ("a", "x", None)))
    graph.add(1, columns(graph, ("a", "x", 0), ("b", "x", None)), ["all"], [0])
    assert [edge.cause for edge in graph.edges()] == [None, 0, None]
    assert list(graph.causes(range(1))) == [None]
    assert list(graph.causes(range(1, 3))) == [0, None]


def test_nodes_stand_in_the_order_in_which_they_were_numbered() -> None:
    graph = Graph(["ONE"])
    graph.add_nodes(["a", "b", "a"])
    assert graph.number("c") == 2
    assert graph.fact_numbers[("C-NODE", "Node:*"),] == 1
    graph.add(0, columns(graph, ("d", "a", None), ("e", "d", None)))
    assert graph.nodes == ["a", "b", "c", "d", "e"]
    assert [graph.numbers[node] for node in graph.nodes] == list(range(5))
    assert graph.facts == [(), (("C-NODE", "Node:*"),)]
