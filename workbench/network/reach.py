"""Reachability: which class may reach which, computed on demand from one verdict row for each list of policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import PodInstance
from workbench.network.addresses import AddressSpace
from workbench.network.bits import bits_of, numbers_of
from workbench.network.classes import PodClass, Wanted, classify
from workbench.network.columns import Columns
from workbench.network.groups import GroupChange, Groups
from workbench.network.mentions import Mentions
from workbench.network.ports import PortRange, PortSpace
from workbench.network.revision import revise
from workbench.network.rows import Evaluator, Lift, Row, Step, Verdict
from workbench.network.rules import Direction, Policy, Rule, Tier

_MANY = 8
"""From so many sources on, which part of each row a source is in is worked out for all of them at once."""

NOTHING: Verdict = (0, 0)


def joined(one: Verdict, other: Verdict) -> Verdict:
    """Two ways to the same end: what either allows is allowed."""
    allowed = one[0] | other[0]
    return allowed, (one[1] | other[1]) & ~allowed


def both(one: Verdict, other: Verdict) -> Verdict:
    """Two gates one after the other: what both allow is allowed, what one surely denies is denied."""
    allowed = one[0] & other[0]
    return allowed, (one[0] | one[1]) & (other[0] | other[1]) & ~allowed


class Reachability:
    """Who reaches whom. Verdicts are computed when they are asked for, a row at a time, and kept.

    Attributes:
        policies: Every policy, by tier and rank.
        columns: Classes, addresses and the ingress controller as columns.
        space: The pieces of the ports.
        groups: The classes of each direction that the same policies select.
    """

    def __init__(
        self,
        view: Inventory,
        policies: Iterable[Policy],
        *,
        ports: Iterable[PortRange] = (),
        blocks_cover_pods: bool = False,
    ) -> None:
        """Sort the pods into classes and the classes into groups; linear in both.

        Args:
            view: The objects.
            policies: The policies.
            ports: Ports that will be asked about, beside those of the policies.
            blocks_cover_pods: Take a block of addresses to match, perhaps, the pods whose address lies in it. The API
                leaves that open and network plugins differ; without it blocks mean only what is outside.
        """
        self.policies = sorted(policies, key=_place)
        self._blocks_cover_pods = blocks_cover_pods
        self._mentions = mentions = Mentions.of(self.policies)
        addresses = AddressSpace(mentions.blocks)
        self._wanted = self._wanted_of(mentions, addresses)
        classes = classify(view.pods, self._wanted)
        self.space = PortSpace([*mentions.ports, *_numbers(classes), *ports])
        self.columns = Columns(
            view, classes, addresses, blocks_cover_pods=blocks_cover_pods, calico_keys=mentions.calico_keys
        )
        self._evaluator = Evaluator(self.columns, self.space)
        self._class_of = {pod.id: number for number, each in enumerate(classes) for pod in each.pods}
        self._moved: dict[str, int | None] = {}
        self.groups = {
            direction: Groups.build(direction, self.policies, self.columns, mentions) for direction in Direction
        }
        self._rows: dict[Direction, dict[int, Row]] = {direction: {} for direction in Direction}
        self._below: Reachability | None = None
        self._lift: Lift | None = None
        self._of_fresh = self._evaluator

    def _wanted_of(self, mentions: Mentions, addresses: AddressSpace) -> Wanted:
        by_address = mentions.addresses or self._blocks_cover_pods
        return Wanted(mentions.label_keys, mentions.port_names, mentions.accounts, addresses if by_address else None)

    def over(
        self,
        view: Inventory,
        removed: frozenset[Policy],
        added: Sequence[Policy],
        *,
        ports: Iterable[PortRange] = (),
    ) -> Reachability | None:
        """The reachability of a view that lies over the one of this; only what the view touches is computed.

        A row of this one holds there too, for a group means the same policies: what is added to it are the verdicts of
        classes that are new.

        Args:
            view: The other view.
            removed: The policies that are not there any more.
            added: The policies that are there in addition.
            ports: Ports that will be asked about, beside those of the policies.

        Returns:
            The reachability; ``None`` where it has to be made from scratch, for the policies look at something new of
            every pod, or because most classes changed.
        """
        if _loses_a_family(self.policies, removed):
            return None
        more = Mentions.of(added)
        mentions = self._mentions.joined(more)
        refined = self.columns.addresses.refined(more.blocks)
        if refined is None or (mentions.accounts, mentions.addresses) != (
            self._mentions.accounts,
            self._mentions.addresses,
        ):
            return None
        addresses, cut_addresses = refined
        wanted = self._wanted_of(mentions, addresses)
        columns = self.columns
        found = revise(view, columns.classes, self.class_of, columns.namespace, (self._wanted, wanted))
        if 2 * found.gone.bit_count() > len(found.classes):
            return None
        out = Reachability.__new__(Reachability)
        out._blocks_cover_pods = self._blocks_cover_pods
        out._mentions, out._wanted = mentions, wanted
        out.policies = sorted([*(each for each in self.policies if each not in removed), *added], key=_place)
        numbers = _numbers(found.classes) if more.by_name else ()
        fresh_numbers = _numbers(found.classes[number] for number in found.fresh)
        out.space, cut_ports = self.space.refined([*more.ports, *numbers, *fresh_numbers, *ports])
        out.columns = self.columns.over(view, found, addresses, mentions.calico_keys)
        out._lift = None
        if found.gone or found.fresh or cut_addresses or cut_ports:
            out._lift = Lift(self.columns, out.columns, cut_addresses, cut_ports, found.fresh)
        out._evaluator = Evaluator(out.columns, out.space, like=self._evaluator if out._lift is None else None)
        out._of_fresh = Evaluator(out.columns, out.space, among=out._lift.fresh if out._lift is not None else 0)
        out._class_of = self._class_of
        out._moved = self._moved | found.moved if found.moved else self._moved
        order = {policy: at for at, policy in enumerate(out.policies)}
        change = GroupChange(order, removed, frozenset(added), found.fresh, found.gone)
        out.groups = {
            direction: groups.over(out.columns, mentions, change) for direction, groups in self.groups.items()
        }
        out._rows = {direction: {} for direction in Direction}
        out._below = self
        return out

    def says_as(self, below: Reachability) -> bool:
        """Whether this lies over another one with the same policies, and each pod is of the class that it is there."""
        return self._below is below and self._moved is below._moved and self.policies == below.policies

    def moved_from(self, below: Reachability) -> set[str] | None:
        """The namespaces of the pods that are of another class than in what this lies over.

        Returns:
            ``None`` if it lies over something else.
        """
        if self._below is not below:
            return None
        moved = {(below.class_of(name), number) for name, number in self._moved.items()}
        return {
            reach.columns.classes[number].namespace
            for old, new in moved
            if old != new
            for reach, number in ((below, old), (self, new))
            if number is not None
        }

    # --- rows -------------------------------------------------------------------------------------

    def class_of(self, pod: PodInstance | str) -> int | None:
        """The class of a pod (or of a pod's id), ``None`` for one that has completed."""
        name = pod if isinstance(pod, str) else pod.id
        return self._moved[name] if name in self._moved else self._class_of.get(name)

    @property
    def class_of_id(self) -> Callable[[str], int | None]:
        """As :meth:`class_of`, for the ids of many pods."""
        return self.class_of if self._moved else self._class_of.get

    def row(self, direction: Direction, group: int) -> Row:
        """The verdicts of a group of classes over all columns, in one direction."""
        rows = self._rows[direction]
        found = rows.get(group)
        if found is None:
            found = rows[group] = self._row(direction, group)
        return found

    def _row(self, direction: Direction, group: int) -> Row:
        groups, below = self.groups[direction], self._below
        policies, named = groups.policies[group], groups.named[group]
        if below is None or group >= len(below.groups[direction].policies):
            return self._evaluator.row(policies, direction, named)
        row = below.row(direction, group)
        if self._lift is None:
            return row
        row = self._lift.row(row)
        if self._lift.fresh:
            for verdict, bits in self._of_fresh.row(policies, direction, named).items():
                row[verdict] = row.get(verdict, 0) | bits
        return row

    def row_of(self, policies: Sequence[Policy], direction: Direction, number: int) -> Row:
        """The verdicts of a class over all columns, in one direction, if just some policies selected it.

        Args:
            policies: Policies that look at nothing that those of this reachability do not look at, by tier and rank.
            direction: The direction.
            number: The class.
        """
        return self._evaluator.row(policies, direction, self.columns.classes[number].named)

    def selecting(self, direction: Direction, number: int) -> tuple[Policy, ...]:
        """The policies that touch a direction of a class, by tier and rank."""
        groups = self.groups[direction]
        return groups.policies[groups.of[number]]

    def steps(self, rule: Rule, direction: Direction, number: int) -> tuple[Step, ...]:
        """What a rule of a policy that selects a class does to the columns."""
        groups = self.groups[direction]
        return self._evaluator.steps(rule, direction, groups.named[groups.of[number]])

    def gate(self, direction: Direction, number: int, column: int) -> Verdict:
        """What one side says: the policies of a class, in one direction, of one column."""
        return _part(self.row(direction, self.groups[direction].of[number]), 1 << column)

    def pair(self, source: int, target: int) -> Verdict:
        """What one class may do to another."""
        return both(self.gate(Direction.EGRESS, source, target), self.gate(Direction.INGRESS, target, source))

    def reached_from(self, source: int) -> Row:
        """What a class reaches: columns of classes and of addresses by verdict, those it does not reach left out."""
        return self._combined(source, self._ingress_of(source))

    def reaching(self, target: int) -> Row:
        """Who reaches a class: columns by verdict, those that do not left out. The ingress controller is one."""
        groups = self.groups[Direction.EGRESS]
        bit = 1 << target
        leaving: Row = {(self.space.all, 0): self.columns.outside | self.columns.controller}
        for group, members in enumerate(groups.members):
            if members:
                verdict = _part(self.row(Direction.EGRESS, group), bit)
                leaving[verdict] = leaving.get(verdict, 0) | members
        return _meet(leaving, self.row(Direction.INGRESS, self.groups[Direction.INGRESS].of[target]))

    def all_reached(self, sources: Sequence[int]) -> Iterator[tuple[int, Row]]:
        """As :meth:`reached_from`, for many sources."""
        if len(sources) < _MANY:
            for source in sources:
                yield source, self.reached_from(source)
            return
        base, exceptions = self._ingress_parts(sources)
        for source in sources:
            entering = base
            if source in exceptions:
                entering = dict(base)
                for usual, verdict, members in exceptions[source]:
                    entering[usual] &= ~members
                    entering[verdict] = entering.get(verdict, 0) | members
            yield source, self._combined(source, entering)

    def _ingress_parts(self, sources: Sequence[int]) -> tuple[Row, dict[int, list[tuple[Verdict, Verdict, int]]]]:
        """What targets say to most sources, and for each source the groups of targets that say something else to it."""
        wanted = bits_of(sources, len(self.columns.classes))
        base: Row = {}
        exceptions: dict[int, list[tuple[Verdict, Verdict, int]]] = {}
        for group, members in enumerate(self.groups[Direction.INGRESS].members):
            if not members:
                continue
            found = {verdict: bits & wanted for verdict, bits in self.row(Direction.INGRESS, group).items()}
            usual = max(found, key=lambda verdict: found[verdict].bit_count())
            base[usual] = base.get(usual, 0) | members
            for verdict, bits in found.items():
                if verdict != usual:
                    for source in numbers_of(bits):
                        exceptions.setdefault(source, []).append((usual, verdict, members))
        return base, exceptions

    def _ingress_of(self, source: int) -> Row:
        bit = 1 << source
        out: Row = {}
        for group, members in enumerate(self.groups[Direction.INGRESS].members):
            if members:
                verdict = _part(self.row(Direction.INGRESS, group), bit)
                out[verdict] = out.get(verdict, 0) | members
        return out

    def _combined(self, source: int, entering: Row) -> Row:
        leaving = self.row(Direction.EGRESS, self.groups[Direction.EGRESS].of[source])
        out = _meet(leaving, entering)
        for verdict, bits in leaving.items():
            outside = bits & self.columns.outside
            if outside and verdict != NOTHING:
                out[verdict] = out.get(verdict, 0) | outside
        return out


def _meet(one: Row, other: Row) -> Row:
    """Two gates over the same columns; what neither lets through is left out."""
    out: Row = {}
    for left, columns in one.items():
        if left == NOTHING:
            continue
        for right, others in other.items():
            common = columns & others
            if common:
                verdict = both(left, right)
                if verdict != NOTHING:
                    out[verdict] = out.get(verdict, 0) | common
    return out


def _part(row: Row, bit: int) -> Verdict:
    for verdict, bits in row.items():
        if bits & bit:
            return verdict
    return NOTHING


def _place(policy: Policy) -> tuple[Tier, tuple[float, str]]:
    return policy.tier, policy.rank


def _loses_a_family(policies: Iterable[Policy], removed: frozenset[Policy]) -> bool:
    """Whether no block of IPv6 is left: addresses of it are then not told of at all."""

    def has(found: Iterable[Policy]) -> bool:
        return any(block.family == 6 for block in Mentions.of(found).blocks)

    return has(removed) and not has(each for each in policies if each not in removed)


def _numbers(classes: Iterable[PodClass]) -> list[PortRange]:
    """The ports that names mean on the pods of some classes."""
    found = {(protocol, number) for each in classes for _, protocol, number in each.named}
    return [PortRange(protocol, number, number) for protocol, number in found]
