"""From a container to its neighbours: host namespaces, shared processes, shared volumes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    NODE,
    claim,
    container,
    daemon_set,
    deployment,
    edges,
    evidence,
    findings,
    host_path,
    inventory,
    mount,
    node,
    pairs,
    persistent_volume,
    pod,
    proof,
    runtime_class,
    token_mount,
    token_volume,
)
from workbench.inventory.inventory import Inventory
from workbench.techniques import escape
from workbench.techniques import host_path as host_path_family
from workbench.techniques import neighbours as neighbours_family
from workbench.techniques.build import build
from workbench.techniques.recompute import recompute

PID, IPC, SHARE, VOLUME = "HOSTPID_READ", "HOSTIPC_READ", "SHARE_PS_NAMESPACE", "SHARE_VOLUME"
OWN = "Container:default/agent/app"
OTHER = "Container:default/web/app"

ROOT = {"runAsUser": 0}
KEPT = {"runAsUser": 1000, "allowPrivilegeEscalation": False}


def added(*capabilities: str, **more: Any) -> dict[str, Any]:
    return {"runAsUser": 0, "capabilities": {"add": list(capabilities)}, **more}


def dropped(*capabilities: str, **more: Any) -> dict[str, Any]:
    return {"runAsUser": 0, "capabilities": {"drop": list(capabilities)}, **more}


def verdict(view: Inventory, identifier: str, source: str = OWN, target: str = OTHER) -> str:
    found = [edge for edge in edges(view, identifier) if (edge.source, edge.target) == (source, target)]
    if not found:
        return "none"
    (edge,) = found
    return "+".join(f"{condition} {about.rpartition('/')[2]}" for condition, about in edge.missing) or "on"


def neighbours(own: dict[str, Any], other: dict[str, Any], **spec: Any) -> list[Any]:
    return [
        pod("agent", container(image="agent", securityContext=own), hostPID=True),
        pod("web", container(image="web", securityContext=other), **spec),
        node(),
    ]


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (ROOT, ROOT, "on"),
        (ROOT, KEPT, "none"),
        (KEPT, ROOT, "none"),
        (KEPT, KEPT, "on"),
        (KEPT, {**KEPT, "runAsUser": 2000}, "none"),
        (ROOT, {}, "C-USER Image:web"),
        ({}, ROOT, "C-USER Image:agent"),
        ({}, {}, "C-USER Image:agent+C-USER Image:web"),
        ({"runAsUser": 1000}, ROOT, "C-SETUID Image:agent"),
        (ROOT, added("NET_ADMIN"), "none"),
        (added("NET_ADMIN"), added("NET_ADMIN"), "on"),
        (dropped("ALL"), ROOT, "none"),
        (dropped("ALL"), dropped("ALL"), "on"),
        (ROOT, {"privileged": True, "runAsUser": 0}, "none"),
        (added("SYS_PTRACE"), KEPT, "on"),
        (added("SYS_PTRACE"), added("NET_ADMIN"), "on"),
        (added("SYS_PTRACE"), {}, "on"),
        ({**KEPT, "capabilities": {"add": ["SYS_PTRACE"]}}, ROOT, "none"),
    ],
)
def test_host_pid_by_user_and_capabilities(own: dict[str, Any], other: dict[str, Any], expected: str) -> None:
    assert verdict(inventory(*neighbours(own, other)), PID) == expected


def test_one_image_is_one_user() -> None:
    view = inventory(pod("agent", hostPID=True), pod("web"), node())
    assert verdict(view, PID) == "on"


def test_host_pid_is_one_way_and_stays_on_the_node() -> None:
    view = inventory(
        pod("agent", container(securityContext=ROOT), container("side", securityContext=ROOT), hostPID=True),
        pod("web", container(securityContext=ROOT)),
        pod("far", container(securityContext=ROOT), node="worker-2"),
        pod("done", container(securityContext=ROOT), phase="Succeeded"),
        node(),
        node("worker-2"),
    )
    side = "Container:default/agent/side"
    assert pairs(view, PID) == [(OWN, side), (OWN, OTHER), (side, OWN), (side, OTHER)]
    assert {edge.effort for edge in edges(view, PID)} == {2}


@pytest.mark.parametrize(
    ("own_spec", "other_spec", "expected"),
    [
        ({}, {}, "on"),
        ({"runtimeClassName": "kata"}, {}, "none"),
        ({}, {"runtimeClassName": "kata"}, "none"),
        ({}, {"runtimeClassName": "unread"}, "C-RUNTIMECLASS Cluster"),
        ({"hostUsers": False}, {}, "none"),
        ({}, {"hostUsers": False}, "none"),
    ],
)
def test_host_pid_and_isolation(own_spec: dict[str, Any], other_spec: dict[str, Any], expected: str) -> None:
    view = inventory(
        pod("agent", container(securityContext=ROOT), hostPID=True, **own_spec),
        pod("web", container(securityContext=ROOT), **other_spec),
        runtime_class("kata", "kata"),
        node(),
    )
    assert verdict(view, PID) == expected


@pytest.mark.parametrize(
    ("own", "os_image", "runtime", "expected"),
    [
        (ROOT, "Red Hat Enterprise Linux CoreOS 416", "cri-o://1.29", "C-MCS Node:worker-1"),
        ({**ROOT, "seLinuxOptions": {"type": "spc_t"}}, "Bottlerocket OS 1", "containerd://1.7", "on"),
        (ROOT, "Amazon Linux 2023", "containerd://1.7", "on"),
    ],
)
def test_host_pid_and_selinux(own: dict[str, Any], os_image: str, runtime: str, expected: str) -> None:
    view = inventory(
        pod("agent", container(securityContext=own), hostPID=True),
        pod("web", container(securityContext=ROOT)),
        node(os_image=os_image, runtime=runtime),
    )
    assert verdict(view, PID) == expected


def test_host_pid_in_manifests() -> None:
    agent = {"privileged": True, "runAsUser": 0}
    view = inventory(
        daemon_set("agent", container(securityContext=agent), hostPID=True),
        deployment("web", container(securityContext=ROOT)),
        daemon_set("log", container(securityContext=ROOT)),
    )
    assert verdict(view, PID) == "C-NODE Node:*"
    assert verdict(view, PID, target="Container:default/log/app") == "on"


def test_host_pid_on_windows() -> None:
    view = inventory(*neighbours(ROOT, ROOT)[:2], node(operating_system="windows"))
    assert not findings(view, PID)


def test_host_pid_evidence() -> None:
    view = inventory(*neighbours(ROOT, {}))
    (edge,) = edges(view, PID)
    found = proof(view, edge)
    assert next(iter(found.items())) == (("Pod:default/agent", "spec.hostPID"), True)
    prefix = "spec.containers[name=app].securityContext"
    assert found[("Pod:default/agent", f"{prefix}.runAsUser")] == 0
    assert found[("Pod:default/web", f"{prefix}.runAsUser")] == "the image's user"
    assert found[("Pod:default/web", "spec.nodeName")] == NODE
    assert ("Pod:default/web", f"{prefix}.capabilities.add") in found


def test_host_ipc_needs_both_in_the_namespace_of_the_node() -> None:
    view = inventory(
        pod("agent", container(securityContext=ROOT), hostIPC=True),
        pod("web", container(securityContext=ROOT), hostIPC=True),
        pod("user", container(securityContext=KEPT), hostIPC=True),
        pod("plain", container(securityContext=ROOT)),
        pod("pid", container(securityContext=ROOT), hostPID=True),
        node(),
    )
    assert pairs(view, IPC) == [(OWN, OTHER), (OTHER, OWN)]
    edge = edges(view, IPC)[0]
    assert edge.effort == 6
    assert [(e.object, e.field) for e in evidence(view, edge)][:2] == [
        ("Pod:default/agent", "spec.hostIPC"),
        ("Pod:default/web", "spec.hostIPC"),
    ]


# --- one pod's processes -----------------------------------------------------------------------------

A, B = "Container:default/web/a", "Container:default/web/b"


@pytest.mark.parametrize(
    ("own", "other", "there", "back"),
    [
        (ROOT, ROOT, "on", "on"),
        (ROOT, KEPT, "on", "none"),
        (dropped("ALL"), KEPT, "none", "none"),
        (dropped("ALL"), ROOT, "none", "on"),
        (added("SYS_PTRACE"), {"privileged": True, "runAsUser": 0}, "on", "on"),
        (added("NET_ADMIN"), ROOT, "on", "none"),
        (KEPT, {**KEPT, "runAsUser": 2000}, "none", "none"),
        (KEPT, KEPT, "on", "on"),
        (ROOT, {}, "on", "C-USER Image:b"),
        ({}, {}, "C-USER Image:a", "C-USER Image:b"),
    ],
)
def test_shared_processes(own: dict[str, Any], other: dict[str, Any], there: str, back: str) -> None:
    containers = [
        container("a", image="a", securityContext=own),
        container("b", image="b", securityContext=other),
    ]
    view = inventory(pod("web", *containers, shareProcessNamespace=True), node())
    assert (verdict(view, SHARE, A, B), verdict(view, SHARE, B, A)) == (there, back)
    assert not findings(inventory(pod("web", *containers), node()), SHARE)


def test_shared_processes_evidence() -> None:
    containers = [container(name, securityContext=ROOT) for name in ("a", "b")]
    view = inventory(pod("web", *containers, shareProcessNamespace=True), node())
    edge = edges(view, SHARE)[0]
    assert edge.effort == 2
    found = proof(view, edge)
    assert next(iter(found.items())) == (("Pod:default/web", "spec.shareProcessNamespace"), True)
    assert found[("Pod:default/web", "spec.containers[name=b].securityContext.runAsUser")] == 0


def test_an_ephemeral_container_shares_with_its_target_only() -> None:
    debug = container("debug", securityContext=ROOT, targetContainerName="a")
    containers = [container(name, securityContext=ROOT) for name in ("a", "b")]
    view = inventory(pod("web", *containers, ephemeralContainers=[debug]), node())
    target = "Container:default/web/debug"
    assert pairs(view, SHARE) == [(A, target), (target, A)]
    first = evidence(view, edges(view, SHARE)[0])[0]
    assert (first.field, first.value) == ("spec.ephemeralContainers[name=debug].targetContainerName", "a")
    gone = {**debug, "targetContainerName": "gone"}
    assert not findings(inventory(pod("web", *containers, ephemeralContainers=[gone]), node()), SHARE)


def test_within_a_pod_isolation_does_not_count() -> None:
    containers = [container(name, securityContext=ROOT) for name in ("a", "b")]
    spec = {"shareProcessNamespace": True, "hostUsers": False, "runtimeClassName": "kata"}
    view = inventory(pod("web", *containers, **spec), runtime_class("kata", "kata"), node())
    assert pairs(view, SHARE) == [(A, B), (B, A)]


# --- volumes -----------------------------------------------------------------------------------------

EMPTY = {"name": "v", "emptyDir": {}}
CLAIM = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}


def sharing(volume: dict[str, Any], own: dict[str, Any], other: dict[str, Any]) -> Inventory:
    return inventory(
        pod(
            "web",
            container("a", volumeMounts=[mount("v", "/a", **own)]),
            container("b", volumeMounts=[mount("v", "/b", **other)]),
            volumes=[volume],
        )
    )


@pytest.mark.parametrize(
    ("volume", "own", "other", "expected"),
    [
        (EMPTY, {}, {}, [(A, B), (B, A)]),
        (EMPTY, {"readOnly": True}, {}, [(B, A)]),
        (EMPTY, {"readOnly": True}, {"readOnly": True}, []),
        (EMPTY, {"subPath": "x"}, {"subPath": "y"}, []),
        (EMPTY, {"subPath": "x"}, {"subPath": "x/y"}, [(A, B), (B, A)]),
        (EMPTY, {"subPath": "x"}, {"subPath": "xy"}, []),
        (EMPTY, {"subPath": "x"}, {"readOnly": True}, [(A, B)]),
        (EMPTY, {"subPathExpr": "$(POD)"}, {"subPath": "y"}, [(A, B), (B, A)]),
        (host_path("v", "/data"), {}, {"readOnly": True}, [(A, B)]),
        (CLAIM, {}, {"readOnly": True}, [(A, B)]),
        ({"name": "v", "configMap": {"name": "x"}}, {}, {}, []),
        ({"name": "v", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}}, {}, {}, []),
    ],
)
def test_shared_volume_of_a_pod(
    volume: dict[str, Any], own: dict[str, Any], other: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert pairs(sharing(volume, own, other), VOLUME) == expected


def test_shared_volume_is_conditional_and_proved() -> None:
    view = sharing(EMPTY, {}, {"readOnly": True, "subPath": "x"})
    (edge,) = edges(view, VOLUME)
    assert (edge.effort, edge.missing) == (8, (("C-EXEC", "Pod:default/web"),))
    assert [(e.field, e.value) for e in evidence(view, edge)] == [
        ("spec.containers[name=a].volumeMounts[mountPath=/a].name", "v"),
        ("spec.containers[name=a].volumeMounts[mountPath=/a].readOnly", None),
        ("spec.volumes[name=v]", {"name": "v", "emptyDir": {}}),
        ("spec.containers[name=b].volumeMounts[mountPath=/b].name", "v"),
        ("spec.containers[name=b].volumeMounts[mountPath=/b].readOnly", True),
        ("spec.containers[name=b].volumeMounts[mountPath=/b].subPath", "x"),
    ]


def test_pods_share_a_claim_of_their_namespace() -> None:
    def user(name: str, *, claim_name: str = "data", namespace: str = "default", read_only: bool = False) -> Any:
        return pod(
            name,
            container(volumeMounts=[mount("v", "/data", readOnly=read_only)]),
            namespace=namespace,
            volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": claim_name}}],
        )

    view = inventory(
        user("writer"),
        user("reader", read_only=True),
        user("apart", claim_name="other"),
        user("away", namespace="other"),
        pod("empty", container(volumeMounts=[mount("v", "/data")]), volumes=[EMPTY]),
        pod("empty2", container(volumeMounts=[mount("v", "/data")]), volumes=[EMPTY]),
    )
    assert pairs(view, VOLUME) == [("Container:default/writer/app", "Container:default/reader/app")]
    (edge,) = edges(view, VOLUME)
    assert edge.missing == (("C-EXEC", "Pod:default/reader"),)
    assert ("Pod:default/reader", "spec.volumes[name=v].persistentVolumeClaim.claimName") in proof(view, edge)


# --- what-if -------------------------------------------------------------------------------------------

CHANGES: list[tuple[str, Any]] = [
    ("Pod:default/agent", None),
    ("Pod:default/web", None),
    ("Pod:default/web", pod("web", container(securityContext=KEPT), hostIPC=True)),
    ("Pod:default/agent", pod("agent", container(securityContext=ROOT))),
    ("Pod:default/new", pod("new", container(securityContext=ROOT))),
    ("Node:worker-1", node(os_image="Red Hat Enterprise Linux CoreOS 416", runtime="cri-o://1.29")),
    ("RuntimeClass:box", runtime_class("box", "kata")),
    ("PersistentVolume:pv", persistent_volume("pv", hostPath={"path": "/tmp/x"})),
    ("PersistentVolumeClaim:default/data", None),
]


@pytest.mark.parametrize(("changed", "new"), CHANGES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CHANGES)])
def test_a_change_recomputes_what_it_touches(changed: str, new: Any) -> None:
    """The buckets that are recomputed, and only those left, give what a build of the changed objects gives."""
    own = {"privileged": True, **ROOT}
    mounts = [mount("host", "/host"), mount("data", "/data"), mount("v", "/v"), token_mount()]
    volumes = [
        host_path("host", "/"),
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        EMPTY,
        token_volume(),
    ]
    objects = [
        pod(
            "agent",
            container(securityContext=own, volumeMounts=mounts),
            container("side", securityContext=ROOT, volumeMounts=mounts),
            hostPID=True,
            hostIPC=True,
            volumes=volumes,
            runtimeClassName="box",
        ),
        pod(
            "web",
            container(securityContext=ROOT, volumeMounts=mounts),
            hostIPC=True,
            serviceAccountName="web",
            volumes=volumes,
        ),
        node(),
        claim("data", "pv"),
        persistent_volume("pv", hostPath={"path": "/etc/kubernetes"}),
        runtime_class("box", "runc"),
    ]
    techniques = [*escape.TECHNIQUES, *host_path_family.TECHNIQUES, *neighbours_family.TECHNIQUES]
    view = inventory(*objects)
    graph = build(view, techniques)
    buckets = {
        (number, subject): [graph.edge(position) for position in graph.bucket(number, subject)]
        for number in range(len(techniques))
        for subject in graph.subjects(number)
    }
    assert sum(len(bucket) for bucket in buckets.values()) > 20
    overlay = view.overlay({changed: new})
    for bucket in recompute(graph, overlay, techniques):
        buckets[bucket.technique, bucket.subject] = bucket.edges
    after = {edge for bucket in buckets.values() for edge in bucket}
    left = [item for item in objects if item.id != changed]
    fresh = build(inventory(*left, *([new] if new is not None else [])), techniques)
    assert after == set(fresh.edges())
    assert after != set(graph.edges())
