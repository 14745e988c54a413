"""The API server's version as people and servers write it."""

from __future__ import annotations

import re
from collections.abc import Iterable

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


def version_of_api_server(objects: Iterable[KubernetesObject]) -> ServerVersion | None:
    """The version that the mirror pods of the API server say by their image, the oldest of several.

    Clusters that run their control plane as static pods (kubeadm, kind) tag the image with the version.
    """
    found: list[ServerVersion] = []
    for obj in objects:
        if type(obj) is not Pod or not obj.name.startswith("kube-apiserver-"):
            continue
        if obj.spec is None or MIRROR not in (obj.metadata.annotations or ()):
            continue
        for container in obj.spec.containers or ():
            tag = (container.image or "").partition("@")[0].rpartition(":")[2]
            if re.match(r"v1\.\d+\.\d+", tag) and _VERSION.match(tag):
                found.append(parse_version(tag))
    return min(found, key=lambda version: (version.pair, version.patch), default=None)
