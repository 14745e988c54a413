"""Entry points, crown jewels, admins, and selectors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.analysis.worlds import MEMBER, TECHNIQUES, edge, graph_with
from tests.builders import container, deployment, inventory, node, obj, owner, pod
from workbench.analysis.paths import find_paths
from workbench.analysis.session import Analysis, Query
from workbench.errors import UsageError
from workbench.graph.graph import Edge
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KubernetesObject


def binding(name: str, role: str, *, labels: Mapping[str, str] | None = None, namespace: str = "") -> KubernetesObject:
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    return obj(kind, name, namespace, labels=labels, roleRef={"kind": "ClusterRole", "name": role}, subjects=[])


def holds(identity: str, permission_set: str) -> Edge:
    return edge(identity, permission_set, "PERMISSION_DISCOVER")


def grants_all(permission_set: str) -> Edge:
    return edge(permission_set, "ClusterAdmin", "CLUSTER_ADMIN")


def analysis(view: Inventory, *edges: Edge, nodes: Sequence[str] = (), **options: Any) -> Analysis:
    first = ["Internet", "ClusterAdmin", *(each.id for each in view.pods), *(each.id for each in view.containers)]
    return Analysis(view, graph_with(*edges, nodes=[*first, *nodes]), TECHNIQUES, **options)


# --- entry points -----------------------------------------------------------------------------------

OWN = {"kubernetes.io/bootstrapping": "rbac-defaults"}


def test_entry_points() -> None:
    view = inventory(
        pod("web", container("app"), container("sidecar")),
        pod("done", container("app"), phase="Succeeded"),
        pod("etcd-main", container("etcd"), annotations={"kubernetes.io/config.mirror": "x"}, namespace="kube-system"),
        binding("ours", "view"),
        binding("theirs", "view", labels=OWN),
        binding("kubeadm:join", "view"),
        binding("root", "cluster-admin"),
        binding("team", "edit", namespace="shop"),
    )
    found = analysis(
        view,
        holds("User:alice", "PermissionSet:view@ours"),
        holds("User:system:kube-scheduler", "PermissionSet:view@theirs"),
        holds("Group:system:bootstrappers", "PermissionSet:view@kubeadm:join"),
        holds("User:root", "PermissionSet:cluster-admin@root"),
        grants_all("PermissionSet:cluster-admin@root"),
        holds("Group:devs", "PermissionSet:shop/edit@team"),
        edge("User:bob", "Group:devs", "GROUP_MEMBER"),
        edge("ServiceAccount:shop/default", "Group:system:authenticated", "GROUP_MEMBER"),
        holds("Group:system:authenticated", "PermissionSet:view@theirs"),
        nodes=["ServiceAccount:shop/unused", "PermissionSet:shop/cluster-admin@"],
    )
    assert found.entries == (
        "Container:default/web/app",
        "Container:default/web/sidecar",
        "Group:devs",
        "Internet",
        "User:alice",
        "User:bob",
    )
    assert found.paths().summary["entry_points"] == 6


def test_entry_points_that_the_operator_sets_replace_the_default_and_flags_replace_both() -> None:
    view = inventory(pod("web"))
    found = analysis(view, entry_points=["internet", "ServiceAccount:gone/*"])
    assert found.entries == ("Internet",)
    assert found.paths(Query(sources=("Container",))).entries == ("Container:default/web/app",)


def test_built_in_bindings_are_kubernetes_own() -> None:
    view = inventory(builtins=[binding("theirs", "view")])
    assert analysis(view, holds("User:alice", "PermissionSet:view@theirs")).entries == ("Internet",)


def test_names_with_an_at_sign_are_told_apart_by_the_objects() -> None:
    view = inventory(binding("b", "a@c"), binding("c@b", "z", labels=OWN))
    found = analysis(view, holds("User:alice", "PermissionSet:a@c@b"))
    assert found.entries == ("Internet", "User:alice")


# --- admins -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edges", "how"),
    [
        pytest.param([holds("User:x", "PermissionSet:a@b"), grants_all("PermissionSet:a@b")], "direct", id="grant"),
        pytest.param(
            [edge("User:x", "Group:g", "GROUP_MEMBER"), edge("Group:g", "ClusterAdmin", "SYSTEM_MASTERS")],
            "direct",
            id="group",
        ),
        pytest.param(
            [holds("User:x", "PermissionSet:a@b"), edge("PermissionSet:a@b", "ClusterAdmin", "ROLE_BIND", 4)],
            "derivable",
            id="weight 4",
        ),
        pytest.param(
            [holds("User:x", "PermissionSet:a@b"), edge("PermissionSet:a@b", "ClusterAdmin", "ROLE_BIND", 5)],
            None,
            id="weight 5",
        ),
        pytest.param(
            [
                holds("User:x", "PermissionSet:a@b"),
                edge("PermissionSet:a@b", "ClusterAdmin", "ROLE_BIND", 4, [("C-GATE", "Cluster")]),
            ],
            "derivable",
            id="a condition adds no weight",
        ),
        pytest.param([edge("User:x", "ClusterAdmin", "ALPHA")], None, id="not by the API"),
        pytest.param(
            [
                edge("User:x", "Hub:nodes/*", "POD_CREATE"),
                Edge("Hub:nodes/*", "Node:main", MEMBER, 0, (), None),
                edge("Node:main", "ClusterAdmin", "NODE_CONTROL_PLANE"),
            ],
            "derivable",
            id="a pod on a control-plane node",
        ),
        pytest.param(
            [
                edge("User:x", "Node:*", "POD_CREATE"),
                edge("Node:*", "ClusterAdmin", "NODE_CONTROL_PLANE", 1, [("C-CPNODE", "Node:*")]),
            ],
            None,
            id="a node that may be one",
        ),
        pytest.param(
            [
                edge("User:x", "User:y", "ROLE_BIND"),
                edge("User:y", "User:z", "ROLE_BIND"),
                edge("User:z", "User:y", "ROLE_BIND"),
                holds("User:z", "PermissionSet:a@b"),
                grants_all("PermissionSet:a@b"),
            ],
            "derivable",
            id="over others, in a ring",
        ),
    ],
)
def test_admin(edges: list[Edge], how: str | None) -> None:
    assert analysis(inventory(), *edges).admins.of("User:x") == how


# --- crown jewels -----------------------------------------------------------------------------------

MARK = {"workbench/crown-jewel": "true"}


def test_crown_jewels_and_their_values() -> None:
    view = inventory(
        pod(
            "etcd-main",
            container("etcd"),
            container("log"),
            namespace="kube-system",
            annotations={"kubernetes.io/config.mirror": "x"},
        ),
        pod("etcd-fake", container("etcd")),
        obj("Secret", "paid", "shop", labels=MARK),
        obj("Secret", "free", "shop", annotations={"workbench/crown-jewel": "false"}),
        obj("Secret", "plain", "shop"),
        pod("ledger", container("a"), container("b"), annotations=MARK),
        binding("b", "a"),
    )
    found = analysis(
        view,
        edge("Node:main", "ClusterAdmin", "NODE_CONTROL_PLANE"),
        edge("Node:*", "ClusterAdmin", "NODE_CONTROL_PLANE", 1, [("C-CPNODE", "Node:*")]),
        holds("ServiceAccount:x/boss", "PermissionSet:a@b"),
        grants_all("PermissionSet:a@b"),
        edge("Secret:x/boss-token", "ServiceAccount:x/boss", "SECRET_USE"),
        edge("Secret:x/other-token", "ServiceAccount:x/clerk", "SECRET_USE"),
        edge("Secret:x/ca", "ClusterAdmin", "SECRET_USE"),
        nodes=[
            "Secret:kube-system/anything",
            "Secret:shop/paid",
            "Secret:shop/free",
            "Secret:shop/plain",
            "CloudIdentity:aws/admin",
            "Node:worker",
        ],
        crown_jewels=["CloudIdentity", "secret:nowhere/*"],
    )
    assert found.jewels == {
        "CloudIdentity:aws/admin": 9.0,
        "ClusterAdmin": 10.0,
        "Container:default/ledger/a": 8.0,
        "Container:default/ledger/b": 8.0,
        "Container:kube-system/etcd-main/etcd": 10.0,
        "Node:main": 10.0,
        "Secret:kube-system/anything": 6.0,
        "Secret:shop/paid": 8.0,
        "Secret:x/boss-token": 9.0,
        "Secret:x/ca": 10.0,
    }


def test_a_mark_on_a_template_or_a_workload_marks_what_it_runs_and_the_key_can_be_chosen() -> None:
    view = inventory(
        deployment("one", labels={"tier": "vault"}),
        obj("Deployment", "two", labels={"tier": "x"}, spec={"template": {"spec": {"containers": [container("app")]}}}),
        obj("Service", "api", labels={"tier": "x"}),
        obj("PersistentVolume", "disk", labels={"tier": "x"}),
        obj("ConfigMap", "no-node", labels={"tier": "x"}),
    )
    nodes = ["Endpoint:default/api/80", "Endpoint:default/apis/80", "Volume:disk"]
    found = analysis(view, jewel_key="tier", nodes=nodes)
    assert set(found.jewels) == {
        "Volume:disk",
        "ClusterAdmin",
        "Container:default/one/app",
        "Container:default/two/app",
        "Endpoint:default/api/80",
    }
    assert set(analysis(view).jewels) == {"ClusterAdmin"}


@pytest.mark.parametrize("where", ["labels", "annotations"])
@pytest.mark.parametrize("marked", [{0, 1, 2}, {0}, {1}, set()])
def test_of_replicas_those_are_jewels_that_carry_the_mark(where: str, marked: set[int]) -> None:
    owners = [owner("StatefulSet", "web")]
    given: list[dict[str, Any]] = [{where: MARK} if number in marked else {} for number in range(3)]
    view = inventory(*(pod(f"web-{number}", container("app"), owners=owners, **given[number]) for number in range(3)))
    first = [each.alike for each in view.pods]
    assert (first[2] is first[0]) == (0 not in marked or len(marked) == 3)
    assert set(analysis(view).jewels) == {
        "ClusterAdmin",
        *(f"Container:default/web-{number}/app" for number in marked),
    }


def test_a_chosen_target_keeps_the_value_of_a_jewel() -> None:
    found = analysis(inventory(), edge("User:a", "Secret:kube-system/x"), edge("User:a", "Secret:x/y"))
    paths = found.paths(Query(sources=("User:a",), targets=("Secret", "cluster-admin")))
    assert dict(paths.jewels) == {"ClusterAdmin": 10.0, "Secret:kube-system/x": 6.0, "Secret:x/y": 6.0}


# --- selectors --------------------------------------------------------------------------------------

LIVE = inventory(
    pod("web-1", container("app"), owners=[owner("StatefulSet", "web")], namespace="shop", labels={"app": "web"}),
    pod("db-1", container("db"), namespace="shop", labels={"app": "db"}),
    node("worker-1", labels={"zone": "a"}),
    obj("StatefulSet", "web", "shop", spec={}),
)
NAMED = analysis(
    LIVE,
    nodes=[
        "Node:worker-1",
        "Node:*",
        "Secret:prod/db",
        "Secret:prod/db-old",
        "Secret:dev/db",
        "Hub:secrets/prod",
        "Image:registry.example/app:1",
        "User:CN=a,O=b",
        "Volume:pv-1",
    ],
)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["internet"], ["Internet"]),
        (["Internet"], ["Internet"]),
        (["cluster-admin"], ["ClusterAdmin"]),
        (["jewels"], ["ClusterAdmin"]),
        (["Secret:prod/db"], ["Secret:prod/db"]),
        (["secret:prod/db"], ["Secret:prod/db"]),
        (["secret:prod/*"], ["Secret:prod/db", "Secret:prod/db-old"]),
        (["Secret:*/db"], ["Secret:dev/db", "Secret:prod/db"]),
        (["Container:shop/*"], ["Container:shop/db-1/db", "Container:shop/web-1/app"]),
        (["Node:*"], ["Node:*", "Node:worker-1"]),
        (["SECRET"], ["Secret:dev/db", "Secret:prod/db", "Secret:prod/db-old"]),
        (["serviceaccount,pod"], None),
        (["pod,internet"], ["Internet", "Pod:shop/db-1", "Pod:shop/web-1"]),
        (["pod", " internet "], ["Internet", "Pod:shop/db-1", "Pod:shop/web-1"]),
        (["label:app=web"], ["Container:shop/web-1/app"]),
        (["label:app"], ["Container:shop/db-1/db", "Container:shop/web-1/app"]),
        (["label:zone=a"], ["Node:worker-1"]),
        (["label:zone=b"], None),
        (["StatefulSet:shop/web"], ["Container:shop/web-1/app"]),
        (["statefulset:shop/*"], ["Container:shop/web-1/app"]),
        (["StatefulSet"], ["Container:shop/web-1/app"]),
        (["User:CN=a,O=b"], ["User:CN=a,O=b"]),
        (["Image:registry.example/app:1"], ["Image:registry.example/app:1"]),
        (["Hub:secrets/prod"], None),
        (["Hub"], None),
        (["Secret:prod/d"], None),
        (["Secret:prod/d?"], None),
        ([","], None),
    ],
)
def test_selectors(given: list[str], found: list[str] | None) -> None:
    if found is None:
        with pytest.raises(UsageError):
            NAMED.select(given)
    else:
        assert NAMED.select(given) == found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "Secret:prod/db-odl",
            "nothing matches 'Secret:prod/db-odl'; the nearest are Secret:prod/db-old, Secret:prod/db",
        ),
        ("secrt", "did you mean Secret"),
        ("Gadget:x/y", "the kinds of this source are"),
        ("label:app=cart", "nothing has the label app=cart"),
        ("developer:shop", "comes with live clusters"),
        ("me", "comes with live clusters"),
    ],
)
def test_a_selector_without_a_match_says_what_is_near(given: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        NAMED.select([given])


def test_an_unknown_technique_cannot_be_left_out() -> None:
    with pytest.raises(UsageError, match="no technique is called NOPE"):
        NAMED.paths(Query(exclude=("NOPE",)))


def test_certain_and_excluded_paths() -> None:
    found = analysis(
        inventory(),
        edge("User:a", "ClusterAdmin", "ALPHA", 1, [("C-A", "Cluster")]),
        edge("User:a", "User:b", "MIKE", 3),
        edge("User:b", "ClusterAdmin", "ZULU", 3),
    )
    start = ("User:a",)
    assert found.paths(Query(start)).paths()[0].nodes == ("User:a", "ClusterAdmin")
    assert found.paths(Query(start, certain=True)).paths()[0].nodes == ("User:a", "User:b", "ClusterAdmin")
    assert found.paths(Query(start, exclude=("ALPHA",))).paths()[0].verdict == "on"
    assert found.paths(Query(start, certain=True, exclude=("ZULU",))).paths() == []
    assert found.paths(Query(start)) is found.paths(Query(start))


def test_paths_can_be_searched_without_a_session() -> None:
    found = find_paths(NAMED.compiled, NAMED.replicas, ["Internet"], {"ClusterAdmin": 10.0})
    assert found.summary == {"entry_points": 1, "crown_jewels": 1, "pairs_with_a_path": 0}
