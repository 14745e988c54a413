"""Which pods are decided once: replicas that differ in nothing but their names and their place."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.inventory.decode import from_data
from workbench.inventory.inventory import PODS_BY_OWNER, Inventory
from workbench.inventory.objects import Pod
from workbench.inventory.pods import PodInstance

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs-1", "controller": True}
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def _pod(name: str, *, node: str = "a", owner: str = "rs-1", labels: str = "web", **changes: Any) -> Pod:
    token = f"kube-api-access-{name}"
    container = {
        "name": "app",
        "image": "nginx:1",
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": token, "mountPath": TOKEN_PATH}],
    }
    projected = {"sources": [{"serviceAccountToken": {"path": "token"}}]}
    data = {
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {"app": labels},
            "ownerReferences": [{**OWNER, "uid": owner}],
        },
        "spec": {
            "containers": [{**container, **changes}],
            "volumes": [{"name": "data", "emptyDir": {}}, {"name": token, "projected": projected}],
            "nodeName": node,
        },
        "status": {"phase": "Running"},
    }
    pod = from_data(Pod, data)
    assert isinstance(pod, Pod)
    return pod


def _instances(*pods: Pod) -> list[PodInstance]:
    return list(Inventory((pod, None) for pod in pods).pods)


def test_a_replica_on_another_node_is_alike_and_knows_its_own_volume() -> None:
    first, second = _instances(_pod("x"), _pod("y", node="b"))
    assert first.alike is first
    assert second.alike is first
    assert second.containers[0].alike is first.containers[0]
    assert second.own_volume("kube-api-access-x") == "kube-api-access-y"
    assert second.own_volume("data") == "data"
    assert second.node == "Node:b"


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "nginx:2"},
        {"securityContext": {"privileged": True}},
        {"env": [{"name": "KEY"}]},
        {"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        {"volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "data", "mountPath": TOKEN_PATH}]},
        {"owner": "rs-2"},
        {"labels": "other"},
    ],
)
def test_a_pod_that_differs_is_decided_by_itself(changes: dict[str, Any]) -> None:
    first, second = _instances(_pod("x"), _pod("y", **changes))
    assert second.alike is second
    assert second.containers[0].alike is second.containers[0]
    assert first.alike is first


def test_a_container_that_does_not_run_in_the_first_replica_stands_for_itself() -> None:
    stopped = _pod("x")
    assert stopped.status is not None
    stopped.status.phase = "Succeeded"
    _, second = _instances(stopped, _pod("y"))
    assert second.containers[0].alike is second.containers[0]


def test_static_pods_of_a_node_are_alike_and_their_own_owners() -> None:
    pods = [_pod("x"), _pod("y")]
    for pod in pods:
        assert pod.metadata.owner_references is not None
        pod.metadata.owner_references[0].kind = "Node"
    view = Inventory((pod, None) for pod in pods)
    first, second = view.pods
    assert second.alike is first
    owned = view.index(PODS_BY_OWNER)
    assert [list(owned[pod.id]) for pod in (first, second)] == [[first], [second]]
