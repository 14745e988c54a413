"""Lines, folded paragraphs and tables on standard output.

Data is never read as markup: every text passes :func:`workbench.text.shown` on its way out, so no caller can forget
it. Colours appear on a terminal only (``NO_COLOR`` is respected). What is not a terminal gets one line for each thing,
of whatever length, so that ``grep`` and ``awk`` find it whole; ``COLUMNS`` makes it fold there too.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from rich.cells import cell_len, chop_cells

from workbench.text import shown

Piece: TypeAlias = str | tuple[str, str]
"""A text, or a text and the name of its style."""

STYLES = {
    "critical": "1;31",
    "high": "31",
    "medium": "33",
    "low": "34",
    "strong": "1",
    "muted": "2",
    "technique": "36",
    "assumed": "33",
}
"""The colours, as parameters of SGR; the 16 that every terminal has in its own theme."""

_BARS = {"critical": "▂▄▆█", "high": "▂▄▆ ", "medium": "▂▄  ", "low": "▂   "}
_ASCII_BARS = {"critical": "####", "high": "### ", "medium": "##  ", "low": "#   "}
_LONGEST = 8192
_NARROWEST = 40
_LAST_COLUMN = 36
"""Below this many cells for its last column a table puts it on a line of its own."""


class Output:
    """Standard output as it is when this is made.

    Attributes:
        width: The cells of a line; ``None`` for any number.
        colour: Whether styles are written.
        unicode: Whether the encoding has arrows and bars.
    """

    def __init__(self) -> None:
        terminal = sys.stdout.isatty()
        columns = os.environ.get("COLUMNS", "")
        self.width: int | None = None
        if terminal:
            self.width = max(shutil.get_terminal_size().columns, _NARROWEST)
        elif columns.isdecimal() and int(columns):
            self.width = max(int(columns), _NARROWEST)
        self.colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")

    @property
    def arrow(self) -> str:
        """What stands between the two ends of a path."""
        return "→" if self.unicode else "->"

    def bar(self, severity: str) -> str:
        """The severity as a bar, so that it does not depend on a colour."""
        return (_BARS if self.unicode else _ASCII_BARS)[severity]

    def line(self, *pieces: Piece) -> None:
        """Write pieces one after the other in one line, with no space between them."""
        self._write(_safe(piece) for piece in pieces)

    def fold(self, pieces: Sequence[Piece], *, indent: int = 0, hang: int = 0, gap: str = " ") -> None:
        """Write pieces with a gap between them, in as many lines as they take.

        A line breaks between pieces where it can, then between words, and within a word only where the word is
        longer than a line.

        Args:
            pieces: The pieces.
            indent: How far the first line is set in.
            hang: How far the others are.
            gap: What stands between two pieces of one line.
        """
        safe = [piece for piece in map(_safe, pieces) if piece[0]]
        line: list[tuple[str, str]] = []
        used = indent
        for text, style in safe:
            size = cell_len(text)
            before = gap if line else ""
            if self.width is None or used + len(before) + size <= self.width:
                line += [(before, ""), (text, style)]
                used += len(before) + size
                continue
            if line and hang + size <= self.width:
                self._write([(" " * indent, ""), *line])
                begin = text.lstrip(" ")
                indent, line, used = hang, [(begin, style)], hang + cell_len(begin)
                continue
            # Too long for any line: its words fill what is left of this one.
            for word in _words(text, self.width - max(indent, hang)):
                size = cell_len(word)
                if line and used + len(before) + size > self.width:
                    self._write([(" " * indent, ""), *line])
                    indent, line, used, before = hang, [], hang, ""
                line += [(before, ""), (word, style)]
                used += len(before) + size
                before = " "
        if line:
            self._write([(" " * indent, ""), *line])

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Write rows in columns. Nothing is ever cut: where the columns do not fit, the last one folds, or stands
        under the others, or each row becomes a block of labelled lines.

        Args:
            headers: The columns' titles.
            rows: Their values; a numeric column stands to the right.
        """
        cells = [[shown(value, _LONGEST) for value in row] for row in rows]
        widths = [max(map(cell_len, column)) for column in zip(headers, *cells, strict=True)]
        right = [bool(rows) and all(isinstance(row[at], int) for row in rows) for at in range(len(headers))]
        before = sum(widths[:-1]) + 2 * (len(widths) - 1)
        under = False
        if self.width is not None and before + min(widths[-1], _LAST_COLUMN) > self.width:
            under = before <= self.width
            if not under:
                self._blocks(headers, cells)
                return
        for number, row in enumerate([list(headers), *cells]):
            style = "strong" if number == 0 else ""
            start = "  ".join(_pad(row[at], widths[at], right[at]) for at in range(len(row) - 1))
            if under:
                self.line((start, style))
                self.fold(row[-1].split(" ") if number else [], indent=4, hang=4)
            else:
                self.fold([(start, style), (row[-1], style)], hang=before, gap="  ")

    def _blocks(self, headers: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
        width = max(map(len, headers)) + 2
        for row in cells:
            self.fold([(row[0], "strong")], hang=2)
            for header, cell in zip(headers[1:], row[1:], strict=True):
                if cell:
                    self.fold([(f"{header.lower():<{width}}", "muted"), cell], indent=2, hang=2 + width, gap="")

    def _write(self, pieces: Iterable[tuple[str, str]]) -> None:
        parts = [piece for piece in pieces if piece[0]]
        while parts and not parts[-1][0].rstrip(" "):
            parts.pop()
        if parts:
            parts[-1] = (parts[-1][0].rstrip(" "), parts[-1][1])
        for text, style in parts:
            code = STYLES.get(style) if self.colour else None
            sys.stdout.write(f"\x1b[{code}m{text}\x1b[0m" if code else text)
        sys.stdout.write("\n")


def _safe(piece: Piece) -> tuple[str, str]:
    text, style = (piece, "") if isinstance(piece, str) else piece
    return shown(text, _LONGEST), style


def _pad(text: str, cells: int, right: bool) -> str:
    space = " " * (cells - cell_len(text))
    return space + text if right else text + space


def _words(text: str, cells: int) -> Iterable[str]:
    """The words of a text, a key together with its value, none longer than a line."""
    group: list[str] = []
    for word in text.split(" "):
        group.append(word)
        if word != "=" and not word.endswith(":"):
            yield from _fitting(group, cells)
            group = []
    yield from _fitting(group, cells)


def _fitting(group: Sequence[str], cells: int) -> Iterable[str]:
    if group and cell_len(" ".join(group)) <= cells:
        yield " ".join(group)
        return
    for word in group:
        yield from (word,) if cell_len(word) <= cells else chop_cells(word, cells)


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 path``, ``1,204 paths``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
