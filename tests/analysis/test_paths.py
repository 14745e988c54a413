"""The ranked list of paths, against trying everything on small graphs, and what a path says about itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis import naive
from tests.analysis.worlds import MEMBER, NODES, PLAIN, TECHNIQUES, Buckets, edge, graph_of, graph_with, random_buckets
from tests.builders import inventory
from workbench.analysis.compiled import Compiled
from workbench.analysis.paths import Path, PathSet, find_paths, risk_of, severity_of
from workbench.analysis.replicas import Replicas
from workbench.analysis.starts import exposure
from workbench.graph import nodes as node_ids
from workbench.graph.graph import Edge, Fact, Graph

VALUES = {PLAIN[0]: 10.0, PLAIN[1]: 9.0, PLAIN[2]: 6.0, PLAIN[3]: 6.0}


def searched(graph: Graph, entries: list[str], jewels: dict[str, float]) -> PathSet:
    compiled = Compiled(graph, TECHNIQUES)
    return find_paths(compiled, Replicas(inventory(), compiled), entries, jewels)


def expected(edges: list[Edge], entries: list[str], jewels: dict[str, float]) -> list[tuple[float, int, str, str]]:
    """The list by trying everything: risk, effort, source and target, as they must be ordered."""
    graph = naive.links(edges)
    rows = []
    for goal, value in jewels.items():
        known = naive.distances(graph, goal)
        for start in entries:
            path = naive.best_path(graph, start, goal, known)
            if path is None:
                continue
            used = [graph[link] for link in pairwise(path)]
            effort = sum(each.effort for each in used)
            steps = sum(not node_ids.is_hub(node) for node in path) - 1
            conditions = {fact for each in used for fact, _ in each.missing}
            risk = round(value * exposure(start) * 0.97 ** (effort - steps) * 0.85 ** len(conditions), 1)
            rows.append((-risk, effort, start, goal, tuple(node for node in path if not node_ids.is_hub(node))))
    return sorted(rows)


def described(paths: list[Path]) -> list[object]:
    return [(-path.risk, path.effort, path.source, path.target, path.nodes) for path in paths]


@given(random_buckets(), st.permutations(NODES), st.integers(1, 6))
def test_the_list_is_what_trying_everything_gives(buckets: Buckets, order: list[str], limit: int) -> None:
    found = searched(graph_of(buckets, order), list(PLAIN), VALUES)
    wanted = expected([each for edges in buckets.values() for each in edges], list(PLAIN), VALUES)
    assert described(found.paths()) == wanted
    assert described(found.paths(limit)) == wanted[:limit]
    assert found.total == found.pairs == len(wanted)
    words = [severity_of(-row[0]) for row in wanted]
    assert found.severities == {word: words.count(word) for word in ("critical", "high", "medium", "low")}
    assert list(found.severities) == ["critical", "high", "medium", "low"]


@given(random_buckets(), st.permutations(NODES))
def test_the_numbering_of_nodes_does_not_show(buckets: Buckets, order: list[str]) -> None:
    one = searched(graph_of(buckets, sorted(NODES)), list(PLAIN), VALUES)
    other = searched(graph_of(buckets, order), list(PLAIN), VALUES)
    assert one.paths() == other.paths()


@given(random_buckets())
def test_ids_are_unique_and_each_pair_is_found_by_its_ends(buckets: Buckets) -> None:
    found = searched(graph_of(buckets, NODES), list(PLAIN), VALUES)
    paths = found.paths()
    assert len({path.id for path in paths}) == len(paths)
    for path in paths:
        assert found.path(path.source, path.target) == path
    for goal in VALUES:
        sources = {found.compiled.nodes[number] for number in found.pairs_to(goal)}
        assert sources == {path.source for path in paths if path.target == goal}


def test_targets_that_are_alike_share_a_search_and_keep_their_values() -> None:
    graph = graph_with(
        edge("User:a", "Secret:x/one"),
        edge("User:a", "Secret:x/two"),
        edge("User:a", "Secret:x/three", effort=2),
        edge("User:b", "User:a"),
    )
    values = {"Secret:x/one": 6.0, "Secret:x/two": 9.0, "Secret:x/three": 6.0}
    found = searched(graph, ["User:a", "User:b"], values)
    assert sorted(len(tree.targets) for tree in found.trees) == [1, 2]
    assert [(path.source, path.target, path.risk) for path in found.paths()] == [
        ("User:a", "Secret:x/two", 7.6),
        ("User:b", "Secret:x/two", 7.6),
        ("User:a", "Secret:x/one", 5.1),
        ("User:b", "Secret:x/one", 5.1),
        ("User:a", "Secret:x/three", 4.9),
        ("User:b", "Secret:x/three", 4.9),
    ]
    assert [path.nodes for path in found.paths(1)] == [("User:a", "Secret:x/two")]


LEAVES = ("Secret:x/a", "Secret:x/b", "Secret:x/c")
INTO = st.tuples(
    st.sampled_from(["ZULU", "ALPHA", "MIKE"]), st.sampled_from([(), (("C-A", "Image:one"),), (("C-B", "Cluster"),)])
)


@given(
    random_buckets(most=14),
    st.lists(st.sampled_from(NODES), unique=True, min_size=1, max_size=3),
    st.lists(st.tuples(*[INTO] * 3), min_size=3, max_size=3),
    st.booleans(),
)
def test_targets_that_the_same_nodes_lead_to_say_what_each_alone_says(
    buckets: Buckets, before: list[str], ways: list[tuple[tuple[str, tuple[Fact, ...]], ...]], leads_on: bool
) -> None:
    """Of secrets that one pod mounts and reads from its environment the paths differ in the last step alone."""
    into = [
        edge(node, leaf, technique, missing=missing)
        for node, way in zip(before, ways, strict=False)
        for leaf, (technique, missing) in zip(LEAVES, way, strict=True)
    ]
    out = [edge(LEAVES[1], PLAIN[0])] if leads_on else []
    graph = graph_with(*(each for bucket in buckets.values() for each in bucket), *into, *out, nodes=(*NODES, *LEAVES))
    entries, jewels = [*PLAIN, *LEAVES], dict.fromkeys(LEAVES, 6.0)
    together = searched(graph, entries, jewels)
    for tree in together.trees:
        assert tree.distances(together.leading.places(np.array(tree.targets[:1]))).tolist() == [0]
    for leaf in LEAVES:
        alone = searched(graph, entries, {leaf: 6.0})
        for entry in entries:
            path, own = together.path(entry, leaf), alone.path(entry, leaf)
            assert (path and (path.nodes, path.steps, path.sources)) == (own and (own.nodes, own.steps, own.sources))


def test_a_hub_is_one_step_with_the_records_of_both_edges() -> None:
    into = edge("PermissionSet:a@b", "Hub:containers/shop", "MIKE", 2, [("C-A", "Cluster")], cause="rule")
    out = Edge("Hub:containers/shop", "Container:shop/web/web", MEMBER, 0, (), "member")
    graph = graph_with(
        edge("User:a", "PermissionSet:a@b"),
        into,
        out,
        edge("PermissionSet:a@b", "Container:shop/web/web", "ZULU", 9),
        edge("PermissionSet:a@b", "Hub:containers/shop", "ALPHA", 9),
    )
    [path] = searched(graph, ["User:a"], {"Container:shop/web/web": 6.0}).paths()
    assert path.nodes == ("User:a", "PermissionSet:a@b", "Container:shop/web/web")
    step = path.steps[1]
    assert (step.technique, step.title, step.effort, step.verdict) == ("MIKE", "does MIKE", 4, "cond")
    assert step.edges == (into, out)
    assert (step.facts, step.missing) == ((("C-A", "Cluster"),), ("C-A",))
    assert step.others == ("ALPHA", "ZULU")
    assert (path.verdict, path.missing, path.effort) == ("cond", ("C-A",), 5)


def test_a_step_between_two_sets_is_named_after_what_joins_them() -> None:
    graph = graph_with(
        Edge("Container:a/x/c", "Hub:from/1", MEMBER, 0, (), None),
        edge("Hub:from/1", "Hub:to/1", "MIKE", 2),
        Edge("Hub:to/1", "Endpoint:b/y/80", MEMBER, 0, (), None),
    )
    [path] = searched(graph, ["Container:a/x/c"], {"Endpoint:b/y/80": 6.0}).paths()
    assert [(step.technique, step.effort, len(step.edges)) for step in path.steps] == [("MIKE", 2, 3)]


def test_no_path_to_oneself_and_entries_without_an_edge_count() -> None:
    graph = graph_with(edge("User:a", "ClusterAdmin"), edge("ClusterAdmin", "User:a"))
    found = searched(graph, ["User:a", "ClusterAdmin", "Container:x/y/z"], {"ClusterAdmin": 10.0})
    assert [path.source for path in found.paths()] == ["User:a"]
    assert found.summary == {"entry_points": 3, "crown_jewels": 1, "pairs_with_a_path": 1}
    assert found.path("Container:x/y/z", "ClusterAdmin") is None
    assert found.path("User:a", "User:a") is None


def test_nothing_found() -> None:
    found = searched(graph_with(nodes=["Internet", "ClusterAdmin"]), ["Internet"], {"ClusterAdmin": 10.0})
    assert (found.paths(), found.total, found.pairs) == ([], 0, 0)
    assert found.severities == {"critical": 0, "high": 0, "medium": 0, "low": 0}


@pytest.mark.parametrize(
    ("terms", "risk", "severity"),
    [
        ((10, 1, 5, 5, 0), 10.0, "critical"),
        ((10, 1, 9, 5, 0), 8.9, "critical"),
        ((10, 0.85, 7, 5, 0), 8.0, "critical"),
        ((10, 0.85, 8, 5, 0), 7.8, "high"),
        ((9, 0.75, 2, 2, 0), 6.8, "high"),
        ((10, 1, 10, 5, 2), 6.2, "high"),
        ((8, 0.75, 4, 4, 0), 6.0, "high"),
        ((6, 0.85, 10, 5, 3), 2.7, "low"),
        ((6, 0.75, 14, 4, 1), 2.8, "low"),
        ((6, 1, 8, 4, 3), 3.3, "medium"),
    ],
)
def test_risk(terms: tuple[float, float, int, int, int], risk: float, severity: str) -> None:
    assert risk_of(*terms) == risk
    assert severity_of(risk) == severity


def test_conditions_count_once_however_many_objects_they_are_about() -> None:
    graph = graph_with(
        edge("User:a", "User:b", missing=[("C-A", "Image:one")]),
        edge("User:b", "ClusterAdmin", missing=[("C-A", "Image:two"), ("C-B", "Cluster")]),
    )
    [path] = searched(graph, ["User:a"], {"ClusterAdmin": 10.0}).paths()
    assert path.missing == ("C-A", "C-B")
    assert path.risk == round(10 * 0.85 * 0.97**4 * 0.85**2, 1)
