"""The controllers of ingress-nginx whose admission webhook runs what it is sent (CVE-2025-1974).

Source: the Kubernetes blog, "Ingress-nginx CVE-2025-1974"; versions in ``versions.json``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from workbench.graph.graph import Fact
from workbench.inventory.inventory import IndexOf, Inventory
from workbench.inventory.pods import ContainerInstance
from workbench.techniques.resolve.command import command_line
from workbench.techniques.resolve.token import api_tokens
from workbench.techniques.resolve.versions import Vulnerability, version_of, vulnerabilities

READS = frozenset({"Pod", "Secret", "ServiceAccount"})

_IMAGE = re.compile(r"ingress-nginx/controller(-chroot)?[:@]|(^|/)nginx-ingress-controller[:@]")
_WEBHOOK = "validating-webhook"
_PORT = 8443
"""Where the project's own manifests let it listen."""


class Admission(NamedTuple):
    """A controller whose admission webhook may be used to run code in it."""

    container: ContainerInstance
    account: str
    """The id of the account whose token it holds."""
    port: int
    missing: tuple[Fact, ...]
    """That its image is vulnerable: a version says it no more than by half, and another tag says nothing."""


def _keys(container: ContainerInstance) -> Iterable[str]:
    image = container.spec.image or ""
    return ("controller",) if "nginx" in image and _IMAGE.search(image) else ()


CONTROLLERS: IndexOf[str, ContainerInstance] = IndexOf(
    "controllers of ingress-nginx", "containers", _keys, of_replicas=True
)


def vulnerability() -> Vulnerability:
    """What is known of the admission webhook."""
    return vulnerabilities("ingress-nginx")["admission"]


def admissions(view: Inventory) -> list[Admission]:
    """The controllers that may be vulnerable, one for each account and image."""
    return view.derived("admission webhooks of ingress-nginx", READS, _admissions)


def _admissions(view: Inventory) -> list[Admission]:
    found: list[Admission] = []
    for container in view.index(CONTROLLERS)["controller"]:
        line = command_line(container.spec)
        version = version_of(container.spec.image or "")
        if not line.has(_WEBHOOK) or (version is not None and not vulnerability().affects(version)):
            continue
        port = line.values(_WEBHOOK)[-1].rpartition(":")[2]
        number = int(port) if port.isdecimal() else _PORT
        missing: tuple[Fact, ...] = (("C-VULN", container.image),)
        found += [Admission(container, token.account, number, missing) for token in api_tokens(view, container)[:1]]
    return found
