"""The classes of a view that lies over another: those of the other, but for what the view changes.

A class keeps its number. One whose pods are no longer alike, because a policy looks at something new or because their
namespace changed, is left without pods, and they are classified anew with those pods that changed. A class may so
stand for fewer pods than it could: two classes that no policy tells apart are as right as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import ServiceAccount
from workbench.inventory.pods import PodInstance
from workbench.network.addresses import AddressSpace
from workbench.network.bits import numbers_of
from workbench.network.classes import (
    NamedPorts,
    PodClass,
    Wanted,
    classify,
    named_ports,
    namespace_labels,
    runs,
)
from workbench.network.labels import plain_labels


@dataclass(frozen=True, slots=True)
class Revision:
    """The classes of an overlay."""

    classes: list[PodClass]
    fresh: range
    """The numbers of those that the other view does not have."""
    gone: int
    """The classes of the other view that are left without pods."""
    extended: dict[int, frozenset[str]]
    """Classes that were there before, by number, with the keys of labels that are looked at and were not before."""
    named: bool
    """Whether names of ports are looked at that were not before."""
    moved: dict[str, int | None]
    """The pods, by id, that are of another class than before, or of none."""
    namespaces: frozenset[str]
    """The namespaces whose labels changed."""


def revise(
    view: Inventory,
    classes: Sequence[PodClass],
    class_of: Callable[[str], int | None],
    in_namespace: Callable[[str], int],
    wanted: tuple[Wanted, Wanted],
) -> Revision:
    """The classes of a view that lies over another.

    Args:
        view: The view; what it changes is :attr:`~workbench.inventory.inventory.Inventory.replaced`.
        classes: The classes of what it lies over.
        class_of: The number of a pod's class there, ``None`` for one that does not run.
        in_namespace: The classes of a namespace there, as a set of their numbers.
        wanted: What they differ in, and what the new ones have to differ in: all of that, and perhaps more.
    """
    before, after = wanted
    out = list(classes)
    changed = _changed_pods(view, classes, class_of, before)
    joining = changed.joining
    moved: dict[str, int | None] = {}
    gone = 0
    for number, instead in changed.instead.items():
        found = (instead.get(pod.id, pod) for pod in out[number].pods)
        left = [pod for pod in found if pod is not None]
        out[number] = replace(out[number], pods=left)
        gone |= 0 if left else 1 << number
        moved.update((name, None) for name, pod in instead.items() if pod is None)
    namespaces = _changed_namespaces(view)
    accounts = _changed_accounts(view) if after.accounts else frozenset()
    more = _More(before, after)
    extended: dict[int, frozenset[str]] = {}
    if namespaces or accounts or more.anything:
        touched = more.namespaces()
        if touched is None or accounts:
            numbers: Iterable[int] = range(len(out))
        else:
            numbers = [number for name in touched | namespaces for number in numbers_of(in_namespace(name))]
        for number in numbers:
            each = out[number]
            kept = more.extended(each) if each.pods else each
            if kept is None or each.namespace in namespaces or (each.namespace, each.account) in accounts:
                joining.extend(each.pods)
                out[number] = replace(each, pods=[])
                gone |= 1 << number
            else:
                out[number] = kept
                keys, _ = more.of(each.namespace) or (frozenset(), frozenset())
                if keys:
                    extended[number] = keys
    fresh = classify(joining, after)
    first = len(out)
    out.extend(fresh)
    for at, each in enumerate(fresh):
        moved.update((pod.id, first + at) for pod in each.pods)
    return Revision(out, range(first, len(out)), gone, extended, more.names, moved, namespaces)


@dataclass(slots=True)
class _Changed:
    """The pods that an overlay changes."""

    instead: dict[int, dict[str, PodInstance | None]]
    """By the class that a pod was of and its id: the pod as it is then, ``None`` where it leaves the class."""
    joining: list[PodInstance]
    """Pods that have no class yet."""


def _changed_pods(
    view: Inventory, classes: Sequence[PodClass], class_of: Callable[[str], int | None], before: Wanted
) -> _Changed:
    out = _Changed({}, [])
    for old, new in view.replaced.get("pods", ()):
        number = class_of(old.id) if old is not None else None
        running = new if new is not None and runs(new) else None
        if number is None:
            out.joining.extend([running] if running is not None else [])
            continue
        instead = out.instead.setdefault(number, {})
        instead[old.id] = None
        if running is not None:
            if _is_of(running, classes[number], before):
                instead[old.id] = running
            else:
                out.joining.append(running)
    return out


def _is_of(pod: PodInstance, of: PodClass, wanted: Wanted) -> bool:
    """Whether a pod is of a class."""
    found = classify((pod,), wanted)[0]
    return replace(found, pods=[]) == replace(of, pods=[])


def _changed_namespaces(view: Inventory) -> frozenset[str]:
    """The names of the namespaces whose labels changed."""
    base = view.base
    assert base is not None
    names = {(old or new).name for old, new in view.replaced.get("Namespace", ()) if old or new}
    return frozenset(name for name in names if namespace_labels(base, name) != namespace_labels(view, name))


def _changed_accounts(view: Inventory) -> frozenset[tuple[str, str]]:
    """Namespace and name of the service accounts whose labels changed."""
    found: Iterable[tuple[ServiceAccount | None, ServiceAccount | None]] = view.replaced.get("ServiceAccount", ())
    out: set[tuple[str, str]] = set()
    for old, new in found:
        before, after = (plain_labels(each.metadata.labels) if each is not None else {} for each in (old, new))
        either = old or new
        if either is not None and before != after:
            out.add((either.namespace, either.name))
    return frozenset(out)


class _More:
    """What classes have to differ in beyond what they did."""

    def __init__(self, before: Wanted, wanted: Wanted) -> None:
        self._before, self._wanted = before, wanted
        self._known: dict[str, tuple[frozenset[str], frozenset[str]] | None] = {}
        self.addresses: AddressSpace | None = None
        if wanted.addresses is not None and before.addresses is not None and wanted.addresses is not before.addresses:
            self.addresses = wanted.addresses
            self._cut = frozenset(before.addresses.atoms) - frozenset(wanted.addresses.atoms)
        self.names = before.port_names != wanted.port_names
        self.anything = self.names or self.addresses is not None or before.label_keys != wanted.label_keys

    def namespaces(self) -> frozenset[str] | None:
        """The namespaces in which something counts that did not; ``None`` for all."""
        before, wanted = self._before, self._wanted
        if self.addresses is not None or (before.label_keys.everywhere, before.port_names.everywhere) != (
            wanted.label_keys.everywhere,
            wanted.port_names.everywhere,
        ):
            return None
        return frozenset(name for name in (*wanted.label_keys.within, *wanted.port_names.within) if self.of(name))

    def of(self, namespace: str) -> tuple[frozenset[str], frozenset[str]] | None:
        """The keys of labels and the names of ports that count in a namespace and did not; ``None`` if none do."""
        if namespace not in self._known:
            before, wanted = self._before, self._wanted
            keys = wanted.label_keys.of(namespace) - before.label_keys.of(namespace)
            names = wanted.port_names.of(namespace) - before.port_names.of(namespace)
            self._known[namespace] = (keys, names) if keys or names else None
        return self._known[namespace]

    def extended(self, each: PodClass) -> PodClass | None:
        """A class with what it has of that, ``None`` if its pods differ in it."""
        new = self.of(each.namespace)
        if new is None and self.addresses is None:
            return each
        labels, named, address = each.labels, each.named, each.address
        keys, names = new or (frozenset(), frozenset())
        if keys:
            found = _values(each.pods, sorted(keys))
            if found is None:
                return None
            labels = labels | found if found else labels
        if names:
            more = _ports(each.pods, names)
            if more is None:
                return None
            named = tuple(sorted((*named, *more))) if more else named
        if self.addresses is not None and address in self._cut:
            address, last = map(self.addresses.range_of, each.ends)
            if address != last:
                return None
        if labels is each.labels and named is each.named and address is each.address:
            return each
        return replace(each, labels=labels, named=named, address=address)


_ABSENT: str = "\0"
"""No value of a label."""


def _values(pods: Sequence[PodInstance], keys: Sequence[str]) -> dict[str, str] | None:
    """The labels that pods have of some keys, ``None`` if they differ."""
    seen = pods[0].labels
    values = [seen.get(key, _ABSENT) for key in keys]
    for pod in pods:
        labels = pod.labels
        # Replicas share their labels.
        if labels is not seen:
            if [labels.get(key, _ABSENT) for key in keys] != values:
                return None
            seen = labels
    return {key: value or "" for key, value in zip(keys, values, strict=True) if value is not _ABSENT}


def _ports(pods: Sequence[PodInstance], names: frozenset[str]) -> NamedPorts | None:
    """The ports that pods have of some names, ``None`` if they differ."""
    first = pods[0].spec
    found = named_ports(pods[0], names)
    for pod in pods:
        spec = pod.spec
        same = spec.containers is first.containers and spec.init_containers is first.init_containers
        if not same and named_ports(pod, names) != found:
            return None
    return found
