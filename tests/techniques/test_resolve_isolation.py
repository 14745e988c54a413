"""R5 and R6: user namespaces and sandboxes; and where a container runs."""

from __future__ import annotations

import pytest

from tests.builders import NODE, container, daemon_set, deployment, inventory, node, pod, runtime_class
from workbench.techniques.resolve.cgroups import on_version_1
from workbench.techniques.resolve.container import node_of, on_linux, runtime_of, shares_node
from workbench.techniques.resolve.isolation import (
    isolation_evidence,
    no_sandbox,
    no_user_namespace,
    sandbox_handlers,
    set_sandbox_handlers,
)

CLUSTER_GATE = (("C-GATE", "Cluster"),)


@pytest.mark.parametrize(
    ("host_users", "live", "version", "missing", "off"),
    [
        (None, True, "1.33.0", (), False),
        (True, True, "1.33.0", (), False),
        (False, True, "1.33.0", (), True),
        (False, True, "1.30.0", (), True),
        (False, True, None, (), True),
        (False, False, "1.33.0", (), True),
        (False, False, "1.32.9", (), False),
        (False, False, None, CLUSTER_GATE, False),
    ],
)
def test_user_namespace(
    host_users: bool | None, live: bool, version: str | None, missing: tuple[tuple[str, str], ...], off: bool
) -> None:
    spec = {} if host_users is None else {"hostUsers": host_users}
    view = inventory(pod("web", live=live, **spec), version=version)
    (found,) = view.pods
    answer = no_user_namespace(view, found)
    assert answer.missing == missing
    assert (answer.off is not None) is off


@pytest.mark.parametrize(
    ("handler", "off"),
    [
        ("runsc", True),
        ("gvisor", True),
        ("kata", True),
        ("kata-qemu", True),
        ("firecracker", True),
        ("runc", False),
        ("crun", False),
        ("nvidia", False),
        ("my-runsc", False),
    ],
)
def test_sandbox_by_handler(handler: str, off: bool) -> None:
    view = inventory(pod("web", runtimeClassName="box"), runtime_class("box", handler))
    (found,) = view.pods
    answer = no_sandbox(view, found)
    assert (answer.off is not None) is off
    assert not answer.missing
    assert ("RuntimeClass:box", "handler", handler) in [
        (e.object, e.field, e.value) for e in isolation_evidence(view, found)
    ]


def test_an_unread_runtime_class_is_conditional_whatever_its_name() -> None:
    view = inventory(pod("web", runtimeClassName="kata"))
    (found,) = view.pods
    assert no_sandbox(view, found) == ((("C-RUNTIMECLASS", "Cluster"),), None)


def test_sandbox_handlers_can_be_set_and_overlays_keep_them() -> None:
    view = inventory(pod("web", runtimeClassName="box"), runtime_class("box", "wasm-edge"))
    set_sandbox_handlers(view, ["wasm*"])
    overlay = view.overlay({"RuntimeClass:box": runtime_class("box", "wasm")})
    assert sandbox_handlers(overlay) == ("wasm*",)
    for current in (view, overlay):
        (found,) = current.pods
        assert no_sandbox(current, found).off is not None
    changed = view.overlay({"RuntimeClass:box": runtime_class("box", "runsc")})
    assert no_sandbox(changed, next(iter(changed.pods))).off is None


def test_sandbox_handlers_cannot_change_once_asked_for() -> None:
    view = inventory()
    sandbox_handlers(view)
    with pytest.raises(ValueError, match="before they were set"):
        set_sandbox_handlers(view, ["wasm"])


@pytest.mark.parametrize(
    ("spec", "system", "expected"),
    [
        ({}, None, True),
        ({}, "linux", True),
        ({}, "windows", False),
        ({"os": {"name": "windows"}}, None, False),
        ({"os": {"name": "linux"}}, "windows", True),
        ({"nodeSelector": {"kubernetes.io/os": "windows"}}, None, False),
        ({"nodeSelector": {"kubernetes.io/os": "linux"}}, None, True),
    ],
)
def test_on_linux(spec: dict[str, object], system: str | None, expected: bool) -> None:
    nodes = [node(operating_system=system)] if system else []
    view = inventory(pod("web", **spec), *nodes)
    (found,) = view.pods
    assert on_linux(view, found) is expected


def test_node_and_runtime() -> None:
    view = inventory(pod("live", runtime="cri-o"), pod("plain", live=False), pod("gone", node="old"), node())
    live, plain, gone = (view.pods.get(f"Pod:default/{name}") for name in ("live", "plain", "gone"))
    assert live is not None
    assert plain is not None
    assert gone is not None
    assert node_of(view, live) is view.by_id(f"Node:{NODE}")
    assert node_of(view, plain) is None
    assert node_of(view, gone) is None
    assert runtime_of(view, live.containers[0]) == "containerd"
    assert runtime_of(view, plain.containers[0]) is None
    assert runtime_of(view, gone.containers[0]) == "containerd"


def test_sharing_a_node() -> None:
    view = inventory(
        deployment("a"),
        deployment("b"),
        daemon_set("all"),
        daemon_set("some", nodeSelector={"disk": "ssd"}),
        daemon_set("near", affinity={"nodeAffinity": {}}),
    )
    by_name = {p.name: p for p in view.pods}
    first = by_name["a"]
    assert shares_node(first, first) == ((), None)
    assert shares_node(first, by_name["all"]) == ((), None)
    for name in ("b", "some", "near"):
        assert shares_node(first, by_name[name]).missing == (("C-NODE", "Node:*"),)
    live = inventory(pod("a"), pod("b"))
    one, two = live.pods
    assert shares_node(one, two) == ((), None)


@pytest.mark.parametrize(
    ("os_image", "kubelet", "kernel", "verdict"),
    [
        ("Ubuntu 20.04.6 LTS", "v1.30.0", "5.4.0", "on"),
        ("Ubuntu 22.04.4 LTS", "v1.30.0", "5.15.0", "off"),
        ("Ubuntu 20.04.6 LTS", "v1.35.0", "5.4.0", "off"),
        ("CentOS Linux 7 (Core)", "v1.30.0", "3.10.0-1160.el7", "on"),
        ("Amazon Linux 2", "v1.30.0", "5.10.0", "on"),
        ("Amazon Linux 2023.4.20240611", "v1.30.0", "6.1.0", "off"),
        ("Red Hat Enterprise Linux 8.9 (Ootpa)", "v1.30.0", "4.18.0", "on"),
        ("Red Hat Enterprise Linux CoreOS 412.86.202303", "v1.28.0", "4.18.0", "on"),
        ("Red Hat Enterprise Linux CoreOS 416.94.202406", "v1.29.0", "5.14.0", "off"),
        ("Red Hat Enterprise Linux CoreOS 9.6.20250826-1", "v1.32.0", "5.14.0", "off"),
        ("Talos (v1.7.1)", "v1.30.0", "6.6.0", "cond"),
    ],
)
def test_cgroup_version(os_image: str, kubelet: str, kernel: str, verdict: str) -> None:
    view = inventory(pod("web", container()), node(os_image=os_image, kubelet=kubelet, kernel=kernel))
    (found,) = view.pods
    answer = on_version_1(view, found)
    assert ("off" if answer.off else "cond" if answer.missing else "on") == verdict


@pytest.mark.parametrize(("version", "off"), [("1.35.0", True), ("1.34.9", False), (None, False)])
def test_cgroup_version_of_manifests(version: str | None, off: bool) -> None:
    view = inventory(deployment("web"), version=version)
    (found,) = view.pods
    answer = on_version_1(view, found)
    assert (answer.off is not None) is off
    assert answer.missing == (() if off else CLUSTER_GATE)
