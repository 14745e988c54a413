"""A list with a cursor whose rows may be several lines high; filling it costs nothing, whatever its length."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive

from workbench.tui.actions import bindings_of
from workbench.tui.text import Spans, fit, flat, width, wrapped
from workbench.tui.widgets.painting import Painted

T = TypeVar("T")

HANGING = 4
"""How far the second line of a long row is set in."""


class LineList(Painted, Generic[T]):
    """Rows over a list of items.

    Subclasses give :meth:`paint` and, where rows differ, :meth:`row_height` and :meth:`selectable`.
    """

    PLACE = "list"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("list")]

    cursor: reactive[int] = reactive(-1, init=False)
    """The index of the current item, -1 if there is none."""

    @dataclass
    class Moved(Message):
        """The cursor stands on another item."""

        list: LineList[object]
        index: int

        @property
        def control(self) -> LineList[object]:
            """The list, for selectors."""
            return self.list

    @dataclass
    class Opened(Message):
        """The item under the cursor is to be opened."""

        list: LineList[object]
        index: int

        @property
        def control(self) -> LineList[object]:
            """The list, for selectors."""
            return self.list

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.items: Sequence[T] = ()
        self._starts: list[int] = [0]

    # -- to be given by subclasses

    def paint(self, item: T, cells: int) -> list[Spans]:
        """The lines of a row, without the marker before them."""
        raise NotImplementedError

    def row_height(self, item: T) -> int:
        """How many lines a row has."""
        return 1

    def selectable(self, item: T) -> bool:
        """Whether the cursor may stand on it."""
        return True

    @property
    def cells(self) -> int:
        """The width of a row, without the marker."""
        return max(1, self.columns - 1)

    # -- content

    def set_items(self, items: Sequence[T], cursor: int = 0, *, quiet: bool = False) -> None:
        """Replace the items.

        Args:
            items: The new ones.
            cursor: The index to stand on, or the nearest that can be selected.
            quiet: Post no message about the cursor.
        """
        self.items = items
        target = self._nearest(cursor)
        self.set_reactive(LineList.cursor, target)
        self.relaid()
        self.reveal()
        if not quiet:
            self.post_message(self.Moved(self, target))  # type: ignore[arg-type]

    @property
    def current(self) -> T | None:
        """The item under the cursor."""
        at = self.cursor
        return self.items[at] if 0 <= at < len(self.items) else None

    @property
    def content_text(self) -> str:
        """All rows as text, for tests and copies."""
        return "\n".join(flat(line) for item in self.items for line in self.paint(item, 200))

    def _nearest(self, wanted: int) -> int:
        last = len(self.items) - 1
        index = max(0, min(wanted, last))
        for at in chain(range(index, last + 1), range(index - 1, -1, -1)):
            if self.selectable(self.items[at]):
                return at
        return -1

    # -- lines

    def lay_out(self) -> None:
        """Where each row begins."""
        self._starts = [0, *accumulate(self.row_height(item) for item in self.items)]

    def line_count(self) -> int:
        """How many lines all rows take."""
        return self._starts[-1]

    def index_at(self, line: int) -> int:
        """The item on a line."""
        index: int = bisect_right(self._starts, line) - 1
        return index

    def line(self, number: int) -> Spans:
        """A line with the marker of the current row."""
        index = self.index_at(number)
        within = number - self._starts[index]
        item = self.items[index]
        cells = self.cells
        lines = self.paint(item, cells)
        content = lines[within] if within < len(lines) else ()
        current = index == self.cursor
        marker = ">" if current and within == 0 else " "
        if not current:
            return ((marker, ""), *_fitted(content, cells))
        if self.has_focus:
            return ((marker, "cursor"), (fit(flat(content), cells), "cursor"))
        head, *rest = content or (("", ""),)
        return ((marker, "strong"), *_fitted(((head[0], head[1] or "strong"), *rest), cells))

    def paint_key(self, number: int) -> object:
        """A line also depends on the cursor and the focus."""
        return (self.index_at(number) == self.cursor, self.has_focus)

    # -- cursor

    def reveal(self) -> None:
        """Bring the current row into view, with the heading above the first."""
        if 0 <= self.cursor < len(self.items):
            first = self._starts[self.cursor]
            if self.cursor == self._nearest(0):
                first = 0
            self.show_lines(first, self._starts[self.cursor + 1] - first)

    def watch_cursor(self, old: int, new: int) -> None:
        """Paint the rows that changed, and tell."""
        self.refresh()
        self.reveal()
        if old != new:
            self.post_message(self.Moved(self, new))  # type: ignore[arg-type]

    def move(self, by: int) -> None:
        """Move the cursor by rows that can be selected."""
        if not self.items:
            return
        at, step, left = self.cursor, 1 if by > 0 else -1, abs(by)
        found = at
        while left and 0 <= at + step < len(self.items):
            at += step
            if self.selectable(self.items[at]):
                found = at
                left -= 1
        self.cursor = found

    @property
    def _page(self) -> int:
        height = max(1, self.row_height(self.items[max(0, self.cursor)]) if self.items else 1)
        return max(1, self.size.height // height - 1)

    def action_up(self) -> None:
        """A row up."""
        self.move(-1)

    def action_down(self) -> None:
        """A row down."""
        self.move(1)

    def action_page_up(self) -> None:
        """A page up."""
        self.move(-self._page)

    def action_page_down(self) -> None:
        """A page down."""
        self.move(self._page)

    def action_first(self) -> None:
        """The first row."""
        self.cursor = self._nearest(0)

    def action_last(self) -> None:
        """The last row."""
        self.cursor = self._nearest(len(self.items) - 1)

    def action_open(self) -> None:
        """Open the current row."""
        if self.current is not None:
            self.post_message(self.Opened(self, self.cursor))  # type: ignore[arg-type]

    def on_click(self, event: events.Click) -> None:
        """Click selects, a double click opens."""
        at = event.get_content_offset(self)
        if at is None:
            return
        line = at.y + round(self.scroll_y)
        if 0 <= line < self.line_count():
            index = self.index_at(line)
            if self.selectable(self.items[index]):
                self.cursor = index
                if event.chain > 1:
                    self.action_open()


def _fitted(spans: Spans, cells: int) -> Spans:
    """Spans cut at a width."""
    out: list[tuple[str, str]] = []
    left = cells
    for text, look in spans:
        size = width(text)
        if size > left:
            out.append((fit(text, left), look))
            break
        out.append((text, look))
        left -= size
    return tuple(out)


@dataclass(frozen=True, slots=True)
class Row:
    """An item that says itself what is on it."""

    lines: tuple[Spans, ...]
    target: object = None
    """What it opens; a row without one cannot be selected."""


class RowList(LineList[Row]):
    """A list of rows that say themselves what is on them."""

    def paint(self, item: Row, cells: int) -> list[Spans]:
        """Its lines, broken where they are too long."""
        return [piece for line in item.lines for piece in wrapped(line, cells, HANGING)]

    def row_height(self, item: Row) -> int:
        """As many lines as it takes."""
        return len(self.paint(item, self.cells))

    def selectable(self, item: Row) -> bool:
        """Only rows that open something."""
        return item.target is not None
