"""Reachability: which class may reach which, computed on demand from one verdict row for each list of policies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import PodInstance
from workbench.network.addresses import AddressSpace, Span
from workbench.network.bits import bits_of, numbers_of
from workbench.network.classes import CALICO_PREFIXES, Columns, NamedPorts, Wanted, classify
from workbench.network.labels import Matcher, keys_of
from workbench.network.ports import NamedPort, PortRange, PortSpace
from workbench.network.rows import Evaluator, Row, Step, Verdict
from workbench.network.rules import Blocks, Both, Direction, Not, Peer, Perhaps, Pods, Policy, Rule

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


@dataclass(slots=True)
class Groups:
    """The classes of one direction that the same policies select (and whose named ports are equal, for ingress)."""

    of: list[int] = field(default_factory=list)
    """The group of each class."""
    policies: list[tuple[Policy, ...]] = field(default_factory=list)
    named: list[NamedPorts] = field(default_factory=list)
    members: list[int] = field(default_factory=list)
    """The columns of the classes of each group."""
    rows: list[Row | None] = field(default_factory=list)


class Reachability:
    """Who reaches whom. Verdicts are computed when they are asked for, a row at a time, and kept.

    Attributes:
        policies: Every policy, by tier and rank.
        columns: Classes, addresses and the ingress controller as columns.
        space: The pieces of the ports.
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
        self.policies = sorted(policies, key=lambda policy: (policy.tier, policy.rank))
        names, ranges = _ports_of(self.policies)
        matchers, blocks, by_account, with_pods = _peers_of(self.policies)
        addresses = AddressSpace(blocks)
        keys = keys_of(matchers)
        calico_keys = frozenset(key for key in keys if key.startswith(CALICO_PREFIXES))
        wanted = Wanted(
            keys,
            frozenset(names),
            by_account or any(key.startswith(("pcsa.", "projectcalico.org/serviceaccount")) for key in calico_keys),
            addresses if with_pods or blocks_cover_pods else None,
        )
        classes = classify(view, wanted)
        numbers = [PortRange(protocol, number, number) for each in classes for _, protocol, number in each.named]
        self.space = PortSpace([*ranges, *numbers, *ports])
        self.columns = Columns(view, classes, addresses, blocks_cover_pods=blocks_cover_pods, calico_keys=calico_keys)
        self._evaluator = Evaluator(self.columns, self.space)
        self._class_of = {pod.id: number for number, each in enumerate(classes) for pod in each.pods}
        selected = {direction: self._selecting(direction) for direction in Direction}
        self.groups = {direction: self._grouped(direction, selected[direction]) for direction in Direction}

    def _selecting(self, direction: Direction) -> list[tuple[Policy, ...]]:
        """For each class the policies that touch a direction of it."""
        found: list[list[Policy]] = [[] for _ in self.columns.classes]
        for policy in self.policies:
            if policy.touches(direction):
                for number in numbers_of(self.columns.subject(policy.subject)):
                    found[number].append(policy)
        return [tuple(each) for each in found]

    def _grouped(self, direction: Direction, selected: Sequence[tuple[Policy, ...]]) -> Groups:
        groups = Groups()
        known: dict[tuple[tuple[Policy, ...], NamedPorts], int] = {}
        members: list[list[int]] = []
        for number, policies in enumerate(selected):
            by_name = direction is Direction.INGRESS and policies
            named = self.columns.classes[number].named if by_name else ()
            group = known.setdefault((policies, named), len(known))
            if group == len(members):
                members.append([])
                groups.policies.append(policies)
                groups.named.append(named)
            members[group].append(number)
            groups.of.append(group)
        groups.members = [bits_of(numbers, len(selected)) for numbers in members]
        groups.rows = [None] * len(members)
        return groups

    # --- rows -------------------------------------------------------------------------------------

    def class_of(self, pod: PodInstance | str) -> int | None:
        """The class of a pod (or of a pod's id), ``None`` for one that has completed."""
        return self._class_of.get(pod if isinstance(pod, str) else pod.id)

    def row(self, direction: Direction, group: int) -> Row:
        """The verdicts of a group of classes over all columns, in one direction."""
        groups = self.groups[direction]
        found = groups.rows[group]
        if found is None:
            found = groups.rows[group] = self._evaluator.row(groups.policies[group], direction, groups.named[group])
        return found

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


def _ports_of(policies: Iterable[Policy]) -> tuple[set[str], list[PortRange]]:
    names: set[str] = set()
    ranges: list[PortRange] = []
    for policy in policies:
        for rules in policy.rules.values():
            for rule in rules:
                for port in rule.ports or ():
                    if isinstance(port, NamedPort):
                        names.add(port.name)
                    else:
                        ranges.append(port)
    return names, ranges


def _peers_of(policies: Iterable[Policy]) -> tuple[set[Matcher], set[Span], bool, bool]:
    """What peers look at: labels of pods, blocks, and whether also accounts, and the addresses of pods."""
    matchers: set[Matcher] = set()
    blocks: set[Span] = set()
    by_account = with_pods = False
    pending: list[Peer] = []
    for policy in policies:
        pending.append(policy.subject)
        for rules in policy.rules.values():
            for rule in rules:
                pending.extend(rule.peers)
    while pending:
        peer = pending.pop()
        match peer:
            case Pods():
                matchers.add(peer.pods)
                by_account = by_account or peer.accounts is not None
            case Blocks():
                with_pods = with_pods or peer.with_pods
                for block, excepted in peer.spans:
                    blocks.update((block, *excepted))
            case Both():
                pending.extend(peer.peers)
            case Not() | Perhaps():
                pending.append(peer.peer)
            case _:
                pass
    return matchers, blocks, by_account, with_pods
