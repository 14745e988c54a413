"""The inventory: which pods stand for what, who owns what, duplicates, overlays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import container, deployment, inventory, obj, owner, pod, workload
from workbench.errors import InputError
from workbench.inventory.decode import from_data
from workbench.inventory.inventory import PODS_BY_OWNER
from workbench.inventory.objects import KubernetesObject, Pod

REPLICA_SET = workload("ReplicaSet", "web-7d9f", owners=[owner("Deployment", "web", "u-web")], uid="u-rs")
LIVE_WEB = deployment("web", uid="u-web")
LIVE_POD = pod("web-7d9f-x", owners=[owner("ReplicaSet", "web-7d9f", "u-rs")])


@pytest.mark.parametrize(
    ("objects", "pods"),
    [
        pytest.param([deployment("web")], ["Pod:default/web"], id="a manifest stands for its pods"),
        pytest.param(
            [LIVE_WEB, REPLICA_SET, LIVE_POD], ["Pod:default/web-7d9f-x"], id="T60: live pods do it themselves"
        ),
        pytest.param([LIVE_WEB, pod("other")], ["Pod:default/other"], id="a live workload without pods runs nothing"),
        pytest.param([LIVE_WEB], ["Pod:default/web"], id="a uid alone is no live cluster"),
        pytest.param([deployment("web", fields={"replicas": 0})], [], id="scaled to zero"),
        pytest.param([workload("CronJob", "job", fields={"suspend": True})], [], id="suspended"),
        pytest.param(
            [deployment("web"), REPLICA_SET],
            ["Pod:default/web"],
            id="what another object controls stands for nothing",
        ),
        pytest.param(
            [deployment("web"), workload("StatefulSet", "web")],
            ["Pod:default/web.deployment", "Pod:default/web.statefulset"],
            id="two workloads of one name",
        ),
        pytest.param(
            [deployment("web"), pod("web", live=False)],
            ["Pod:default/web", "Pod:default/web.deployment"],
            id="a Pod keeps its name",
        ),
        pytest.param(
            [deployment("web"), deployment("web", namespace="other")],
            ["Pod:default/web", "Pod:other/web"],
            id="names of two namespaces do not clash",
        ),
    ],
)
def test_pods(objects: list[KubernetesObject], pods: list[str]) -> None:
    assert sorted(each.id for each in inventory(*objects).pods) == pods


def test_ids_of_containers_and_volumes_follow_the_pod() -> None:
    view = inventory(deployment("web", container("c")), workload("StatefulSet", "web", container("c")))
    assert {each.id for each in view.containers} == {
        "Container:default/web.deployment/c",
        "Container:default/web.statefulset/c",
    }
    found = view.pods.get("Pod:default/web.deployment")
    assert found is not None
    assert found.volume_id("v") == "Volume:default/web.deployment/v"


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([LIVE_WEB, REPLICA_SET], ("Deployment:default/web", True)),
        ([REPLICA_SET], ("Deployment:default/web", False)),
        ([], ("ReplicaSet:default/web-7d9f", False)),
        ([deployment("web", uid="another"), REPLICA_SET], ("Deployment:default/web", False)),
        ([workload("ReplicaSet", "web-7d9f", uid="another")], ("ReplicaSet:default/web-7d9f", False)),
        ([workload("ReplicaSet", "web-7d9f", uid="u-rs")], ("ReplicaSet:default/web-7d9f", True)),
    ],
)
def test_owners(objects: list[KubernetesObject], expected: tuple[str, bool]) -> None:
    view = inventory(LIVE_POD, *objects)
    assert view.owner_of(LIVE_POD) == expected
    assert [(each.owner, each.owner_known) for each in view.pods] == [expected]
    assert [each.id for each in view.index(PODS_BY_OWNER)[expected[0]]] == ["Pod:default/web-7d9f-x"]


def test_a_reference_without_controller_owns_nothing() -> None:
    loose: dict[str, Any] = {"kind": "Deployment", "name": "web"}
    lonely = pod("x", owners=[loose])
    assert inventory(lonely, LIVE_WEB).owner_of(lonely) == ("Pod:default/x", True)


def test_a_circle_of_owners_ends() -> None:
    one = workload("ReplicaSet", "a", owners=[owner("ReplicaSet", "b")])
    other = workload("ReplicaSet", "b", owners=[owner("ReplicaSet", "a")])
    node, known = inventory(one, other).owner_of(one)
    assert node in {one.id, other.id}
    assert known


def test_duplicates_are_all_listed() -> None:
    with pytest.raises(InputError) as caught:
        inventory(
            deployment("a"), deployment("a"), obj("Secret", "s"), obj("Secret", "s"), deployment("a", namespace="n")
        )
    assert [fault.problem for fault in caught.value.faults] == [
        "a second object Deployment:default/a",
        "a second object Secret:default/s",
    ]


def test_what_the_source_holds_beats_what_the_program_knows() -> None:
    own = obj("ClusterRole", "view", rules=[{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}])
    view = inventory(own, builtins=[obj("ClusterRole", "view"), obj("ClusterRole", "edit")])
    assert view.by_id("ClusterRole:view") is own
    assert not view.is_builtin("ClusterRole:view")
    assert view.is_builtin("ClusterRole:edit")


def test_an_overlay_changes_its_own_view_only() -> None:
    view = inventory(deployment("web", container("c")))
    over = view.overlay({"Deployment:default/web": deployment("web", container("d")), "Pod:default/new": pod("new")})
    assert {each.id for each in over.containers} == {"Container:default/web/d", "Container:default/new/app"}
    assert {each.id for each in view.containers} == {"Container:default/web/c"}
    gone = view.overlay({"Deployment:default/web": None})
    assert not list(gone.pods)
    assert gone.by_id("Deployment:default/web") is None
    assert gone.base is view


def _state(phase: str, **states: str) -> dict[str, Any]:
    """The status of a pod whose containers are in these states."""
    return {"phase": phase, "containerStatuses": [{"name": name, "state": {of: {}}} for name, of in states.items()]}


@pytest.mark.parametrize(
    ("status", "metadata", "running"),
    [
        pytest.param(_state("Running", app="running"), {}, ["app"], id="runs"),
        pytest.param(_state("Succeeded", app="terminated"), {}, [], id="completed"),
        pytest.param(_state("Succeeded", app="running"), {}, [], id="completed, and its status is behind"),
        pytest.param({"phase": "Failed", "reason": "Evicted"}, {}, [], id="evicted"),
        pytest.param(
            _state("Running", app="running"), {"deletionTimestamp": "2026-01-01T00:00:00Z"}, ["app"],
            id="a pod that is being deleted runs until it has ended",
        ),
        pytest.param(
            _state("Running", app="terminated"), {"deletionTimestamp": "2026-01-01T00:00:00Z"}, [],
            id="a pod that is being deleted and has ended",
        ),
        pytest.param(_state("Pending", app="waiting"), {}, [], id="its image is not there yet"),
        pytest.param({"phase": "Pending"}, {}, [], id="on a node, and not started"),
        pytest.param(_state("Unknown", app="running"), {}, ["app"], id="its node is out of reach"),
    ],
)  # fmt: skip
def test_which_containers_of_a_live_pod_run(
    status: dict[str, Any], metadata: dict[str, Any], running: list[str]
) -> None:
    spec = {"nodeName": "n", "containers": [{"name": "app", "image": "i"}]}
    made = from_data(
        Pod, {"metadata": {"name": "web", "namespace": "shop", **metadata}, "spec": spec, "status": status}
    )
    view = inventory(made)
    assert view.has_live_pods
    assert [found.name for found in view.containers] == running


def test_the_owner_of_a_mirror_pod_is_itself() -> None:
    """Its controller is the node, by the kubelet, and nobody can change it through the API."""
    static = pod("etcd-n", namespace="kube-system", owners=[owner("Node", "n", "u-n")])
    [found] = inventory(static).pods
    assert (found.owner, found.owner_known, found.mirror) == ("Pod:kube-system/etcd-n", True, True)
