"""Replicas share what is equal in them, and nothing else changes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from workbench.inventory.decode import from_data, plain
from workbench.inventory.objects import Deployment, Pod, ReplicaSet, StatefulSet
from workbench.inventory.sharing import Sharer

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs-1", "controller": True}


def _spec(token: str, **changes: Any) -> dict[str, Any]:
    container = {
        "name": "app",
        "image": "nginx:1",
        "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}],
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": token, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ],
    }
    projected = {"sources": [{"serviceAccountToken": {"path": "token"}}]}
    volumes = [{"name": "data", "emptyDir": {}}, {"name": token, "projected": projected}]
    return {"containers": [{**container, **changes}], "volumes": volumes, "nodeName": "worker-1"}


def _pod(name: str, *, owner: str = "rs-1", owner_name: str = "web", **changes: Any) -> Pod:
    metadata = {
        "name": name,
        "namespace": "shop",
        "labels": {"app": "web"},
        "ownerReferences": [{**OWNER, "uid": owner, "name": owner_name}],
    }
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    data = {
        "apiVersion": "v1",
        "metadata": metadata,
        "spec": _spec(f"kube-api-access-{name}", **changes),
        "status": status,
    }
    # Through JSON, so that no two objects share a text of this module.
    pod = from_data(Pod, msgspec.json.decode(msgspec.json.encode(data)))
    assert isinstance(pod, Pod)
    return pod


def _shared(*pods: Pod) -> None:
    sharer = Sharer()
    for pod in pods:
        sharer.share(pod)


def test_replicas_share_what_is_equal_and_keep_what_is_theirs() -> None:
    pods = [_pod("a"), _pod("b")]
    before = [plain(pod) for pod in pods]
    _shared(*pods)
    assert [plain(pod) for pod in pods] == before
    one, other = (pod.spec for pod in pods)
    assert one is not None
    assert other is not None
    first, second = (spec.containers[0] for spec in (one, other) if spec.containers)
    assert first.env is second.env
    assert first.image is second.image
    assert first.volume_mounts
    assert second.volume_mounts
    assert one.volumes
    assert other.volumes
    assert first.volume_mounts[0] is second.volume_mounts[0]
    assert [mount.name for mount in second.volume_mounts] == ["data", "kube-api-access-b"]
    assert one.volumes[1].projected is other.volumes[1].projected
    assert pods[0].metadata.labels is pods[1].metadata.labels
    assert pods[0].status is not None
    assert pods[1].status is not None
    assert pods[0].status.conditions is pods[1].status.conditions


@pytest.mark.parametrize(
    "changes",
    [
        {"env": [{"name": "OTHER"}]},
        {"env": None},
        {"image": "nginx:2"},
        {"securityContext": {"privileged": True}},
        {"volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}]},
    ],
)
def test_a_replica_that_differs_keeps_its_fields(changes: dict[str, Any]) -> None:
    pods = [_pod("a"), _pod("b", **changes), _pod("c")]
    before = [plain(pod) for pod in pods]
    _shared(*pods)
    assert [plain(pod) for pod in pods] == before


def test_pods_of_two_controllers_are_not_compared() -> None:
    pods = [_pod("a"), _pod("b", owner="rs-2")]
    _shared(*pods)
    one, other = (pod.spec.containers[0] for pod in pods if pod.spec and pod.spec.containers)
    assert one.env == other.env
    assert one.env is not other.env


@pytest.mark.parametrize(
    ("kind", "uid", "pod"),
    [
        pytest.param(ReplicaSet, "rs-1", _pod("a"), id="the controller of the pod"),
        pytest.param(Deployment, "deployment-1", _pod("a", owner_name="web-7d9f"), id="the Deployment above it"),
    ],
)
def test_a_template_shares_with_the_pods_that_came_from_it_and_were_read_before(
    kind: type[ReplicaSet | Deployment], uid: str, pod: Pod
) -> None:
    data = {
        "metadata": {"name": "web", "namespace": "shop", "uid": uid},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": _spec("data-2")}},
    }
    owner = from_data(kind, msgspec.json.decode(msgspec.json.encode(data)))
    assert isinstance(owner, kind)
    before = plain(owner)
    sharer = Sharer()
    sharer.share(pod)
    sharer.share(owner)
    assert plain(owner) == before
    assert owner.spec is not None
    assert owner.spec.template is not None
    assert owner.spec.template.spec is not None
    assert pod.spec is not None
    made, own = pod.spec.containers, owner.spec.template.spec.containers
    assert made
    assert own
    assert made[0].env is own[0].env


def test_pods_of_a_controller_share_what_the_template_does_not_say() -> None:
    data = {
        "metadata": {"name": "web", "namespace": "shop", "uid": "set-1"},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": _spec("data-2")}},
    }
    owner = from_data(StatefulSet, msgspec.json.decode(msgspec.json.encode(data)))
    pods = [_pod("a", owner="set-1"), _pod("b", owner="set-1")]
    sharer = Sharer()
    for each in (owner, *pods):
        sharer.share(each)
    assert pods[0].metadata.owner_references is pods[1].metadata.owner_references
    one, other = (pod.spec.volumes[1].projected for pod in pods if pod.spec and pod.spec.volumes)
    assert one is other
