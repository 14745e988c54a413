"""Every field of a pod, set and taken away on different pods: what is not asked again does not change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    account,
    claim,
    container,
    daemon_set,
    host_path,
    inventory,
    mount,
    node,
    obj,
    owner,
    pod,
    secret,
    service,
    token_mount,
    token_volume,
)
from tests.techniques.test_recompute import check
from workbench.inventory.changes import Change, Op, Target, overlay
from workbench.inventory.differences import changed_fields
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KubernetesObject

CONTEXTS: list[dict[str, Any]] = [
    {},
    {"privileged": True},
    {"capabilities": {"add": ["SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE"]}},
    {"capabilities": {"drop": ["ALL"]}},
    {"runAsUser": 0},
    {"runAsUser": 1000},
    {"runAsGroup": 0, "runAsUser": 5},
    {"runAsNonRoot": True},
    {"runAsNonRoot": True, "allowPrivilegeEscalation": False},
    {"seLinuxOptions": {"type": "spc_t"}},
    {"appArmorProfile": {"type": "Unconfined"}},
    {"seccompProfile": {"type": "Localhost"}},
    {"procMount": "Unmasked", "readOnlyRootFilesystem": True},
]
OF_CONTAINER: list[tuple[str, Any]] = [
    *(("securityContext", context) for context in CONTEXTS),
    ("image", "registry.k8s.io/ingress-nginx/controller:v1"),
    ("image", "distroless/app"),
    ("volumeMounts", []),
    ("volumeMounts", [{**mount("disk", "/disk"), "readOnly": True}, token_mount()]),
    ("volumeMounts", [mount("keys", "/keys"), mount("shared", "/shared"), mount("claim", "/claim")]),
    ("env", [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}]),
    ("envFrom", [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "robot"}}]),
    ("ports", [{"containerPort": 9000, "hostPort": 90}]),
    ("args", ["--controller-class=k8s.io/ingress-nginx"]),
    ("command", ["/nginx-ingress-controller", "--ingress-class=nginx"]),
]
OF_POD: list[tuple[str, Any]] = [
    *((field, True) for field in ("hostPID", "hostIPC", "hostNetwork", "shareProcessNamespace")),
    ("hostUsers", False),
    ("runtimeClassName", "gvisor"),
    ("runtimeClassName", "missing"),
    ("os", {"name": "windows"}),
    ("serviceAccountName", "robot"),
    ("automountServiceAccountToken", False),
    ("nodeSelector", {"kubernetes.io/os": "windows"}),
    ("affinity", {"nodeAffinity": {}}),
    ("imagePullSecrets", [{"name": "keys"}]),
    ("hostname", "other"),
    ("subdomain", "front"),
    ("volumes", [host_path("disk", "/var/run/docker.sock"), {"name": "keys", "secret": {"secretName": "robot"}}]),
    ("volumes", [{"name": "disk", "emptyDir": {}}, {"name": "claim", "persistentVolumeClaim": {"claimName": "data"}}]),
    *(("securityContext", context) for context in CONTEXTS if not context.keys() & {"privileged", "capabilities"}),
    ("securityContext", {"runAsUser": 7, "supplementalGroups": [0], "fsGroup": 0}),
]
VOLUMES = [
    host_path("disk", "/"),
    {"name": "keys", "secret": {"secretName": "keys"}},
    {"name": "shared", "emptyDir": {}},
    {"name": "claim", "persistentVolumeClaim": {"claimName": "data"}},
    token_volume(),
]
MOUNTS = [mount("disk", "/disk"), mount("shared", "/shared"), token_mount()]
REPLICAS = [
    pod(
        f"agent-{name}",
        container(volumeMounts=MOUNTS, ports=[{"containerPort": 8080}]),
        container("side", image="side:1", volumeMounts=[mount("shared", "/s")]),
        volumes=VOLUMES,
        labels={"app": "agent"},
        node=f"n{name}",
        owners=[owner("DaemonSet", "agent", "u-agent")],
    )
    for name in (0, 1)
]
STRONG = pod(
    "strong",
    container(volumeMounts=MOUNTS, securityContext={"privileged": True, "runAsUser": 0}),
    volumes=VOLUMES,
    labels={"app": "strong"},
    node="n0",
    hostPID=True,
    hostIPC=True,
    serviceAccountName="robot",
)
PLANNED = daemon_set("planned", container(volumeMounts=MOUNTS), volumes=VOLUMES)
WORKLOAD = daemon_set(
    "agent",
    container(volumeMounts=MOUNTS, ports=[{"containerPort": 8080}]),
    container("side", image="side:1"),
    uid="u-agent",
)
OBJECTS = (
    *REPLICAS,
    STRONG,
    PLANNED,
    WORKLOAD,
    node("n0"),
    node("n1", os_image="Red Hat Enterprise Linux CoreOS 9", runtime="cri-o://1.30.0"),
    obj("RuntimeClass", "gvisor", handler="runsc"),
    account("robot"),
    secret("keys"),
    obj(
        "Secret",
        "robot",
        type="kubernetes.io/service-account-token",
        annotations={"kubernetes.io/service-account.name": "robot"},
    ),
    claim("data", "pv"),
    obj("PersistentVolume", "pv", spec={"hostPath": {"path": "/etc/kubernetes"}}),
    service("agent", type="LoadBalancer", selector={"app": "agent"}),
    obj("NetworkPolicy", "limit", spec={"podSelector": {"matchLabels": {"app": "strong"}}, "policyTypes": ["Egress"]}),
)
TARGETS = [(WORKLOAD, "/spec/template"), (STRONG, ""), (PLANNED, "/spec/template")]
EDITS = [(f"spec/containers[name=app]/{field}", value) for field, value in OF_CONTAINER]
EDITS += [(f"spec/{field}", value) for field, value in OF_POD]
EDITS += [("metadata/labels", {"app": "strong", "version": "2"})]


def changed(base: Inventory, target: KubernetesObject, path: str, value: Any) -> Inventory:
    return overlay(base, [Change(Target.of(target), (Op("set", path, value),))])


@pytest.mark.parametrize(("target", "prefix"), TARGETS, ids=lambda each: getattr(each, "id", None))
@pytest.mark.parametrize(("field", "value"), EDITS, ids=lambda each: str(each)[:60])
def test_a_field(target: KubernetesObject, prefix: str, field: str, value: Any) -> None:
    base = inventory(*OBJECTS)
    check(base, changed(base, target, f"{prefix}/{field}", value), effect=False)


@pytest.mark.parametrize(
    ("field", "value", "fields"),
    [
        ("spec/containers[name=app]/securityContext", {"privileged": True}, {"privileged"}),
        ("spec/securityContext", {"runAsUser": 3}, {"run_as_user"}),
        ("spec/containers[name=app]/image", "other:1", {"image"}),
        ("spec/automountServiceAccountToken", False, {"automount_service_account_token", "volumes", "volume_mounts"}),
        ("metadata/labels", {"app": "x"}, {"labels"}),
        ("spec/containers[name=app]/name", "other", None),
        ("spec/containers", [], None),
    ],
)
def test_which_fields_differ(field: str, value: Any, fields: set[str] | None) -> None:
    view = changed(inventory(*OBJECTS), WORKLOAD, f"/spec/template/{field}", value)
    assert changed_fields(view) == fields


def test_pods_that_come_or_go_differ_in_everything() -> None:
    base = inventory(*OBJECTS)
    assert changed_fields(base.overlay({STRONG.id: None})) is None
    assert changed_fields(base.overlay({"Pod:default/new": pod("new")})) is None
