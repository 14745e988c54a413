"""The drawing of one attack path and its alternatives, with a cursor on nodes and on what is beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from workbench.tui.actions import bindings_of
from workbench.tui.canvas.projection import Beside, NeighbourLike, Picture, Spot, StubKey, picture
from workbench.tui.canvas.sideways import Sideways
from workbench.tui.canvas.ways import Place, Ways
from workbench.tui.text import Span, Spans, count, width
from workbench.tui.widgets.painting import Painted, strip_of

if TYPE_CHECKING:
    from workbench.analysis.paths import Path, PathStep

ENTRY = Place()
"""Where the cursor stands on a path that was not looked at before."""

TILE = 256
"""The cells of a row that are painted, and kept, at once."""


class PathDrawing(Painted):
    """A path, from top to bottom or from left to right."""

    PLACE = "canvas"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("canvas")]

    @dataclass
    class NodeSelected(Message):
        """The cursor stands on another node."""

        drawing: PathDrawing
        node: str

        @property
        def control(self) -> PathDrawing:
            """The drawing, for selectors."""
            return self.drawing

    @dataclass
    class StepOpened(Message):
        """The current step's detail is to get the keys."""

        drawing: PathDrawing

        @property
        def control(self) -> PathDrawing:
            """The drawing, for selectors."""
            return self.drawing

    @dataclass
    class Turned(Message):
        """The picture is drawn in the other direction now, so that the keys mean something else."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ways: Ways | None = None
        self.place = Place()
        """Where the cursor is."""
        self.shown_line = 0
        """The alternative that is drawn beside the path, 0 for none."""
        self.picture = Picture()
        """What is drawn from top to bottom."""
        self.sideways: Sideways | None = None
        """What is drawn from left to right, where that is the direction."""
        self.turned: bool | None = None
        """Whether the user wants it from left to right; ``None`` takes that direction where the path fits."""
        self.heading = "Graph"
        self._neighbours: Mapping[str, Sequence[NeighbourLike]] = {}
        self._unfolded: set[StubKey] = set()
        self._trail: list[Place] = []
        """Where the cursor came from, so that the way back is the same."""

    # -- content

    def show_path(
        self, path: Path | None, place: Place = ENTRY, heading: str = "Graph", alternatives: Sequence[Path] = ()
    ) -> None:
        """Draw another path.

        Args:
            path: The path, or ``None`` for an empty picture.
            place: Where to stand.
            heading: What the title begins with.
            alternatives: The alternatives, as far as they are known.
        """
        self.ways = Ways(path, alternatives) if path is not None else None
        self.heading = heading
        self.place = place if self.ways is not None and self.ways.known(place) else Place()
        self.shown_line = self.place.line or (1 if self.ways is not None and self.ways.alternatives else 0)
        self._neighbours, self._unfolded, self._trail, self.sideways = {}, set(), [], None
        self.relaid()
        self.reveal()

    def show_neighbours(self, neighbours: Mapping[str, Sequence[NeighbourLike]]) -> None:
        """Add what is beside the nodes; the cursor stays."""
        self._neighbours = neighbours
        self.relaid()
        self.reveal()

    def show_alternatives(self, alternatives: Sequence[Path]) -> None:
        """Add the alternatives; the cursor stays."""
        if self.ways is not None:
            self.ways = Ways(self.ways.path, alternatives)
            self.shown_line = 1 if self.ways.alternatives else 0
            self.relaid()
            self.reveal()

    def show_line(self, line: int) -> None:
        """Draw another alternative beside the path."""
        self.shown_line = line
        if self.place.line not in (0, line):
            self.place = ENTRY
        self.relaid()

    def lay_out(self) -> None:
        """Draw at the current width."""
        was = self.sideways is not None
        if self.ways is None:
            self.picture, self.sideways = Picture(), None
            self.entitle("Graph")
            return
        self._draw(self.ways)
        beside = self.beside
        self.place = self.place._replace(column=min(self.place.column, len(beside)))
        parts = [self.heading, f" {count(len(self.ways.nodes[0]), 'node')}"]
        if self.shown_line:
            parts.append(f" alternative {self.shown_line} of {len(self.ways.alternatives)}")
        folded = self.sideways.folded if self.sideways is not None else self.picture.folded
        if folded:
            parts.append(f" {folded} folded")
        if self.sideways is None and self.picture.hidden:
            parts.append(" neighbours need a wider pane")
        elif self.sideways is not None and self.sideways.crowded:
            parts.append(" not all neighbours are drawn")
        self.entitle(" ".join(parts))
        if was != (self.sideways is not None):
            self.post_message(self.Turned())

    def _draw(self, ways: Ways) -> None:
        sideways = self.turned
        if sideways is None:
            sideways = Sideways(Ways(ways.path), {}, set()).width <= self.columns
        if sideways:
            seed = self.sideways.seed if self.sideways is not None else ()
            self.sideways = Sideways(ways, self._neighbours, self._unfolded, self.shown_line, seed)
            self.picture = Picture()
        else:
            self.sideways = None
            self.picture = picture(ways, self._neighbours, self._unfolded, self.columns, self.shown_line)

    @property
    def path(self) -> Path | None:
        """The path that is drawn."""
        return self.ways.path if self.ways is not None else None

    @property
    def at(self) -> int:
        """The index of the node under the cursor on its line."""
        return self.place.at

    @property
    def column(self) -> int:
        """0 on the node, else the number of what is beside it."""
        return self.place.column

    @property
    def beside(self) -> tuple[Beside, ...]:
        """What is beside the node of the cursor."""
        every = self.sideways.beside if self.sideways is not None else self.picture.beside
        return every[self.place.at] if not self.place.line and self.place.at < len(every) else ()

    @property
    def node(self) -> str | None:
        """The node under the cursor; of a stub, the node it belongs to."""
        if self.ways is None:
            return None
        if self.column:
            beside = self.beside[self.column - 1]
            if not beside.stub:
                return beside.members[0]
        return self.ways.node(self.place)

    @property
    def step(self) -> PathStep | None:
        """The current step: the one that enters the node; at the entry the one that leaves."""
        return self.ways.step(self.place) if self.ways is not None else None

    @property
    def step_heading(self) -> str:
        """``Step 2 of 4``, of an alternative with its number."""
        if self.ways is None:
            return ""
        number, total = self.ways.step_number(self.place)
        alternative = f"Alternative {self.place.line}, step" if self.place.line else "Step"
        return f"{alternative} {number} of {total}"

    @property
    def lead(self) -> str:
        """How to move, for the hints."""
        return "left/right along  up/down across" if self.sideways is not None else "up/down along  left/right across"

    # -- painting

    @property
    def _margins(self) -> tuple[int, int]:
        """The empty columns and rows before a picture that is smaller than the pane."""
        if self.sideways is None:
            return (0, 0)
        view = self.scrollable_content_region.size
        return max(0, (view.width - self.sideways.width) // 2), max(0, (view.height - self.sideways.height) // 2)

    def line_count(self) -> int:
        """The rows of the picture."""
        return self.sideways.height + self._margins[1] if self.sideways is not None else len(self.picture.rows)

    def line_width(self) -> int:
        """The width of the picture, where it scrolls sideways."""
        return self.sideways.width if self.sideways is not None else 0

    def paint_key(self, number: int) -> object:
        """A row also depends on the cursor."""
        row = self.picture.rows[number]
        here = (row.place.line, row.place.at) == (self.place.line, self.place.at)
        return (here, self.column if here else 0, self.has_focus)

    def line(self, number: int) -> Spans:
        """A row, with the cursor if it stands there."""
        row = self.picture.rows[number]
        spot = next((spot for spot in row.spots if spot.place == self.place), None)
        if spot is None:
            if row.step and self.ways is not None and self._is_current(row.place):
                return tuple((text, "strong" if look in ("", "muted") else look) for text, look in row.spans)
            return row.spans
        return _highlighted(row.spans, spot, self._cursor_look)

    def _is_current(self, place: Place) -> bool:
        """Whether a step's row names the current step."""
        current = max(1, self.place.at)
        return (place.line, place.at) == (self.place.line, current)

    @property
    def _cursor_look(self) -> str:
        return "cursor" if self.has_focus else "marked"

    def render_line(self, y: int) -> Strip:
        """Paint one line of the view; from left to right only the tiles that are seen."""
        if self.sideways is None:
            return super().render_line(y)
        left, top = self._margins
        number, x, columns = y + round(self.scroll_y) - top, round(self.scroll_x) - left, self.size.width
        base = self.rich_style
        if not 0 <= number < self.sideways.height:
            return Strip.blank(columns, base)
        tiles = [self._tile(number, tile) for tile in range(max(0, x) // TILE, max(0, x + columns - 1) // TILE + 1)]
        strip = Strip.join(tiles)
        begin = max(0, x) // TILE * TILE
        if x < 0:
            strip = Strip.join([Strip.blank(-x, base), strip])
            begin = x
        return strip.crop_extend(x - begin, x - begin + columns, base)

    def _tile(self, number: int, tile: int) -> Strip:
        assert self.sideways is not None
        cursor = self.sideways.box_of(self.place)
        depends = self.sideways.depends(number, cursor)
        key = (number, tile, cursor if depends else None, self.has_focus)
        strip = self._strips.get(key)
        if strip is None:
            low, high = tile * TILE, (tile + 1) * TILE
            begin, spans = self.sideways.spans(number, low, high, cursor, self._cursor_look)
            painted = strip_of(spans, self.looks, self.rich_style)
            strip = self._strips[key] = painted.crop_extend(low - begin, high - begin, self.rich_style)
        return strip

    def reveal(self) -> None:
        """Bring the node and the step into it into view."""
        if self.sideways is not None:
            box = self.sideways.box_of(self.place)
            if box is not None:
                left, top = self._margins
                placed = self.sideways.layout.placed[box]
                # With some of the lines on both sides, where there is room.
                spare = max(0, min(30, (self.columns - placed.width) // 2))
                region = Region(placed.x + left - spare, placed.y + top - 1, placed.width + 2 * spare, 3)
                self.show_columns(region)
            return
        rows = self.picture.first_rows
        first = rows.get(self.place._replace(column=0))
        if first is not None:
            above = first
            while above and self.picture.rows[above - 1].step:
                above -= 1
            view = self.scrollable_content_region.height or self.size.height
            if first - above >= view:
                above = first
            self.show_lines(above, first - above + 1)

    # -- cursor

    def go(self, at: int, column: int = 0) -> None:
        """Move the cursor to a node of the path, or beside it."""
        self.go_to(Place(0, at, column))

    def go_to(self, place: Place) -> None:
        """Move the cursor."""
        if self.ways is None or place == self.place or not self.ways.known(place):
            return
        self.place = place
        if place.line and place.line != self.shown_line:
            self.shown_line = place.line
            self.relaid()
        self.refresh()
        self.reveal()
        if self.node is not None:
            self.post_message(self.NodeSelected(self, self.node))

    def _along(self) -> None:
        ways = self.ways
        if ways is None:
            return
        if self.column and self.sideways is not None:
            # What leads to a node of the path goes on to it; what it leads to goes no further here.
            following = None if self.beside[self.column - 1].key[2] else Place(0, self.at)
        else:
            following = ways.after(self.place._replace(column=0))
        if following is None:
            self._nowhere()
            return
        self._trail.append(self.place)
        self.go_to(following)

    def _back(self) -> None:
        ways = self.ways
        if ways is None:
            return
        here = self.place._replace(column=0)
        if self.column and self.sideways is not None:
            before = Place(0, self.at) if self.beside[self.column - 1].key[2] else None
        else:
            before = ways.before(here)
            came_from = self._trail[-1] if self._trail else None
            if came_from is not None and ways.known(came_from) and ways.after(came_from) == here:
                before = came_from
        if self._trail:
            self._trail.pop()
        if before is None:
            self._nowhere()
        else:
            self.go_to(before)

    def _across(self, by: int) -> None:
        if self.ways is None:
            return
        if self.sideways is not None:
            self._across_column(self.ways, self.sideways, by)
            return
        # The alternatives of the node one came from, then what is beside the node of the path.
        siblings = self.ways.siblings(self.place)
        on_path = siblings[0] if not siblings[0].line else None
        places = list(siblings)
        if on_path is not None and on_path in self.picture.first_rows:
            spots = self.picture.rows[self.picture.first_rows[on_path]].spots
            places += [spot.place for spot in spots if spot.place.column]
        self._go_on(places, places.index(self.place) if self.place in places else 0, by)

    def _across_column(self, ways: Ways, sideways: Sideways, by: int) -> None:
        """Up or down: the ways on from the node before, then whatever stands in the column."""
        here = sideways.box_of(self.place)
        if here is None:
            return
        boxes = sideways.column_of(here)
        if not self.column:
            for place in ways.siblings(self.place):
                box = sideways.box_of(place)
                if box is not None and box not in boxes:
                    boxes.append(box)
        boxes.sort(key=sideways.row_of)
        self._go_on([sideways.places[box] for box in boxes], boxes.index(here), by)

    def _go_on(self, places: Sequence[Place], at: int, by: int) -> None:
        """Move within some places; at their end ring the bell."""
        step = 1 if by > 0 else -1
        while 0 <= at + step < len(places):
            at += step
            # The members of an unfolded stub share one place.
            if places[at] != self.place:
                self.go_to(places[at])
                return
        self._nowhere()

    def action_up(self) -> None:
        """The node before; from left to right what is above."""
        self._across(-1) if self.sideways is not None else self._back()

    def action_down(self) -> None:
        """The next node; from left to right what is below."""
        self._across(1) if self.sideways is not None else self._along()

    def action_right(self) -> None:
        """Across; from left to right the next node."""
        self._along() if self.sideways is not None else self._across(1)

    def action_left(self) -> None:
        """Across, the other way; from left to right the node before."""
        self._back() if self.sideways is not None else self._across(-1)

    @property
    def _last(self) -> int:
        return len(self.ways.nodes[0]) - 1 if self.ways is not None else 0

    def action_first(self) -> None:
        """The entry."""
        self.go(0)

    def action_last(self) -> None:
        """The goal."""
        self.go(self._last)

    def action_page_up(self) -> None:
        """Some nodes back."""
        self.go(max(0, self.at - 5))

    def action_page_down(self) -> None:
        """Some nodes on."""
        self.go(min(self._last, self.at + 5))

    def _nowhere(self) -> None:
        self.app.bell()

    def action_open(self) -> None:
        """Give the keys to the step's detail."""
        self.post_message(self.StepOpened(self))

    def action_turn(self) -> None:
        """Draw from left to right, or from top to bottom again."""
        self.turned = self.sideways is None
        self.scroll_to(x=0, y=0, animate=False, force=True, immediate=True)
        self.relaid()
        self.reveal()

    def action_unfold(self) -> None:
        """Unfold or fold the stub under the cursor, or the first one of the row."""
        beside = self.beside
        stubs = [one for one in beside if one.stub]
        if self.column and beside[self.column - 1].stub:
            stubs = [beside[self.column - 1]]
        if not stubs:
            self._nowhere()
            return
        self._unfolded ^= {stubs[0].key}
        self.relaid()
        self.reveal()

    def on_click(self, event: events.Click) -> None:
        """Click selects, a double click opens."""
        offset = event.get_content_offset(self)
        if offset is None or self.ways is None:
            return
        x, number = offset.x + round(self.scroll_x), offset.y + round(self.scroll_y)
        if self.sideways is not None:
            left, top = self._margins
            box = self.sideways.box_at(x - left, number - top)
            if box is None:
                return
            self.go_to(self.sideways.places[box])
        else:
            if not 0 <= number < len(self.picture.rows):
                return
            row = self.picture.rows[number]
            spot = next((spot for spot in row.spots if spot.start <= x < spot.end), None)
            self.go_to(self.ways.settled(spot.place if spot else row.place))
        self._trail.clear()
        if event.chain > 1:
            self.action_open()


def _highlighted(spans: Spans, spot: Spot, look: str) -> Spans:
    """The spans with the part of a spot in another look."""
    out: list[Span] = []
    at = 0
    for text, own in spans:
        size = width(text)
        inside = spot.start <= at and at + size <= spot.end
        out.append((text, look if inside else own))
        at += size
    return tuple(out)
