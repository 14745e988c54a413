"""The arrays of a graph, and of a graph with replaced buckets."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis import naive
from tests.analysis.worlds import (
    NODES,
    NUMBERS,
    TECHNIQUES,
    Buckets,
    edge,
    edges_between,
    graph_of,
    graph_with,
    random_buckets,
    replaced,
)
from workbench.analysis.compiled import Compiled, effort_of, steps_of, weight
from workbench.graph.graph import Edge
from workbench.techniques.recompute import Bucket


def content(compiled: Compiled) -> dict[tuple[str, str], tuple[float, str, frozenset[str]]]:
    """The forward arrays by the ids of the ends."""
    out = {}
    for source in range(len(compiled.nodes)):
        for place in range(compiled.indptr[source], compiled.indptr[source + 1]):
            ends = (compiled.nodes[source], compiled.nodes[compiled.indices[place]])
            assert ends not in out, "a pair comes twice"
            out[ends] = (
                float(compiled.weights[place]),
                TECHNIQUES[compiled.technique[place]].id,
                compiled.condition_sets[compiled.conditions[place]],
            )
    return out


def turned(compiled: Compiled) -> dict[tuple[str, str], float]:
    """The reverse arrays by the ids of the ends, in the graph's direction."""
    matrix = compiled.reverse
    return {
        (compiled.nodes[matrix.indices[place]], compiled.nodes[target]): float(matrix.data[place])
        for target in range(len(compiled.nodes))
        for place in range(matrix.indptr[target], matrix.indptr[target + 1])
    }


def expected(edges: Iterable[Edge]) -> dict[tuple[str, str], tuple[float, str, frozenset[str]]]:
    return {
        ends: (
            float(weight(each.effort, len(each.missing), each.source.startswith("Hub:"))),
            each.technique,
            frozenset(each.conditions),
        )
        for ends, each in naive.links(edges).items()
    }


def flat(buckets: Buckets) -> list[Edge]:
    return [each for edges in buckets.values() for each in edges]


@given(random_buckets(), st.permutations(NODES))
def test_the_arrays_hold_the_best_record_of_each_pair(buckets: Buckets, order: list[str]) -> None:
    compiled = Compiled(graph_of(buckets, order), TECHNIQUES)
    assert content(compiled) == expected(flat(buckets))
    assert turned(compiled) == {ends: value[0] for ends, value in content(compiled).items()}
    for (source, target), best in naive.links(flat(buckets)).items():
        found = compiled.best(compiled.graph.numbers[source], compiled.graph.numbers[target])
        assert (found.rank, found.technique) == (best.rank, best.technique)


@given(random_buckets())
def test_only_certain_records_and_no_excluded_technique(buckets: Buckets) -> None:
    compiled = Compiled(graph_of(buckets, NODES), TECHNIQUES, certain=True, exclude=["ALPHA"])
    kept = [each for each in flat(buckets) if not each.missing and each.technique != "ALPHA"]
    assert content(compiled) == expected(kept)


@given(
    random_buckets(),
    st.dictionaries(
        st.tuples(st.sampled_from(["ALPHA", "MIKE", "MEMBER"]), st.sampled_from(["one", "two", "four"])),
        st.lists(edges_between((*NODES, "User:new", "Hub:new/x")), max_size=5),
        max_size=4,
    ),
    st.booleans(),
)
def test_patched_equals_a_new_graph(buckets: Buckets, drawn: dict[tuple[str, str], list[Edge]], certain: bool) -> None:
    changes = {
        key: [Edge(each.source, each.target, key[0], each.effort, each.missing, each.cause) for each in edges]
        for key, edges in drawn.items()
    }
    base = Compiled(graph_of(buckets, NODES), TECHNIQUES, certain=certain)
    before = content(base)
    after, recomputed = replaced(buckets, changes)
    patched = base.patched(recomputed)
    rebuilt = Compiled(graph_of(after, NODES), TECHNIQUES, certain=certain)
    assert content(patched) == content(rebuilt)
    assert turned(patched) == turned(rebuilt)
    assert content(base) == before, "the arrays that a what-if lies over must not change"
    for source, target in content(rebuilt):
        mine = patched.best(*map(number(patched), (source, target)))
        theirs = rebuilt.best(*map(number(rebuilt), (source, target)))
        assert (mine.rank, mine.technique) == (theirs.rank, theirs.technique)
    for chosen in ("ALPHA", "MIKE"):
        assert selected(patched, chosen) == selected(rebuilt, chosen)


def number(compiled: Compiled) -> Callable[[str], int]:
    def look_up(node: str) -> int:
        found = compiled.number(node)
        assert found is not None
        return found

    return look_up


def selected(compiled: Compiled, technique: str) -> list[tuple[str, str]]:
    chosen = compiled.catalogue.internal & False
    chosen[NUMBERS[technique]] = True
    source, target, numbers = compiled.select(chosen, at_most=2)
    assert set(numbers.tolist()) <= {NUMBERS[technique]}
    return sorted((compiled.nodes[one], compiled.nodes[other]) for one, other in zip(source, target, strict=True))


def test_an_edge_goes_only_with_its_last_cause() -> None:
    first, second = edge("User:a", "User:b", cause="one"), edge("User:a", "User:b", effort=3, cause="two")
    base = Compiled(graph_of({("ALPHA", "one"): [first], ("ALPHA", "two"): [second]}), TECHNIQUES)
    alpha = NUMBERS["ALPHA"]
    one = base.patched([Bucket(alpha, "one", [], [])])
    assert one.best(0, 1) == second
    assert one.weights.tolist() == [weight(3, 0, False)]
    both = base.patched([Bucket(alpha, "one", [], []), Bucket(alpha, "two", [], [])])
    assert content(both) == {}
    assert both.records(0, 1) == []
    with pytest.raises(LookupError, match="nothing leads from User:a to User:b"):
        both.best(0, 1)


def test_a_bucket_that_stays_the_same_changes_nothing() -> None:
    same = edge("User:a", "User:b")
    base = Compiled(graph_with(same), TECHNIQUES)
    patched = base.patched([Bucket(NUMBERS["ALPHA"], "User:a", [same], [])])
    assert list(patched.joined) == []
    assert patched.changed_techniques == frozenset()


def test_on_comes_before_less_effort_within_a_technique_but_not_between_two() -> None:
    proved = edge("User:a", "User:b", "ALPHA", 6)
    guessed = edge("User:a", "User:b", "ALPHA", 1, [("C-A", "Cluster")])
    other = edge("User:a", "User:b", "MIKE", 1, [("C-A", "Cluster")])
    compiled = Compiled(graph_of({("ALPHA", "x"): [guessed, proved]}), TECHNIQUES)
    assert compiled.best(0, 1) == proved
    compiled = Compiled(graph_of({("ALPHA", "x"): [guessed, proved], ("MIKE", "x"): [other]}), TECHNIQUES)
    assert compiled.best(0, 1) == other


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        pytest.param([(1, 9, False)] * 3, [(4, 0, False)], id="effort before missing facts"),
        pytest.param([(1, 0, False)] * 4, [(3, 0, False), (1, 1, False)], id="missing facts before steps"),
        pytest.param([(2, 1, False), (2, 0, False)], [(1, 0, False), (1, 1, False), (2, 0, False)], id="steps"),
        pytest.param([(2, 0, False)], [(2, 0, False), (0, 0, True)], id="a direct edge before a hub"),
    ],
)
def test_weights_order_paths(better: list[tuple[int, int, bool]], worse: list[tuple[int, int, bool]]) -> None:
    one, other = sum(weight(*each) for each in better), sum(weight(*each) for each in worse)
    assert one < other
    assert effort_of(one) == sum(effort for effort, _, _ in better)
    assert steps_of(one) == len(better)


def test_an_empty_graph_compiles() -> None:
    compiled = Compiled(graph_with(nodes=["Internet"]), TECHNIQUES)
    assert content(compiled) == {}
    assert compiled.number("Internet") == 0
    assert compiled.number("User:nobody") is None
