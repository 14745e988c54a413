"""Policies that exist, perhaps, and could not be read: whatever they might decide is unknown, never open by omission.

What a source could not read is its coverage. A kind that a cluster does not serve is no gap: there are none of it. A
dump that holds no policies at all is taken as it is, and says so in its coverage.
"""

from __future__ import annotations

from collections.abc import Iterable

from workbench.inventory.evidence import Gap, Problem
from workbench.network.labels import EVERYTHING, NAMESPACE_NAME, Requirement, Selector
from workbench.network.rules import Direction, Pods, Policy, Tier, opaque

_TIERS = {
    "NetworkPolicy": Tier.NAMESPACE,
    "AdminNetworkPolicy": Tier.ADMIN,
    "BaselineAdminNetworkPolicy": Tier.BASELINE,
    "ClusterNetworkPolicy": Tier.ADMIN,
    "CiliumNetworkPolicy": Tier.NAMESPACE,
    "CiliumClusterwideNetworkPolicy": Tier.NAMESPACE,
    # Calico's may stand in any tier.
    "CalicoNetworkPolicy": Tier.ADMIN,
    "CalicoGlobalNetworkPolicy": Tier.ADMIN,
}
"""The first tier in which a policy of a kind may decide."""

_PROBLEMS = {
    Problem.FORBIDDEN: "it is forbidden",
    Problem.NOT_COLLECTED: "it was not collected",
    Problem.INVALID: "it is not understood",
}


def unread(coverage: Iterable[Gap]) -> dict[str, Policy]:
    """A policy that may decide anything for each gap among policies, by a name of the gap.

    Args:
        coverage: What could not be read.
    """
    out: dict[str, Policy] = {}
    for gap in coverage:
        tier, problem = _TIERS.get(gap.kind), _PROBLEMS.get(gap.problem)
        if tier is None or problem is None or (gap.problem is Problem.NOT_COLLECTED and gap.read is None):
            continue
        where = f" of {gap.namespace}" if gap.namespace else ""
        doubt = f"{gap.kind}{where} could not be read: {problem}"
        out[f"{gap.kind}/{gap.namespace or ''}"] = opaque("", tier, _affected(gap), frozenset(Direction), doubt)
    return out


def _affected(gap: Gap) -> Pods:
    """The pods that a policy which was not read may select."""
    if gap.namespace:
        return Pods(EVERYTHING, namespace=gap.namespace)
    if gap.read:
        return Pods(EVERYTHING, Selector((Requirement(NAMESPACE_NAME, "NotIn", gap.read),)))
    return Pods(EVERYTHING, EVERYTHING)
