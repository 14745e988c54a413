"""Reachability as a matrix: namespaces, their workloads, the addresses outside and the ingress controller.

A cell stands for pairs: of one workload and another, or of all workloads of two namespaces. Cells are computed when
they are asked for. Within a namespace workloads are numbered, so that a verdict about many of them is one integer; only
where a class is judged otherwise than its neighbours in the namespace are workloads looked at one by one.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from workbench.inventory.inventory import Inventory
from workbench.network.addresses import EVERYWHERE, Span
from workbench.network.bits import bits_of, numbers_of
from workbench.network.connections import CONTROLLER, READS, Network, Workload, network_of
from workbench.network.ports import PortRange, Ranges
from workbench.network.reach import NOTHING, joined
from workbench.network.rows import Row, Verdict

OUTSIDE = "Internet"
"""The id of the party of all addresses outside."""


class PartyKind(enum.StrEnum):
    """What a row or a column stands for."""

    OUTSIDE = "outside"
    CONTROLLER = "controller"
    NAMESPACE = "namespace"
    WORKLOAD = "workload"


@dataclass(frozen=True, slots=True)
class Party:
    """Who talks: a row or a column."""

    kind: PartyKind
    id: str
    """:data:`OUTSIDE`, the ingress controller's name, ``Namespace:shop``, or the id of a workload."""
    namespace: str = ""
    workloads: tuple[int, ...] = ()
    """Their places among those of the network."""


class State(enum.StrEnum):
    """What a cell comes to."""

    ALL = "all"
    """Every pair may use every port."""
    SOME = "some"
    NOTHING = "nothing"
    UNKNOWN = "unknown"
    """Nothing is surely allowed, and of something it cannot be told."""
    NO_PAIR = "no pair"
    """There are no two to talk: a workload and itself."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What the pairs of a row and a column may do. Ports are masks of the network's port space."""

    pairs: int = 0
    """How many pairs there are; a party of addresses counts as one."""
    linked: int = 0
    """How many of them may use some port."""
    open: int = 0
    """How many of them may use every port (and, of addresses, from or to every one)."""
    unsure: int = 0
    """Of how many something cannot be told."""
    allowed: int = 0
    """The ports that some pair may use."""
    unknown: int = 0
    """The ports that no pair surely may use, and of which it cannot be told of some pair."""

    @property
    def state(self) -> State:
        """What it comes to."""
        if not self.pairs:
            return State.NO_PAIR
        if self.open == self.pairs:
            return State.ALL
        if self.allowed:
            return State.SOME
        return State.UNKNOWN if self.unknown else State.NOTHING


@dataclass(slots=True)
class _Tally:
    """A cell while its pairs are counted."""

    full: int
    pairs: int = 0
    linked: int = 0
    open: int = 0
    unsure: int = 0
    allowed: int = 0
    unknown: int = 0

    def add(self, verdict: Verdict, pairs: int, *, everywhere: bool = True) -> None:
        """Some pairs with one verdict, which are not yet among those that there are."""
        allowed, unknown = verdict
        if allowed:
            self.linked += pairs
            if allowed == self.full and everywhere:
                self.open += pairs
        if unknown:
            self.unsure += pairs
        self.allowed |= allowed
        self.unknown |= unknown

    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.pairs, self.linked, self.open, self.unsure, self.allowed, self.unknown & ~self.allowed)


@dataclass(slots=True)
class Group:
    """The workloads of a namespace, numbered from 0."""

    namespace: str
    workloads: list[int] = field(default_factory=list)
    """Their places among those of the network, by their numbers."""
    every: int = 0
    """The set of all of them."""
    classes: int = 0
    """The columns of their classes."""
    several: bool = False
    """Whether some workload has pods of several classes."""
    base: int = 0
    """The lowest of the columns."""
    of_class: dict[int, int] = field(default_factory=dict)
    """For each column the workloads of the class."""

    def numbers(self, columns: int) -> int:
        """The workloads of some of the columns."""
        if columns == self.classes:
            return self.every
        out = 0
        for number in numbers_of(columns >> self.base):
            out |= self.of_class[number + self.base]
        return out


Parts = dict[Verdict, int]
"""The workloads of a group by verdict; those of which nothing is allowed or unknown are left out."""


@dataclass(slots=True)
class _Known:
    """What was worked out on the way to a row of cells."""

    rows: dict[tuple[int, ...], list[Row]] = field(default_factory=dict)
    """What classes reach."""
    parts: dict[tuple[tuple[int, ...], str], Parts] = field(default_factory=dict)


class Matrix:
    """Reachability between all parties. Safe to call from several threads.

    Attributes:
        network: What it is told from.
        parties: The addresses outside, the ingress controller where it leads anywhere, the namespaces with workloads.
    """

    def __init__(self, network: Network) -> None:
        """Sort the workloads into groups; linear in them.

        Args:
            network: Whose reachability it is.
        """
        self.network = network
        self._lock = threading.RLock()
        self.groups = _groups(network)
        self.parties: list[Party] = [Party(PartyKind.OUTSIDE, OUTSIDE)]
        if network.backends:
            self.parties.append(Party(PartyKind.CONTROLLER, CONTROLLER))
        self.parties += [
            Party(PartyKind.NAMESPACE, f"Namespace:{name}", name, tuple(group.workloads))
            for name, group in sorted(self.groups.items())
        ]
        self._by_id = {party.id: party for party in self.parties}
        self._number = {place: number for group in self.groups.values() for number, place in enumerate(group.workloads)}
        self._places = {workload.id: at for at, workload in enumerate(network.workloads)}
        self._outside: dict[tuple[bool, tuple[int, ...]], _Outer] = {}
        self._keys: dict[Verdict, tuple[str, str]] = {}

    @classmethod
    def of(cls, view: Inventory) -> Matrix:
        """The matrix of a view, made once; an overlay that changes nothing of what it says has the one below it."""

        def made(view: Inventory) -> Matrix:
            network = network_of(view)
            if view.base is not None:
                below = cls.of(view.base)
                same = _led_in(network) == _led_in(below.network)
                if same and network.reach.says_as(below.network.reach):
                    return below
            return cls(network)

        return view.derived("matrix of reachability", READS, made)

    # --- parties ----------------------------------------------------------------------------------

    def party(self, identifier: str) -> Party | None:
        """A party by its id."""
        place = self._places.get(identifier)
        if place is not None:
            workload = self.network.workloads[place]
            return Party(PartyKind.WORKLOAD, workload.id, workload.namespace, (place,))
        return self._by_id.get(identifier)

    def members(self, party: Party) -> list[Party]:
        """The workloads of a namespace, by name."""
        if party.kind is not PartyKind.NAMESPACE:
            return []
        return [
            Party(PartyKind.WORKLOAD, self.network.workloads[at].id, party.namespace, (at,)) for at in party.workloads
        ]

    def workload(self, party: Party) -> Workload | None:
        """The workload of a party that is one."""
        return self.network.workloads[party.workloads[0]] if party.kind is PartyKind.WORKLOAD else None

    # --- cells ------------------------------------------------------------------------------------

    def row(self, source: Party, targets: Sequence[Party]) -> list[Cell]:
        """The cells from one party to some others."""
        with self._lock:
            if source.kind is PartyKind.OUTSIDE:
                return [self._from_outside(target) for target in targets]
            if source.kind is PartyKind.CONTROLLER:
                return [self._from_controller(target) for target in targets]
            known = _Known()
            return [self._cell(source, target, known) for target in targets]

    def cell(self, source: Party, target: Party) -> Cell:
        """One cell."""
        return self.row(source, [target])[0]

    def _cell(self, source: Party, target: Party, known: _Known) -> Cell:
        workloads = self.network.workloads
        out = _Tally(self.network.reach.space.all)
        if target.kind is PartyKind.OUTSIDE:
            for at in source.workloads:
                outer = self._outer(workloads[at], out=True)
                out.pairs += 1
                out.add(outer.verdict, 1, everywhere=outer.everywhere)
            return out.cell()
        if target.kind is PartyKind.CONTROLLER:
            return Cell()
        group = self.groups[target.namespace]
        wanted = self._wanted(group, target)
        number_of = len(target.workloads)
        own = source.namespace == target.namespace
        times: dict[tuple[int, ...], int] = {}
        for at in source.workloads:
            if not own:
                # Workloads of equal classes are judged alike, but for not being paired with themselves.
                times[workloads[at].classes] = times.get(workloads[at].classes, 0) + 1
                continue
            others = wanted & ~(1 << self._number[at])
            out.pairs += others.bit_count()
            self._count(out, self._reached(workloads[at].classes, group, known), others, 1)
        for numbers, several in times.items():
            out.pairs += several * number_of
            self._count(out, self._reached(numbers, group, known), wanted, several)
        return out.cell()

    @staticmethod
    def _count(out: _Tally, parts: Parts, wanted: int, times: int) -> None:
        for verdict, bits in parts.items():
            pairs = (bits & wanted).bit_count() * times
            if pairs:
                out.add(verdict, pairs)

    def _wanted(self, group: Group, party: Party) -> int:
        if party.kind is PartyKind.NAMESPACE:
            return group.every
        return 1 << self._number[party.workloads[0]]

    def _reached(self, numbers: tuple[int, ...], group: Group, known: _Known) -> Parts:
        key = (numbers, group.namespace)
        found = known.parts.get(key)
        if found is None:
            rows = known.rows.get(numbers)
            if rows is None:
                rows = known.rows[numbers] = [self.network.reach.reached_from(number) for number in numbers]
            found = known.parts[key] = parts_of(rows, group)
        return found

    def _from_outside(self, target: Party) -> Cell:
        out = _Tally(self.network.reach.space.all)
        for at in target.workloads:
            outer = self._outer(self.network.workloads[at], out=False)
            out.pairs += 1
            out.add(outer.verdict, 1, everywhere=outer.everywhere)
        return out.cell()

    def _from_controller(self, target: Party) -> Cell:
        out = _Tally(self.network.reach.space.all, pairs=len(target.workloads))
        for at in target.workloads:
            out.add(self._let_in.get(self.network.workloads[at].name, NOTHING), 1)
        return out.cell()

    @cached_property
    def _let_in(self) -> Mapping[str, Verdict]:
        return self.network.let_in()

    def _outer(self, workload: Workload, *, out: bool) -> _Outer:
        """What a workload may do to addresses outside, or these to it."""
        key = (out, workload.classes)
        known = self._outside.get(key)
        if known is None:
            spans = self.network.outgoing(workload) if out else self.network.incoming(workload)
            space = self.network.reach.space
            verdict = NOTHING
            for _, each in spans:
                verdict = joined(verdict, each)
            atoms = self.network.reach.columns.addresses
            full = atoms.merged(numbers_of(atoms.all))
            everywhere = [span for span, each in spans if each[0] == space.all] == full
            known = self._outside[key] = _Outer(verdict, everywhere, tuple(spans))
        return known

    # --- pairs ------------------------------------------------------------------------------------

    def outside(self, workload: Workload, *, out: bool) -> Sequence[tuple[Span, Verdict]]:
        """The addresses that a workload reaches (``out``), or that reach it: ranges with the ports."""
        with self._lock:
            return self._outer(workload, out=out).spans

    def let_in(self, workload: Workload) -> Verdict:
        """What the ingress controller may do to a workload."""
        with self._lock:
            return self._let_in.get(workload.name, NOTHING)

    def pairs(self, source: Party, target: Party) -> Iterator[tuple[Party, Party, Verdict]]:
        """The pairs of a cell of which something is allowed or cannot be told, by the names of both."""
        sources = self.members(source) or [source]
        targets = self.members(target) or [target]
        for one in sources:
            for other, cell in zip(targets, self.row(one, targets), strict=True):
                if cell.allowed or cell.unknown:
                    yield one, other, (cell.allowed, cell.unknown)

    # --- comparison -------------------------------------------------------------------------------

    def differs(self, other: Matrix, source: Party, target: Party) -> bool:
        """Whether some pair of a cell has another verdict in another matrix (of the same objects, changed)."""
        if self is other:
            return False
        with self._lock, other._lock:
            return self._signature(source, target) != other._signature(source, target)

    def _signature(self, source: Party, target: Party) -> object:
        """What a cell comes to, in terms that matrices with other ports and other classes share."""
        mine_source, mine_target = self.party(source.id), self.party(target.id)
        if mine_source is None or mine_target is None:
            return None
        workloads = self.network.workloads
        if PartyKind.OUTSIDE in (mine_source.kind, mine_target.kind):
            out = mine_target.kind is PartyKind.OUTSIDE
            inside = mine_source if out else mine_target
            outers = [(workloads[at].id, self._outer(workloads[at], out=out)) for at in inside.workloads]
            return [(name, self._addresses(outer.spans)) for name, outer in outers]
        if mine_source.kind is PartyKind.CONTROLLER:
            return [
                (workloads[at].id, self._key(self._let_in.get(workloads[at].name, NOTHING)))
                for at in mine_target.workloads
            ]
        if mine_target.kind is PartyKind.CONTROLLER:
            return None
        group = self.groups[mine_target.namespace]
        wanted = self._wanted(group, mine_target)
        names = [workloads[at].id for at in group.workloads]
        found: list[object] = [names]
        known = _Known()
        for at in mine_source.workloads:
            others = wanted
            if mine_source.namespace == mine_target.namespace:
                others &= ~(1 << self._number[at])
            parts: dict[tuple[str, str], int] = {}
            for verdict, bits in self._reached(workloads[at].classes, group, known).items():
                if bits & others:
                    key = self._key(verdict)
                    parts[key] = parts.get(key, 0) | bits & others
            found.append((workloads[at].id, parts))
        return found

    def _addresses(self, spans: Sequence[tuple[Span, Verdict]]) -> list[tuple[Span, tuple[str, str]]]:
        """Ranges with what holds of them; IPv6, which has ranges only where a policy has one, follows IPv4 before."""
        found = [(span, self._key(verdict)) for span, verdict in spans]
        if not self.network.reach.columns.addresses.family(6) and [span for span, _ in found] == [EVERYWHERE[0]]:
            found.append((EVERYWHERE[1], found[0][1]))
        return found

    def _key(self, verdict: Verdict) -> tuple[str, str]:
        known = self._keys.get(verdict)
        if known is None:
            ranges = self.network.reach.space.ranges
            known = self._keys[verdict] = (str(ranges(verdict[0])), str(ranges(verdict[1])))
        return known

    # --- ports ------------------------------------------------------------------------------------

    def ranges(self, mask: int) -> Ranges:
        """The ports of a mask."""
        with self._lock:
            return self.network.reach.space.ranges(mask)

    def port_count(self, mask: int) -> int:
        """How many ports a mask holds, over all protocols."""
        return sum(high - low + 1 for spans in self.ranges(mask).values() for low, high in spans)

    def is_every_port(self, mask: int) -> bool:
        """Whether a mask holds every port of every protocol."""
        return mask == self.network.reach.space.all


@dataclass(frozen=True, slots=True)
class _Outer:
    """A workload and the addresses outside."""

    verdict: Verdict
    """What is so of some of the addresses."""
    everywhere: bool
    """Whether every port is allowed of every address."""
    spans: tuple[tuple[Span, Verdict], ...]


def parts_of(rows: Sequence[Row], group: Group) -> Parts:
    """The workloads of a group by verdict.

    Args:
        rows: What some classes reach, or what reaches them: columns by verdict. Of several what either says counts.
        group: The group.
    """
    if len(rows) == 1 and not group.several:
        out: Parts = {}
        for verdict, columns in rows[0].items():
            hit = columns & group.classes
            if hit:
                # A class of several workloads, or a verdict in several parts, is met with ``or``.
                out[verdict] = out.get(verdict, 0) | group.numbers(hit)
        return out
    found: dict[int, Verdict] = {}
    for row in rows:
        for verdict, columns in row.items():
            for number in numbers_of(group.numbers(columns & group.classes) if columns & group.classes else 0):
                found[number] = joined(found[number], verdict) if number in found else verdict
    by_verdict: dict[Verdict, list[int]] = {}
    for number, verdict in found.items():
        by_verdict.setdefault(verdict, []).append(number)
    return {verdict: bits_of(numbers, len(group.workloads)) for verdict, numbers in by_verdict.items()}


def _led_in(network: Network) -> list[tuple[str, PortRange, str]]:
    """What the ingress controller leads to."""
    return [(each.pod.id, each.port, each.doubt) for each in network.backends]


def _groups(network: Network) -> dict[str, Group]:
    out: dict[str, Group] = {}
    columns: dict[str, set[int]] = {}
    for place, workload in enumerate(network.workloads):
        group = out.setdefault(workload.namespace, Group(workload.namespace))
        bit = 1 << len(group.workloads)
        group.workloads.append(place)
        group.several = group.several or len(workload.classes) > 1
        for number in workload.classes:
            group.of_class[number] = group.of_class.get(number, 0) | bit
            columns.setdefault(workload.namespace, set()).add(number)
    size = len(network.reach.columns.classes)
    for name, group in out.items():
        group.every = (1 << len(group.workloads)) - 1
        group.classes = bits_of(columns[name], size)
        group.base = min(columns[name])
    return out
