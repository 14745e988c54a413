"""Classes of pods that no policy can tell apart, and the columns that verdicts are computed over.

A pod's class is its namespace, its values of those label keys that some selector mentions, its ports of those names
that some rule mentions, and whether it is on its node's network. Replicas and most look-alikes fall together.

A column is one class, one range of addresses outside of the cluster, or the ingress controller; a set of columns is an
integer with one bit for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Namespace, ServiceAccount
from workbench.inventory.pods import PodInstance
from workbench.network.addresses import AddressSpace, Span, span
from workbench.network.bits import bits_of, numbers_of
from workbench.network.labels import NAMESPACE_NAME, LabelIndex, Matcher, plain_labels
from workbench.network.ports import NamedPort, PortRange
from workbench.network.rules import Anyone, Blocks, Both, Nodes, Not, Outside, Peer, Perhaps, Pods

READS = frozenset({"Pod", "Namespace", "ServiceAccount"})
"""The kinds that classes are made from (workloads stand for pods)."""

NamedPorts = tuple[tuple[str, str, int], ...]
"""Name, protocol and number of the ports that some rule names, sorted."""


@dataclass(slots=True)
class PodClass:
    """Pods that every policy treats alike."""

    namespace: str
    labels: dict[str, str]
    """Only those that some selector looks at."""
    named: NamedPorts
    host_network: bool
    account: str
    """The name of the service account where some policy looks at accounts, else empty."""
    address: int | None
    """The range that the pods' address lies in, where some policy takes pods by address; ``None`` if not known."""
    pods: list[PodInstance] = field(default_factory=list)


def container_ports(pod: PodInstance) -> Iterable[tuple[str, str, int]]:
    """Name (may be empty), protocol and number of the ports of a pod, in the order in which names are looked up.

    Containers, then init containers that keep running (Kubernetes documentation, "Sidecar containers").
    """
    spec = pod.spec
    for container in (
        *(spec.containers or ()),
        *(each for each in spec.init_containers or () if each.restart_policy == "Always"),
    ):
        for port in container.ports or ():
            if port.container_port:
                yield port.name or "", port.protocol or "TCP", port.container_port


def runs(pod: PodInstance) -> bool:
    """Whether a pod takes part in traffic: one that has completed does not."""
    status = pod.status
    return status is None or status.phase not in ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What policies look at, and so what classes have to differ in."""

    label_keys: frozenset[str]
    port_names: frozenset[str]
    accounts: bool = False
    addresses: AddressSpace | None = None
    """Given where pods differ by their addresses."""


def classify(view: Inventory, wanted: Wanted) -> list[PodClass]:
    """The classes of all pods that run, in the order of their first pods."""
    found: dict[tuple[object, ...], PodClass] = {}
    keys = sorted(wanted.label_keys)
    projected: dict[int, tuple[str | None, ...]] = {}
    named: dict[int, NamedPorts] = {}
    for pod in view.pods:
        if not runs(pod):
            continue
        labels, containers = pod.labels, pod.spec.containers
        values = projected.get(id(labels))
        if values is None:
            values = tuple(labels[key] or "" if key in labels else None for key in keys)
            if labels:
                projected[id(labels)] = values
        ports: NamedPorts = ()
        if wanted.port_names:
            known = named.get(id(containers)) if not pod.spec.init_containers else None
            if known is None:
                known = named_ports(pod, wanted.port_names)
                if not pod.spec.init_containers:
                    named[id(containers)] = known
            ports = known
        host = bool(pod.spec.host_network)
        account = pod.account_name if wanted.accounts else ""
        address = _address(pod, wanted.addresses) if wanted.addresses is not None else None
        key = (pod.namespace, values, ports, host, account, address)
        known_class = found.get(key)
        if known_class is None:
            own = {name: value for name, value in zip(keys, values, strict=True) if value is not None}
            known_class = found[key] = PodClass(pod.namespace, own, ports, host, account, address)
        known_class.pods.append(pod)
    return list(found.values())


def named_ports(pod: PodInstance, names: frozenset[str]) -> NamedPorts:
    """The first port of each of some names."""
    found: dict[str, tuple[str, str, int]] = {}
    for name, protocol, number in container_ports(pod):
        if name in names:
            found.setdefault(name, (name, protocol, number))
    return tuple(sorted(found.values()))


def _address(pod: PodInstance, space: AddressSpace) -> int | None:
    ip = pod.status.pod_ip if pod.status is not None else None
    return space.atom_of(ip) if ip else None


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
        pods: The columns of classes that policies select.
        hosts: The columns of classes on the network of their nodes, which no selector matches.
        outside: The columns of addresses.
        controller: The column of the ingress controller.
        all: All columns.
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
        self.classes = classes
        self.addresses = addresses
        self._blocks_cover_pods = blocks_cover_pods
        size = len(classes)
        self.first_address = size
        self.outside = addresses.all << size
        self.controller = 1 << (size + len(addresses.atoms))
        self.hosts = bits_of((n for n, each in enumerate(classes) if each.host_network), size)
        self.pods = ((1 << size) - 1) & ~self.hosts
        self.all = ((1 << size) - 1) | self.outside | self.controller
        self._index = LabelIndex([self._labels(view, each, calico_keys) for each in classes])
        self._names: dict[str, int] = {}
        members: dict[str, list[int]] = {}
        for number, each in enumerate(classes):
            members.setdefault(each.namespace, []).append(number)
        self._in_namespace = {name: bits_of(numbers, size) for name, numbers in members.items()}
        self._namespaces = sorted(members)
        self._namespace_index = LabelIndex([namespace_labels(view, name) for name in self._namespaces])
        self._accounts = LabelIndex([_account_labels(view, each) for each in classes])
        self._by_address: dict[int, int] = {}
        for number, each in enumerate(classes):
            if each.address is not None:
                self._by_address[each.address] = self._by_address.get(each.address, 0) | 1 << number
        self._unknown_address = bits_of((n for n, each in enumerate(classes) if each.address is None), size)
        self._matched: dict[Matcher, int] = {}
        self._in_namespaces: dict[Matcher, int] = {}
        self._resolved: dict[Peer, Resolved] = {}
        self._ports: dict[NamedPort, tuple[tuple[int, PortRange], ...]] = {}

    @staticmethod
    def _labels(view: Inventory, each: PodClass, calico_keys: frozenset[str]) -> dict[str, str]:
        if not calico_keys:
            return each.labels
        added = {"projectcalico.org/namespace": each.namespace, "projectcalico.org/orchestrator": "k8s"}
        if each.account:
            added["projectcalico.org/serviceaccount"] = each.account
        added |= {f"pcns.{key}": value for key, value in namespace_labels(view, each.namespace).items()}
        added |= {f"pcsa.{key}": value for key, value in _account_labels(view, each).items()}
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

    def _blocks(self, peer: Blocks) -> Resolved:
        atoms = 0
        for block, excepted in peer.spans:
            found = self.addresses.bits(block)
            for each in excepted:
                found &= ~self.addresses.bits(each)
            atoms |= found
        sure, perhaps = atoms << self.first_address, 0
        if peer.with_pods or self._blocks_cover_pods:
            inside = 0
            for atom in numbers_of(atoms):
                inside |= self._by_address.get(atom, 0)
            if peer.with_pods:
                sure |= inside & self.pods
                if any(_may_hold_pods(self.addresses.atoms[atom]) for atom in numbers_of(atoms)):
                    perhaps = (self._unknown_address & self.pods) | self.hosts
            else:
                perhaps = inside
        return Resolved(sure, perhaps & ~sure)

    def named(self, port: NamedPort) -> tuple[tuple[int, PortRange], ...]:
        """What a named port means: columns with the one port that it is on their pods."""
        known = self._ports.get(port)
        if known is None:
            found: dict[PortRange, list[int]] = {}
            for number, each in enumerate(self.classes):
                meant = meant_by(port, each.named)
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


def namespace_labels(view: Inventory, name: str) -> Mapping[str, str]:
    """The labels of a namespace, with the one that the API server adds; also of one whose object was not read."""
    found = view.get(Namespace, name)
    labels = plain_labels(found.metadata.labels) if found is not None else {}
    labels.setdefault(NAMESPACE_NAME, name)
    return labels


CALICO_PREFIXES = ("projectcalico.org/", "pcns.", "pcsa.")
"""How the keys begin that Calico gives pods, with the labels of their namespaces and accounts."""

ACCOUNT_NAME = "projectcalico.org/name"
"""The label that Calico gives every service account."""


def _account_labels(view: Inventory, each: PodClass) -> Mapping[str, str]:
    if not each.account:
        return {}
    found = view.get(ServiceAccount, each.account, each.namespace)
    labels = plain_labels(found.metadata.labels) if found is not None else {}
    labels.setdefault(ACCOUNT_NAME, each.account)
    return labels


_PRIVATE = tuple(map(span, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))


def _may_hold_pods(found: Span) -> bool:
    """Whether a range of addresses has private ones, which pods have as a rule (RFC 1918, RFC 6598, RFC 4193)."""
    return any(each.family == found.family and found.low <= each.high and each.low <= found.high for each in _PRIVATE)
