"""Escapes by privilege and capabilities: traps T30 to T38, and each technique on, nearly and off."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    IMAGE,
    NODE,
    blocked,
    container,
    deployment,
    edges,
    evidence,
    findings,
    inventory,
    node,
    pairs,
    pod,
    proof,
    runtime_class,
)
from workbench.techniques.escape import TECHNIQUES

ALL_IDS = [technique.id for technique in TECHNIQUES]
SOURCE = "Container:default/web/app"
TARGET = f"Node:{NODE}"
PREFIX = "spec.containers[name=app].securityContext"


def context(*add: str, drop: list[str] | None = None, user: int | None = 0, **more: Any) -> dict[str, Any]:
    """The security context of a container that adds capabilities."""
    out: dict[str, Any] = {"capabilities": {"add": list(add), "drop": drop or []}, **more}
    if user is not None:
        out["runAsUser"] = user
    return out


def verdict(view: Any, identifier: str) -> str:
    """``on``, ``off`` (blocked), ``none``, or the conditions."""
    found = edges(view, identifier)
    if not found:
        return "off" if blocked(view, identifier) else "none"
    (edge,) = found
    assert (edge.source, edge.target) == (SOURCE, TARGET)
    return "+".join(edge.conditions) or "on"


PRIVILEGED = {"privileged": True, "runAsUser": 0}
UNCONFINED = {"appArmorProfile": {"type": "Unconfined"}}
NS_ENTER = ("SYS_ADMIN", "SYS_PTRACE", "SYS_CHROOT")
HOST_PID = {"hostPID": True}

CASES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("CE_NSENTER", PRIVILEGED, HOST_PID, "on"),
    ("CE_NSENTER", PRIVILEGED, {}, "none"),
    ("CE_NSENTER", {"runAsUser": 0}, HOST_PID, "none"),
    ("CE_NSENTER", {"privileged": True}, HOST_PID, "C-USER"),
    ("CE_NSENTER", {"privileged": True, "runAsUser": 1000}, HOST_PID, "C-SETUID"),
    ("CE_NSENTER", context(*NS_ENTER, **UNCONFINED), HOST_PID, "on"),
    ("CE_NSENTER", context(*NS_ENTER), HOST_PID, "off"),
    ("CE_NSENTER", context("SYS_ADMIN", "SYS_PTRACE", **UNCONFINED), HOST_PID, "on"),
    ("CE_NSENTER", context("SYS_ADMIN", "SYS_PTRACE", drop=["SYS_CHROOT"], **UNCONFINED), HOST_PID, "none"),
    ("CE_NSENTER", context("SYS_ADMIN", **UNCONFINED), HOST_PID, "none"),
    ("CE_PRIV_MOUNT", PRIVILEGED, {}, "on"),
    ("CE_PRIV_MOUNT", {"privileged": True}, {}, "C-USER"),
    ("CE_PRIV_MOUNT", {"privileged": True, "runAsUser": 1000}, {}, "C-SETUID"),
    (
        "CE_PRIV_MOUNT",
        {"privileged": True, "runAsUser": 1000, "allowPrivilegeEscalation": False},
        {},
        "off",
    ),
    ("CE_PRIV_MOUNT", {"privileged": False, "runAsUser": 0}, {}, "none"),
    ("CE_PRIV_MOUNT", context("ALL"), {}, "none"),
    ("CE_MODULE_LOAD", context("SYS_MODULE"), {}, "C-LOCKDOWN"),
    ("CE_MODULE_LOAD", context("SYS_MODULE", drop=["ALL"]), {}, "C-LOCKDOWN"),  # T31
    ("CE_MODULE_LOAD", context("ALL"), {}, "C-LOCKDOWN"),  # T32
    ("CE_MODULE_LOAD", context("ALL", drop=["SYS_MODULE"]), {}, "none"),
    ("CE_MODULE_LOAD", context("SYS_MODULE", user=None), {}, "C-LOCKDOWN+C-USER"),
    ("CE_MODULE_LOAD", PRIVILEGED, {}, "C-LOCKDOWN"),
    ("CE_MODULE_LOAD", {"runAsUser": 0}, {}, "none"),
    ("CE_SYS_PTRACE", context("SYS_PTRACE", **UNCONFINED), HOST_PID, "on"),  # T34
    ("CE_SYS_PTRACE", context("SYS_PTRACE"), HOST_PID, "off"),  # T34
    ("CE_SYS_PTRACE", context("SYS_PTRACE", **UNCONFINED), {}, "none"),
    ("CE_SYS_PTRACE", context("SYS_ADMIN", **UNCONFINED), HOST_PID, "none"),
    ("CE_SYS_PTRACE", PRIVILEGED, HOST_PID, "on"),
    ("CE_SYS_ADMIN", context("SYS_ADMIN", **UNCONFINED), {}, "on"),
    ("CE_SYS_ADMIN", context("SYS_ADMIN"), {}, "off"),
    ("CE_SYS_ADMIN", context("SYS_ADMIN", drop=["SYS_ADMIN"], **UNCONFINED), {}, "none"),  # T30
    ("CE_SYS_ADMIN", context("sys_admin", **UNCONFINED), {}, "on"),
    ("CE_SYS_ADMIN", context("CAP_SYS_ADMIN", **UNCONFINED), {}, "none"),
    ("CE_SYS_ADMIN", context("SYS_ADMIN", user=1000, **UNCONFINED), {}, "C-SETUID"),
    ("CE_DAC_READ", context("DAC_READ_SEARCH"), {}, "on"),
    ("CE_DAC_READ", context("ALL"), {}, "on"),  # T32
    ("CE_DAC_READ", context("DAC_OVERRIDE"), {}, "none"),
    ("CE_DAC_READ", context("DAC_READ_SEARCH", user=None), {}, "C-USER"),
    ("CE_BPF", context("SYS_ADMIN"), {}, "on"),
    ("CE_BPF", context("BPF", "PERFMON"), {}, "on"),
    ("CE_BPF", context("BPF"), {}, "none"),
    ("CE_BPF", context("PERFMON"), {}, "none"),
    ("CE_BPF", context("BPF", "PERFMON", seccompProfile={"type": "Unconfined"}), {}, "on"),
    ("CE_BPF", context("BPF", "PERFMON", seccompProfile={"type": "RuntimeDefault"}), {}, "on"),
    (
        "CE_BPF",
        context("BPF", "PERFMON", seccompProfile={"type": "Localhost", "localhostProfile": "x"}),
        {},
        "C-SECCOMPDEFAULT",
    ),
]


@pytest.mark.parametrize(("identifier", "own", "spec", "expected"), CASES)
def test_verdicts_on_ubuntu(identifier: str, own: dict[str, Any], spec: dict[str, Any], expected: str) -> None:
    view = inventory(pod("web", container(securityContext=own), **spec), node(kubelet="v1.29.4"), version="1.29.4")
    assert verdict(view, identifier) == expected


def test_t33_not_root_and_no_way_to_it() -> None:
    own = context("SYS_ADMIN", user=1000, allowPrivilegeEscalation=False, **UNCONFINED)
    view = inventory(pod("web", container(securityContext=own)), node(os_image="Ubuntu 20.04.6 LTS"))
    for identifier in ("CE_SYS_ADMIN", "CE_CGROUP_AGENT", "CE_BPF"):
        (off,) = findings(view, identifier)
        assert off == (
            SOURCE,
            TARGET,
            "runAsUser: 1000 with allowPrivilegeEscalation: false leaves no way to root",
        )


@pytest.mark.parametrize("identifier", ALL_IDS)
def test_t35_a_user_namespace_turns_every_escape_off(identifier: str) -> None:
    nodes = [node(os_image="Ubuntu 20.04.6 LTS")]
    # hostUsers: false excludes hostPID, so its absence must not be what keeps those two quiet
    plain = inventory(pod("web", container(securityContext=PRIVILEGED), hostPID=True), *nodes)
    assert edges(plain, identifier)
    view = inventory(pod("web", container(securityContext=PRIVILEGED), hostPID=True, hostUsers=False), *nodes)
    (off,) = findings(view, identifier)
    assert off == (SOURCE, TARGET, "hostUsers: false puts the pod in a user namespace of its own")


def test_user_namespaces_in_manifests_depend_on_the_server() -> None:
    template = deployment("web", container(securityContext=PRIVILEGED), hostUsers=False)
    for version, expected in (("1.33.0", "off"), ("1.32.0", "on"), (None, "C-GATE")):
        found = findings(inventory(template, version=version), "CE_PRIV_MOUNT")
        assert len(found) == 1
        missing = getattr(found[0], "missing", None)
        assert ("off" if missing is None else "+".join(c for c, _ in missing) or "on") == expected


@pytest.mark.parametrize("identifier", ALL_IDS)
def test_t36_a_sandbox_turns_every_escape_off(identifier: str) -> None:
    nodes = [node(os_image="Ubuntu 20.04.6 LTS")]
    spec = {"hostPID": True, "runtimeClassName": "box"}
    box = pod("web", container(securityContext=PRIVILEGED), **spec)
    (off,) = findings(inventory(box, runtime_class("box", "kata-qemu"), *nodes), identifier)
    assert off == (SOURCE, TARGET, "runtimeClassName: box runs the pod in a sandbox (handler kata-qemu)")
    (edge,) = edges(inventory(box, runtime_class("box", "runc"), *nodes), identifier)
    assert "C-RUNTIMECLASS" not in edge.conditions
    (edge,) = edges(inventory(box, *nodes), identifier)
    assert ("C-RUNTIMECLASS", "Cluster") in edge.missing


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_t37_a_finished_pod_has_no_edge(phase: str) -> None:
    own = container(securityContext=PRIVILEGED)
    assert not findings(inventory(pod("web", own, phase=phase, hostPID=True), node()), "CE_NSENTER")
    assert not findings(inventory(pod("web", own, phase=phase), node()), "CE_PRIV_MOUNT")


def test_t38_init_containers_count_while_they_run() -> None:
    init = container("setup", securityContext=PRIVILEGED)
    assert not findings(inventory(pod("web", initContainers=[init]), node()), "CE_PRIV_MOUNT")
    sidecar = {**init, "restartPolicy": "Always"}
    view = inventory(pod("web", initContainers=[sidecar]), node())
    assert pairs(view, "CE_PRIV_MOUNT") == [("Container:default/web/setup", TARGET)]
    (edge,) = edges(view, "CE_PRIV_MOUNT")
    first = evidence(view, edge)[0]
    assert first.field == "spec.initContainers[name=setup].securityContext.privileged"


def test_ephemeral_containers_count() -> None:
    view = inventory(pod("web", ephemeralContainers=[container("debug", securityContext=PRIVILEGED)]), node())
    assert pairs(view, "CE_PRIV_MOUNT") == [("Container:default/web/debug", TARGET)]


@pytest.mark.parametrize("identifier", ALL_IDS)
def test_windows_has_none_of_these(identifier: str) -> None:
    view = inventory(pod("web", container(securityContext=PRIVILEGED), hostPID=True), node(operating_system="windows"))
    assert not findings(view, identifier)


@pytest.mark.parametrize(
    ("identifier", "own", "expected"),
    [
        ("CE_NSENTER", PRIVILEGED, ()),
        ("CE_PRIV_MOUNT", PRIVILEGED, ()),
        ("CE_SYS_ADMIN", context("SYS_ADMIN"), (("C-LSM", "Node:*"),)),
        ("CE_SYS_PTRACE", context("SYS_PTRACE"), (("C-LSM", "Node:*"),)),
        ("CE_SYS_ADMIN", PRIVILEGED, ()),
        ("CE_DAC_READ", context("DAC_READ_SEARCH"), ()),
        ("CE_PRIV_MOUNT", {"privileged": True}, (("C-USER", f"Image:{IMAGE}"),)),
        ("CE_MODULE_LOAD", context("SYS_MODULE"), (("C-LOCKDOWN", "Node:*"),)),
        ("CE_CGROUP_AGENT", PRIVILEGED, (("C-GATE", "Cluster"),)),
    ],
)
def test_manifests(identifier: str, own: dict[str, Any], expected: tuple[tuple[str, str], ...]) -> None:
    view = inventory(deployment("web", container(securityContext=own), hostPID=True))
    (edge,) = edges(view, identifier)
    assert (edge.source, edge.target, edge.missing) == (SOURCE, "Node:*", expected)
    assert edge.effort == {"CE_NSENTER": 2, "CE_PRIV_MOUNT": 2}.get(identifier, 3) + (2 if expected else 0)


def test_cgroup_agent_needs_version_1() -> None:
    own = container(securityContext=context("SYS_ADMIN", **UNCONFINED))
    for os_image, expected in (
        ("Ubuntu 20.04.6 LTS", "on"),
        ("Ubuntu 22.04.4 LTS", "off"),
        ("Debian GNU/Linux", "C-GATE"),
    ):
        assert verdict(inventory(pod("web", own), node(os_image=os_image)), "CE_CGROUP_AGENT") == expected


def test_evidence_of_the_privileged_way() -> None:
    view = inventory(pod("web", container(securityContext=PRIVILEGED), hostPID=True), node())
    (edge,) = edges(view, "CE_NSENTER")
    assert list(proof(view, edge).items()) == [
        (("Pod:default/web", f"{PREFIX}.privileged"), True),
        (("Pod:default/web", "spec.hostPID"), True),
        (("Pod:default/web", f"{PREFIX}.runAsUser"), 0),
        (("Pod:default/web", "spec.hostUsers"), True),
        (("Pod:default/web", "spec.runtimeClassName"), "the node's default runtime"),
        (("Pod:default/web", "spec.nodeName"), NODE),
        ((TARGET, "status.nodeInfo.operatingSystem"), "linux"),
    ]


def test_evidence_of_capabilities() -> None:
    own = context("SYS_PTRACE", drop=["ALL"], user=None, **UNCONFINED)
    view = inventory(pod("web", container(securityContext=own), hostPID=True), node())
    (edge,) = edges(view, "CE_SYS_PTRACE")
    found = list(proof(view, edge).items())
    assert found[:4] == [
        (("Pod:default/web", f"{PREFIX}.capabilities.add"), ["SYS_PTRACE"]),
        (("Pod:default/web", f"{PREFIX}.capabilities.drop"), ["ALL"]),
        (("Pod:default/web", "spec.hostPID"), True),
        (("Pod:default/web", f"{PREFIX}.appArmorProfile.type"), "Unconfined"),
    ]
    assert ((TARGET, "status.nodeInfo.osImage"), "Ubuntu 22.04.4 LTS") in found
    assert (("Pod:default/web", f"{PREFIX}.runAsUser"), "the image's user") in found


def test_evidence_of_the_other_techniques_begins_with_what_the_catalogue_names() -> None:
    view = inventory(
        pod("web", container(securityContext=context("ALL", **UNCONFINED))), node(os_image="Ubuntu 20.04.6 LTS")
    )
    for identifier in ("CE_MODULE_LOAD", "CE_SYS_ADMIN", "CE_CGROUP_AGENT", "CE_DAC_READ", "CE_BPF"):
        (edge,) = edges(view, identifier)
        first = evidence(view, edge)[0]
        assert (first.field, first.value) == (f"{PREFIX}.capabilities.add", ["ALL"])
    (edge,) = edges(view, "CE_CGROUP_AGENT")
    assert proof(view, edge)[(TARGET, "status.nodeInfo.osImage")] == "Ubuntu 20.04.6 LTS"
    (edge,) = edges(view, "CE_BPF")
    assert ("Pod:default/web", f"{PREFIX}.seccompProfile.type") in proof(view, edge)


def test_evidence_of_a_manifest_points_into_the_template() -> None:
    view = inventory(deployment("web", container(securityContext=PRIVILEGED)))
    (edge,) = edges(view, "CE_PRIV_MOUNT")
    first = evidence(view, edge)[0]
    assert (first.object, first.field, first.value) == (
        "Deployment:default/web",
        "spec.template.spec.containers[name=app].securityContext.privileged",
        True,
    )
