"""R4: security modules and seccomp."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import NODE, container, inventory, node, pod
from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import ContainerInstance
from workbench.techniques.resolve.confinement import (
    SecurityModule,
    host_files_open,
    module_evidence,
    no_security_module,
    other_processes_open,
    security_module,
    unfiltered,
)

RHEL = "Red Hat Enterprise Linux 9.4 (Plow)"
ANNOTATION = "container.apparmor.security.beta.kubernetes.io/app"


@pytest.mark.parametrize(
    ("os_image", "runtime", "expected"),
    [
        ("Ubuntu 22.04.4 LTS", "containerd", SecurityModule.APPARMOR),
        ("Debian GNU/Linux 12 (bookworm)", "cri-o", SecurityModule.APPARMOR),
        ("Container-Optimized OS from Google", "containerd", SecurityModule.APPARMOR),
        ("Red Hat Enterprise Linux CoreOS 416.94.202406172220-0", "cri-o", SecurityModule.SELINUX),
        ("Bottlerocket OS 1.20.0 (aws-k8s-1.29)", "containerd", SecurityModule.SELINUX),
        (RHEL, "cri-o", SecurityModule.SELINUX),
        (RHEL, "containerd", SecurityModule.UNKNOWN),
        (RHEL, None, SecurityModule.UNKNOWN),
        ("Fedora CoreOS 40.20240416.3.1", "cri-o", SecurityModule.SELINUX),
        ("Fedora Linux 40", "containerd", SecurityModule.UNKNOWN),
        ("SUSE Linux Enterprise Server 15 SP5", "containerd", SecurityModule.UNKNOWN),
        ("Amazon Linux 2023.4.20240611", "containerd", SecurityModule.NONE),
        ("Flatcar Container Linux by Kinvolk 3815.2.2", "containerd", SecurityModule.NONE),
        ("Microsoft Azure Linux 3.0", "containerd", SecurityModule.NONE),
        ("CBL-Mariner/Linux", "containerd", SecurityModule.NONE),
        ("Alpine Linux v3.19", "containerd", SecurityModule.NONE),
        ("Talos (v1.7.1)", "containerd", SecurityModule.UNKNOWN),
        (None, "containerd", SecurityModule.UNKNOWN),
    ],
)
def test_security_module(os_image: str | None, runtime: str | None, expected: SecurityModule) -> None:
    assert security_module(os_image, runtime) is expected


def one(
    own: dict[str, Any],
    os_image: str | None,
    *,
    runtime: str = "containerd://1.7.20",
    of_pod: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
) -> tuple[Inventory, ContainerInstance]:
    nodes = [node(os_image=os_image, runtime=runtime)] if os_image else []
    view = inventory(
        pod("web", container(securityContext=own), securityContext=of_pod or {}, annotations=annotations), *nodes
    )
    (found,) = view.containers
    return view, found


UBUNTU = "Ubuntu 22.04.4 LTS"
COREOS = "Red Hat Enterprise Linux CoreOS 416.94"


@pytest.mark.parametrize(
    ("own", "os_image", "verdict"),
    [
        ({}, UBUNTU, "off"),
        ({"appArmorProfile": {"type": "Unconfined"}}, UBUNTU, "on"),
        ({"appArmorProfile": {"type": "RuntimeDefault"}}, UBUNTU, "off"),
        ({"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}}, UBUNTU, "C-LSM"),
        ({"privileged": True}, UBUNTU, "on"),
        ({"privileged": True, "appArmorProfile": {"type": "RuntimeDefault"}}, UBUNTU, "on"),
        ({"privileged": True, "appArmorProfile": {"type": "Localhost"}}, UBUNTU, "C-LSM"),
        ({"seLinuxOptions": {"type": "spc_t"}}, UBUNTU, "off"),
        ({}, COREOS, "off"),
        ({"seLinuxOptions": {"level": "s0:c1,c2"}}, COREOS, "off"),
        ({"seLinuxOptions": {"type": "container_t"}}, COREOS, "off"),
        ({"seLinuxOptions": {"type": "spc_t"}}, COREOS, "on"),
        ({"seLinuxOptions": {"type": "my_t"}}, COREOS, "C-LSM"),
        ({"privileged": True}, COREOS, "on"),
        ({"appArmorProfile": {"type": "Unconfined"}}, COREOS, "off"),
        ({}, "Alpine Linux v3.19", "on"),
        ({}, None, "C-LSM"),
        ({"appArmorProfile": {"type": "RuntimeDefault"}}, None, "off"),
        ({"appArmorProfile": {"type": "Unconfined"}}, None, "C-LSM"),
        ({"appArmorProfile": {"type": "Unconfined"}, "seLinuxOptions": {"type": "spc_t"}}, None, "on"),
        ({"privileged": True}, None, "on"),
    ],
)
def test_no_security_module(own: dict[str, Any], os_image: str | None, verdict: str) -> None:
    view, found = one(own, os_image)
    answer = no_security_module(view, found)
    if verdict == "off":
        assert answer.off is not None
    elif verdict == "on":
        assert answer == ((), None)
    else:
        assert answer == (((verdict, f"Node:{NODE}"),), None)


def test_profile_of_the_pod_and_of_the_annotation() -> None:
    unconfined = {"appArmorProfile": {"type": "Unconfined"}}
    view, found = one({}, UBUNTU, of_pod=unconfined)
    assert no_security_module(view, found) == ((), None)
    view, found = one({"appArmorProfile": {"type": "RuntimeDefault"}}, UBUNTU, of_pod=unconfined)
    assert no_security_module(view, found).off is not None
    view, found = one({}, UBUNTU, annotations={ANNOTATION: "unconfined"})
    assert no_security_module(view, found) == ((), None)
    first = module_evidence(view, found)[0]
    assert (first.field, first.value) == (f"metadata.annotations[{ANNOTATION}]", "unconfined")
    view, found = one({}, UBUNTU, annotations={ANNOTATION: "localhost/x"})
    assert [condition for condition, _ in no_security_module(view, found).missing] == ["C-LSM"]
    view, found = one({}, UBUNTU, annotations={ANNOTATION + "2": "unconfined"})
    assert no_security_module(view, found).off is not None


@pytest.mark.parametrize(
    ("own", "os_image", "missing"),
    [
        ({}, UBUNTU, []),
        ({}, "Amazon Linux 2023", []),
        ({}, COREOS, ["C-LSM"]),
        ({}, None, ["C-LSM"]),
        ({"privileged": True}, None, []),
        ({"seLinuxOptions": {"type": "spc_t"}}, COREOS, []),
        ({"seLinuxOptions": {"type": "my_t"}}, COREOS, ["C-LSM"]),
    ],
)
def test_host_files(own: dict[str, Any], os_image: str | None, missing: list[str]) -> None:
    view, found = one(own, os_image)
    assert [condition for condition, _ in host_files_open(view, found).missing] == missing
    expected = ["C-MCS"] if missing else []
    assert [condition for condition, _ in other_processes_open(view, found).missing] == expected


@pytest.mark.parametrize(
    ("own", "of_pod", "verdict"),
    [
        ({}, {}, "C-SECCOMPDEFAULT"),
        ({"seccompProfile": {"type": "Unconfined"}}, {}, "on"),
        ({"seccompProfile": {"type": "RuntimeDefault"}}, {}, "off"),
        ({}, {"seccompProfile": {"type": "RuntimeDefault"}}, "off"),
        ({"seccompProfile": {"type": "Unconfined"}}, {"seccompProfile": {"type": "RuntimeDefault"}}, "on"),
        ({"privileged": True}, {"seccompProfile": {"type": "RuntimeDefault"}}, "on"),
        ({"seccompProfile": {"type": "Localhost", "localhostProfile": "x.json"}}, {}, "off"),
    ],
)
def test_seccomp(own: dict[str, Any], of_pod: dict[str, Any], verdict: str) -> None:
    _, found = one(own, UBUNTU, of_pod=of_pod)
    answer = unfiltered(found)
    if verdict == "off":
        assert answer.off is not None
    else:
        assert answer == ((), None) if verdict == "on" else answer.missing == ((verdict, f"Node:{NODE}"),)
