"""Painting lines of spans with Textual's Line API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.cache import LRUCache
from textual.content import Content
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.tui.actions import bindings_of
from workbench.tui.text import Spans, flat, shown, width, wrapped

LOOKS = (
    "muted",
    "critical",
    "high",
    "medium",
    "low",
    "path",
    "strong",
    "heading",
    "cursor",
    "marked",
    "proof",
    "added",
    "removed",
    "key",
    "warning",
)
"""The looks of spans; each is a component class ``paint--<look>``."""

TEXT_LIMIT = 20_000
"""Where a single span is cut at the latest; callers cut earlier."""


def strip_of(spans: Spans, looks: dict[str, Style], base: Style) -> Strip:
    """A line as segments. Every text passes ``shown`` here, whatever the caller did."""
    return Strip(
        [Segment(shown(text, TEXT_LIMIT), base + looks[look] if look else base) for text, look in spans if text]
    )


class Painted(ScrollView, can_focus=True, inherit_bindings=False):
    """A scrolling view whose lines are spans. Subclasses say how many lines there are and what is on each."""

    DEFAULT_CSS = """
    Painted {
        background: $background;
        color: $foreground;
        border: round $frame;
        border-title-color: $foreground;
        border-subtitle-color: $muted;
        scrollbar-size: 1 1;
        overflow-x: hidden;
        overflow-y: auto;
        &:focus { border: heavy $frame-focus; border-title-style: bold; }
        .paint--muted { color: $muted; }
        .paint--critical { color: $severity-critical; text-style: bold; }
        .paint--high { color: $severity-high; text-style: bold; }
        .paint--medium { color: $severity-medium; }
        .paint--low { color: $severity-low; }
        .paint--path { color: $path-line; text-style: bold; }
        .paint--strong { text-style: bold; }
        .paint--heading { color: $muted; text-style: bold; }
        .paint--cursor { text-style: reverse; }
        .paint--marked { text-style: bold underline; }
        .paint--proof { color: $proof; text-style: bold; }
        .paint--added { color: $added; }
        .paint--removed { color: $removed; }
        .paint--key { color: $primary; text-style: bold; }
        .paint--warning { color: $warning; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"paint--{look}" for look in LOOKS}
    PLACE: ClassVar[str] = "move"
    """The place of the registry whose actions this kind of pane carries out, beside those of its parents."""
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("move")]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._strips: LRUCache[tuple[object, ...], Strip] = LRUCache(1024)
        self._looks: dict[str, Style] = {}
        self._laid_out_for = -1

    def on_mount(self) -> None:
        """Follow the theme: painted strips hold its colours."""
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self.repaint())

    def repaint(self) -> None:
        """Forget what was painted."""
        self._strips.clear()
        self._looks = {}
        self.refresh()

    def notify_style_update(self) -> None:
        """The styles changed (focus, size class, theme)."""
        super().notify_style_update()
        self._strips.clear()
        self._looks = {}

    @property
    def looks(self) -> dict[str, Style]:
        """The style of each look in the current theme."""
        if not self._looks:
            self._looks = {look: self.get_component_rich_style(f"paint--{look}", partial=True) for look in LOOKS}
        return self._looks

    @property
    def columns(self) -> int:
        """The width there is for a line."""
        return max(1, self.scrollable_content_region.width or self.size.width)

    def entitle(self, title: str, subtitle: str = "") -> None:
        """Set the title in the border, and the one below it; neither is read as markup."""
        self.border_title = Content(shown(title))
        self.border_subtitle = Content(shown(subtitle))

    @property
    def lead(self) -> str:
        """How to move here, for the hints."""
        return "up/down"

    # -- to be given by subclasses

    def line_count(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    def line_width(self) -> int:
        """How wide the widest line is, 0 where lines are fitted to the pane."""
        return 0

    def line(self, number: int) -> Spans:
        """What is on a line."""
        raise NotImplementedError

    def lay_out(self) -> None:
        """The width has changed, or the content: lines may have to be broken anew."""

    # -- geometry

    def relaid(self) -> None:
        """The content changed: lay out and paint anew."""
        self.lay_out()
        self._laid_out_for = self.columns
        self.virtual_size = Size(self.line_width(), self.line_count())
        self.repaint()

    def on_resize(self) -> None:
        """Fit the lines to the new width."""
        if self.columns != self._laid_out_for:
            self.relaid()
            self.call_after_refresh(self.reveal)

    def reveal(self) -> None:
        """Bring the cursor into view, where there is one."""

    def show_lines(self, first: int, height: int = 1) -> None:
        """Bring some lines into view."""
        view = self.scrollable_content_region.height or self.size.height
        top = round(self.scroll_y)
        if first < top:
            top = first
        elif first + height > top + view:
            top = first + min(height, view) - view
        if top != round(self.scroll_y):
            self.scroll_to(y=max(0, top), animate=False, force=True, immediate=True)

    def show_columns(self, region: Region) -> None:
        """Bring a region of the lines into view."""
        self.scroll_to_region(region, animate=False, force=True, immediate=True)

    def render_line(self, y: int) -> Strip:
        """Paint one line of the view."""
        number = y + round(self.scroll_y)
        x = round(self.scroll_x)
        columns = self.size.width
        base = self.rich_style
        if not 0 <= number < self.line_count():
            return Strip.blank(columns, base)
        key = (number, x, columns, self.paint_key(number))
        strip = self._strips.get(key)
        if strip is None:
            strip = strip_of(self.line(number), self.looks, base).crop_extend(x, x + columns, base)
            self._strips[key] = strip
        return strip

    def paint_key(self, number: int) -> object:
        """What, besides the content, a painted line depends on (such as the cursor)."""
        return None

    # -- scrolling, for views without a cursor

    def action_up(self) -> None:
        """A line up."""
        self.scroll_to(y=self.scroll_y - 1, animate=False)

    def action_down(self) -> None:
        """A line down."""
        self.scroll_to(y=self.scroll_y + 1, animate=False)

    def action_page_up(self) -> None:
        """A page up."""
        self.scroll_to(y=self.scroll_y - max(1, self.size.height - 1), animate=False)

    def action_page_down(self) -> None:
        """A page down."""
        self.scroll_to(y=self.scroll_y + max(1, self.size.height - 1), animate=False)

    def action_first(self) -> None:
        """To the top."""
        self.scroll_to(x=0, y=0, animate=False)

    def action_last(self) -> None:
        """To the bottom."""
        self.scroll_to(y=self.max_scroll_y, animate=False)


class TextPane(Painted):
    """Lines of text without a cursor: broken at the width, or scrolled sideways."""

    PLACE = "text"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("text")]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._source: Sequence[Spans] = ()
        self._wrap = True
        self._lines: Sequence[Spans] = ()
        self._widest = 0

    def show(self, lines: Sequence[Spans], *, wrap: bool = True, at: int = 0) -> None:
        """Show lines.

        Args:
            lines: What to show.
            wrap: Break lines that are too long; otherwise they scroll sideways.
            at: The line to bring into view.
        """
        self._source, self._wrap = lines, wrap
        self.relaid()
        self.scroll_to(x=0, y=max(0, at - 2), animate=False, force=True, immediate=True)

    @property
    def content_text(self) -> str:
        """All that the pane holds, as text."""
        return "\n".join(flat(line) for line in self._source)

    def lay_out(self) -> None:
        """Break the lines at the width."""
        if self._wrap:
            self._widest = 0
            self._lines = [piece for line in self._source for piece in wrapped(line, self.columns, _indent(line))]
        else:
            self._lines = self._source
            self._widest = max((sum(width(text) for text, _ in line) for line in self._source), default=0)

    def line_count(self) -> int:
        """How many lines there are after breaking."""
        return len(self._lines)

    def line_width(self) -> int:
        """The widest line, where lines are not broken."""
        return self._widest

    def line(self, number: int) -> Spans:
        """A line after breaking."""
        return self._lines[number]

    def action_left(self) -> None:
        """Scroll to the left."""
        self.scroll_to(x=self.scroll_x - 8, animate=False, force=True)

    def action_right(self) -> None:
        """Scroll to the right."""
        self.scroll_to(x=min(self.scroll_x + 8, self.max_scroll_x), animate=False, force=True)


def _indent(line: Spans) -> int:
    text = flat(line)
    return min(len(text) - len(text.lstrip(" >")) + 2, 12)
