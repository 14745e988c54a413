"""The ways that are drawn: a path, its alternatives between the same two ends, and where the cursor can go on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from workbench.analysis.paths import Path, PathStep


class Place(NamedTuple):
    """Where the cursor can stand."""

    line: int = 0
    """0 for the path, else the number of an alternative, from 1."""
    at: int = 0
    """The index of the node on this line."""
    column: int = 0
    """0 for the node, else the number of what is beside it (on the path only)."""


@dataclass(frozen=True, slots=True)
class Detour:
    """A part of an alternative that is not on the path."""

    leaves: int
    """The index of the path's node where it begins."""
    joins: int
    """The index of the path's node where it ends, further on."""
    first: int
    """The index of its first own node on the alternative."""
    end: int
    """The index after its last own node: that of the node where it joins."""

    @property
    def own(self) -> range:
        """The indexes of its own nodes on the alternative; there may be none."""
        return range(self.first, self.end)


def detours(path: Sequence[str], other: Sequence[str]) -> tuple[Detour, ...]:
    """Where an alternative leaves a path and joins it again.

    Args:
        path: The nodes of the path.
        other: The nodes of the alternative; both ends are the path's.
    """
    places = {node: at for at, node in enumerate(path)}
    out: list[Detour] = []
    here, first = 0, 1
    for at in range(1, len(other)):
        place = places.get(other[at], -1)
        # A node that the path has passed before is drawn again: the line only goes on.
        if place > here:
            if at > first or place > here + 1:
                out.append(Detour(here, place, first, at))
            here, first = place, at + 1
    return tuple(out)


class Ways:
    """A path and its alternatives."""

    def __init__(self, path: Path, alternatives: Sequence[Path] = ()) -> None:
        self.path = path
        own = path.nodes
        self.alternatives = [one for one in alternatives if one.id != path.id and one.nodes != own]
        self.nodes: list[tuple[str, ...]] = [own, *(one.nodes for one in self.alternatives)]
        """The nodes of each line."""

    @cached_property
    def detours(self) -> list[tuple[Detour, ...]]:
        """The detours of each line; the path has none."""
        return [(), *(detours(self.nodes[0], nodes) for nodes in self.nodes[1:])]

    def known(self, place: Place) -> bool:
        """Whether there is such a node."""
        return place.line < len(self.nodes) and place.at < len(self.nodes[place.line])

    def node(self, place: Place) -> str:
        """The node of a place; of a place beside it the one it belongs to."""
        return self.nodes[place.line][place.at]

    def settled(self, place: Place) -> Place:
        """The same node on the path, if it is one of its nodes."""
        if place.line:
            for detour in self.detours[place.line]:
                if place.at in detour.own:
                    return place
            return Place(0, self.nodes[0].index(self.node(place)))
        return place

    def after(self, place: Place) -> Place | None:
        """The next node of the line."""
        if place.at + 1 >= len(self.nodes[place.line]):
            return None
        return self.settled(Place(place.line, place.at + 1))

    def before(self, place: Place) -> Place | None:
        """The node before on the line."""
        return self.settled(Place(place.line, place.at - 1)) if place.at else None

    def siblings(self, place: Place) -> list[Place]:
        """The ways on from the node before: the path's first, then each alternative's that begins differently."""
        came_from = self.before(place)
        if came_from is None or came_from.line:
            return [place._replace(column=0)]
        first = Place(0, came_from.at + 1)
        found = {self.node(first): first}
        for line, parts in enumerate(self.detours):
            for detour in parts:
                if detour.leaves == came_from.at and detour.own:
                    found.setdefault(self.nodes[line][detour.first], Place(line, detour.first))
        here = self.node(place)
        return [place._replace(column=0) if node == here else one for node, one in found.items()]

    def step(self, place: Place) -> PathStep | None:
        """The current step: the one that enters the node; at the entry the one that leaves it."""
        steps = (self.path if not place.line else self.alternatives[place.line - 1]).steps
        return steps[max(0, place.at - 1)] if steps else None

    def step_number(self, place: Place) -> tuple[int, int]:
        """The number of the current step, and how many the line has."""
        return max(1, place.at), len(self.nodes[place.line]) - 1

    def via(self, line: int) -> list[str]:
        """The nodes of an alternative that the path does not have, in order."""
        return [self.nodes[line][at] for detour in self.detours[line] for at in detour.own]
