"""R3: effective capabilities."""

from __future__ import annotations

import pytest

from tests.builders import container, inventory, node, pod
from workbench.techniques.resolve.capabilities import (
    ALL,
    CONTAINERD_DEFAULT,
    CRIO_DEFAULT,
    effective_capabilities,
    holds,
    resolve,
)

DEFAULT = CONTAINERD_DEFAULT


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ((), (), DEFAULT),
        (("SYS_ADMIN",), (), DEFAULT | {"SYS_ADMIN"}),
        (("sys_admin",), (), DEFAULT | {"SYS_ADMIN"}),
        ((), ("NET_RAW",), DEFAULT - {"NET_RAW"}),
        (("SYS_ADMIN",), ("SYS_ADMIN",), DEFAULT),
        ((), ("ALL",), frozenset()),
        ((), ("all",), frozenset()),
        (("SYS_MODULE",), ("ALL",), frozenset({"SYS_MODULE"})),
        (("ALL",), (), ALL),
        (("ALL",), ("ALL",), frozenset()),
        (("ALL", "SYS_TIME"), ("ALL",), frozenset({"SYS_TIME"})),
        (("ALL",), ("SYS_ADMIN",), ALL - {"SYS_ADMIN"}),
        (("CAP_SYS_ADMIN",), (), DEFAULT),
        (("NO_SUCH",), (), DEFAULT),
    ],
)
def test_order_of_add_and_drop(add: tuple[str, ...], drop: tuple[str, ...], expected: frozenset[str]) -> None:
    assert resolve(False, add, drop, "containerd") == (expected, expected)


def test_crio_has_fewer_defaults_and_takes_the_prefix() -> None:
    assert resolve(False, (), (), "cri-o").certain == CRIO_DEFAULT
    assert "SYS_CHROOT" not in CRIO_DEFAULT
    assert "SYS_ADMIN" in resolve(False, ("CAP_SYS_ADMIN",), (), "cri-o").certain
    assert "CHOWN" not in resolve(False, (), ("CAP_CHOWN",), "cri-o").certain


def test_an_unknown_runtime_leaves_the_prefix_open() -> None:
    held = resolve(False, ("CAP_SYS_ADMIN",), (), None)
    assert "SYS_ADMIN" in held.possible
    assert "SYS_ADMIN" not in held.certain
    assert resolve(False, (), ("CAP_CHOWN",), None) == (DEFAULT - {"CHOWN"}, DEFAULT)


def test_privileged_holds_all_whatever_it_drops() -> None:
    assert resolve(True, (), ("ALL",), "containerd").certain == ALL


@pytest.mark.parametrize(
    ("node_runtime", "status_runtime", "expected"),
    [
        ("cri-o://1.30.0", "containerd", CRIO_DEFAULT),
        ("containerd://1.7.20", "containerd", CONTAINERD_DEFAULT),
        (None, "cri-o", CRIO_DEFAULT),
    ],
)
def test_runtime_comes_from_the_node_then_the_status(
    node_runtime: str | None, status_runtime: str, expected: frozenset[str]
) -> None:
    nodes = [node(runtime=node_runtime)] if node_runtime else []
    view = inventory(pod("web", runtime=status_runtime), *nodes)
    (found,) = view.containers
    assert effective_capabilities(view, found).certain == expected


def test_holds_needs_root() -> None:
    added = {"capabilities": {"add": ["SYS_ADMIN"]}}
    view = inventory(
        pod("root", container(securityContext={**added, "runAsUser": 0})),
        pod("user", container(securityContext={**added, "runAsUser": 7})),
        pod("kept", container(securityContext={**added, "runAsUser": 7, "allowPrivilegeEscalation": False})),
        pod("none", container(securityContext={"runAsUser": 0})),
    )
    answers = {c.pod.name: holds(view, c, "SYS_ADMIN") for c in view.containers}
    assert answers["root"] == ((), None)
    user = answers["user"]
    assert user is not None
    assert [condition for condition, _ in user.missing] == ["C-SETUID"]
    kept = answers["kept"]
    assert kept is not None
    assert kept.off is not None
    assert answers["none"] is None


def test_a_capability_that_depends_on_the_runtime_is_conditional() -> None:
    own = {"capabilities": {"add": ["CAP_SYS_ADMIN"]}, "runAsUser": 0}
    view = inventory(pod("web", container(securityContext=own), live=False))
    (found,) = view.containers
    answer = holds(view, found, "SYS_ADMIN")
    assert answer is not None
    assert answer.missing == (("C-GATE", "Cluster"),)
