"""What blocks the pairs without a path: the steps that alone would join them, and no others."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.worlds import NODES, PLAIN, TECHNIQUES, Buckets, edge, graph_of, graph_with, random_buckets
from tests.builders import inventory
from workbench.analysis.blocked import EXAMPLES, Blocking, blocking
from workbench.analysis.session import Analysis, Query
from workbench.graph.graph import BlockedEdge, Graph

A, B, C, D, E = PLAIN[:5]


def found(
    graph: Graph, *blocked: BlockedEdge, sources: list[str], targets: list[str], **query: object
) -> list[Blocking]:
    """What blocks the paths of a query."""
    analysis = Analysis(inventory(), graph, TECHNIQUES)
    return blocking(analysis.paths(Query(tuple(sources), tuple(targets), **query)), blocked)  # type: ignore[arg-type]


def off(source: str, target: str, technique: str = "ALPHA") -> BlockedEdge:
    """A step that a mitigation turns off."""
    return BlockedEdge(source, target, technique, f"{source} is kept from {target}")


def test_the_step_that_would_join_a_pair() -> None:
    graph = graph_with(edge(A, B), edge(C, D), nodes=PLAIN)
    assert found(graph, off(B, C), sources=[A], targets=[D]) == [Blocking(off(B, C), 1, ((A, D),))]


def test_both_ends_may_be_ends_of_the_pair() -> None:
    graph = graph_with(nodes=PLAIN)
    assert found(graph, off(A, D), sources=[A], targets=[D]) == [Blocking(off(A, D), 1, ((A, D),))]


def test_what_would_join_nothing_new_is_left_out() -> None:
    graph = graph_with(edge(A, B), edge(B, D), nodes=PLAIN)
    blocked = [
        off(A, D),  # there is a path already
        off(A, C),  # leads nowhere
        off(E, D),  # nobody gets there
        off(D, D),
    ]
    assert found(graph, *blocked, sources=[A], targets=[D]) == []


def test_two_blocks_in_a_row_are_no_answer() -> None:
    graph = graph_with(nodes=PLAIN)
    assert found(graph, off(A, B), off(B, D), sources=[A], targets=[D]) == []


def test_pairs_are_counted_and_the_first_named() -> None:
    graph = graph_with(edge(A, C), edge(B, C), edge(D, E), nodes=PLAIN)
    both = found(graph, off(B, E), off(C, D), sources=[A, B], targets=[D, E])
    assert [(item.edge.source, item.pairs) for item in both] == [(C, 4), (B, 1)]
    assert both[0].examples == ((A, D), (A, E), (B, D))
    assert len(both[0].examples) == EXAMPLES


def test_what_the_query_leaves_out_stays_out() -> None:
    graph = graph_with(edge(A, B), edge(C, D, missing=[("C-A", "Cluster")]), nodes=PLAIN)
    ends = {"sources": [A], "targets": [D]}
    assert len(found(graph, off(B, C), **ends)) == 1
    assert found(graph, off(B, C), **ends, certain=True) == []
    assert found(graph, off(B, C, "MIKE"), **ends, exclude=("MIKE",)) == []


BLOCKED = st.builds(off, st.sampled_from(PLAIN), st.sampled_from(PLAIN), st.sampled_from(["ALPHA", "MIKE"]))


@given(random_buckets(), st.lists(BLOCKED, max_size=5, unique=True), st.data())
def test_as_if_each_step_were_added(buckets: Buckets, blocked: list[BlockedEdge], data: st.DataObject) -> None:
    sources = data.draw(st.lists(st.sampled_from(PLAIN), min_size=1, unique=True))
    targets = data.draw(st.lists(st.sampled_from(PLAIN), min_size=1, unique=True))
    graph = graph_of(buckets, NODES)
    plain = networkx.DiGraph()
    plain.add_nodes_from(NODES)
    plain.add_edges_from((each.source, each.target) for each in graph.edges())

    def pairs(extra: BlockedEdge | None) -> set[tuple[str, str]]:
        world = plain.copy()
        if extra is not None:
            world.add_edge(extra.source, extra.target)
        return {(one, other) for one in sources for other in targets if other in networkx.descendants(world, one)}

    before = pairs(None)
    expected = {each: pairs(each) - before for each in blocked}
    answer = found(graph, *blocked, sources=sources, targets=targets)
    assert {item.edge: item.pairs for item in answer} == {each: len(new) for each, new in expected.items() if new}
    for item in answer:
        assert list(item.examples) == sorted(expected[item.edge])[:EXAMPLES]
