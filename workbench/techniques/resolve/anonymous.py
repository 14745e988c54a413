"""What is granted to whoever has no credentials, and whether the API server hears them.

Source: Kubernetes documentation, "Authenticating" (anonymous requests) and "Using RBAC Authorization" (API discovery
roles); kubeadm, "Implementation details" (the ConfigMap cluster-info in kube-public).
"""

from __future__ import annotations

from typing import NamedTuple

from workbench.graph.graph import Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import EndpointSlice, Node, PolicyRule
from workbench.inventory.pods import UNKNOWN_NODE
from workbench.rbac import Grant
from workbench.rbac.subjects import ANONYMOUS, UNAUTHENTICATED
from workbench.techniques.api import fact
from workbench.techniques.resolve import CLUSTER
from workbench.techniques.resolve.addresses import external_address, is_public
from workbench.techniques.resolve.nodes import (
    api_server_flags,
    control_plane,
    control_plane_evidence,
    node_ids,
    sees_api_server,
)
from workbench.techniques.resolve.permissions import grants_of

WITHOUT_CREDENTIALS = (UNAUTHENTICATED, ANONYMOUS)
"""Whom the API server takes for somebody who shows no credentials: a group, and the user in it."""

_PUBLIC_URLS = ("/healthz", "/livez", "/readyz", "/version", "/api", "/apis", "/openapi")
"""Health, version and discovery: what system:public-info-viewer and system:discovery grant."""


def beyond_public(view: Inventory, identity: str) -> list[tuple[Grant, int]]:
    """The permission sets of an identity that hold more than what every cluster tells everybody.

    Returns:
        Each with the position of the subject in its binding.
    """
    found = []
    for grant in grants_of(view, identity):
        if any(not _is_public(grant, rule) for rule in grant.rules):
            index = next(index for index, subject in grant.subjects if subject == identity)
            found.append((grant, index))
    return found


def _is_public(grant: Grant, rule: PolicyRule) -> bool:
    if rule.resources:
        return (
            grant.namespace == "kube-public"
            and set(rule.resources) == {"configmaps"}
            and set(rule.resource_names or ()) == {"cluster-info"}
            and set(rule.verbs or ()) <= {"get", "list", "watch"}
        )
    if grant.namespace:
        # What is no resource a RoleBinding cannot grant.
        return True
    urls = (url.rstrip("*").rstrip("/") for url in rule.non_resource_urls or ())
    return set(rule.verbs or ()) <= {"get", "head"} and all(
        any(url == known or url.startswith(f"{known}/") for known in _PUBLIC_URLS) for url in urls
    )


class Anonymous(NamedTuple):
    """Whether the API server takes requests without credentials from the internet."""

    missing: tuple[Fact, ...] = ()
    off: str = ""
    shown: str = ""
    """The id of the node or the EndpointSlice that shows an address of the internet; empty if none does."""


def anonymous_from_internet(view: Inventory) -> Anonymous:
    """Whether somebody in the internet, without credentials, is heard as anonymous."""
    flags = api_server_flags(view)
    if flags.get("--anonymous-auth") == "false":
        return Anonymous(off=f"{flags['']} is started with --anonymous-auth=false")
    place, public = _reached(view)
    missing: tuple[Fact, ...] = ()
    if not sees_api_server(view) or "--authentication-config" in flags:
        # Of managed API servers nobody sees the arguments; a file may limit the paths (since 1.31).
        missing += fact("C-ANON", CLUSTER)
    if not public:
        missing += fact("C-FW", place)
    return Anonymous(missing, shown=place if public else "")


def _reached(view: Inventory) -> tuple[str, bool]:
    """What shows an address of the API server, or its node, and whether the internet routes that address."""
    for piece in view.in_namespace(EndpointSlice, "default"):
        own = (piece.metadata.labels or {}).get("kubernetes.io/service-name") == "kubernetes"
        addresses = [address for each in piece.endpoints or () for address in each.addresses or () if own]
        if any(map(is_public, addresses)):
            return piece.id, True
    first = UNKNOWN_NODE
    for node_id in node_ids(view):
        if control_plane(view, node_id) is None:
            continue
        node = view.by_id(node_id)
        if isinstance(node, Node) and external_address(node) is not None:
            return node_id, True
        first = node_id if first == UNKNOWN_NODE else first
    return first, False


def anonymous_evidence(view: Inventory) -> list[Evidence]:
    """The arguments of the API server, where they were read, and the address at which the internet reaches it."""
    found: list[Evidence] = []
    pod_id = api_server_flags(view).get("")
    if pod_id:
        found.append(view.evidence(pod_id, "spec.containers[name=kube-apiserver].command", ["--anonymous-auth=true"]))
    shown = anonymous_from_internet(view).shown
    if shown.startswith("EndpointSlice:"):
        found.append(view.evidence(shown, "endpoints"))
    elif shown:
        found.append(view.evidence(shown, "status.addresses"))
        reason = control_plane(view, shown)
        if reason is not None:
            found += control_plane_evidence(view, shown, reason)
    return found
