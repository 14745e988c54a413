"""A table of objects with its head: as many rows as there are, of which only those in view are painted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from workbench.tui.text import Span, Spans, fit, shown, width
from workbench.tui.widgets.content_pane import ContentPane
from workbench.tui.widgets.line_list import LineList
from workbench.tui.widgets.painting import TextPane, strip_of
from workbench.tui.widgets.severity import BARS

if TYPE_CHECKING:
    from workbench.analysis.object_columns import Column
    from workbench.analysis.object_tables import ObjectRow, ObjectTable

GAP = 2
NARROWEST = 18
NARROWEST_NAME = 24
WIDEST = 44
WIDEST_NAME = 80
UNREAD = " ?"
"""What stands after the name of an object that was only referred to."""

BAR = 5
"""The bar of severity and a space, before the number of paths."""


def natural_widths(table: ObjectTable) -> tuple[int, ...]:
    """How wide each column would be if there were room for all of it (in a worker)."""
    out = []
    for at, column in enumerate(table.columns):
        mark = UNREAD if column.title == "NAME" else ""
        longest = max((len(str(row.cells[at])) + (0 if row.read else len(mark)) for row in table.rows), default=0)
        # Room for the arrow of the sort beside the title.
        out.append(max(longest + (BAR if column.title == "PATHS" else 0), len(column.title) + 2))
    return tuple(out)


def fitted_columns(columns: Sequence[Column], natural: Sequence[int], cells: int) -> list[tuple[int, int]]:
    """Which columns are shown in some cells, and how wide each is.

    Columns that matter least are left out first; what room is left goes to those that matter most.

    Returns:
        The place and the width of each column that is shown, in order.
    """

    def widest(at: int) -> int:
        return min(natural[at], WIDEST_NAME if columns[at].title == "NAME" else WIDEST)

    def narrowest(at: int) -> int:
        if columns[at].number:
            return widest(at)
        return min(widest(at), NARROWEST_NAME if columns[at].title == "NAME" else NARROWEST)

    chosen = list(range(len(columns)))
    by_weight = sorted(chosen, key=lambda at: (columns[at].keep, -at))
    for at in by_weight:
        if sum(narrowest(one) + GAP for one in chosen) <= cells or columns[at].keep >= KEPT:
            break
        chosen.remove(at)
    sizes = {at: narrowest(at) for at in chosen}
    room = cells - sum(size + GAP for size in sizes.values())
    for at in reversed(by_weight):
        if at in sizes and room > 0:
            more = min(room, widest(at) - sizes[at])
            sizes[at] += more
            room -= more
    return [(at, max(1, sizes[at])) for at in chosen]


KEPT = 9
"""Columns that matter this much are never left out."""


class ObjectRows(LineList["ObjectRow"]):
    """The rows, one line each."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.columns_shown: list[tuple[int, int]] = []
        self.severity_of: Callable[[ObjectRow], str] = lambda _row: ""
        self.table: ObjectTable | None = None
        self.fit_columns: Callable[[], None] = lambda: None

    def lay_out(self) -> None:
        """Every row is one line high; the columns depend on the width, which comes after the rows are first shown."""
        self.fit_columns()

    def line_count(self) -> int:
        """As many lines as rows."""
        return len(self.items)

    def index_at(self, line: int) -> int:
        """The row of a line is its number."""
        return line

    def reveal(self) -> None:
        """Bring the current row into view."""
        if 0 <= self.cursor < len(self.items):
            self.show_lines(self.cursor)

    def line(self, number: int) -> Spans:
        """A row with its marker."""
        row = self.items[number]
        spans = self._cells(row)
        if number != self.cursor:
            return ((" ", ""), *spans)
        if self.has_focus:
            text = "".join(text for text, _ in spans)
            return ((">", "cursor"), (fit(text, self.cells), "cursor"))
        return ((">", "strong"), *((text, look or "strong") for text, look in spans))

    def paint(self, item: ObjectRow, cells: int) -> list[Spans]:
        """The cells of a row."""
        return [self._cells(item)]

    def _cells(self, row: ObjectRow) -> Spans:
        out: list[Span] = []
        table = self.table
        if table is None:
            return ()
        for at, size in self.columns_shown:
            column, cell = table.columns[at], row.cells[at]
            if column.title == "PATHS":
                severity = self.severity_of(row) if row.paths else ""
                bar = BARS.get(severity, "    ")
                out.append((f"{bar} {fit_right(cell, size - BAR)}", severity or "muted"))
            elif column.number:
                out.append((fit_right(cell, size), "" if cell else "muted"))
            elif column.title == "NAME" and not row.read:
                name = shown(cell)
                if width(name) + len(UNREAD) > size:
                    name = fit(name, size - len(UNREAD))
                out.append((fit(name + UNREAD, size), "warning"))
            else:
                out.append((fit(shown(cell), size), "strong" if column.title == "NAME" else ""))
            out.append((" " * GAP, ""))
        return tuple(out)


def fit_right(cell: object, cells: int) -> str:
    """A number at the right of its column."""
    text = f"{cell:,}" if isinstance(cell, int) else shown(cell)
    return text.rjust(cells)[:cells] if width(text) <= cells else fit(text, cells)


class TableHead(Widget):
    """The titles of the columns, with the sorted one marked."""

    DEFAULT_CSS = """
    TableHead { height: 1; width: 100%; color: $muted; text-style: bold; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.titles: list[tuple[int, str]] = []
        """For each title where it begins, and what it is."""
        self._spans: Spans = ()

    class Chosen(Message):
        """A title was clicked."""

        def __init__(self, title: str) -> None:
            super().__init__()
            self.title = title

    def set_columns(
        self, columns: Sequence[Column], places: Sequence[tuple[int, int]], by: str, *, falling: bool
    ) -> None:
        """Show the titles of some columns."""
        spans: list[Span] = [(" ", "")]
        self.titles = []
        start = 1
        for at, size in places:
            column = columns[at]
            title = f"{column.title} {'↓' if falling else '↑'}" if column.title == by else column.title
            self.titles.append((start, column.title))
            spans += [(title.rjust(size) if column.number else fit(title, size), ""), (" " * GAP, "")]
            start += size + GAP
        self._spans = tuple(spans)
        self.refresh()

    @property
    def text(self) -> str:
        """The whole line."""
        return "".join(text for text, _ in self._spans)

    def render_line(self, y: int) -> Strip:
        """The titles."""
        return strip_of(self._spans, {}, self.rich_style).adjust_cell_length(self.size.width, self.rich_style)

    def on_mount(self) -> None:
        """Follow the theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self.refresh())

    def on_click(self, event: events.Click) -> None:
        """Sort by the title under the pointer."""
        found = [title for start, title in self.titles if start <= event.x]
        if found:
            self.post_message(self.Chosen(found[-1]))


class ObjectTablePane(ContentPane):
    """Head and rows, or a message in their place."""

    PLACE: ClassVar[str] = ""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._natural: Sequence[int] = ()
        self._by, self._falling = "", False

    def compose(self) -> ComposeResult:
        """The head, the rows, the message."""
        yield TableHead()
        yield ObjectRows(id="objects")
        yield TextPane(id="objects-message")

    def on_mount(self) -> None:
        """Begin with the message."""
        self.rows.fit_columns = self._fit
        self.say([])

    @property
    def rows(self) -> ObjectRows:
        """The rows."""
        return self.query_one(ObjectRows)

    @property
    def content_widget(self) -> Widget:
        """The rows."""
        return self.rows

    def beside(self) -> Sequence[Widget]:
        """The head."""
        return [self.query_one(TableHead)]

    def show(
        self,
        table: ObjectTable,
        natural: Sequence[int],
        rows: Sequence[ObjectRow],
        cursor: int,
        *,
        by: str,
        falling: bool,
    ) -> None:
        """Show rows of a table.

        Args:
            table: Whose rows they are.
            natural: The natural width of each column.
            rows: The rows, filtered and sorted.
            cursor: The row to stand on.
            by: The title of the column that they are sorted by.
            falling: Whether the largest, or the last, come first.
        """
        self._natural, self._by, self._falling = natural, by, falling
        self.show_content()
        self.rows.table = table
        self.rows.set_items(rows, cursor)

    def say(self, lines: Sequence[Spans]) -> None:
        """Show a message in place of the rows."""
        self.rows.set_items((), quiet=True)
        self.show_message(lines)

    def _fit(self) -> None:
        table = self.rows.table
        if table is not None:
            self.rows.columns_shown = fitted_columns(table.columns, self._natural, self.rows.cells)
            self.query_one(TableHead).set_columns(
                table.columns, self.rows.columns_shown, self._by, falling=self._falling
            )
            self.rows.repaint()
