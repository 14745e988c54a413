"""The core that every kind of network policy is parsed to: tiers of policies, policies of ordered rules.

Tiers are asked one after the other; in each the first rule that matches a peer and a port decides it: Allow and Deny
are final, Pass goes on with the next tier. A tier whose policies *isolate* a pod denies what none of its rules
matched; any other lets it go on. What no tier decided is allowed.

Sources: Kubernetes documentation, "Network Policies"; network-policy-api, API types and KEP 2091 (order of
AdminNetworkPolicy, NetworkPolicy and BaselineAdminNetworkPolicy).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from workbench.network.addresses import Span
from workbench.network.labels import Matcher
from workbench.network.ports import Port


class Direction(enum.StrEnum):
    """Which side of a connection a rule is about."""

    __hash__ = str.__hash__

    INGRESS = "ingress"
    EGRESS = "egress"


class Action(enum.StrEnum):
    """What a rule does to what it matches."""

    ALLOW = "allow"
    DENY = "deny"
    PASS = "pass"


class Tier(enum.IntEnum):
    """The tiers in the order in which they are asked."""

    ADMIN = 0
    """AdminNetworkPolicy; ClusterNetworkPolicy with ``tier: Admin``."""
    NAMESPACE = 1
    """NetworkPolicy, and those of Cilium and Calico, which take part in the same decision."""
    BASELINE = 2
    """BaselineAdminNetworkPolicy; ClusterNetworkPolicy with ``tier: Baseline``."""

    @property
    def title(self) -> str:
        return ("Admin", "NetworkPolicy", "Baseline")[self]


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods by the labels of their namespaces and their own."""

    pods: Matcher
    namespaces: Matcher | None = None
    """``None`` for the one namespace that ``namespace`` names."""
    namespace: str = ""
    accounts: Matcher | None = None
    """On the labels of the service account; ``None`` for any."""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.pods, self.namespaces, self.namespace, self.accounts)))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class Blocks:
    """Addresses outside of the cluster."""

    spans: tuple[tuple[Span, tuple[Span, ...]], ...]
    """Each block with what is taken out of it."""
    with_pods: bool = False
    """Whether the policy's API takes pods by their addresses as well (Calico's ``nets``)."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes of the cluster, and with them the pods on their network."""


@dataclass(frozen=True, slots=True)
class Anyone:
    """Every peer, inside and outside."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Every address outside of the cluster."""

    family: int = 0
    """4 or 6; 0 for both."""


@dataclass(frozen=True, slots=True)
class Perhaps:
    """Peers that are among these, though which of them is not known."""

    peer: Peer
    why: str


@dataclass(frozen=True, slots=True)
class Both:
    """What all of some peers have in common."""

    peers: tuple[Peer, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Every peer but these."""

    peer: Peer


Peer: TypeAlias = Pods | Blocks | Nodes | Anyone | Outside | Perhaps | Both | Not


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one direction."""

    action: Action
    peers: tuple[Peer, ...]
    """Any of them; none matches nothing."""
    ports: tuple[Port, ...] | None
    """Any of them at the target; ``None`` for every port of every protocol."""
    field: str
    """Where it stands within the policy, as a dotted path."""
    doubt: str = ""
    """Why it may or may not match what it seems to match; empty if it surely does."""


@dataclass(frozen=True, eq=False, slots=True)
class Policy:
    """One policy of any API.

    Compared and hashed by identity: lists of policies are keys of what is computed from them.
    """

    object: str
    """The id of the object."""
    tier: Tier
    rank: tuple[float, str]
    """Its place in the tier: ascending."""
    subject: Pods
    rules: Mapping[Direction, tuple[Rule, ...]] = field(default_factory=dict)
    """Only the directions that the policy touches."""
    isolates: frozenset[Direction] = frozenset()
    """In which directions the pods it selects are denied what no rule of the tier matches."""

    def touches(self, direction: Direction) -> bool:
        """Whether it says anything of a direction."""
        return direction in self.isolates or bool(self.rules.get(direction))


def opaque(object: str, tier: Tier, subject: Pods, directions: frozenset[Direction], doubt: str) -> Policy:
    """A policy of which nothing is known but whom it selects: everything about them becomes unknown."""
    rules = {
        direction: tuple(Rule(action, (Anyone(),), None, "", doubt) for action in (Action.ALLOW, Action.DENY))
        for direction in directions
    }
    return Policy(object, tier, (float("-inf"), object), subject, rules)
