"""The top-down picture of one path: a row for each node, a row for each step, neighbours on the right.

Pure data, so that it is tested without an app. Names are never cut: a node's name that is wider than the
picture goes on in the next row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from workbench.graph import nodes
from workbench.tui.names import CROWN, ENTRY, NAME_LIMIT, node_name
from workbench.tui.text import Span, Spans, shown, width, wrapped

if TYPE_CHECKING:
    from workbench.analysis.paths import Path, PathStep

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
    """A place of the picture where the cursor can stand: a node (column 0), or what is beside it."""

    node: int
    """The index of the path's node."""
    column: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One row of the picture."""

    spans: Spans
    node: int
    """The index of the path's node that it belongs to; for a step that of the node it leads to."""
    step: int | None = None
    """The index of the step that it names."""
    spots: tuple[Spot, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """The rows, and what is beside each node."""

    rows: tuple[PictureRow, ...] = ()
    beside: tuple[tuple[Beside, ...], ...] = ()
    folded: int = 0
    hidden: bool = False
    """Whether there was no room for neighbours."""
    first_rows: tuple[int, ...] = field(default=())
    """The row at which each node begins."""


def path_nodes(path: Path) -> list[str]:
    """The nodes of a path, from the entry to the goal."""
    return [path.source, *(step.target for step in path.steps)]


def beside_of(node: str, neighbours: Sequence[NeighbourLike], on_path: AbstractSet[str]) -> tuple[Beside, ...]:
    """What to draw beside a node: neighbours by kind and side, in order of appearance."""
    groups: dict[StubKey, list[str]] = {}
    for neighbour in neighbours:
        if neighbour.node in on_path or nodes.is_hub(neighbour.node):
            continue
        members = groups.setdefault((node, nodes.tag(neighbour.node), neighbour.outgoing), [])
        if neighbour.node not in members:
            members.append(neighbour.node)
    return tuple(Beside(key, tuple(members)) for key, members in groups.items())


def picture(
    path: Path,
    neighbours: Mapping[str, Sequence[NeighbourLike]],
    unfolded: AbstractSet[StubKey],
    cells: int,
) -> Picture:
    """Draw a path.

    Args:
        path: The path.
        neighbours: What is known to be beside its nodes; may come later than the first picture.
        unfolded: The stubs whose members are shown.
        cells: The width of the pane.
    """
    names = path_nodes(path)
    on_path = set(names)
    longest = max(_node_width(names, at) for at in range(len(names)))
    hidden = cells - longest < BESIDE_AT_LEAST
    rail = longest + 2
    rows: list[PictureRow] = []
    first_rows: list[int] = []
    all_beside: list[tuple[Beside, ...]] = []
    for at, node in enumerate(names):
        if at:
            rows += _step_rows(path.steps[at - 1], at, len(names), cells)
        beside = () if hidden else beside_of(node, neighbours.get(node, ()), on_path)
        all_beside.append(beside)
        first_rows.append(len(rows))
        rows += _node_rows(names, at, beside, rail, cells)
        for one in beside:
            if one.key in unfolded:
                rows += _member_rows(at, one, rail, last=at == len(names) - 1)
    folded = sum(len(one.members) for beside in all_beside for one in beside if one.stub and one.key not in unfolded)
    return Picture(tuple(rows), tuple(all_beside), folded, hidden, tuple(first_rows))


def _marks(names: Sequence[str], at: int) -> str:
    return f" {ENTRY}" if at == 0 else f" {CROWN}" if at == len(names) - 1 else ""


def _node_width(names: Sequence[str], at: int) -> int:
    return 6 + width(node_name(names[at])) + width(_marks(names, at))


def _node_rows(names: Sequence[str], at: int, beside: Sequence[Beside], rail: int, cells: int) -> list[PictureRow]:
    node = names[at]
    mark = _marks(names, at)
    head: Span = (f" {nodes.tag(node):<4} ", "path")
    name = node_name(node)
    pieces = wrapped(((name, "strong"), (mark, "path")), cells - 7)
    spans: list[Span] = [head, *pieces[0]]
    end = sum(width(text) for text, _ in spans)
    spots = [Spot(at, 0, 0, end)]
    if beside:
        line = rail - end
        spans.append((" " + "─" * max(0, line - 2) + " ", "muted"))
        end = max(end + 2, rail)
        labels = [one.label for one in beside]
        if end + sum(width(label) + GAP for label in labels) - GAP > cells:
            labels = [one.short_label for one in beside]
        for column, label in enumerate(labels, 1):
            size = width(label)
            rest = len(labels) - column
            if end + size + (GAP + width(f"+{rest} kinds") if rest else 0) > cells:
                spans.append((f"+{rest + 1} kinds", "muted"))
                break
            spans.append((label, "muted"))
            spots.append(Spot(at, column, end, end + size))
            end += size
            if rest:
                spans.append((" " * GAP, ""))
                end += GAP
    rows = [PictureRow(tuple(spans), at, None, tuple(spots))]
    rail_text = "  " if at == len(names) - 1 else "┃ "
    rows += [PictureRow((("  ", ""), (rail_text + "   ", "path"), *piece), at) for piece in pieces[1:]]
    return rows


def _member_rows(at: int, one: Beside, rail: int, *, last: bool) -> list[PictureRow]:
    lines = [f"{one.key[1]:<4} {node_name(member)}" for member in one.members[:UNFOLDED]]
    if len(one.members) > UNFOLDED:
        lines.append(f"+{len(one.members) - UNFOLDED} more")
    rail_span: Span = ("  " + (" " if last else "┃"), "path")
    return [
        PictureRow(
            (rail_span, (" " * max(0, rail - 3), ""), ("└ " if line == lines[-1] else "├ ", "muted"), (line, "")), at
        )
        for line in lines
    ]


def _step_rows(step: PathStep, number: int, total: int, cells: int) -> list[PictureRow]:
    """The line into a node: dashed where facts are missing, with the facts."""
    line = "┋" if step.missing else "┃"
    text: list[Span] = [(f"{number} {shown(step.title)}", "")]
    if step.missing:
        text.append((f"  assumed: {shown(', '.join(step.missing))}", "warning"))
    pieces = wrapped(tuple(text), cells - 5, 2)
    return [PictureRow((("  ", ""), (line, "path"), ("  ", ""), *piece), number, number - 1) for piece in pieces]
