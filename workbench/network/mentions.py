"""What policies look at, and so what classes, addresses and ports have to be told apart by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from workbench.network.addresses import Span
from workbench.network.classes import Scoped
from workbench.network.columns import CALICO_PREFIXES
from workbench.network.labels import NAMESPACE_NAME, Selector
from workbench.network.ports import NamedPort, PortRange
from workbench.network.rules import Blocks, Both, Direction, Not, Outside, Peer, Perhaps, Pods, Policy

_NO_NAMES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mentions:
    """What some policies look at."""

    label_keys: Scoped = field(default_factory=Scoped)
    port_names: Scoped = field(default_factory=Scoped)
    ports: frozenset[PortRange] = frozenset()
    blocks: frozenset[Span] = frozenset()
    accounts: bool = False
    """Whether they look at service accounts."""
    addresses: bool = False
    """Whether they take pods by their addresses."""
    by_name: dict[Policy, dict[Direction, frozenset[str]]] = field(default_factory=dict)
    """The names of ports in the rules of a policy; those without any are left out."""

    @classmethod
    def of(cls, policies: Iterable[Policy]) -> Mentions:
        """What they look at."""
        found = _Gatherer()
        for policy in policies:
            found.add(policy)
        return found.mentions()

    def joined(self, other: Mentions) -> Mentions:
        """What both look at."""
        return Mentions(
            self.label_keys.joined(other.label_keys),
            self.port_names.joined(other.port_names),
            self.ports | other.ports,
            self.blocks | other.blocks,
            self.accounts or other.accounts,
            self.addresses or other.addresses,
            self.by_name | other.by_name if other.by_name else self.by_name,
        )

    @property
    def calico_keys(self) -> frozenset[str]:
        """Those keys of labels that Calico gives pods."""
        found = self.label_keys
        every = found.everywhere.union(*found.within.values())
        return frozenset(key for key in every if key.startswith(CALICO_PREFIXES))

    def names(self, policies: Iterable[Policy], direction: Direction) -> frozenset[str]:
        """The names of ports in the rules of one direction of some policies."""
        if not self.by_name:
            return _NO_NAMES
        found = [self.by_name[policy].get(direction, _NO_NAMES) for policy in policies if policy in self.by_name]
        return frozenset().union(*found)


class _Gatherer:
    """Goes through policies, and through each peer once."""

    def __init__(self) -> None:
        self._keys: dict[str | None, set[str]] = {None: set()}
        self._names: dict[str | None, set[str]] = {None: set()}
        self._ports: set[PortRange] = set()
        self._blocks: set[Span] = set()
        self._accounts = self._addresses = False
        self._by_name: dict[Policy, dict[Direction, frozenset[str]]] = {}
        # Policies share the peers that are equal, as a rule; they stay alive, for the policies do.
        self._seen: set[int] = set()

    def add(self, policy: Policy) -> None:
        """Take in what a policy looks at."""
        self._peer(policy.subject)
        for direction, rules in policy.rules.items():
            own: set[str] = set()
            for rule in rules:
                for peer in rule.peers:
                    self._peer(peer)
                for port in rule.ports or ():
                    if isinstance(port, NamedPort):
                        own.add(port.name)
                        # A name means what the target gives it: the pods that the policy selects, or their peers.
                        targets = (policy.subject,) if direction is Direction.INGRESS else rule.peers
                        for namespace in _scopes(targets):
                            self._names.setdefault(namespace, set()).add(port.name)
                    else:
                        self._ports.add(port)
            if own:
                self._by_name.setdefault(policy, {})[direction] = frozenset(own)

    def _peer(self, peer: Peer) -> None:
        if id(peer) in self._seen:
            return
        self._seen.add(id(peer))
        match peer:
            case Pods():
                keys = peer.pods.keys
                if keys:
                    for namespace in _scope(peer):
                        self._keys.setdefault(namespace, set()).update(keys)
                    self._accounts = self._accounts or any(key.startswith(_OF_ACCOUNTS) for key in keys)
                self._accounts = self._accounts or peer.accounts is not None
            case Blocks():
                self._addresses = self._addresses or peer.with_pods
                for block, excepted in peer.spans:
                    self._blocks.update((block, *excepted))
            case Both():
                for each in peer.peers:
                    self._peer(each)
            case Not() | Perhaps():
                self._peer(peer.peer)
            case _:
                pass

    def mentions(self) -> Mentions:
        """All of it."""
        return Mentions(
            _scoped(self._keys),
            _scoped(self._names),
            frozenset(self._ports),
            frozenset(self._blocks),
            self._accounts,
            self._addresses,
            self._by_name,
        )


_OF_ACCOUNTS = ("pcsa.", "projectcalico.org/serviceaccount")
"""How the keys of labels begin that Calico makes of service accounts."""


def _scoped(found: dict[str | None, set[str]]) -> Scoped:
    return Scoped(
        frozenset(found[None]),
        {namespace: frozenset(names) for namespace, names in found.items() if namespace is not None},
    )


def _scope(peer: Pods) -> tuple[str | None, ...]:
    """The namespaces that pods of a peer are in, if it names them; else ``None`` for all."""
    if peer.namespaces is None:
        return (peer.namespace,)
    if isinstance(peer.namespaces, Selector):
        for each in peer.namespaces.requirements:
            if each.key == NAMESPACE_NAME and each.operator == "In":
                return each.values
    return (None,)


def _scopes(peers: Iterable[Peer]) -> Iterator[str | None]:
    """The namespaces of pods that some peers match, likewise."""
    for peer in peers:
        match peer:
            case Pods():
                yield from _scope(peer)
            case Perhaps():
                yield from _scopes((peer.peer,))
            case Outside():
                pass
            case _:
                yield None
