"""Groups of classes that the same policies select: every class of a group has the same verdict row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from workbench.network.bits import bits_of, numbers_of
from workbench.network.classes import NamedPorts, PodClass
from workbench.network.columns import Columns
from workbench.network.mentions import Mentions
from workbench.network.rules import Direction, Policy

_Key = tuple[tuple[Policy, ...], NamedPorts]


@dataclass(frozen=True, slots=True)
class GroupChange:
    """How an overlay differs from what it lies over."""

    order: Mapping[Policy, int]
    """All policies, each with its place by tier and rank."""
    removed: frozenset[Policy]
    """The policies that went."""
    added: frozenset[Policy]
    """The policies that came."""
    fresh: range
    """The numbers of classes that are new."""
    gone: int
    """The classes that are left without pods."""


@dataclass(slots=True)
class Groups:
    """The classes of one direction that the same policies select (and for which named ports mean the same)."""

    direction: Direction
    of: list[int] = field(default_factory=list)
    """The group of each class."""
    policies: list[tuple[Policy, ...]] = field(default_factory=list)
    named: list[NamedPorts] = field(default_factory=list)
    """Of ingress, what the names of ports mean that rules of the policies have; empty for egress, where they mean
    what the target gives them."""
    members: list[int] = field(default_factory=list)
    """The columns of the classes of each group; none where an overlay left it without any."""
    _known: dict[_Key, int] = field(default_factory=dict)

    @classmethod
    def build(cls, direction: Direction, policies: Sequence[Policy], columns: Columns, mentions: Mentions) -> Groups:
        """Sort all classes.

        Args:
            direction: The direction.
            policies: All policies, by tier and rank.
            columns: The columns.
            mentions: What the policies look at.
        """
        found: list[list[Policy]] = [[] for _ in columns.classes]
        for policy in policies:
            if policy.touches(direction):
                for number in numbers_of(columns.subject(policy.subject)):
                    found[number].append(policy)
        out = cls(direction)
        members: dict[int, list[int]] = {}
        names: dict[tuple[Policy, ...], frozenset[str]] = {}
        for number, each in enumerate(columns.classes):
            group = out._group(tuple(found[number]), each, mentions, names)
            members.setdefault(group, []).append(number)
            out.of.append(group)
        out.members = [bits_of(members[group], len(columns.classes)) for group in range(len(out.policies))]
        return out

    def _group(
        self,
        policies: tuple[Policy, ...],
        of: PodClass,
        mentions: Mentions,
        names: dict[tuple[Policy, ...], frozenset[str]],
    ) -> int:
        """The group of a class that some policies select, a new one if need be."""
        named: NamedPorts = ()
        if self.direction is Direction.INGRESS and policies and of.named:
            wanted = names.get(policies)
            if wanted is None:
                wanted = names[policies] = mentions.names(policies, Direction.INGRESS)
            if wanted:
                named = tuple(port for port in of.named if port[0] in wanted)
        group = self._known.setdefault((policies, named), len(self.policies))
        if group == len(self.policies):
            self.policies.append(policies)
            self.named.append(named)
        return group

    def over(self, columns: Columns, mentions: Mentions, change: GroupChange) -> Groups:
        """The groups after some policies came and went; a group keeps its number, and so what it means.

        Args:
            columns: The columns then.
            mentions: What all policies look at then.
            change: What came and went.
        """
        direction = self.direction
        removed, fresh, gone = change.removed, change.fresh, change.gone
        size = len(columns.classes)
        moving: dict[int, set[Policy]] = {number: set() for number in fresh}
        if removed:
            for group, policies in enumerate(self.policies):
                if not removed.isdisjoint(policies):
                    moving.update((number, set(policies) - removed) for number in numbers_of(self.members[group]))
        new = (1 << size) - (1 << fresh.start)
        for policy in change.order if fresh else change.added:
            if policy.touches(direction):
                selected = columns.subject(policy.subject)
                for number in numbers_of(selected if policy in change.added else selected & new):
                    own = moving.get(number)
                    if own is None:
                        own = moving[number] = set(self.policies[self.of[number]])
                    own.add(policy)
        if not moving and not gone:
            return self
        out = Groups(direction, self.of + [0] * len(fresh), list(self.policies), list(self.named))
        out._known = dict(self._known)
        leaving: dict[int, list[int]] = {}
        joining: dict[int, list[int]] = {}
        names: dict[tuple[Policy, ...], frozenset[str]] = {}
        for number, found in moving.items():
            if gone >> number & 1:
                continue
            policies = tuple(sorted(found, key=change.order.__getitem__))
            group = out._group(policies, columns.classes[number], mentions, names)
            if number < fresh.start:
                leaving.setdefault(self.of[number], []).append(number)
            joining.setdefault(group, []).append(number)
            out.of[number] = group
        for number in numbers_of(gone):
            leaving.setdefault(self.of[number], []).append(number)
        out.members = self.members + [0] * (len(out.policies) - len(self.policies))
        _move(out.members, leaving, joining, size)
        return out


def _move(
    members: list[int], leaving: Mapping[int, Iterable[int]], joining: Mapping[int, Iterable[int]], size: int
) -> None:
    for group, numbers in leaving.items():
        members[group] &= ~bits_of(numbers, size)
    for group, numbers in joining.items():
        members[group] |= bits_of(numbers, size)
