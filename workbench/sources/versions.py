"""The API server's version as people and servers write it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from workbench.errors import UsageError
from workbench.inventory.inventory import ServerVersion
from workbench.inventory.objects import KubernetesObject, Pod
from workbench.inventory.pods import MIRROR
from workbench.text import shown

_VERSION = re.compile(r"^v?(\d{1,3})\.(\d{1,3})\+?(?:\.(\d{1,5}))?(?:[-+.][0-9A-Za-z.+-]*)?$")


def parse_version(text: str) -> ServerVersion:
    """The version that a text such as ``v1.34.2-eks-113cf36``, ``1.33`` or ``v1.31+`` names.

    Raises:
        UsageError: The text is no Kubernetes version.
    """
    match = _VERSION.match(text.strip())
    if match is None or match[1] != "1":
        raise UsageError(f"{shown(text)!r} is no Kubernetes version; write it as v1.34.2")
    return ServerVersion(int(match[1]), int(match[2]), int(match[3] or 0))


def version_of_api_server(pods: Mapping[str, KubernetesObject]) -> ServerVersion | None:
    """The version that the mirror pods of the API server say by their image, the oldest of several.

    Clusters that run their control plane as static pods (kubeadm, kind) tag the image with the version.

    Args:
        pods: The pods by id.
    """
    found: list[ServerVersion] = []
    for node, pod in pods.items():
        if "/kube-apiserver-" not in node or not isinstance(pod, Pod) or pod.spec is None:
            continue
        if not pod.name.startswith("kube-apiserver-") or MIRROR not in (pod.metadata.annotations or ()):
            continue
        for container in pod.spec.containers or ():
            tag = (container.image or "").partition("@")[0].rpartition(":")[2]
            if re.match(r"v1\.\d+\.\d+", tag) and _VERSION.match(tag):
                found.append(parse_version(tag))
    return min(found, key=lambda version: (version.pair, version.patch), default=None)
