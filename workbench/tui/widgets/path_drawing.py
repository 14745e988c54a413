"""The drawing of one attack path, with a cursor on its nodes and on what is beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from workbench.tui.actions import bindings_of
from workbench.tui.canvas.projection import NeighbourLike, Picture, Spot, StubKey, path_nodes, picture
from workbench.tui.text import Span, Spans, width
from workbench.tui.widgets.painting import Painted

if TYPE_CHECKING:
    from workbench.analysis.paths import Path


class PathDrawing(Painted):
    """A path from top to bottom."""

    PLACE = "canvas"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("canvas")]

    @dataclass
    class NodeSelected(Message):
        """The cursor stands on another node."""

        drawing: PathDrawing
        node: str
        step: int | None
        """The index of the current step: the one that enters the node; at the entry the one that leaves."""

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

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.path: Path | None = None
        self.at = 0
        """The index of the node under the cursor."""
        self.column = 0
        """0 on the path, else the number of what is beside it."""
        self.picture = Picture()
        self._neighbours: Mapping[str, Sequence[NeighbourLike]] = {}
        self._unfolded: set[StubKey] = set()
        self.heading = "Graph"

    # -- content

    def show_path(self, path: Path | None, at: int = 0, heading: str = "Graph") -> None:
        """Draw another path.

        Args:
            path: The path, or ``None`` for an empty picture.
            at: The node to stand on.
            heading: What the title begins with.
        """
        self.path, self.heading = path, heading
        self.at, self.column = at, 0
        self._neighbours, self._unfolded = {}, set()
        self.relaid()
        self.reveal()

    def show_neighbours(self, neighbours: Mapping[str, Sequence[NeighbourLike]]) -> None:
        """Add what is beside the nodes; the cursor stays."""
        self._neighbours = neighbours
        self.relaid()

    def lay_out(self) -> None:
        """Draw at the current width."""
        if self.path is None:
            self.picture = Picture()
            self.entitle("Graph")
            return
        self.picture = picture(self.path, self._neighbours, self._unfolded, self.columns)
        beside = self.picture.beside[self.at] if self.at < len(self.picture.beside) else ()
        self.column = min(self.column, len(beside))
        folded = f", {self.picture.folded} folded" if self.picture.folded else ""
        hidden = ", neighbours need a wider pane" if self.picture.hidden else ""
        self.entitle(f"{self.heading}  {len(self.picture.first_rows)} nodes{folded}{hidden}")

    @property
    def node(self) -> str | None:
        """The node under the cursor; of a stub, the node it belongs to."""
        if self.path is None:
            return None
        if self.column:
            beside = self.picture.beside[self.at][self.column - 1]
            if not beside.stub:
                return beside.members[0]
        return path_nodes(self.path)[self.at]

    @property
    def step(self) -> int | None:
        """The index of the current step."""
        if self.path is None or not self.path.steps:
            return None
        return max(0, self.at - 1)

    # -- painting

    def line_count(self) -> int:
        """The rows of the picture."""
        return len(self.picture.rows)

    def paint_key(self, number: int) -> object:
        """A row also depends on the cursor."""
        row = self.picture.rows[number]
        return (row.node == self.at, self.column if row.node == self.at else 0, self.has_focus)

    def line(self, number: int) -> Spans:
        """A row, with the cursor if it stands there."""
        row = self.picture.rows[number]
        spot = next((spot for spot in row.spots if (spot.node, spot.column) == (self.at, self.column)), None)
        if spot is None:
            if row.step is not None and row.step == self.step:
                return tuple((text, look or "strong") for text, look in row.spans)
            return row.spans
        return _highlighted(row.spans, spot, "cursor" if self.has_focus else "marked")

    def reveal(self) -> None:
        """Bring the node and the step into it into view."""
        if self.picture.first_rows:
            first = self.picture.first_rows[self.at]
            above = self.picture.first_rows[self.at - 1] + 1 if self.at else first
            view = self.scrollable_content_region.height or self.size.height
            if first - above >= view:
                above = first
            self.show_lines(above, first - above + 1)

    # -- cursor

    def go(self, at: int, column: int = 0) -> None:
        """Move the cursor to a node, or beside it."""
        if self.path is None or (at, column) == (self.at, self.column):
            return
        self.at, self.column = at, column
        self.refresh()
        self.reveal()
        self._tell()

    def _tell(self) -> None:
        node = self.node
        if node is not None:
            self.post_message(self.NodeSelected(self, node, self.step))

    @property
    def _last(self) -> int:
        return len(self.picture.first_rows) - 1

    def _spots(self) -> list[Spot]:
        return list(self.picture.rows[self.picture.first_rows[self.at]].spots) if self.picture.first_rows else []

    def action_up(self) -> None:
        """The node before."""
        self.go(self.at - 1) if self.at > 0 else self._nowhere()

    def action_down(self) -> None:
        """The next node."""
        self.go(self.at + 1) if self.at < self._last else self._nowhere()

    def action_first(self) -> None:
        """The entry."""
        self.go(0)

    def action_last(self) -> None:
        """The goal."""
        self.go(max(0, self._last))

    def action_page_up(self) -> None:
        """Some nodes up."""
        self.go(max(0, self.at - 5))

    def action_page_down(self) -> None:
        """Some nodes down."""
        self.go(max(0, min(self._last, self.at + 5)))

    def action_right(self) -> None:
        """To what is beside the node."""
        columns = [spot.column for spot in self._spots()]
        self.go(self.at, self.column + 1) if self.column + 1 in columns else self._nowhere()

    def action_left(self) -> None:
        """Back towards the path."""
        self.go(self.at, self.column - 1) if self.column else self._nowhere()

    def _nowhere(self) -> None:
        self.app.bell()

    def action_open(self) -> None:
        """Give the keys to the step's detail."""
        self.post_message(self.StepOpened(self))

    def action_unfold(self) -> None:
        """Unfold or fold the stub under the cursor, or the first one of the row."""
        beside = self.picture.beside[self.at] if self.picture.beside else ()
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
        if offset is None:
            return
        number = offset.y + round(self.scroll_y)
        if not 0 <= number < len(self.picture.rows):
            return
        row = self.picture.rows[number]
        spot = next((spot for spot in row.spots if spot.start <= offset.x < spot.end), None)
        self.go(row.node, spot.column if spot else 0)
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
