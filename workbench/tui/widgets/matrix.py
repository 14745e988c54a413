"""A matrix with a head and a cursor on one cell; only what is in view is painted, and asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from workbench.tui.actions import bindings_of
from workbench.tui.axes import Line
from workbench.tui.network_lines import Look
from workbench.tui.text import Span, Spans, fit, flat, width, wrapped
from workbench.tui.widgets.content_pane import ContentPane
from workbench.tui.widgets.painting import LOOKS, Painted, TextPane, strip_of

NARROWEST_LABEL = 14
WIDEST_LABEL = 40
NARROWEST_CELL = 9
WIDEST_CELL = 13
HEAD_LINES = 3
NOTES_SHOWN = 3
INDENT = "  "


class MatrixGrid(Painted):
    """The cells, with the names of the rows before them."""

    PLACE = "matrix"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("matrix")]

    @dataclass
    class Moved(Message):
        """The cursor stands on another cell."""

    @dataclass
    class Opened(Message):
        """The cell under the cursor is to be opened."""

    @dataclass
    class Folded(Message):
        """The row and the column under the cursor are to be unfolded, or folded."""

    @dataclass
    class Wanted(Message):
        """Other cells are in view; some may not be known yet."""

        def can_replace(self, message: Message) -> bool:
            """One look at what is in view is enough."""
            return isinstance(message, MatrixGrid.Wanted)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.row_lines: Sequence[Line] = ()
        self.column_lines: Sequence[Line] = ()
        self.row = self.column = 0
        self.first_column = 0
        self.label_width = self.cell_width = NARROWEST_LABEL
        self.look_of: Callable[[Line, Line], Look | None] = lambda _row, _column: None
        self.heading: Callable[[], None] = lambda: None
        """Paints the head anew."""

    # -- content

    def set_lines(self, rows: Sequence[Line], columns: Sequence[Line], row: int, column: int) -> None:
        """Replace rows and columns.

        Args:
            rows: The rows.
            columns: The columns.
            row: The row to stand on.
            column: The column to stand on.
        """
        self.row_lines, self.column_lines = rows, columns
        self.row = max(0, min(row, len(rows) - 1))
        self.column = max(0, min(column, len(columns) - 1))
        self.relaid()
        self.reveal()
        self.post_message(self.Moved())
        self.post_message(self.Wanted())

    @property
    def current(self) -> tuple[Line, Line] | None:
        """The row and the column under the cursor."""
        if self.row_lines and self.column_lines:
            return self.row_lines[self.row], self.column_lines[self.column]
        return None

    @property
    def content_text(self) -> str:
        """All rows with all cells that are known, for tests."""
        looks = [[self.look_of(row, column) for column in self.column_lines] for row in self.row_lines]
        return "\n".join(
            f"{_label(row)} | " + " | ".join(f"{look.change}{look.text}" if look else "…" for look in line)
            for row, line in zip(self.row_lines, looks, strict=True)
        )

    def in_view(self) -> tuple[Sequence[Line], Sequence[Line]]:
        """The rows that are in view, and the columns, with those a little beyond."""
        top, height = round(self.scroll_y), max(1, self.size.height)
        shown_columns = max(1, self.cells_shown)
        left = max(0, self.first_column - shown_columns)
        return (
            self.row_lines[max(0, top - 1) : top + height + 1],
            self.column_lines[left : self.first_column + 2 * shown_columns],
        )

    # -- geometry

    @property
    def cells_shown(self) -> int:
        """How many columns there is room for."""
        return max(1, (self.columns - 1 - self.label_width) // self.cell_width)

    def lay_out(self) -> None:
        """Divide the width between the names of the rows and the cells."""
        total = self.columns
        longest = max((width(_label(row)) for row in self.row_lines), default=0) + 1
        self.label_width = max(NARROWEST_LABEL, min(longest, WIDEST_LABEL, total * 2 // 5))
        room = max(1, total - 1 - self.label_width)
        even = room // max(1, len(self.column_lines))
        self.cell_width = max(NARROWEST_CELL, min(even, WIDEST_CELL))
        self._keep_column()
        self.heading()

    def line_count(self) -> int:
        """A line for each row."""
        return len(self.row_lines)

    def reveal(self) -> None:
        """Bring the current cell into view."""
        if self.row_lines:
            self.show_lines(self.row)
        self._keep_column()

    def _keep_column(self) -> None:
        shown_columns = self.cells_shown
        last = max(0, len(self.column_lines) - shown_columns)
        first = min(self.first_column, last)
        if self.column < first:
            first = self.column
        elif self.column >= first + shown_columns:
            first = self.column - shown_columns + 1
        self.first_column = first

    def columns_in_view(self) -> Sequence[tuple[int, Line]]:
        """The columns that there is room for, with their places."""
        places = range(self.first_column, min(len(self.column_lines), self.first_column + self.cells_shown))
        return [(at, self.column_lines[at]) for at in places]

    # -- lines

    def line(self, number: int) -> Spans:
        """The name of a row and its cells."""
        row = self.row_lines[number]
        on_row = number == self.row
        name = fit(_label(row), self.label_width - 1)
        out: list[Span] = [
            (">" if on_row else " ", "strong"),
            (name, "strong" if on_row or row.unfolded is not None else ""),
            (" ", ""),
        ]
        for at, column in self.columns_in_view():
            look = self.look_of(row, column)
            text = fit(f" {look.change or ' '}{look.text}" if look is not None else "  …", self.cell_width)
            if on_row and at == self.column:
                out += [(text[:-1], "cursor" if self.has_focus else "marked"), (" ", "")]
            elif look is None:
                out.append((text, "muted"))
            elif look.change:
                out.append((text, {"-": "added", "+": "removed"}.get(look.change, "warning")))
            else:
                out.append((text, look.look))
        return tuple(out)

    def paint_key(self, number: int) -> object:
        """A line also depends on the cursor, the focus, and the columns in view."""
        return (number == self.row, self.column if number == self.row else -1, self.first_column, self.has_focus)

    def head(self) -> list[Spans]:
        """The names of the columns in view, in as many lines as the longest takes, three at most."""
        if not self.column_lines:
            return []
        size = self.cell_width - 1
        names = [(at, _chopped(column, size)) for at, column in self.columns_in_view()]
        height = max(len(pieces) for _, pieces in names)
        lines: list[Spans] = []
        for number in range(height):
            corner = fit("from \\ to" if number == height - 1 else "", self.label_width + 1)
            out: list[Span] = [(corner, "muted")]
            for at, pieces in names:
                # The last line stands right above the cells.
                place = number - (height - len(pieces))
                text = pieces[place] if place >= 0 else ""
                look = "marked" if at == self.column else "heading"
                out += [(" ", ""), (text, look), (" " * (size - width(text)), "")]
            lines.append(tuple(out))
        return lines

    # -- cursor

    def move_to(self, row: int, column: int) -> None:
        """Go to a cell."""
        row = max(0, min(row, len(self.row_lines) - 1))
        column = max(0, min(column, len(self.column_lines) - 1))
        if (row, column) == (self.row, self.column):
            return
        self.row, self.column = row, column
        self.reveal()
        self.heading()
        self.refresh()
        self.post_message(self.Moved())
        self.post_message(self.Wanted())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other rows are in view."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Wanted())

    def on_resize(self) -> None:
        """More may be in view."""
        super().on_resize()
        self.post_message(self.Wanted())

    @property
    def _page(self) -> int:
        return max(1, self.size.height - 1)

    def action_up(self) -> None:
        """A row up."""
        self.move_to(self.row - 1, self.column)

    def action_down(self) -> None:
        """A row down."""
        self.move_to(self.row + 1, self.column)

    def action_page_up(self) -> None:
        """A page up."""
        self.move_to(self.row - self._page, self.column)

    def action_page_down(self) -> None:
        """A page down."""
        self.move_to(self.row + self._page, self.column)

    def action_first(self) -> None:
        """The first row."""
        self.move_to(0, self.column)

    def action_last(self) -> None:
        """The last row."""
        self.move_to(len(self.row_lines) - 1, self.column)

    def action_left(self) -> None:
        """A column to the left."""
        self.move_to(self.row, self.column - 1)

    def action_right(self) -> None:
        """A column to the right."""
        self.move_to(self.row, self.column + 1)

    def action_first_column(self) -> None:
        """The first column."""
        self.move_to(self.row, 0)

    def action_last_column(self) -> None:
        """The last column."""
        self.move_to(self.row, len(self.column_lines) - 1)

    def action_open(self) -> None:
        """Open the cell."""
        if self.current is not None:
            self.post_message(self.Opened())

    def action_unfold(self) -> None:
        """Unfold, or fold, the row and the column."""
        if self.current is not None:
            self.post_message(self.Folded())

    @property
    def lead(self) -> str:
        """How to move here, for the hints."""
        return "up/down/left/right"

    def on_click(self, event: events.Click) -> None:
        """Click goes to a cell, a double click opens it."""
        at = event.get_content_offset(self)
        if at is None:
            return
        row = at.y + round(self.scroll_y)
        column = self.column
        if at.x > self.label_width:
            column = min(
                self.first_column + (at.x - 1 - self.label_width) // self.cell_width, len(self.column_lines) - 1
            )
        if 0 <= row < len(self.row_lines):
            self.move_to(row, column)
            if event.chain > 1:
                self.action_open()

    def on_mouse_scroll_right(self, event: events.MouseScrollRight) -> None:
        """The wheel with shift moves over the columns."""
        event.stop()
        self.action_right()

    def on_mouse_scroll_left(self, event: events.MouseScrollLeft) -> None:
        """As to the right."""
        event.stop()
        self.action_left()


def _label(line: Line) -> str:
    """The name of a row: folds as in a tree."""
    if line.unfolded is not None:
        return f"{'-' if line.unfolded else '+'} {line.label}"
    return f"{INDENT}{line.label} {line.note}".rstrip()


def _chopped(line: Line, cells: int) -> list[str]:
    """The name of a column in pieces, broken after a dash or a dot where that keeps it within the head."""
    mark = "" if line.unfolded is None else "-" if line.unfolded else "+"
    text = mark + line.label
    pieces: list[str] = []
    while text and len(pieces) < HEAD_LINES:
        if width(text) <= cells:
            pieces.append(text)
            text = ""
        elif len(pieces) == HEAD_LINES - 1:
            pieces.append(fit(text, cells).rstrip())
            text = ""
        else:
            at = max((text.rfind(char, 1, cells) for char in "-."), default=-1)
            end = at + 1 if at >= cells // 2 else _cells(text, cells)
            pieces.append(text[:end])
            text = text[end:]
    return pieces or [""]


def _cells(text: str, cells: int) -> int:
    """How many characters of a text fit into some cells, one at least."""
    end = 0
    used = 0
    for char in text:
        used += width(char)
        if used > cells:
            break
        end += 1
    return max(1, end)


class SpanLines(Widget):
    """A few lines that nothing moves in: they are broken at the width, up to so many."""

    DEFAULT_CSS = """
    SpanLines {
        height: 0;
        width: 100%;
        background: $background;
        color: $foreground;
        .paint--muted { color: $muted; }
        .paint--high { color: $severity-high; text-style: bold; }
        .paint--strong { text-style: bold; }
        .paint--heading { color: $muted; text-style: bold; }
        .paint--marked { text-style: bold underline; }
        .paint--added { color: $added; }
        .paint--removed { color: $removed; }
        .paint--warning { color: $warning; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"paint--{look}" for look in LOOKS}

    def __init__(self, *, id: str | None = None, most: int = 2, wrap: bool = True) -> None:
        super().__init__(id=id)
        self._most, self._wrap = most, wrap
        self._source: Sequence[Spans] = ()
        self._lines: Sequence[Spans] = ()

    def show(self, lines: Sequence[Spans]) -> None:
        """Show lines."""
        self._source = lines
        self._fit()

    @property
    def text(self) -> str:
        """What is shown, whole."""
        return "\n".join(flat(line) for line in self._source)

    def _fit(self) -> None:
        cells = self.size.width or 80
        found = [piece for line in self._source for piece in (wrapped(line, cells, 2) if self._wrap else [line])]
        self._lines = found[: self._most]
        self.styles.height = len(self._lines)
        self.refresh()

    def on_resize(self) -> None:
        """Break them anew."""
        self._fit()

    def on_mount(self) -> None:
        """Follow the theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self.refresh())

    def render_line(self, y: int) -> Strip:
        """One line."""
        looks = {look: self.get_component_rich_style(f"paint--{look}", partial=True) for look in LOOKS}
        line = self._lines[y] if y < len(self._lines) else ()
        return strip_of(line, looks, self.rich_style).adjust_cell_length(self.size.width, self.rich_style)


class MatrixPane(ContentPane):
    """Notes, head, cells and the words for the cell under the cursor; or a message in their place."""

    PLACE: ClassVar[str] = ""

    def compose(self) -> ComposeResult:
        """The parts."""
        yield SpanLines(id="matrix-notes", most=NOTES_SHOWN)
        yield SpanLines(id="matrix-head", most=HEAD_LINES, wrap=False)
        yield MatrixGrid(id="cells")
        yield SpanLines(id="cell-status", most=3)
        yield TextPane(id="matrix-message")

    def on_mount(self) -> None:
        """Begin with the message."""
        self.grid.heading = lambda: self.query_one("#matrix-head", SpanLines).show(self.grid.head())
        self.say([])

    @property
    def grid(self) -> MatrixGrid:
        """The cells."""
        return self.query_one(MatrixGrid)

    @property
    def content_widget(self) -> Widget:
        """The cells."""
        return self.grid

    def beside(self) -> Sequence[Widget]:
        """Notes, head and the words for a cell."""
        return [self.query_one(part) for part in ("#matrix-notes", "#matrix-head", "#cell-status")]

    def show_notes(self, notes: Sequence[Spans]) -> None:
        """Say above the head what holds for all of it."""
        self.query_one("#matrix-notes", SpanLines).show(notes)

    def show_status(self, lines: Sequence[Spans]) -> None:
        """Say what the cell under the cursor is."""
        self.query_one("#cell-status", SpanLines).show(lines)

    @property
    def status_text(self) -> str:
        """What is said of the cell under the cursor."""
        return self.query_one("#cell-status", SpanLines).text

    def show(self, rows: Sequence[Line], columns: Sequence[Line], row: int, column: int) -> None:
        """Show rows and columns, and stand on one cell."""
        self.show_content()
        self.grid.set_lines(rows, columns, row, column)

    def say(self, lines: Sequence[Spans]) -> None:
        """Show a message in place of the cells."""
        self.grid.set_lines((), (), 0, 0)
        self.show_status([])
        self.show_message(lines)
