"""Which namespaces hold pods whose ways through the network an overlay changes, and hubs for sets that many reach."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2s

from workbench.graph import nodes
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import EndpointSlice
from workbench.inventory.pods import PodInstance
from workbench.network import enforcement
from workbench.network.bits import numbers_of
from workbench.network.rules import Direction
from workbench.techniques.endpoints import ALL_READS
from workbench.techniques.resolve import reach

_LEADING = (ALL_READS | {"DaemonSet"}) - {"Namespace"}
"""Kinds that say what leads to pods, and which there are; whether a pod gets to an address they do not decide."""


def changed_pods(view: Inventory) -> set[str]:
    """The namespaces of the pods that an overlay changes."""
    return {pod.namespace for pair in view.replaced.get("pods", ()) for pod in pair if pod is not None}


def changed_ways_out(view: Inventory) -> set[str] | None:
    """The namespaces whose pods may get to other addresses than before; ``None``: all. It errs wide."""
    found = changed_pods(view)
    if not reach.matters(view):
        return found
    if enforcement.differs(view) or (view.replaced.keys() & reach.READS) - _LEADING - {"NetworkPolicy"}:
        return None
    policies = (obj for pair in view.replaced.get("NetworkPolicy", ()) for obj in pair)
    return found | {policy.namespace for policy in policies if policy is not None}


def changed_ways_in(view: Inventory) -> set[str]:
    """The namespaces to whose Endpoints an overlay's network policies may let the internet otherwise. It errs wide."""
    assert view.base is not None, "only an overlay has changes"
    policies = (obj for pair in view.replaced.get("NetworkPolicy", ()) for obj in pair)
    found = {policy.namespace for policy in policies if policy is not None}
    before, now = (reach.network_of(each).reach for each in (view.base, view))
    if before.columns.addresses.atoms != now.columns.addresses.atoms:
        # Which addresses are the internet's is asked of whole ranges, and a policy cuts those of all others.
        groups = before.groups[Direction.INGRESS]
        for selecting, members in zip(groups.policies, groups.members, strict=True):
            if selecting:
                found.update(before.columns.classes[number].namespace for number in numbers_of(members))
    return found | leading_elsewhere(view)


def leading_elsewhere(view: Inventory) -> frozenset[str]:
    """The namespaces with a Service without selector whose EndpointSlices name pods of others."""
    return view.derived("namespaces with endpoints in others", frozenset({"EndpointSlice"}), _leading_elsewhere)


def _leading_elsewhere(view: Inventory) -> frozenset[str]:
    return frozenset(
        item.namespace
        for item in view.all(EndpointSlice)
        for endpoint in item.endpoints or ()
        if endpoint.target_ref is not None and endpoint.target_ref.namespace not in (None, item.namespace)
    )


def class_of(view: Inventory, pod: PodInstance) -> int | None:
    """The number of the class of a pod: policies say the same of all pods of it; ``None`` if it has completed."""
    return reach.network_of(view).reach.class_of(pod)


def hub_of(kind: str, members: Iterable[str]) -> str:
    """The hub of a set that is named after nothing but its members, so that an overlay calls it the same."""
    return nodes.hub(kind, blake2s("\n".join(members).encode(), digest_size=8).hexdigest())
