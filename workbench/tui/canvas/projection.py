"""The top-down picture of one path: a row for each node, a row for each step, neighbours on the right.

An alternative is a light line in the gutter that leaves the path and joins it again. Pure data, so that it is tested
without an app. Names are never cut: a node's name that is wider than the picture goes on in the next row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from workbench.graph import nodes
from workbench.tui.canvas.ways import Detour, Place, Ways
from workbench.tui.names import CROWN, ENTRY, NAME_LIMIT, node_name
from workbench.tui.text import Span, Spans, count, shown, width, wrapped

if TYPE_CHECKING:
    from workbench.analysis.paths import PathStep

FOLD_ABOVE = 1
"""More neighbours of one kind on one side of a node than this become a stub: they share the node's row."""

UNFOLDED = 20
"""How many members an unfolded stub shows."""

GAP = 3
"""The cells between two things beside a node."""

BESIDE_AT_LEAST = 26
"""The cells that neighbours need; below, they are left out."""


class NeighbourLike(Protocol):
    """What a neighbour has."""

    @property
    def node(self) -> str:
        """The node beside."""

    @property
    def outgoing(self) -> bool:
        """Whether the edge leads to it."""


StubKey = tuple[str, str, bool]
"""The node it belongs to, the tag of its members, and the direction."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A neighbour, or the stub of several of one kind."""

    key: StubKey
    members: tuple[str, ...]

    @property
    def stub(self) -> bool:
        """Whether it stands for several."""
        return len(self.members) > FOLD_ABOVE

    @property
    def label(self) -> str:
        """What is drawn: ``► SEC db`` or ``◄ POD +12 more``."""
        _, tag, outgoing = self.key
        arrow = "►" if outgoing else "◄"
        if self.stub:
            return f"{arrow} {tag} +{len(self.members)} more"
        return f"{arrow} {tag} {shown(nodes.name(self.members[0]), NAME_LIMIT)}"

    @property
    def short_label(self) -> str:
        """The same where there is little room: ``► POD 12``."""
        _, tag, outgoing = self.key
        return f"{'►' if outgoing else '◄'} {tag} {len(self.members)}"


@dataclass(frozen=True, slots=True)
class Spot:
    """A part of a row where the cursor can stand."""

    place: Place
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One row of the picture."""

    spans: Spans
    place: Place
    """The node that it belongs to; for a step the node it leads to."""
    step: bool = False
    """Whether it names a step."""
    spots: tuple[Spot, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """The rows, and what is beside each node."""

    rows: tuple[PictureRow, ...] = ()
    beside: tuple[tuple[Beside, ...], ...] = ()
    """What is beside each node of the path."""
    folded: int = 0
    hidden: bool = False
    """Whether there was no room for neighbours."""
    first_rows: Mapping[Place, int] = field(default_factory=dict)
    """The row at which each node begins."""


def beside_of(node: str, neighbours: Sequence[NeighbourLike], drawn: AbstractSet[str]) -> tuple[Beside, ...]:
    """What to draw beside a node: neighbours by kind and side, in order of appearance."""
    groups: dict[StubKey, list[str]] = {}
    for neighbour in neighbours:
        if neighbour.node in drawn or nodes.is_hub(neighbour.node):
            continue
        members = groups.setdefault((node, nodes.tag(neighbour.node), neighbour.outgoing), [])
        if neighbour.node not in members:
            members.append(neighbour.node)
    return tuple(Beside(key, tuple(members)) for key, members in groups.items())


def folded_in(beside: Sequence[Sequence[Beside]], unfolded: AbstractSet[StubKey]) -> int:
    """How many neighbours stubs stand for."""
    return sum(len(one.members) for row in beside for one in row if one.stub and one.key not in unfolded)


def picture(
    ways: Ways,
    neighbours: Mapping[str, Sequence[NeighbourLike]],
    unfolded: AbstractSet[StubKey],
    cells: int,
    shown_line: int = 0,
) -> Picture:
    """Draw a path.

    Args:
        ways: The path and its alternatives.
        neighbours: What is known to be beside its nodes; may come later than the first picture.
        unfolded: The stubs whose members are shown.
        cells: The width of the pane.
        shown_line: The alternative to draw, 0 for none.
    """
    return _TopDown(ways, neighbours, unfolded, cells, shown_line).picture()


HEAD = 7
"""The cells before a node's name: the gutter, its tag, a space."""


class _TopDown:
    """The rows of one picture."""

    def __init__(
        self,
        ways: Ways,
        neighbours: Mapping[str, Sequence[NeighbourLike]],
        unfolded: AbstractSet[StubKey],
        cells: int,
        shown_line: int,
    ) -> None:
        self.ways, self.unfolded, self.cells, self.line = ways, unfolded, cells, shown_line
        self.names = ways.nodes[0]
        self.detours = ways.detours[shown_line]
        longest = max(HEAD + width(node_name(name)) + width(self._mark(at)) for at, name in enumerate(self.names))
        self.hidden = cells - longest < BESIDE_AT_LEAST
        self.rail = longest + 2
        on_path = set(self.names)
        self.beside = tuple(
            () if self.hidden else beside_of(node, neighbours.get(node, ()), on_path) for node in self.names
        )
        self.rows: list[PictureRow] = []
        self.first_rows: dict[Place, int] = {}

    def picture(self) -> Picture:
        """All rows from top to bottom."""
        for at in range(len(self.names)):
            if at:
                for detour in self.detours:
                    if detour.leaves == at - 1:
                        self._own_rows(detour)
                for detour in self.detours:
                    if detour.joins == at:
                        self._alternative_step(Place(self.line, detour.end))
                self._step_rows(at)
            self._node_rows(at)
        folded = folded_in(self.beside, self.unfolded)
        return Picture(tuple(self.rows), self.beside, folded, self.hidden, self.first_rows)

    # -- the gutter

    def _beside_line(self, at: int) -> str:
        """The gutter of a row above a node of the path."""
        return "│ " if any(detour.leaves < at <= detour.joins for detour in self.detours) else "  "

    def _gutter(self, at: int) -> str:
        """The gutter of the row of a node."""
        leaves = any(detour.leaves == at for detour in self.detours)
        joins = any(detour.joins == at for detour in self.detours)
        if joins:
            return "├►" if leaves else "╰►"
        return "╭─" if leaves else self._beside_line(at)

    def _gutter_below(self, at: int) -> str:
        return "│ " if any(detour.leaves <= at < detour.joins for detour in self.detours) else "  "

    # -- rows

    def _mark(self, at: int) -> str:
        return f" {ENTRY}" if at == 0 else f" {CROWN}" if at == len(self.names) - 1 else ""

    def _node_rows(self, at: int) -> None:
        node, beside, cells = self.names[at], self.beside[at], self.cells
        place = Place(0, at)
        pieces = wrapped(((node_name(node), "strong"), (self._mark(at), "path")), cells - HEAD - 1)
        spans: list[Span] = [(self._gutter(at), "muted"), (f"{nodes.tag(node):<4} ", "path"), *pieces[0]]
        end = sum(width(text) for text, _ in spans)
        spots = [Spot(place, 2, end)]
        if beside:
            line = self.rail - end
            spans.append((" " + "─" * max(0, line - 2) + " ", "muted"))
            end = max(end + 2, self.rail)
            labels = [one.label for one in beside]
            if end + sum(width(label) + GAP for label in labels) - GAP > cells:
                labels = [one.short_label for one in beside]
            for column, label in enumerate(labels, 1):
                size = width(label)
                rest = len(labels) - column
                if end + size + (GAP + width(f"+{rest} kinds") if rest else 0) > cells:
                    spans.append((f"+{count(rest + 1, 'kind')}", "muted"))
                    break
                spans.append((label, "muted"))
                spots.append(Spot(Place(0, at, column), end, end + size))
                end += size
                if rest:
                    spans.append((" " * GAP, ""))
                    end += GAP
        self.first_rows[place] = len(self.rows)
        self.rows.append(PictureRow(tuple(spans), place, spots=tuple(spots)))
        below = self._gutter_below(at)
        rail = "     " if at == len(self.names) - 1 else " ┃   "
        for piece in pieces[1:]:
            self.rows.append(PictureRow(((below, "muted"), (rail, "path"), *piece), place))
        for one in beside:
            if one.key in self.unfolded:
                self._member_rows(at, one)

    def _member_rows(self, at: int, one: Beside) -> None:
        lines = [f"{one.key[1]:<4} {node_name(member)}" for member in one.members[:UNFOLDED]]
        if len(one.members) > UNFOLDED:
            lines.append(f"+{len(one.members) - UNFOLDED} more")
        below = self._gutter_below(at)
        rail = "  " if at == len(self.names) - 1 else " ┃"
        for line in lines:
            joint = "└ " if line == lines[-1] else "├ "
            spans: Spans = (
                (below, "muted"),
                (rail, "path"),
                (" " * max(0, self.rail - 4), ""),
                (joint, "muted"),
                (line, ""),
            )
            self.rows.append(PictureRow(spans, Place(0, at)))

    def _step_rows(self, at: int) -> None:
        """The line into a node: dashed where facts are missing, with the facts."""
        step = self.ways.path.steps[at - 1]
        rail = "┋" if step.missing else "┃"
        for piece in wrapped(_said(step, str(at)), self.cells - 6, 2):
            spans: Spans = ((self._beside_line(at), "muted"), (f" {rail}", "path"), ("  ", ""), *piece)
            self.rows.append(PictureRow(spans, Place(0, at), step=True))

    # -- the alternative

    def _own_rows(self, detour: Detour) -> None:
        """The nodes that the path does not have, each below the step that leads to it."""
        for at in detour.own:
            place = Place(self.line, at)
            self._alternative_step(place)
            node = self.ways.node(place)
            pieces = wrapped(((node_name(node), ""),), self.cells - HEAD - 5)
            head: Spans = (("├──", "muted"), ("┃", "path"), ("─ ", "muted"), (f"{nodes.tag(node):<4} ", ""))
            self.first_rows[place] = len(self.rows)
            end = 11 + sum(width(text) for text, _ in pieces[0])
            self.rows.append(PictureRow((*head, *pieces[0]), place, spots=(Spot(place, 6, end),)))
            for piece in pieces[1:]:
                self.rows.append(PictureRow((("│ ", "muted"), (" ┃", "path"), (" " * 7, ""), *piece), place))

    def _alternative_step(self, place: Place) -> None:
        step = self.ways.alternatives[self.line - 1].steps[place.at - 1]
        line = "┊ " if step.missing else "│ "
        for piece in wrapped(_said(step, letter(place.at), "muted"), self.cells - 6, 2):
            spans: Spans = ((line, "muted"), (" ┃", "path"), ("  ", ""), *piece)
            self.rows.append(PictureRow(spans, place, step=True))


def letter(number: int) -> str:
    """The letter of an alternative's step: a, b, … z, then by number."""
    return chr(ord("a") + number - 1) if number <= 26 else f"a{number}"


def _said(step: PathStep, number: str, look: str = "") -> Spans:
    text: list[Span] = [(f"{number} {shown(step.title)}", look)]
    if step.missing:
        text.append((f"  assumed: {shown(', '.join(step.missing))}", "warning"))
    return tuple(text)
