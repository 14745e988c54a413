"""Classes of pods that no policy can tell apart.

A pod's class is its namespace, its values of those label keys that some selector looks at there, its ports of those
names that some rule looks at there, and whether it is on its node's network. Replicas and most look-alikes fall
together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Namespace, ServiceAccount
from workbench.inventory.pods import PodInstance
from workbench.network.addresses import AddressSpace, Span, span
from workbench.network.labels import NAMESPACE_NAME, plain_labels

READS = frozenset({"Pod", "Namespace", "ServiceAccount"})
"""The kinds that classes are made from (workloads stand for pods)."""

NamedPorts = tuple[tuple[str, str, int], ...]
"""Name, protocol and number of the ports that some rule names, sorted."""


@dataclass(slots=True)
class PodClass:
    """Pods that every policy treats alike."""

    namespace: str
    labels: dict[str, str]
    """Only those that some selector looks at in the namespace."""
    named: NamedPorts
    host_network: bool
    account: str
    """The name of the service account where some policy looks at accounts, else empty."""
    address: Span | None
    """The range that the pods' address lies in, where some policy takes pods by address; ``None`` if not known."""
    pods: list[PodInstance] = field(default_factory=list)
    _ends: tuple[str, str] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def ends(self) -> tuple[str, str]:
        """The lowest and the highest address of the pods, where the range that they lie in is known."""
        if self._ends is None:
            found = [pod.status.pod_ip for pod in self.pods if pod.status is not None and pod.status.pod_ip]
            self._ends = min(found, key=_low), max(found, key=_low)
        return self._ends


def _low(address: str) -> int:
    return span(address).low


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


_COMPLETED = ("Succeeded", "Failed")


def runs(pod: PodInstance) -> bool:
    """Whether a pod takes part in traffic: one that has completed does not."""
    status = pod.status
    return status is None or status.phase not in _COMPLETED


@dataclass(frozen=True, slots=True)
class Scoped:
    """Names that count in every namespace, and those that count in some only."""

    everywhere: frozenset[str] = frozenset()
    within: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By namespace."""

    def of(self, namespace: str) -> frozenset[str]:
        """Those that count in a namespace."""
        return self.everywhere | self.within[namespace] if namespace in self.within else self.everywhere

    def joined(self, other: Scoped) -> Scoped:
        """The names of both."""
        if not other.everywhere and not other.within:
            return self
        within = dict(self.within)
        for namespace, names in other.within.items():
            within[namespace] = within.get(namespace, frozenset()) | names
        return Scoped(self.everywhere | other.everywhere, within)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What policies look at, and so what classes have to differ in."""

    label_keys: Scoped
    port_names: Scoped
    accounts: bool = False
    addresses: AddressSpace | None = None
    """Given where pods differ by their addresses."""


class _Kind:
    """Pods that differ in nothing but their addresses, and their classes by the numbers of the ranges of these."""

    __slots__ = ("by_range", "labels", "named")

    def __init__(self, pod: PodInstance, wanted: Wanted) -> None:
        labels, names = pod.labels, wanted.port_names.of(pod.namespace)
        keys = sorted(wanted.label_keys.of(pod.namespace))
        self.labels = tuple((key, labels[key] or "") for key in keys if key in labels)
        self.named = named_ports(pod, names) if names else ()
        self.by_range: dict[int | None, PodClass] = {}


def classify(pods: Iterable[PodInstance], wanted: Wanted) -> list[PodClass]:
    """The classes of those pods that run, in the order of their first pods."""
    found: dict[tuple[object, ...], PodClass] = {}
    kinds: dict[PodInstance, _Kind] = {}
    space = wanted.addresses
    for pod in pods:
        status = pod.status
        if status is not None and status.phase in _COMPLETED:
            continue
        kind = kinds.get(pod.alike)
        if kind is None:
            kind = kinds[pod.alike] = _Kind(pod, wanted)
        ip = status.pod_ip if status is not None else None
        number = space.atom_of(ip) if space is not None and ip else None
        known = kind.by_range.get(number)
        if known is None:
            host = bool(pod.spec.host_network)
            account = pod.account_name if wanted.accounts else ""
            key = (pod.namespace, kind.labels, kind.named, host, account, number)
            known = found.get(key)
            if known is None:
                address = space.atoms[number] if space is not None and number is not None else None
                known = found[key] = PodClass(pod.namespace, dict(kind.labels), kind.named, host, account, address)
            kind.by_range[number] = known
        known.pods.append(pod)
    return list(found.values())


def named_ports(pod: PodInstance, names: frozenset[str]) -> NamedPorts:
    """The first port of each of some names."""
    found: dict[str, tuple[str, str, int]] = {}
    for name, protocol, number in container_ports(pod):
        if name in names:
            found.setdefault(name, (name, protocol, number))
    return tuple(sorted(found.values()))


def namespace_labels(view: Inventory, name: str) -> Mapping[str, str]:
    """The labels of a namespace, with the one that the API server adds; also of one whose object was not read."""
    found = view.get(Namespace, name)
    labels = plain_labels(found.metadata.labels) if found is not None else {}
    labels.setdefault(NAMESPACE_NAME, name)
    return labels


ACCOUNT_NAME = "projectcalico.org/name"
"""The label that Calico gives every service account."""


def account_labels(view: Inventory, each: PodClass) -> Mapping[str, str]:
    """The labels of the service account of a class, with those that Calico adds."""
    if not each.account:
        return {}
    found = view.get(ServiceAccount, each.account, each.namespace)
    labels = plain_labels(found.metadata.labels) if found is not None else {}
    labels.setdefault(ACCOUNT_NAME, each.account)
    return labels
