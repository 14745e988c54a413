"""Text for the screen: safe to show, measured in cells, never markup.

Widgets build their lines from :data:`Spans`: pairs of a text and the name of a look (``critical``, ``muted``).
They are plain data, so that a worker may build them; :mod:`workbench.tui.widgets.painting` paints them and
passes every text through :func:`shown` once more, so that no caller can forget it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TypeAlias

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.text import Text

from workbench.text import LIMIT, shown, shown_lines

__all__ = [
    "LIMIT",
    "Span",
    "Spans",
    "count",
    "fit",
    "flat",
    "plain",
    "shown",
    "shown_lines",
    "span",
    "width",
    "wrapped",
]

Span: TypeAlias = tuple[str, str]
"""A text and the name of its look, empty for the normal one."""

Spans: TypeAlias = tuple[Span, ...]
"""One line."""


def width(text: str) -> int:
    """How many cells a text takes."""
    return cell_len(text)


def fit(text: str, cells: int) -> str:
    """The text in exactly so many cells: cut with an ellipsis, or padded."""
    if cells <= 0:
        return ""
    if cell_len(text) <= cells:
        return set_cell_size(text, cells)
    return set_cell_size(text, cells - 1) + "…"


def plain(text: object, style: str = "") -> Text:
    """A ``rich`` text of something from outside: escaped, and not read as markup."""
    return Text(shown(text), style=style, no_wrap=False)


def span(text: object, look: str = "", limit: int = LIMIT) -> Span:
    """A span of something from outside."""
    return (shown(text, limit), look)


def flat(spans: Spans) -> str:
    """The text of a line."""
    return "".join(text for text, _ in spans)


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 path``, ``1,204 paths``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def wrapped(spans: Spans, cells: int, indent: int = 0) -> list[Spans]:
    """A line in as many lines as it takes at a width, broken at spaces where there are any.

    Args:
        spans: The line.
        cells: The width.
        indent: How far the lines after the first are set in.
    """
    return list(_wrapped(tuple(spans), cells, indent))


@lru_cache(maxsize=4096)
def _wrapped(spans: Spans, cells: int, indent: int) -> tuple[Spans, ...]:
    """The same lines are laid out, painted and painted again."""
    cells = max(cells, indent + 4, 4)
    if sum(cell_len(text) for text, _ in spans) <= cells:
        return (spans,)
    lines: list[Spans] = []
    line: list[Span] = []
    used = 0
    for part, look in _words(spans, cells - indent):
        word = part
        if used + cell_len(word) > cells and line:
            lines.append(tuple(line))
            line, used = [(" " * indent, "")] if indent else [], indent
            word = word.lstrip(" ")
        size = cell_len(word)
        if word:
            line.append((word, look))
            used += size
    if line:
        lines.append(tuple(line))
    return tuple(lines)


_WORD = re.compile(" *[^ ]+| +")


def _words(spans: Iterable[Span], cells: int) -> Iterator[Span]:
    """The words of a line, each with the spaces before it, none longer than a line."""
    for text, look in spans:
        for word in _WORD.findall(text):
            if cell_len(word) <= cells:
                yield word, look
            else:
                for piece in chop_cells(word, cells):
                    yield piece, look
