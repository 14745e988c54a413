"""The picture from left to right: boxes of one row in columns, joined by lines; the path straight and heavy.

Rows are painted when they are asked for, and only as much of them as is in view.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from workbench.graph import nodes
from workbench.graph.layout import Box, Layout, Link, layered
from workbench.tui.canvas.projection import UNFOLDED, Beside, NeighbourLike, StubKey, beside_of, folded_in
from workbench.tui.canvas.ways import Place, Ways
from workbench.tui.names import CROWN, ENTRY, node_name
from workbench.tui.text import Span, Spans, fit, shown, width

if TYPE_CHECKING:
    from workbench.analysis.paths import PathStep

NAME_CELLS = 28
"""Where names beside the path are cut; on the path they never are."""

LINES = 6
"""How many alternatives are drawn at once, beside the one that the cursor is on."""

BOXES = 200
"""Above this many boxes neighbours are left out."""

UP, RIGHT, DOWN, LEFT = 1, 2, 4, 8
DASHED = {"━": "╍", "┃": "┋"}
JOINS = {UP: "┷", DOWN: "┯", UP | DOWN: "┿"}
"""Where light lines begin or end on the path."""


class _Item(NamedTuple):
    """Something on a row that lines do not cross."""

    x: int
    cells: int
    id: str
    """The box, empty for the text on a line."""
    spans: Spans


_LIGHT = [" "] * 16
_HEAVY = [" "] * 16
for _sides, _thin, _thick in (
    (UP, "│", "┃"),
    (DOWN, "│", "┃"),
    (UP | DOWN, "│", "┃"),
    (LEFT, "─", "━"),
    (RIGHT, "─", "━"),
    (LEFT | RIGHT, "─", "━"),
    (DOWN | RIGHT, "╭", "┏"),
    (DOWN | LEFT, "╮", "┓"),
    (UP | RIGHT, "╰", "┗"),
    (UP | LEFT, "╯", "┛"),
    (UP | DOWN | RIGHT, "├", "┣"),
    (UP | DOWN | LEFT, "┤", "┫"),
    (DOWN | LEFT | RIGHT, "┬", "┳"),
    (UP | LEFT | RIGHT, "┴", "┻"),
    (UP | DOWN | LEFT | RIGHT, "┼", "╋"),
):
    _LIGHT[_sides], _HEAVY[_sides] = _thin, _thick


class Sideways:
    """One picture from left to right.

    Args:
        ways: The path and its alternatives.
        neighbours: What is known to be beside the path's nodes.
        unfolded: The stubs whose members are shown.
        shown_line: The alternative that the cursor is on, or was last; 0 for none.
        seed: The order of the picture before, which is kept.
    """

    def __init__(
        self,
        ways: Ways,
        neighbours: Mapping[str, Sequence[NeighbourLike]],
        unfolded: AbstractSet[StubKey],
        shown_line: int = 0,
        seed: Sequence[str] = (),
    ) -> None:
        self.ways, self.unfolded, self.shown_line = ways, unfolded, shown_line
        path = ways.nodes[0]
        lines = sorted({*range(1, min(len(ways.nodes), LINES + 1)), *([shown_line] if shown_line else [])})
        self.places: dict[str, Place] = {node: Place(0, at) for at, node in enumerate(path)}
        """Where the cursor stands for each box."""
        self._boxes: list[Box] = []
        self._texts: dict[str, Spans] = {}
        self._links: dict[tuple[str, str], tuple[int, PathStep | None]] = {}
        """For each pair of boxes the line that it belongs to (-1: beside), and the step."""
        for at, node in enumerate(path):
            mark = f" {ENTRY}" if at == 0 else f" {CROWN}" if at == len(path) - 1 else ""
            self._add(node, ((f" {nodes.tag(node):<4} ", "path"), (node_name(node), "strong"), (f"{mark} ", "path")))
        for (one, other), step in zip(pairwise(path), ways.path.steps, strict=True):
            self._links[one, other] = (0, step)
        for line in lines:
            for at, node in enumerate(ways.nodes[line]):
                if node not in self.places:
                    self.places[node] = Place(line, at)
                    self._add(node, _light_box(nodes.tag(node), node_name(node)))
            for (one, other), step in zip(pairwise(ways.nodes[line]), ways.alternatives[line - 1].steps, strict=True):
                self._links.setdefault((one, other), (line, step))
        drawn = frozenset(self.places)
        self.beside: tuple[tuple[Beside, ...], ...] = tuple(
            tuple(
                one
                for one in beside_of(node, neighbours.get(node, ()), drawn)
                # The entry stands in the first column and the goal in the last one.
                if not ((at == 0 and not one.key[2]) or (at == len(path) - 1 and one.key[2]))
            )
            for at, node in enumerate(path)
        )
        self.crowded = False
        for at, row in enumerate(self.beside):
            for column, group in enumerate(row, 1):
                self._add_beside(path[at], Place(0, at, column), group)
        self.folded = folded_in(self.beside, unfolded)
        links = [
            Link(one, other, width(self._label(step)) if line == 0 and step is not None else 0)
            for (one, other), (line, step) in self._links.items()
        ]
        self.layout: Layout = layered(self._boxes, links, entries=path[:1], goals=path[-1:], spine=path, seed=seed)
        self.seed = [one for column in self.layout.columns for one in column]
        self._near: dict[str, set[str]] = {box.id: set() for box in self._boxes}
        for one, other in self._links:
            self._near[one].add(other)
            self._near[other].add(one)
        self._index()

    # -- what is drawn

    def _add(self, box: str, spans: Spans) -> None:
        self._texts[box] = spans
        self._boxes.append(Box(box, sum(width(text) for text, _ in spans)))

    def _add_beside(self, node: str, place: Place, one: Beside) -> None:
        if len(self._boxes) >= BOXES:
            self.crowded = True
            return
        _, tag, outgoing = one.key
        shown_members = one.members if not one.stub else one.members[:UNFOLDED] if one.key in self.unfolded else ()
        boxes = [(member, node_name(member)) for member in shown_members]
        more = len(one.members) - len(shown_members)
        if more:
            boxes.append((f"stub {node} {tag} {outgoing}", f"+{more} more"))
        for box, text in boxes:
            if box not in self._texts:
                self.places[box] = place
                self._add(box, _light_box(tag, text))
            self._links.setdefault((node, box) if outgoing else (box, node), (-1, None))

    def _label(self, step: PathStep) -> str:
        number = self.ways.path.steps.index(step) + 1
        assumed = f" (assumed: {', '.join(step.missing)})" if step.missing else ""
        return f"{number} {shown(step.title)}{shown(assumed)}"

    # -- where it is

    @property
    def width(self) -> int:
        """The cells of the picture."""
        return self.layout.width

    @property
    def height(self) -> int:
        """The rows of the picture."""
        return self.layout.height

    def box_of(self, place: Place) -> str | None:
        """The box on which a place is."""
        if place.column:
            beside = self.beside[place.at][place.column - 1]
            if beside.stub and beside.key not in self.unfolded:
                node, tag, outgoing = beside.key
                return f"stub {node} {tag} {outgoing}"
            return next((member for member in beside.members if member in self._texts), None)
        node = self.ways.node(place)
        return node if node in self._texts else None

    def box_at(self, x: int, y: int) -> str | None:
        """The box on a cell."""
        return next((item.id for item in self._items.get(y, ()) if item.id and item.x <= x < item.x + item.cells), None)

    def column_of(self, box: str) -> list[str]:
        """The boxes of a box's column, from top to bottom."""
        return list(self.layout.columns[self.layout.placed[box].rank])

    def row_of(self, box: str) -> int:
        """The row of a box."""
        return self.layout.placed[box].y

    def depends(self, y: int, cursor: str | None) -> bool:
        """Whether a row looks different while the cursor stands on a box."""
        if cursor is None:
            return False
        near = self._near[cursor]
        if any(item.id == cursor or item.id in near for item in self._items.get(y, ())):
            return True
        return any(top <= y <= bottom for top, bottom in self._spans_of.get(cursor, ()))

    # -- painting

    def _index(self) -> None:
        """What is on each row."""
        self._items: dict[int, list[_Item]] = {}
        for box, placed in self.layout.placed.items():
            self._items.setdefault(placed.y, []).append(_Item(placed.x, placed.width, box, self._texts[box]))
        self._horizontal: dict[int, list[tuple[int, int, int]]] = {}
        self._vertical: dict[int, list[tuple[int, int, int]]] = {}
        self._starts: dict[int, list[tuple[int, int]]] = {}
        """The cells beside the boxes at the left ends of lines."""
        self._heads: dict[int, list[tuple[int, int, bool]]] = {}
        self._ends = list(self._links)
        self._kinds = list(self._links.values())
        self._spans_of: dict[str, list[tuple[int, int]]] = {}
        for route in self.layout.routes:
            line, step = self._kinds[route.link]
            for (x0, y0), (x1, y1) in pairwise(route.points):
                if y0 == y1:
                    self._horizontal.setdefault(y0, []).append((min(x0, x1), max(x0, x1), route.link))
                else:
                    for y in range(min(y0, y1), max(y0, y1) + 1):
                        sides = (UP if y > min(y0, y1) else 0) | (DOWN if y < max(y0, y1) else 0)
                        self._vertical.setdefault(y, []).append((x0, sides, route.link))
            x, y = route.points[-1 if route.backward else 0]
            self._starts.setdefault(y, []).append((x, route.link))
            x, y = route.points[-1]
            self._heads.setdefault(y, []).append((x, route.link, route.backward))
            rows = [y for _, y in route.points]
            for end in self._ends[route.link]:
                self._spans_of.setdefault(end, []).append((min(rows), max(rows)))
            if line == 0 and step is not None:
                text = self._label(step)
                spans: Spans = ((text, "warning" if step.missing else ""),)
                row = route.points[0 if route.backward else -1][1]
                self._items.setdefault(row, []).append(_Item(route.label_x, width(text), "", spans))
        for items in self._items.values():
            items.sort()

    def spans(self, y: int, low: int, high: int, cursor: str | None, look: str) -> tuple[int, Spans]:
        """A part of a row.

        Args:
            y: The row.
            low: The first cell that is wanted.
            high: The cell after the last one.
            cursor: The box under the cursor.
            look: How that box looks.

        Returns:
            Where the spans begin, which may be before the first cell that is wanted, and the spans.
        """
        items = self._items.get(y, [])
        first = bisect_left(items, low, key=lambda item: item.x + item.cells)
        last = bisect_right(items, high, key=lambda item: item.x)
        items = items[first:last]
        low = min([low, *(item.x for item in items)])
        high = max([high, *(item.x + item.cells for item in items)])
        characters, looks = self._lines(y, low, high, cursor)
        out: list[Span] = []
        x = low
        for item in items:
            out += _runs(characters[x - low : item.x - low], looks[x - low : item.x - low])
            out += self._item(item, cursor, look)
            x = item.x + item.cells
        out += _runs(characters[x - low :], looks[x - low :])
        return low, tuple(out)

    def _item(self, item: _Item, cursor: str | None, look: str) -> Spans:
        if item.id and item.id == cursor:
            return tuple((text, look) for text, _ in item.spans)
        place = self.places.get(item.id)
        if place is None or (place.line == 0 and not place.column):
            return item.spans
        near = cursor is not None and item.id in self._near[cursor]
        return tuple((text, "" if near or place.line == self.shown_line != 0 else "muted") for text, _ in item.spans)

    def _lines(self, y: int, low: int, high: int, cursor: str | None) -> tuple[list[str], list[str]]:
        """The characters of a row's lines and how each looks; a heavy line breaks a light one."""
        size = max(0, high - low)
        sides, heavy = [0] * size, [False] * size
        ends = [0] * size
        looks, dashed = [""] * size, [False] * size

        def put(x: int, to: int, link: int) -> None:
            at = x - low
            if not 0 <= at < size:
                return
            line, step = self._kinds[link]
            if line == 0:
                if not heavy[at]:
                    sides[at], heavy[at], looks[at] = 0, True, "path"
                    dashed[at] = bool(step is not None and step.missing)
            elif heavy[at]:
                # A light line that crosses is broken; one that begins or ends here is seen to do so.
                if to in (UP, DOWN):
                    ends[at] |= to
                return
            else:
                bright = (cursor is not None and cursor in self._ends[link]) or (line > 0 and line == self.shown_line)
                looks[at] = "strong" if bright else looks[at] or "muted"
            sides[at] |= to

        # The path first: what is heavy breaks what is light.
        for x0, x1, link in sorted(self._horizontal.get(y, ()), key=lambda part: self._kinds[part[2]][0] != 0):
            begin, end = max(x0, low), min(x1, high - 1)
            for x in range(begin, end + 1):
                put(x, (LEFT if x > x0 else 0) | (RIGHT if x < x1 else 0), link)
        for x, to, link in self._vertical.get(y, ()):
            put(x, to, link)
        for x, link in self._starts.get(y, ()):
            put(x, LEFT, link)
        characters = [(_HEAVY if heavy[at] else _LIGHT)[sides[at]] for at in range(size)]
        for at in range(size):
            if ends[at] and sides[at] == LEFT | RIGHT:
                characters[at] = JOINS[ends[at]]
            elif dashed[at]:
                characters[at] = DASHED.get(characters[at], characters[at])
        for x, link, backward in sorted(self._heads.get(y, ()), key=lambda head: self._kinds[head[1]][0] == 0):
            put(x, LEFT, link)
            if 0 <= x - low < size:
                characters[x - low] = "◄" if backward else "►"
        return characters, looks


def _light_box(tag: str, text: str) -> Spans:
    name = fit(text, NAME_CELLS) if width(text) > NAME_CELLS else text
    return ((f" {tag:<4} ", ""), (f"{name} ", ""))


def _runs(characters: Sequence[str], looks: Sequence[str]) -> list[Span]:
    """Neighbours of one look as one span."""
    out: list[Span] = []
    at = 0
    while at < len(characters):
        end = at
        while end < len(characters) and looks[end] == looks[at]:
            end += 1
        out.append(("".join(characters[at:end]), looks[at]))
        at = end
    return out
