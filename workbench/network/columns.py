"""The columns that verdicts are computed over, and who they are to a selector.

A column is one class, one range of addresses outside of the cluster, or the ingress controller; a set of columns is an
integer with one bit for each.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from workbench.inventory.inventory import Inventory
from workbench.network.addresses import AddressSpace, Span, span
from workbench.network.bits import bits_of, numbers_of
from workbench.network.classes import NamedPorts, PodClass, account_labels, namespace_labels
from workbench.network.labels import LabelIndex, Matcher
from workbench.network.ports import NamedPort, PortRange
from workbench.network.revision import Revision
from workbench.network.rules import Anyone, Blocks, Both, Nodes, Not, Outside, Peer, Perhaps, Pods

CALICO_PREFIXES = ("projectcalico.org/", "pcns.", "pcsa.")
"""How the keys begin that Calico gives pods, with the labels of their namespaces and accounts."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The columns that something matches: surely, and perhaps."""

    sure: int
    perhaps: int = 0


NOBODY = Resolved(0)


class Columns:
    """The columns, and who they are to a selector.

    Attributes:
        classes: The classes; column ``n`` is the ``n``-th.
        addresses: The ranges of addresses; their columns follow those of the classes.
        first_address: The column of the first of them.
        pods: The columns of classes that policies select.
        hosts: The columns of classes on the network of their nodes, which no selector matches.
        outside: The columns of addresses.
        controller: The column of the ingress controller.
        all: All columns, without those of classes that an overlay left without pods.
    """

    def __init__(
        self,
        view: Inventory,
        classes: Sequence[PodClass],
        addresses: AddressSpace,
        *,
        blocks_cover_pods: bool = False,
        calico_keys: frozenset[str] = frozenset(),
    ) -> None:
        """Index the classes.

        Args:
            view: Where the labels of namespaces and service accounts come from.
            classes: The classes.
            addresses: The ranges of addresses.
            blocks_cover_pods: Whether a block of addresses perhaps matches the pods whose address lies in it.
            calico_keys: The keys of labels that Calico adds to pods, as far as some selector looks at them.
        """
        self._blocks_cover_pods = blocks_cover_pods
        self._calico_keys = calico_keys
        size = len(classes)
        hosts = bits_of((n for n, each in enumerate(classes) if each.host_network), size)
        self._lay(view, classes, addresses, hosts, 0)
        self._index = LabelIndex([self._labels(each) for each in classes])
        members: dict[str, list[int]] = {}
        for number, each in enumerate(classes):
            members.setdefault(each.namespace, []).append(number)
        self._in_namespace = {name: bits_of(numbers, size) for name, numbers in members.items()}
        self._namespaces = sorted(members)
        self._namespace_index = LabelIndex([namespace_labels(view, name) for name in self._namespaces])
        self._matched: MutableMapping[Matcher, int] = {}
        self._in_namespaces: MutableMapping[Matcher, int] = {}
        self._resolved: MutableMapping[Peer, Resolved] = {}
        self._ports: MutableMapping[NamedPort, tuple[tuple[int, PortRange], ...]] = {}

    def _lay(
        self, view: Inventory, classes: Sequence[PodClass], addresses: AddressSpace, hosts: int, gone: int
    ) -> None:
        self._view = view
        self.classes = classes
        self.addresses = addresses
        size = len(classes)
        self._gone = gone
        self._living = ((1 << size) - 1) & ~gone
        self.first_address = size
        self.outside = addresses.all << size
        self.controller = 1 << (size + len(addresses.atoms))
        self.hosts = hosts
        self.pods = self._living & ~hosts
        self.all = self._living | self.outside | self.controller

    def over(self, view: Inventory, found: Revision, addresses: AddressSpace, calico_keys: frozenset[str]) -> Columns:
        """The columns of a view that lies over the one of these; what is the same is not worked out again.

        Args:
            view: The other view.
            found: Its classes.
            addresses: Its ranges of addresses: these, or some of these cut.
            calico_keys: As for :meth:`__init__`.
        """
        out = Columns.__new__(Columns)
        out._blocks_cover_pods = self._blocks_cover_pods
        out._calico_keys = calico_keys
        classes, fresh = found.classes, found.fresh
        size = len(classes)
        gone = self._gone | found.gone
        hosts = self.hosts & ~gone | bits_of((number for number in fresh if classes[number].host_network), size)
        out._lay(view, classes, addresses, hosts, gone)
        items = {number: out._labels(classes[number]) for number in fresh}
        for number, keys in found.extended.items():
            labels = out._labels(classes[number])
            own = {key: labels[key] for key in keys if key in labels}
            if own:
                items[number] = own
        changed = bool(found.gone or fresh)
        out._index = self._index.overlaid(items, size, gone) if changed or items else self._index
        out._in_namespace, out._namespaces = self._in_namespace, self._namespaces
        out._namespace_index = self._namespace_index
        if changed:
            members = dict(self._in_namespace)
            for name in {classes[number].namespace for number in (*fresh, *numbers_of(found.gone))}:
                own_fresh = (number for number in fresh if classes[number].namespace == name)
                members[name] = members.get(name, 0) & ~gone | bits_of(own_fresh, size)
            out._in_namespace, out._namespaces = members, sorted(members)
        if changed or found.namespaces:
            out._namespace_index = LabelIndex([namespace_labels(view, name) for name in out._namespaces])
            out._in_namespaces = {}
        else:
            out._in_namespaces = ChainMap({}, self._in_namespaces)
        out._matched = {} if changed or items else ChainMap({}, self._matched)
        out._ports = {} if changed or found.named else ChainMap({}, self._ports)
        same = not changed and not found.namespaces and addresses is self.addresses
        out._resolved = ChainMap({}, self._resolved) if same else {}
        return out

    def _labels(self, each: PodClass) -> dict[str, str]:
        calico_keys = self._calico_keys
        if not calico_keys:
            return each.labels
        added = {"projectcalico.org/namespace": each.namespace, "projectcalico.org/orchestrator": "k8s"}
        if each.account:
            added["projectcalico.org/serviceaccount"] = each.account
        added |= {f"pcns.{key}": value for key, value in namespace_labels(self._view, each.namespace).items()}
        added |= {f"pcsa.{key}": value for key, value in account_labels(self._view, each).items()}
        return each.labels | {key: value for key, value in added.items() if key in calico_keys}

    def namespace(self, name: str) -> int:
        """The columns of a namespace's classes."""
        return self._in_namespace.get(name, 0)

    def subject(self, pods: Pods) -> int:
        """The columns of the classes that a policy selects."""
        return self.resolve(pods).sure & self.pods

    def resolve(self, peer: Peer) -> Resolved:
        """The columns that a peer matches."""
        known = self._resolved.get(peer)
        if known is None:
            known = self._resolved[peer] = self._resolve(peer)
        return known

    def resolve_among(self, peer: Peer, few: int) -> Resolved:
        """Those of a few classes that a peer matches; cheaper where they are in other namespaces than it."""
        if isinstance(peer, Blocks) and not (peer.with_pods or self._blocks_cover_pods):
            return NOBODY
        if isinstance(peer, Pods):
            if peer.namespaces is None:
                elsewhere = not self.namespace(peer.namespace) & few
            else:
                elsewhere = not peer.namespaces.everything and not self._of_namespaces(peer.namespaces) & few
            if elsewhere:
                return NOBODY
        found = self.resolve(peer)
        return Resolved(found.sure & few, found.perhaps & few)

    def _resolve(self, peer: Peer) -> Resolved:
        match peer:
            case Anyone():
                return Resolved(self.all)
            case Pods():
                return self._pods(peer)
            case Blocks():
                return self._blocks(peer)
            case Nodes():
                return Resolved(0, self.hosts)
            case Outside():
                atoms = self.addresses.family(peer.family) if peer.family else self.addresses.all
                return Resolved(atoms << self.first_address)
            case Perhaps():
                found = self.resolve(peer.peer)
                return Resolved(0, found.sure | found.perhaps)
            case Both():
                sure, possible = self.all, self.all
                for each in peer.peers:
                    found = self.resolve(each)
                    sure &= found.sure
                    possible &= found.sure | found.perhaps
                return Resolved(sure, possible & ~sure)
            case Not():
                found = self.resolve(peer.peer)
                return Resolved(self.all & ~(found.sure | found.perhaps), found.perhaps)

    def _pods(self, peer: Pods) -> Resolved:
        within = self.namespace(peer.namespace) if peer.namespaces is None else self._of_namespaces(peer.namespaces)
        found = within & self._matching(peer.pods) & self.pods
        if peer.accounts is not None:
            found &= peer.accounts.bits(self._accounts)
        elif peer.namespaces is not None and peer.namespaces.everything and peer.pods.everything:
            # A pod without labels in a namespace of its own: only what embraces all pods of all namespaces matches it.
            found |= self.controller
        return Resolved(found)

    def _matching(self, matcher: Matcher) -> int:
        known = self._matched.get(matcher)
        if known is None:
            known = self._matched[matcher] = matcher.bits(self._index)
        return known

    def _of_namespaces(self, matcher: Matcher) -> int:
        known = self._in_namespaces.get(matcher)
        if known is None:
            known = 0
            for number in numbers_of(matcher.bits(self._namespace_index)):
                known |= self._in_namespace[self._namespaces[number]]
            self._in_namespaces[matcher] = known
        return known

    @cached_property
    def _accounts(self) -> LabelIndex:
        return LabelIndex([account_labels(self._view, each) for each in self.classes])

    @cached_property
    def _by_address(self) -> dict[Span | None, int]:
        """The classes whose pods' address lies in a range, ``None`` for those of which it is not known."""
        found: dict[Span | None, list[int]] = {}
        for number in numbers_of(self._living):
            found.setdefault(self.classes[number].address, []).append(number)
        size = len(self.classes)
        return {address: bits_of(numbers, size) for address, numbers in found.items()}

    def _blocks(self, peer: Blocks) -> Resolved:
        numbers = 0
        for block, excepted in peer.spans:
            found = self.addresses.bits(block)
            for each in excepted:
                found &= ~self.addresses.bits(each)
            numbers |= found
        sure, perhaps = numbers << self.first_address, 0
        if peer.with_pods or self._blocks_cover_pods:
            inside = 0
            atoms = [self.addresses.atoms[number] for number in numbers_of(numbers)]
            for atom in atoms:
                inside |= self._by_address.get(atom, 0)
            if peer.with_pods:
                sure |= inside & self.pods
                if any(map(_may_hold_pods, atoms)):
                    perhaps = (self._by_address.get(None, 0) & self.pods) | self.hosts
            else:
                perhaps = inside
        return Resolved(sure, perhaps & ~sure)

    def named(self, port: NamedPort) -> tuple[tuple[int, PortRange], ...]:
        """What a named port means: columns with the one port that it is on their pods."""
        known = self._ports.get(port)
        if known is None:
            found: dict[PortRange, list[int]] = {}
            for number in numbers_of(self._living):
                meant = meant_by(port, self.classes[number].named)
                if meant is not None:
                    found.setdefault(meant, []).append(number)
            size = len(self.classes)
            known = tuple((bits_of(numbers, size), meant) for meant, numbers in found.items())
            self._ports[port] = known
        return known


def meant_by(port: NamedPort, named: NamedPorts) -> PortRange | None:
    """The port that a name means on a pod, ``None`` where the pod has none of that name and protocol."""
    for name, protocol, number in named:
        if name == port.name and port.protocol in (None, protocol):
            return PortRange(protocol, number, number)
    return None


_PRIVATE = tuple(map(span, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))


def _may_hold_pods(found: Span) -> bool:
    """Whether a range of addresses has private ones, which pods have as a rule (RFC 1918, RFC 6598, RFC 4193)."""
    return any(each.family == found.family and found.low <= each.high and each.low <= found.high for each in _PRIVATE)
