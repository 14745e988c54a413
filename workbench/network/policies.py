"""Every network policy of a view, whatever its API, as policies of the core; and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

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
from workbench.network.unread import unread

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


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as policies of the core, and what is wrong with it."""

    policies: tuple[Policy, ...]
    faults: tuple[PolicyFault, ...]


class Parsed:
    """The policies of a view; one with a fault makes unknown whatever it might decide.

    Attributes:
        entries: What became of each object, by its id, and of each gap.
        policies: The policies.
        faults: What is wrong; of two objects whose order the API leaves open, a fault of the second.
    """

    def __init__(self, view: Inventory, entries: dict[str, Entry]) -> None:
        """Gather them.

        Args:
            view: The objects.
            entries: What became of each.
        """
        self.entries = entries
        self.policies = [policy for each in entries.values() for policy in each.policies]
        self.faults = [fault for each in entries.values() for fault in each.faults]
        self.faults.extend(_same_priority(view))

    def over(self, view: Inventory) -> tuple[Parsed, frozenset[Policy], list[Policy]]:
        """The policies of a view that lies over the one of these; only what the view changes is parsed again.

        Args:
            view: The other view.

        Returns:
            Its policies, those of these that are not among them any more, and those that came in addition.
        """
        entries = dict(self.entries)
        removed: set[Policy] = set()
        added: list[Policy] = []
        for name, obj in _changed(view).items():
            old = entries.get(name)
            removed.update(old.policies if old is not None else ())
            if obj is None:
                entries.pop(name, None)
            else:
                entries[name] = _entry(view, obj)
                added.extend(entries[name].policies)
        return Parsed(view, entries), frozenset(removed), added


_KINDS: tuple[type[KubernetesObject], ...] = (
    NetworkPolicy,
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    ClusterNetworkPolicy,
    CiliumNetworkPolicy,
    CiliumClusterwideNetworkPolicy,
    CalicoNetworkPolicy,
    CalicoGlobalNetworkPolicy,
)
"""The kinds of policies."""

_BESIDE: dict[type[KubernetesObject], frozenset[str]] = {
    CiliumNetworkPolicy: frozenset({"EndpointSlice"}),
    CiliumClusterwideNetworkPolicy: frozenset({"EndpointSlice"}),
    CalicoNetworkPolicy: frozenset({"CalicoNetworkSet", "CalicoGlobalNetworkSet", "Namespace"}),
    CalicoGlobalNetworkPolicy: frozenset({"CalicoNetworkSet", "CalicoGlobalNetworkSet", "Namespace"}),
}
"""What policies of a kind are parsed with: the addresses of the API server, and sets of networks by their labels."""


def parse_policies(view: Inventory) -> Parsed:
    """All policies of a view, those that it may have and that could not be read among them.

    Args:
        view: The objects.
    """
    entries = {obj.id: _entry(view, obj) for kind in _KINDS for obj in view.all(kind)}
    entries |= {name: Entry((policy,), ()) for name, policy in unread(view.coverage).items()}
    return Parsed(view, entries)


def _changed(view: Inventory) -> dict[str, KubernetesObject | None]:
    """The objects of an overlay that have to be parsed again, by id; ``None`` for one that is not there any more."""
    out: dict[str, KubernetesObject | None] = {}
    for kind in _KINDS:
        if not _BESIDE.get(kind, frozenset()).isdisjoint(view.replaced):
            out.update((obj.id, obj) for obj in view.all(kind))
        out.update(((old or new).id, new) for old, new in view.replaced.get(kind.__name__, ()) if old or new)
    return out


def _entry(view: Inventory, obj: KubernetesObject) -> Entry:
    report = Faults(obj)
    parsed = _parse(view, obj, report)
    if report.found:
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
    return Entry(tuple(parsed), tuple(report.found))


_SUBJECT = re.compile(
    r"spec\.(podSelector|subject|selector|namespaceSelector|serviceAccount)|specs?\b.*endpointSelector"
)
"""Fields that say whom a policy selects."""


def _everybody(obj: KubernetesObject) -> Pods:
    """All pods that a policy could select."""
    return Pods(EVERYTHING, namespace=obj.namespace) if obj.namespace else Pods(EVERYTHING, EVERYTHING)


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
