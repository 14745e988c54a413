"""Who may connect to one pod, workload or Service, and what it may reach; and which rules decide a pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Service
from workbench.network import services
from workbench.network.addresses import Span
from workbench.network.connections import CONTROLLER, Workload
from workbench.network.explain import Reason, why
from workbench.network.matrix import OUTSIDE, Group, Matrix, Party, PartyKind, parts_of
from workbench.network.ports import PortRange, Ranges
from workbench.network.reach import NOTHING
from workbench.network.rows import Row, Verdict
from workbench.network.rules import Direction


@dataclass(frozen=True, slots=True)
class Side:
    """Who is at the other end of some connections."""

    id: str
    """The id of a party; empty for every workload of the cluster."""
    workloads: int
    """How many workloads it stands for; 0 for addresses and the ingress controller."""
    ports: Ranges
    unknown: Ranges
    """The ports of which it cannot be told."""
    addresses: Span | None = None
    """Of :data:`~workbench.network.matrix.OUTSIDE`: which."""


@dataclass(frozen=True, slots=True)
class Around:
    """The connections of one object."""

    party: str
    """The id of its workload in the matrix; empty where no pod that runs belongs to it."""
    sources: tuple[Side, ...] = ()
    """Who may connect to it."""
    targets: tuple[Side, ...] | None = ()
    """What it may reach; ``None`` for a Service, which sends nothing."""
    selected: dict[Direction, tuple[str, ...]] = field(default_factory=dict)
    """The ids of the policies that select its pods, by direction."""
    note: str = ""
    """Why there is nothing to tell."""


@dataclass(slots=True)
class _Subject:
    """The pods of one object."""

    workload: Workload
    """Theirs, with their classes only."""
    ports: dict[int, list[PortRange]] | None = None
    """Of a Service: the ports that it leads to, by the classes of the pods behind it."""


def around(matrix: Matrix, about: str) -> Around | None:
    """The connections of a pod, a workload or a Service.

    Args:
        matrix: The reachability.
        about: The id of the object.

    Returns:
        What there is to tell; ``None`` for an object of another kind.
    """
    view = matrix.network.view
    if about.startswith("Service:"):
        found = view.by_id(about)
        return _of_service(matrix, view, found) if isinstance(found, Service) else None
    party = matrix.party(about)
    workload = matrix.workload(party) if party is not None else None
    if workload is not None:
        return _told(matrix, _Subject(workload))
    pod = view.pods.get(about)
    if pod is None:
        return None
    number = matrix.network.reach.class_of(pod)
    if number is None:
        return Around("", note="it has completed, and takes part in no traffic")
    host = bool(pod.spec.host_network)
    name = f"{pod.owner.partition(':')[2]}[{pod.owner.partition(':')[0]}]"
    return _told(matrix, _Subject(Workload(name, pod.owner, pod.namespace, {}, (number,), host)))


def _of_service(matrix: Matrix, view: Inventory, service: Service) -> Around:
    ports: dict[int, list[PortRange]] = {}
    owners: dict[str, None] = {}
    for port in services.ports_of(service):
        for pod, meant in services.targets(view, service, port):
            number = matrix.network.reach.class_of(pod)
            if number is not None and meant not in ports.setdefault(number, []):
                ports[number].append(meant)
                owners[pod.owner] = None
    if not ports:
        return Around("", targets=None, note="no pod that runs is behind it, as far as was read")
    owner = next(iter(owners))
    name = f"{owner.partition(':')[2]}[{owner.partition(':')[0]}]"
    return _told(matrix, _Subject(Workload(name, owner, service.namespace, {}, tuple(ports), False), ports))


def _told(matrix: Matrix, subject: _Subject) -> Around:
    workload, reach = subject.workload, matrix.network.reach
    own = "" if subject.ports is not None else workload.id
    incoming = [_limited(matrix, subject, number, reach.reaching(number)) for number in workload.classes]
    sources = [*_addresses(matrix, subject, out=False), *_controller(matrix, subject), *_sides(matrix, incoming, own)]
    targets: tuple[Side, ...] | None = None
    if subject.ports is None:
        outgoing = [reach.reached_from(number) for number in workload.classes]
        targets = (*_addresses(matrix, subject, out=True), *_sides(matrix, outgoing, own))
    selected = {
        direction: tuple(
            dict.fromkeys(policy.object for number in workload.classes for policy in reach.selecting(direction, number))
        )
        for direction in Direction
    }
    return Around(workload.id, tuple(sources), targets, selected)


def _limited(matrix: Matrix, subject: _Subject, number: int, row: Row) -> Row:
    """A row of what reaches a class, as far as a Service leads there."""
    if subject.ports is None:
        return row
    mask = _mask(matrix, subject.ports[number])
    out: Row = {}
    for (allowed, unknown), columns in row.items():
        verdict = (allowed & mask, unknown & mask)
        if verdict != NOTHING:
            out[verdict] = out.get(verdict, 0) | columns
    return out


def _mask(matrix: Matrix, ports: Iterable[PortRange]) -> int:
    out = 0
    for port in ports:
        out |= matrix.network.reach.space.mask(port)
    return out


def _sides(matrix: Matrix, rows: Sequence[Row], own: str) -> Iterator[Side]:
    """The workloads of some rows; a namespace at once where all of it is judged alike, and likewise the cluster."""
    found: list[Side] = []
    alike: set[Verdict | None] = set()
    total = 0
    workloads = matrix.network.workloads
    for name, group in sorted(matrix.groups.items()):
        wanted = _without(group, matrix, own)
        if not wanted:
            continue
        total += wanted.bit_count()
        parts = {verdict: bits & wanted for verdict, bits in parts_of(rows, group).items() if bits & wanted}
        whole = next(iter(parts)) if len(parts) == 1 and next(iter(parts.values())) == wanted else None
        alike.add(whole)
        if whole is not None and wanted.bit_count() > 1:
            found.append(_side(matrix, f"Namespace:{name}", wanted.bit_count(), whole))
            continue
        by_number = {number: verdict for verdict, bits in parts.items() for number in _bits(bits)}
        found += [_side(matrix, workloads[group.workloads[at]].id, 1, by_number[at]) for at in sorted(by_number)]
    if len(alike) == 1 and len(found) > 1:
        verdict = alike.pop()
        if verdict is not None:
            found = [_side(matrix, "", total, verdict)]
    yield from found


def _without(group: Group, matrix: Matrix, own: str) -> int:
    party = matrix.party(own) if own else None
    if party is None or party.namespace != group.namespace:
        return group.every
    return group.every & ~(1 << group.workloads.index(party.workloads[0]))


def _bits(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def _side(matrix: Matrix, identifier: str, workloads: int, verdict: Verdict, addresses: Span | None = None) -> Side:
    return Side(identifier, workloads, matrix.ranges(verdict[0]), matrix.ranges(verdict[1]), addresses)


def _addresses(matrix: Matrix, subject: _Subject, *, out: bool) -> Iterator[Side]:
    if subject.ports is None:
        for span, verdict in matrix.outside(subject.workload, out=out):
            yield _side(matrix, OUTSIDE, 0, verdict, span)
        return
    found: dict[tuple[Span, Verdict], None] = {}
    for number, ports in subject.ports.items():
        mask = _mask(matrix, ports)
        one = Workload("", "", subject.workload.namespace, {}, (number,), False)
        for span, (allowed, unknown) in matrix.outside(one, out=out):
            verdict = (allowed & mask, unknown & mask)
            if verdict != NOTHING:
                found[span, verdict] = None
    for span, verdict in found:
        yield _side(matrix, OUTSIDE, 0, verdict, span)


def _controller(matrix: Matrix, subject: _Subject) -> Iterator[Side]:
    verdict = matrix.let_in(subject.workload)
    if subject.ports is not None:
        mask = _mask(matrix, (port for ports in subject.ports.values() for port in ports))
        verdict = (verdict[0] & mask, verdict[1] & mask)
    if verdict != NOTHING:
        yield _side(matrix, CONTROLLER, 0, verdict)


def deciding(matrix: Matrix, source: Party, target: Party) -> list[Reason]:
    """The rules that decide a cell between two single parties, those of egress first; none for a namespace's.

    Of addresses that are judged differently every verdict is explained once.
    """
    network = matrix.network
    one, other = matrix.workload(source), matrix.workload(target)
    if one is not None and other is not None:
        return why(network, one, other)
    if one is not None and target.kind is PartyKind.OUTSIDE:
        columns = _judged(matrix, Direction.EGRESS, one)
        return _once(reason for column in columns for reason in why(network, one, column))
    if other is not None and source.kind is PartyKind.OUTSIDE:
        columns = _judged(matrix, Direction.INGRESS, other)
        return _once(reason for column in columns for reason in why(network, column, other))
    if other is not None and source.kind is PartyKind.CONTROLLER:
        return why(network, network.controller_column, other)
    return []


def _once(reasons: Iterable[Reason]) -> list[Reason]:
    """What a rule decides about several columns, said once."""
    ports: dict[Reason, int] = {}
    for reason in reasons:
        same = replace(reason, ports=0)
        ports[same] = ports.get(same, 0) | reason.ports
    return [replace(reason, ports=mask) for reason, mask in ports.items()]


def _judged(matrix: Matrix, direction: Direction, workload: Workload) -> list[int]:
    """A column of addresses for each verdict that there is, what is allowed first."""
    reach = matrix.network.reach
    found: dict[Verdict, int] = {}
    for number in workload.classes:
        for verdict, columns in reach.row(direction, reach.groups[direction].of[number]).items():
            outside = columns & reach.columns.outside
            if outside:
                column = (outside & -outside).bit_length() - 1
                found[verdict] = min(column, found.get(verdict, column))
    return [found[verdict] for verdict in sorted(found, reverse=True)]
