"""Whether a node runs cgroup v1, whose ``release_agent`` starts a program on the host.

Source: Kubernetes documentation, "About cgroup v2" (distributions and versions that default to it); KEP-4569: the
kubelet refuses cgroup v1 by default from 1.35.
"""

from __future__ import annotations

import re

from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import NodeInfo
from workbench.inventory.pods import PodInstance
from workbench.techniques.resolve import CLUSTER, HOLDS, Answer, needs, ruled_out
from workbench.techniques.resolve.container import node_info, node_of

REFUSED_FROM = (1, 35)

_SINCE: tuple[tuple[str, float], ...] = (
    ("ubuntu", 21.10),
    ("debian gnu/linux", 11),
    ("fedora", 31),
    ("container-optimized os", 97),
    ("red hat enterprise linux", 9),
    ("centos stream", 9),
    ("centos linux", 9),
    ("rocky linux", 9),
    ("almalinux", 9),
    ("amazon linux", 2023),
    ("flatcar", 3033.2),
)
"""Distributions, and the version from which cgroup v2 is their default."""
_VERSION_1_KERNEL = (4, 5)
"""Kernels before this one have no cgroup v2."""


def cgroup_version(info: NodeInfo) -> int | None:
    """The cgroup version of a node by its distribution, 1 or 2; ``None`` where it does not show.

    A version from before the default changed is 1 by default, and an administrator may have chosen otherwise.
    """
    kernel = _pair(info.kernel_version)
    if kernel is not None and kernel < _VERSION_1_KERNEL:
        return 1
    image = (info.os_image or "").lower()
    if image.startswith("red hat enterprise linux coreos 4") and image[33:34].isdigit():
        return 2 if image[32:35] >= "414" else 1  # 414.92: OpenShift 4.14, the first that installs with version 2
    for name, since in _SINCE:
        if image.startswith(name):
            found = re.search(r"\d+(\.\d+)?", image[len(name) :])
            if found is None:
                return None
            return 2 if float(found[0]) >= since else 1
    return None


def on_version_1(view: Inventory, pod: PodInstance) -> Answer:
    """Whether the node of a pod may run cgroup v1; C-GATE where neither distribution nor kubelet shows it."""
    known: dict[str, Answer] = view.memo("whether nodes run cgroup v1", frozenset({"Node"}))
    found = known.get(pod.node)
    if found is None:
        found = known[pod.node] = _on_version_1(view, node_info(node_of(view, pod)))
    return found


def _on_version_1(view: Inventory, info: NodeInfo) -> Answer:
    version = cgroup_version(info)
    if version == 2:
        return ruled_out(f"status.nodeInfo.osImage: {info.os_image} runs cgroup v2")
    kubelet = _pair(info.kubelet_version)
    if kubelet is None and not view.server_version.assumed:
        kubelet = view.server_version.pair
    if kubelet is not None and kubelet >= REFUSED_FROM:
        return ruled_out("the kubelet refuses cgroup v1 from 1.35 on")
    return HOLDS if version == 1 else needs("C-GATE", CLUSTER)


def _pair(version: str | None) -> tuple[int, int] | None:
    found = re.match(r"v?(\d+)\.(\d+)", version or "")
    return (int(found[1]), int(found[2])) if found else None
