"""Tables of objects: their columns, the paths through each, and what each has to do with others."""

from __future__ import annotations

from typing import Any

import pytest

from tests import builders as b
from workbench.analysis.object_tables import kind_counts, labels_match, object_table, sorted_rows
from workbench.analysis.relations import relations
from workbench.analysis.session import Analysis, Query
from workbench.analysis.through import Through
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KINDS, KubernetesObject
from workbench.techniques.build import build


def analysed(view: Inventory) -> tuple[Analysis, Through]:
    analysis = Analysis(view, build(view))
    return analysis, Through(analysis, analysis.paths().paths())


def cells(view: Inventory, kind: str) -> list[dict[str, Any]]:
    analysis, through = analysed(view)
    table = object_table(analysis, kind, through)
    titles = [column.title for column in table.columns]
    return [dict(zip(titles, row.cells, strict=True)) for row in table.rows]


def shop() -> Inventory:
    """Two replicas on two nodes that escape to them, and a binding that makes their account an admin."""
    privileged = b.container("web", securityContext={"privileged": True})
    more = {
        "labels": {"app": "web"},
        "owners": [b.owner("ReplicaSet", "web-1")],
        "serviceAccountName": "web",
        "volumes": [b.token_volume(), {"name": "key", "secret": {"secretName": "key"}}],
    }
    mounted = {**privileged, "volumeMounts": [b.token_mount()]}
    return b.inventory(
        b.deployment("web", privileged, uid="1", fields={"replicas": 2}),
        b.workload("ReplicaSet", "web-1", privileged, owners=[b.owner("Deployment", "web")], uid="2"),
        b.pod("web-1-a", mounted, node="worker-1", uid="3", **more),
        b.pod("web-1-b", mounted, node="worker-2", uid="4", **more),
        b.pod("other", b.container("x", image="other"), uid="5", phase="Pending", automountServiceAccountToken=False),
        b.node("worker-1"),
        b.node("worker-2"),
        b.account("web"),
        b.cluster_role("ops", b.rule("*", "*", "*")),
        b.cluster_role_binding("ops", "ops", "ServiceAccount:default/web"),
        b.service("web", address="203.0.113.7", uid="6", type="LoadBalancer"),
        b.obj("Namespace", "default", labels={"pod-security.kubernetes.io/enforce": "baseline"}),
    )


def test_the_volume_with_the_token_is_that_of_one_replica_alone() -> None:
    """It has a name of its own in each, so that a path to it goes through this pod and its owner, and no other pod."""

    def replica(number: int) -> KubernetesObject:
        name = f"kube-api-access-{number}"
        mounted = b.container("web", volumeMounts=[b.token_mount(name)])
        owners = [b.owner("ReplicaSet", "web", "1")]
        volumes = [b.token_volume(name)]
        return b.pod(f"web-{number}", mounted, node=f"n{number}", owners=owners, uid=f"w{number}", volumes=volumes)

    bad = b.container("bad", securityContext={"privileged": True, "runAsUser": 0})
    view = b.inventory(
        *(b.node(f"n{number}") for number in range(3)),
        *map(replica, range(3)),
        b.pod("bad", bad, node="n1", uid="bad", automountServiceAccountToken=False),
        b.account("default"),
        b.workload("ReplicaSet", "web", b.container("web"), uid="1"),
    )
    assert [pod.alike.id for pod in view.pods][:3] == ["Pod:default/web-0"] * 3
    analysis = Analysis(view, build(view))
    paths = analysis.paths(Query(targets=("Volume:default/web-1/*",), sources=("Container:default/bad/*",))).paths()
    assert [path.nodes[1:] for path in paths] == [("Node:n1", "Volume:default/web-1/kube-api-access-1")]
    through = Through(analysis, paths)
    assert [through.of(f"Pod:default/web-{number}") for number in range(3)] == [(), (0,), ()]
    assert through.of("ReplicaSet:default/web") == (0,)


def test_a_path_goes_through_all_that_its_nodes_stand_for() -> None:
    view = shop()
    analysis, through = analysed(view)
    paths = analysis.paths().paths()
    place = next(place for place, path in enumerate(paths) if path.source == "Internet")
    for about in (
        "Service:default/web",
        "Deployment:default/web",
        "ReplicaSet:default/web-1",
        "Pod:default/web-1-a",
        "Pod:default/web-1-b",
        "ServiceAccount:default/web",
        "ClusterRole:ops",
        "ClusterRoleBinding:ops",
        "Namespace:default",
    ):
        assert place in through.of(about), about
    assert through.of("Pod:default/web-1-a") == through.of("Pod:default/web-1-b"), "replicas are one"
    for about in ("Pod:default/other", "Node:worker-9", "Role:default/none"):
        assert through.of(about) == (), about


def test_what_is_given_back_are_places_in_the_list() -> None:
    view = shop()
    analysis, _ = analysed(view)
    paths = analysis.paths().paths()
    backwards = Through(analysis, paths[::-1])
    forwards = Through(analysis, paths)
    last = len(paths) - 1
    for about in ("Deployment:default/web", "Pod:default/web-1-b", "ClusterRole:ops"):
        assert sorted(last - place for place in backwards.of(about)) == list(forwards.of(about))
        assert all(0 <= place <= last for place in forwards.of(about))


def test_the_table_of_pods() -> None:
    rows = cells(shop(), "Pod")
    assert [row["NAME"] for row in rows] == ["other", "web-1-a", "web-1-b"]
    web = rows[1]
    assert web["PATHS"] > 0
    assert web["RISKS"] == "privileged"
    assert (web["PHASE"], web["ACCOUNT"], web["NODE"]) == ("Running", "web", "worker-1")
    assert (web["OWNER"], web["CONTAINERS"]) == ("Deployment/web", 1)
    assert rows[0]["PATHS"] == 0
    assert rows[0]["OWNER"] == ""


@pytest.mark.parametrize(
    ("spec", "risks"),
    [
        ({}, ""),
        ({"hostPID": True, "hostNetwork": True}, "hostPID hostNetwork"),
        ({"volumes": [b.host_path("h", "/")]}, "hostPath"),
        ({"initContainers": [b.container("i", securityContext={"privileged": True})]}, "privileged"),
    ],
)
def test_risks_are_the_words_of_the_fields(spec: dict[str, Any], risks: str) -> None:
    assert cells(b.inventory(b.pod("p", **spec)), "Pod")[0]["RISKS"] == risks


def test_added_capabilities_are_risks() -> None:
    capable = b.container("c", securityContext={"capabilities": {"add": ["SYS_ADMIN", "NET_RAW"]}})
    assert cells(b.inventory(b.deployment("d", capable)), "Deployment")[0]["RISKS"] == "+NET_RAW +SYS_ADMIN"


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("Deployment", "web", {"REPLICAS": 2, "PODS": 2, "RISKS": "privileged"}),
        ("ReplicaSet", "web-1", {"REPLICAS": "", "RISKS": "privileged"}),
        ("ServiceAccount", "web", {"ADMIN": "direct", "GRANTS": 1, "PODS": 2, "TOKEN": ""}),
        ("Service", "web", {"TYPE": "LoadBalancer", "PORTS": "80/TCP", "EXTERNAL": "203.0.113.7"}),
        ("Node", "worker-1", {"ROLE": "worker", "PODS": 2}),
        ("Namespace", "default", {"POD SECURITY": "baseline"}),
        ("ClusterRole", "ops", {"RULES": 1, "BOUND": 1, "ORIGIN": ""}),
        (
            "ClusterRoleBinding",
            "ops",
            {"ROLE": "ClusterRole/ops", "SUBJECTS": 1, "WHO": "ServiceAccount default/web"},
        ),
    ],
)
def test_the_columns_of_a_kind(kind: str, name: str, expected: dict[str, Any]) -> None:
    row = next(row for row in cells(shop(), kind) if row["NAME"] == name)
    assert {title: row[title] for title in expected} == expected


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_table_even_of_empty_objects(kind: str) -> None:
    analysis, through = analysed(b.inventory(b.obj(kind, "it")))
    table = object_table(analysis, kind, through)
    assert [row.id for row in table.rows] == [table.rows[0].id]
    assert all(len(row.cells) == len(table.columns) for row in table.rows)
    assert table.namespaced == (table.columns[0].title == "NAMESPACE")
    assert relations(analysis.view, table.rows[0].id) is not None


def test_what_could_not_be_read_is_listed_where_something_refers_to_it() -> None:
    gap = Gap("Secret", None, Problem.FORBIDDEN, 1, "secrets is forbidden")
    variable = {"name": "K", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}
    view = b.inventory(b.pod("p", b.container("c", env=[variable])), coverage=[gap])
    analysis, through = analysed(view)
    table = object_table(analysis, "Secret", through, view.coverage)
    assert [(row.id, row.read) for row in table.rows] == [("Secret:default/db", False)]
    assert table.gaps == (gap,)
    counted = {one.kind: one for one in kind_counts(analysis, view.coverage)}
    assert counted["Secret"].count == 1
    assert counted["Secret"].gaps == (gap,)
    assert "ConfigMap" not in counted, "what is neither there nor missing is not listed"


def test_a_kind_that_was_refused_is_listed_without_any_object() -> None:
    gap = Gap("Role", None, Problem.FORBIDDEN, 1, "roles is forbidden")
    analysis, _ = analysed(b.inventory(b.pod("p"), coverage=[gap]))
    assert {one.kind: one.count for one in kind_counts(analysis, [gap])}["Role"] == 0


def test_rows_are_sorted_text_up_and_numbers_down() -> None:
    analysis, through = analysed(shop())
    table = object_table(analysis, "Pod", through)
    titles = [column.title for column in table.columns]
    by_paths = sorted_rows(table, table.rows, titles.index("PATHS"))
    assert len(by_paths[0].paths) >= len(by_paths[1].paths) >= len(by_paths[2].paths) == 0
    assert sorted_rows(table, table.rows, titles.index("PATHS"), reverse=True)[0].id == "Pod:default/other"
    names = [row.cells[1] for row in sorted_rows(table, table.rows, titles.index("NAME"), reverse=True)]
    assert names == ["web-1-b", "web-1-a", "other"]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (["app"], True),
        (["app=web"], True),
        (["app==web"], True),
        (["app!=web"], False),
        (["tier!=front"], True),
        (["app=web", "tier"], False),
        (["app="], False),
        ([], True),
    ],
)
def test_labels_are_selected_as_kubectl_does(wanted: list[str], fits: bool) -> None:
    assert labels_match({"app": "web"}, wanted) is fits


RELATIONS = {
    "Pod:default/web-1-a": {
        ("owner", "ReplicaSet:default/web-1"),
        ("owner", "Deployment:default/web"),
        ("runs as", "ServiceAccount:default/web"),
        ("runs on", "Node:worker-1"),
        ("refers to", "Secret:default/key"),
        ("served by", "Service:default/web"),
        ("namespace", "Namespace:default"),
    },
    "Deployment:default/web": {("runs", "Pod:default/web-1-a"), ("runs", "Pod:default/web-1-b")},
    "ReplicaSet:default/web-1": {("owner", "Deployment:default/web"), ("runs", "Pod:default/web-1-b")},
    "ServiceAccount:default/web": {
        ("used by", "Pod:default/web-1-a"),
        ("bound by", "ClusterRoleBinding:ops"),
        ("may do what says", "ClusterRole:ops"),
    },
    "ClusterRole:ops": {("bound by", "ClusterRoleBinding:ops"), ("given to", "ServiceAccount:default/web")},
    "ClusterRoleBinding:ops": {("role", "ClusterRole:ops"), ("given to", "ServiceAccount:default/web")},
    "Node:worker-2": {("runs", "Pod:default/web-1-b")},
    "Service:default/web": {("leads to", "Pod:default/web-1-a"), ("leads to", "Pod:default/web-1-b")},
    "Secret:default/key": {("referred to by", "Pod:default/web-1-a")},
    "Namespace:default": {("holds", "Deployment:default/web"), ("holds", "ServiceAccount:default/web")},
}


@pytest.mark.parametrize("about", sorted(RELATIONS))
def test_relations(about: str) -> None:
    found = relations(shop(), about)
    assert {(one.role, one.id) for one in found} >= RELATIONS[about]
    assert len(found) == len({(one.role, one.id) for one in found})


def test_a_relation_says_whether_there_is_something_to_go_to() -> None:
    found = {one.id: one.read for one in relations(shop(), "Pod:default/web-1-a")}
    assert found["Secret:default/key"] is False
    assert found["Node:worker-1"] is True


def test_relations_of_claims_volumes_and_ingresses() -> None:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    view = b.inventory(
        b.claim("data", "pv"),
        b.persistent_volume("pv", claimRef={"namespace": "default", "name": "data"}),
        b.service("web"),
        b.obj("Ingress", "front", spec={"defaultBackend": backend}),
        b.pod("p", volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]),
    )
    assert ("volume", "PersistentVolume:pv") in {
        (one.role, one.id) for one in relations(view, "PersistentVolumeClaim:default/data")
    }
    assert ("claim", "PersistentVolumeClaim:default/data") in {
        (one.role, one.id) for one in relations(view, "PersistentVolume:pv")
    }
    assert ("leads to", "Service:default/web") in {
        (one.role, one.id) for one in relations(view, "Ingress:default/front")
    }
    assert ("published by", "Ingress:default/front") in {
        (one.role, one.id) for one in relations(view, "Service:default/web")
    }
    assert ("mounts", "PersistentVolumeClaim:default/data") in {
        (one.role, one.id) for one in relations(view, "Pod:default/p")
    }
