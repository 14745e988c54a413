"""Connections between workloads: what classes and addresses may do, said of the things that people know.

A workload's pods may fall into several classes (labels that differ between replicas); what any of them may do counts.
Nothing is printed or built for pairs that have no connection, and rows are made one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import PodInstance
from workbench.network import backends as edge
from workbench.network import classes, policies
from workbench.network.addresses import Span
from workbench.network.backends import Backend, backends
from workbench.network.bits import numbers_of
from workbench.network.classes import container_ports, runs
from workbench.network.policies import Parsed, parse_policies
from workbench.network.ports import PortRange
from workbench.network.reach import NOTHING, Reachability, joined
from workbench.network.rows import Row, Verdict
from workbench.network.rules import Direction

CONTROLLER = "{ingress-controller}"
"""The name of what Ingress, Gateway and Route objects let in."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Pods of one top owner."""

    name: str
    """``namespace/name[Kind]``."""
    id: str
    """The id of the owner: ``Kind:namespace/name``."""
    namespace: str
    labels: dict[str, str]
    """Of its first pod."""
    classes: tuple[int, ...]
    host_network: bool


@dataclass(frozen=True, slots=True)
class Connection:
    """What one peer may do to another."""

    source: str
    target: str
    verdict: Verdict


READS = policies.READS | classes.READS | edge.READS
"""The kinds that a network is made from."""


class Network:
    """The reachability of one view, with the workloads, addresses and backends that it is told of.

    Attributes:
        view: The view.
        parsed: The policies, and what is wrong with them.
        reach: The classes and their verdicts.
        backends: What Ingress, Gateway and Route objects lead to.
    """

    def __init__(self, view: Inventory, *, ports: Iterable[PortRange] = (), blocks_cover_pods: bool = False) -> None:
        """Read the policies and sort the pods into classes.

        Args:
            view: The objects.
            ports: Ports that will be asked about.
            blocks_cover_pods: As for :class:`~workbench.network.reach.Reachability`.
        """
        self._asked = frozenset(ports)
        self._blocks_cover_pods = blocks_cover_pods
        self._set(view, parse_policies(view), list(backends(view)))
        self.reach = self._whole()

    def _set(self, view: Inventory, parsed: Parsed, found: list[Backend]) -> None:
        self.view = view
        self.parsed = parsed
        self.backends = found
        self._outgoing: dict[int, list[tuple[Span, Verdict]]] = {}
        self._incoming: dict[int, list[tuple[Span, Verdict]]] = {}

    def _whole(self) -> Reachability:
        return Reachability(
            self.view,
            self.parsed.policies,
            ports=[*(each.port for each in self.backends), *self._asked],
            blocks_cover_pods=self._blocks_cover_pods,
        )

    def over(self, view: Inventory, *, ports: Iterable[PortRange] = ()) -> Network:
        """The network of a view that lies over the one of this; what the view does not touch is not computed again.

        It says of every pod what a network made from scratch says. Numbers of classes and groups are those of this
        network, and others beside them; classes and groups that the view leaves empty stay where they are.

        Args:
            view: The other view, whose :attr:`~workbench.inventory.inventory.Inventory.base` is this one's, or equal
                to it in all kinds of :data:`READS`.
            ports: Ports that will be asked about beside those of this one.
        """
        more = [port for port in ports if port not in self._asked]
        out = Network.__new__(Network)
        out._asked = self._asked | frozenset(more)
        out._blocks_cover_pods = self._blocks_cover_pods
        parsed, removed, added = self.parsed.over(view)
        found = list(backends(view)) if edge.changed(view) else _backends_over(view, self.backends)
        out._set(view, parsed, found)
        if found is not self.backends:
            more.extend({each.port for each in found})
        out.reach = self.reach.over(view, removed, added, ports=more) or out._whole()
        return out

    @cached_property
    def workloads(self) -> list[Workload]:
        """Those with pods that run, by name."""
        return _workloads(self.reach)

    @cached_property
    def _of_class(self) -> list[list[int]]:
        """The workloads of each class, by their places in :attr:`workloads`."""
        out: list[list[int]] = [[] for _ in self.reach.columns.classes]
        for at, workload in enumerate(self.workloads):
            for number in workload.classes:
                out[number].append(at)
        return out

    def pods_of(self, workload: Workload) -> list[PodInstance]:
        """The pods of a workload that run."""
        classes = self.reach.columns.classes
        return [pod for number in workload.classes for pod in classes[number].pods if pod.owner == workload.id]

    # --- between workloads ------------------------------------------------------------------------

    def between(
        self, sources: Sequence[Workload] | None = None, targets: Sequence[Workload] | None = None
    ) -> Iterator[Connection]:
        """Connections from workloads to others, by the names of both; all without arguments."""
        chosen = self.workloads if sources is None else sources
        wanted = None if targets is None else {target.name for target in targets}
        rows = dict[int, list[tuple[int, Verdict]]]()
        needed = list(dict.fromkeys(number for workload in chosen for number in workload.classes))
        produced = self.reach.all_reached(needed)
        left = _uses(chosen)
        for workload in chosen:
            found: dict[int, Verdict] = {}
            for number in workload.classes:
                while number not in rows:
                    source, row = next(produced)
                    rows[source] = list(self._expanded(row))
                for at, verdict in rows[number]:
                    found[at] = joined(found[at], verdict) if at in found else verdict
                left[number] -= 1
                if not left[number]:
                    # A row is as long as the list of workloads: it goes when its last workload has been told.
                    del rows[number]
            for at in sorted(found):
                target = self.workloads[at]
                if target is not workload and (wanted is None or target.name in wanted):
                    yield Connection(workload.name, target.name, found[at])

    def _expanded(self, row: Row) -> Iterator[tuple[int, Verdict]]:
        inside = (1 << self.reach.columns.first_address) - 1
        for verdict, bits in row.items():
            for number in numbers_of(bits & inside):
                for at in self._of_class[number]:
                    yield at, verdict

    def pair(self, source: Workload, target: Workload) -> Verdict:
        """What a workload may do to another."""
        out = NOTHING
        for one in source.classes:
            for other in target.classes:
                out = joined(out, self.reach.pair(one, other))
        return out

    # --- to and from the outside ------------------------------------------------------------------

    def outgoing(self, workload: Workload) -> list[tuple[Span, Verdict]]:
        """The addresses that a workload reaches: ranges, as few as there can be, ascending."""
        return self._outside(workload, Direction.EGRESS, self._outgoing)

    def incoming(self, workload: Workload) -> list[tuple[Span, Verdict]]:
        """The addresses that reach a workload, if something leads them there; likewise."""
        return self._outside(workload, Direction.INGRESS, self._incoming)

    def _outside(
        self, workload: Workload, direction: Direction, known: dict[int, list[tuple[Span, Verdict]]]
    ) -> list[tuple[Span, Verdict]]:
        groups = self.reach.groups[direction]
        needed = sorted({groups.of[number] for number in workload.classes})
        if len(needed) == 1:
            if needed[0] not in known:
                known[needed[0]] = self._spans(self._atoms([self.reach.row(direction, needed[0])]))
            return known[needed[0]]
        return self._spans(self._atoms(self.reach.row(direction, group) for group in needed))

    def _atoms(self, rows: Iterable[Row]) -> dict[int, Verdict]:
        columns = self.reach.columns
        found: dict[int, Verdict] = {}
        for row in rows:
            for verdict, bits in row.items():
                if verdict != NOTHING:
                    for number in numbers_of((bits & columns.outside) >> columns.first_address):
                        found[number] = joined(found[number], verdict) if number in found else verdict
        return found

    def _spans(self, found: dict[int, Verdict]) -> list[tuple[Span, Verdict]]:
        by_verdict: dict[Verdict, list[int]] = {}
        for number in sorted(found):
            by_verdict.setdefault(found[number], []).append(number)
        merged = self.reach.columns.addresses.merged
        return sorted((span, verdict) for verdict, numbers in by_verdict.items() for span in merged(numbers))

    def column_of(self, span: Span) -> int:
        """The column of the first range that some addresses lie in."""
        columns = self.reach.columns
        bits = columns.addresses.bits(span)
        return columns.first_address + (bits & -bits).bit_length() - 1

    @property
    def controller_column(self) -> int:
        """The column of the ingress controller."""
        return self.reach.columns.controller.bit_length() - 1

    def let_in(self) -> dict[str, Verdict]:
        """What the ingress controller reaches, by the names of workloads, sorted: backends that policies let it to."""
        found: dict[str, Verdict] = {}
        names = {workload.id: workload.name for workload in self.workloads}
        for backend in self.backends:
            number = self.reach.class_of(backend.pod)
            name = names.get(backend.pod.owner)
            if number is None or name is None:
                continue
            ports = self.reach.space.mask(backend.port)
            allowed, unknown = self.reach.gate(Direction.INGRESS, number, self.controller_column)
            if backend.doubt:
                allowed, unknown = 0, allowed | unknown
            verdict = (allowed & ports, unknown & ports)
            if verdict != NOTHING:
                found[name] = joined(found.get(name, NOTHING), verdict)
        return dict(sorted(found.items()))


def network_of(view: Inventory, *, blocks_cover_pods: bool = False) -> Network:
    """The network of a view, made once for it; that of an overlay is made from the one of what it lies over.

    Args:
        view: The objects.
        blocks_cover_pods: As for :class:`~workbench.network.reach.Reachability`.
    """

    def made(view: Inventory) -> Network:
        if view.base is None:
            return Network(view, blocks_cover_pods=blocks_cover_pods)
        return network_of(view.base, blocks_cover_pods=blocks_cover_pods).over(view)

    return view.derived(f"network, blocks cover pods: {blocks_cover_pods}", READS, made)


def _backends_over(view: Inventory, found: list[Backend]) -> list[Backend]:
    """The backends of an overlay that changes nothing but pods among what they are found from."""
    pairs: list[tuple[PodInstance | None, PodInstance | None]] = view.replaced.get("pods", [])
    if not pairs:
        return found
    spaces = {pod.namespace for old, new in pairs if _leads_elsewhere(old, new) for pod in (old, new) if pod}
    pods = {old.id: new for old, new in pairs if old is not None and new is not None}
    kept = [
        replace(each, pod=pods[each.pod.id]) if each.pod.id in pods else each
        for each in found
        if each.pod.namespace not in spaces
    ]
    return [*kept, *backends(view, spaces)] if spaces else kept


def _leads_elsewhere(old: PodInstance | None, new: PodInstance | None) -> bool:
    """Whether two pods differ in that by which Services find them, or in their ports."""
    if old is None or new is None or runs(old) != runs(new) or old.labels != new.labels:
        return True
    return list(container_ports(old)) != list(container_ports(new))


def _uses(workloads: Iterable[Workload]) -> dict[int, int]:
    """How many workloads each class is asked for by."""
    out: dict[int, int] = {}
    for workload in workloads:
        for number in workload.classes:
            out[number] = out.get(number, 0) + 1
    return out


def _workloads(reach: Reachability) -> list[Workload]:
    classes: dict[str, dict[int, None]] = {}
    first: dict[str, int] = {}
    labels: dict[str, dict[str, str]] = {}
    for number, each in enumerate(reach.columns.classes):
        for pod in each.pods:
            classes.setdefault(pod.owner, {})[number] = None
            if pod.owner not in first:
                first[pod.owner] = number
                labels[pod.owner] = {key: value or "" for key, value in pod.labels.items()}
    out: list[Workload] = []
    for owner, numbers in classes.items():
        kind, _, rest = owner.partition(":")
        own = [reach.columns.classes[number] for number in numbers]
        out.append(
            Workload(
                f"{rest}[{kind}]",
                owner,
                own[0].namespace,
                labels[owner],
                tuple(numbers),
                any(each.host_network for each in own),
            )
        )
    return sorted(out, key=lambda workload: workload.name)
