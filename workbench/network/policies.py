"""Every network policy of a view, whatever its API, as policies of the core; and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from workbench.inventory.inventory import Inventory
from workbench.inventory.network_objects import (
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    CalicoGlobalNetworkPolicy,
    CalicoNetworkPolicy,
    CiliumClusterwideNetworkPolicy,
    CiliumNetworkPolicy,
    ClusterNetworkPolicy,
    NetworkPolicy,
)
from workbench.inventory.records import KubernetesObject
from workbench.network import admin_policy, calico, cilium, network_policy
from workbench.network.checks import Faults, PolicyFault
from workbench.network.labels import EVERYTHING
from workbench.network.rules import Direction, Pods, Policy, Tier, opaque

READS = frozenset(
    {
        "NetworkPolicy",
        "AdminNetworkPolicy",
        "BaselineAdminNetworkPolicy",
        "ClusterNetworkPolicy",
        "CiliumNetworkPolicy",
        "CiliumClusterwideNetworkPolicy",
        "CalicoNetworkPolicy",
        "CalicoGlobalNetworkPolicy",
        "CalicoNetworkSet",
        "CalicoGlobalNetworkSet",
        "EndpointSlice",
    }
)
"""The kinds that policies are made from."""


@dataclass(slots=True)
class Parsed:
    """The policies, and their faults; a policy with a fault makes unknown whatever it might decide."""

    policies: list[Policy] = field(default_factory=list)
    faults: list[PolicyFault] = field(default_factory=list)


def parse_policies(view: Inventory) -> Parsed:
    """All policies of a view.

    Args:
        view: The objects.

    Returns:
        The policies and every fault; two objects whose order the API leaves open are a fault of the second.
    """
    out = Parsed()
    for obj in _objects(view):
        report = Faults(obj)
        parsed = _parse(view, obj, report)
        if report.found:
            out.faults.extend(report.found)
            whole = any(_SUBJECT.match(fault.field) for fault in report.found)
            parsed = [
                opaque(
                    each.object,
                    each.tier,
                    _everybody(obj) if whole else each.subject,
                    frozenset(Direction),
                    "it is not valid",
                )
                for each in parsed
            ]
        out.policies.extend(parsed)
    out.faults.extend(_same_priority(view))
    return out


_SUBJECT = re.compile(
    r"spec\.(podSelector|subject|selector|namespaceSelector|serviceAccount)|specs?\b.*endpointSelector"
)
"""Fields that say whom a policy selects."""


def _everybody(obj: KubernetesObject) -> Pods:
    """All pods that a policy could select."""
    return Pods(EVERYTHING, namespace=obj.namespace) if obj.namespace else Pods(EVERYTHING, EVERYTHING)


def _objects(view: Inventory) -> Iterator[KubernetesObject]:
    yield from view.all(NetworkPolicy)
    yield from view.all(AdminNetworkPolicy)
    yield from view.all(BaselineAdminNetworkPolicy)
    yield from view.all(ClusterNetworkPolicy)
    yield from view.all(CiliumNetworkPolicy)
    yield from view.all(CiliumClusterwideNetworkPolicy)
    yield from view.all(CalicoNetworkPolicy)
    yield from view.all(CalicoGlobalNetworkPolicy)


def _parse(view: Inventory, obj: KubernetesObject, report: Faults) -> list[Policy]:
    match obj:
        case NetworkPolicy():
            return [network_policy.parse(obj, report)]
        case AdminNetworkPolicy() | BaselineAdminNetworkPolicy() | ClusterNetworkPolicy():
            return [admin_policy.parse(obj, report)]
        case CiliumNetworkPolicy() | CiliumClusterwideNetworkPolicy():
            return cilium.parse(view, obj, report)
        case CalicoNetworkPolicy() | CalicoGlobalNetworkPolicy():
            return calico.parse(view, obj, report)
    return []


def _same_priority(view: Inventory) -> Iterator[PolicyFault]:
    """Policies of one tier and one priority: "the behavior is undefined" (network-policy-api, ``priority``)."""
    seen: dict[tuple[str, Tier, int], KubernetesObject] = {}
    policies: list[admin_policy.AnyAdminPolicy] = [*view.all(AdminNetworkPolicy), *view.all(ClusterNetworkPolicy)]
    for obj in policies:
        priority = obj.spec.priority if obj.spec is not None else None
        if priority is None:
            continue
        first = seen.setdefault((obj.kind, admin_policy.tier_of(obj), priority), obj)
        if first is not obj:
            problem = f"{priority} is the priority of {first.id} too, and which of both is asked first is undefined"
            yield PolicyFault(obj, "spec.priority", problem)
