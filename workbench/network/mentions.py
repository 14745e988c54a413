"""What policies look at, and so what classes, addresses and ports have to be told apart by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from workbench.network.addresses import Span
from workbench.network.columns import CALICO_PREFIXES
from workbench.network.labels import Matcher, keys_of
from workbench.network.ports import NamedPort, PortRange
from workbench.network.rules import Blocks, Both, Direction, Not, Peer, Perhaps, Pods, Policy

_NO_NAMES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mentions:
    """What some policies look at."""

    label_keys: frozenset[str] = frozenset()
    port_names: frozenset[str] = frozenset()
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
        ports: set[PortRange] = set()
        names: set[str] = set()
        by_name: dict[Policy, dict[Direction, frozenset[str]]] = {}
        peers: dict[Peer, None] = {}
        for policy in policies:
            peers[policy.subject] = None
            for direction, rules in policy.rules.items():
                own: set[str] = set()
                for rule in rules:
                    peers.update(dict.fromkeys(rule.peers))
                    for port in rule.ports or ():
                        if isinstance(port, NamedPort):
                            own.add(port.name)
                        else:
                            ports.add(port)
                if own:
                    names |= own
                    by_name.setdefault(policy, {})[direction] = frozenset(own)
        matchers, blocks, accounts, addresses = _of_peers(peers)
        keys = keys_of(matchers)
        accounts = accounts or any(key.startswith(("pcsa.", "projectcalico.org/serviceaccount")) for key in keys)
        return cls(keys, frozenset(names), frozenset(ports), frozenset(blocks), accounts, addresses, by_name)

    def joined(self, other: Mentions) -> Mentions:
        """What both look at."""
        return Mentions(
            self.label_keys | other.label_keys,
            self.port_names | other.port_names,
            self.ports | other.ports,
            self.blocks | other.blocks,
            self.accounts or other.accounts,
            self.addresses or other.addresses,
            self.by_name | other.by_name if other.by_name else self.by_name,
        )

    @property
    def calico_keys(self) -> frozenset[str]:
        """Those keys of labels that Calico gives pods."""
        return frozenset(key for key in self.label_keys if key.startswith(CALICO_PREFIXES))

    def names(self, policies: Iterable[Policy], direction: Direction) -> frozenset[str]:
        """The names of ports in the rules of one direction of some policies."""
        if not self.by_name:
            return _NO_NAMES
        found = [self.by_name[policy].get(direction, _NO_NAMES) for policy in policies if policy in self.by_name]
        return frozenset().union(*found)


def _of_peers(peers: Iterable[Peer]) -> tuple[set[Matcher], set[Span], bool, bool]:
    """Selectors of pods, blocks, and whether also accounts, and the addresses of pods."""
    matchers: set[Matcher] = set()
    blocks: set[Span] = set()
    accounts = addresses = False
    pending = list(peers)
    while pending:
        peer = pending.pop()
        match peer:
            case Pods():
                matchers.add(peer.pods)
                accounts = accounts or peer.accounts is not None
            case Blocks():
                addresses = addresses or peer.with_pods
                for block, excepted in peer.spans:
                    blocks.update((block, *excepted))
            case Both():
                pending.extend(peer.peers)
            case Not() | Perhaps():
                pending.append(peer.peer)
            case _:
                pass
    return matchers, blocks, accounts, addresses
