"""Paths that differ only by replica are shown once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.worlds import MEMBER, TECHNIQUES, edge, graph_with
from tests.builders import container, inventory, owner, pod
from workbench.analysis.compiled import Compiled
from workbench.analysis.paths import Path, PathSet, find_paths
from workbench.analysis.replicas import OWN_NODE, Replicas
from workbench.graph.graph import Edge
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KubernetesObject


def replica(name: str, node: str, workload: str = "web") -> KubernetesObject:
    return pod(name, container("app"), node=node, owners=[owner("StatefulSet", workload)])


def searched(view: Inventory, entries: list[str], jewels: dict[str, float], *edges: Edge) -> PathSet:
    compiled = Compiled(graph_with(*edges), TECHNIQUES)
    return find_paths(compiled, Replicas(view, compiled), entries, jewels)


THREE = inventory(replica("web-0", "one"), replica("web-1", "two"), replica("web-2", "main"), pod("lone", node="one"))
WEB = [f"Container:default/web-{number}/app" for number in range(3)]
ESCAPES = (
    edge(WEB[0], "Node:one"),
    edge(WEB[1], "Node:two"),
    edge(WEB[2], "Node:main"),
    edge("Container:default/lone/app", "Node:one"),
)
ON = tuple(edge(node, "ServiceAccount:x/admin") for node in ("Node:one", "Node:two", "Node:main"))
MASTER = edge("Node:main", "ClusterAdmin", "NODE_CONTROL_PLANE")
ADMIN = edge("ServiceAccount:x/admin", "ClusterAdmin", "MIKE")


def test_replicas_on_worker_nodes_are_one_path_and_the_one_on_the_control_plane_another() -> None:
    found = searched(THREE, WEB, {"ClusterAdmin": 10.0}, *ESCAPES, *ON, MASTER, ADMIN)
    paths = found.paths()
    assert [(path.nodes, path.count, path.sources) for path in paths] == [
        ((WEB[2], "Node:main", "ClusterAdmin"), 1, (WEB[2],)),
        ((WEB[0], "Node:one", "ServiceAccount:x/admin", "ClusterAdmin"), 2, (WEB[0], WEB[1])),
    ]
    assert found.pairs == 3
    assert found.total == 2


def test_without_a_control_plane_all_three_are_one() -> None:
    found = searched(THREE, WEB, {"ClusterAdmin": 10.0}, *ESCAPES, *ON, ADMIN)
    assert [(path.source, path.count) for path in found.paths()] == [(WEB[0], 3)]


def test_a_pod_of_its_own_is_no_replica_of_its_neighbour() -> None:
    entries = [WEB[0], "Container:default/lone/app"]
    found = searched(THREE, entries, {"ClusterAdmin": 10.0}, *ESCAPES, *ON, ADMIN)
    assert {(path.source, path.count) for path in found.paths()} == {(entry, 1) for entry in entries}


def test_an_endpoint_of_a_pod_is_called_after_the_workload() -> None:
    def identifier(number: int) -> str:
        way = [
            edge("Internet", f"Endpoint:default/pod.web-{number}/80"),
            edge(f"Endpoint:default/pod.web-{number}/80", WEB[number]),
            edge(WEB[number], "ClusterAdmin"),
        ]
        [path] = searched(THREE, ["Internet"], {"ClusterAdmin": 10.0}, *way).paths()
        return path.id

    assert identifier(0) == identifier(1), "the id outlives the pod"


def test_the_target_stays_concrete_even_if_it_is_the_own_node() -> None:
    found = searched(THREE, WEB, {"Node:one": 6.0, "Node:two": 6.0}, *ESCAPES)
    paths = found.paths()
    assert [(path.source, path.target) for path in paths] == [(WEB[0], "Node:one"), (WEB[1], "Node:two")]
    assert len({path.id for path in paths}) == 2


def test_targets_that_are_replicas_have_ids_of_their_own() -> None:
    edges = [edge("User:a", each) for each in WEB]
    paths = searched(THREE, ["User:a"], dict.fromkeys(WEB, 8.0), *edges).paths()
    assert [path.target for path in paths] == WEB
    assert len({path.id for path in paths}) == 3


def test_the_count_is_that_of_the_replicas_behind_a_node_in_the_middle() -> None:
    edges = [
        edge("Internet", "Endpoint:default/web/80"),
        edge("Endpoint:default/web/80", "Hub:x/web", "MIKE"),
        *(Edge("Hub:x/web", each, MEMBER, 0, (), None) for each in WEB),
        *(edge(each, "ServiceAccount:x/admin") for each in WEB),
        ADMIN,
    ]
    [path] = searched(THREE, ["Internet"], {"ClusterAdmin": 10.0}, *edges).paths()
    assert path.nodes[2] == WEB[0]
    assert (path.count, path.sources) == (3, ("Internet",))


def test_from_one_node_only_its_own_replica_counts() -> None:
    edges = [
        edge("Node:one", "Pod:default/web-0"),
        edge("Pod:default/web-0", WEB[0]),
        edge(WEB[0], "ServiceAccount:x/admin"),
        ADMIN,
    ]
    [path] = searched(THREE, ["Node:one"], {"ClusterAdmin": 10.0}, *edges).paths()
    assert path.count == 1


def test_the_id_does_not_hold_what_a_rollout_changes() -> None:
    def identifier(name: str, node: str) -> str:
        view = inventory(
            pod(
                name,
                container("app"),
                node=node,
                owners=[owner("StatefulSet", "web")],
            )
        )
        start = f"Container:default/{name}/app"
        found = searched(
            view,
            [start],
            {"ClusterAdmin": 10.0},
            edge(start, f"Node:{node}"),
            edge(f"Node:{node}", "ServiceAccount:x/admin"),
            ADMIN,
        )
        [path] = found.paths()
        assert path.id == found.path(start, "ClusterAdmin").id
        return path.id

    assert identifier("web-x7f9k", "one") == identifier("web-p2s8d", "two")
    assert identifier("web-x7f9k", "one").startswith("v1:")


def test_volumes_of_replicas_are_replicas_and_persistent_volumes_are_not() -> None:
    compiled = Compiled(
        graph_with(
            edge("Volume:default/web-0/data", "Node:one"),
            edge("Volume:default/web-1/data", "Node:two"),
            edge("Volume:pv-1", "Node:one"),
        ),
        TECHNIQUES,
    )
    replicas = Replicas(THREE, compiled)
    numbers = [compiled.number(node) for node in ("Volume:default/web-0/data", "Volume:default/web-1/data")]
    classes = replicas.classes_of(np.array(numbers))
    assert classes[0] == classes[1]
    assert replicas.key(numbers[1]) == "Volume:StatefulSet:default/web/data"
    assert replicas.key(compiled.number("Volume:pv-1")) == "Volume:pv-1"


WORKERS = ["one", "two"]
VIEW = inventory(*(replica(f"{name}-{at}", WORKERS[at % 2], name) for name in ("red", "blue") for at in range(3)))
CONTAINERS = sorted(each.id for each in VIEW.containers)
PODS = sorted(each.id for each in VIEW.pods)
ENDS = ["Node:one", "Node:two", "ServiceAccount:x/a", "ServiceAccount:x/b", "ClusterAdmin"]


@st.composite
def cluster_edges(draw: st.DrawFn) -> list[Edge]:
    names = [*CONTAINERS, *PODS, *ENDS]
    out = []
    for _ in range(draw(st.integers(0, 30))):
        source, target = draw(st.sampled_from(names)), draw(st.sampled_from(names))
        if source != target:
            missing = draw(st.sampled_from([(), (("C-A", "Cluster"),)]))
            out.append(edge(source, target, draw(st.sampled_from(["ALPHA", "MIKE"])), draw(st.integers(1, 2)), missing))
    return out


def collapsed(path: Path) -> tuple[str, ...]:
    """A path with its replicas collapsed, from the inventory alone."""
    words = []
    for at, node in enumerate(path.nodes):
        kind, _, rest = node.partition(":")
        if kind == "Container":
            word = f"{VIEW.containers.get(node).pod.owner} {rest.rpartition('/')[2]}"
        elif kind == "Pod":
            word = VIEW.pods.get(node).owner + " pod"
        elif kind == "Node" and 0 < at < len(path.nodes) - 1:
            before = path.nodes[at - 1]
            home = VIEW.containers.get(before)
            around = home.pod if home is not None else VIEW.pods.get(before)
            word = OWN_NODE if around is not None and around.node == node else node
        else:
            word = node
        words.append(word)
        if at < len(path.steps):
            words.append(path.steps[at].technique)
    return (*words, path.target)


@given(cluster_edges())
def test_merging_is_that_of_collapsing_every_path(edges: list[Edge]) -> None:
    jewels = {"ClusterAdmin": 10.0, "Node:two": 6.0}
    found = searched(VIEW, CONTAINERS, jewels, *edges)
    merged: dict[tuple[str, ...], list[int]] = {}
    for source in CONTAINERS:
        for target in jewels:
            path = found.path(source, target)
            if path is not None:
                merged.setdefault(collapsed(path), []).append(found.compiled.number(source))
    paths = found.paths()
    assert len(paths) == len(merged) == found.total
    assert len({path.id for path in paths}) == len(paths)
    for path in paths:
        members = sorted(found.compiled.nodes[number] for number in merged[collapsed(path)])
        assert list(path.sources) == members
        assert path.count >= len(members)
        singles = [found.path(member, path.target) for member in members]
        best = min(singles, key=lambda each: (-each.risk, each.effort, each.source))
        assert (path.source, path.risk, path.effort) == (best.source, best.risk, best.effort)
