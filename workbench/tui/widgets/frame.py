"""The frame around every screen: the header, the line of hints, and what is shown when it is too small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from workbench.tui.actions import VIEWS, Action, actions_of
from workbench.tui.text import Span, Spans, fit, width
from workbench.tui.widgets.painting import strip_of

NEEDED = (60, 16)
"""The smallest terminal that is of use."""

TWO_ROWS_FROM = (100, 20)
"""From this size on the header has its second row."""


@dataclass(frozen=True, slots=True)
class HeaderState:
    """What the header says."""

    source: str = ""
    kind: str = ""
    coverage: str = ""
    partial: bool = False
    staged: str = ""
    age: str = ""
    """Of a live cluster: when it was read, and how long ago."""
    stale: bool = False
    """Whether that is too long ago to be relied on."""
    acting: str = ""
    """Whom the requests impersonate."""
    protected: bool = False
    """Whether every change takes the context's name."""
    read_only: bool = False
    """Whether nothing may be changed."""
    unverified: bool = False
    """Whether the server's certificate is not checked."""
    namespace: str = ""
    """What lists are limited to, empty for all."""
    view: str = ""
    basket: int = 0
    chip: str = ""
    """What narrows the view, with its way out."""


class StatusHeader(Widget):
    """Product, source, coverage, staged effect; below it the screens."""

    DEFAULT_CSS = """
    StatusHeader {
        height: 2;
        width: 100%;
        background: $panel;
        color: $foreground;
        .status--product { text-style: bold; }
        .status--warning { color: $warning; text-style: bold; }
        .status--active { text-style: bold reverse; }
        .status--muted { color: $muted; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"status--product", "status--warning", "status--active", "status--muted"}

    state: reactive[HeaderState] = reactive(HeaderState())

    def _facts(self) -> list[tuple[str, str, int]]:
        """What the first row says: text, look, and when it is left out (0: never; the lower the earlier)."""
        state = self.state
        return [
            ("workbench", "product", 1),
            (state.source or "no source", "product", 0),
            (f"as {state.acting}" if state.acting else "", "warning", 0),
            ("PROTECTED" if state.protected else "", "warning", 0),
            ("READ-ONLY" if state.read_only else "", "warning", 0),
            ("TLS UNVERIFIED" if state.unverified else "", "warning", 0),
            (f"ns: {state.namespace}" if state.namespace else "", "warning", 3),
            (state.age or state.kind, "muted", 2),
            ("STALE" if state.stale else "", "warning", 0),
            (state.coverage, "warning" if state.partial else "", 0),
            (state.chip, "warning", 4),
        ]

    def first_row(self, cells: int) -> Spans:
        """The facts, those that matter least left out first where it is narrow."""
        state = self.state
        right = state.staged
        for step in range(5):
            left: list[Span] = [(text, look) for text, look, drop in self._facts() if text and not 0 < drop <= step]
            used = sum(width(text) + 3 for text, _ in left) + width(right) + 1
            if used <= cells:
                break
        else:
            over = used - cells
            size = max(12, width(left[0][0]) - over)
            left[0] = (fit(left[0][0], min(size, width(left[0][0]))), left[0][1])
        spans: list[Span] = [(" ", "")]
        for at, one in enumerate(left):
            spans += [(" | ", "muted"), one] if at else [one]
        used = sum(width(text) for text, _ in spans)
        spans.append((" " * max(1, cells - used - width(right) - 1), ""))
        spans.append((right, "product" if state.basket else "muted"))
        return tuple(spans)

    def second_row(self, cells: int) -> tuple[Spans, list[tuple[int, int, str]]]:
        """The screens and the keys that everyone needs, and where each screen's name stands."""
        spans: list[Span] = []
        places: list[tuple[int, int, str]] = []
        at = 0
        for view in VIEWS:
            basket = f"({self.state.basket})" if view.id == "fixes" and self.state.basket else ""
            name = f"{view.digit} {view.title}{basket}"
            text = f"[{name}]" if view.id == self.state.view else f" {name} "
            places.append((at, at + len(text), view.id))
            spans.append((text, "active" if view.id == self.state.view else ""))
            at += len(text)
        filters = any(action.id == "filter" for action in actions_of(self.state.view))
        keys = "? help   : go   / filter " if filters else "? help   : go "
        spans += [(" " * max(1, cells - at - len(keys)), ""), (keys, "muted")]
        return tuple(spans), places

    def render_line(self, y: int) -> Strip:
        """One of the two rows."""
        cells = self.size.width
        spans = self.first_row(cells) if y == 0 else self.second_row(cells)[0]
        names = ("product", "warning", "active", "muted")
        looks = {look: self.get_component_rich_style(f"status--{look}", partial=True) for look in names}
        return strip_of(spans, looks, self.rich_style).adjust_cell_length(cells, self.rich_style)

    def on_mount(self) -> None:
        """Follow the theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self.refresh())

    async def on_click(self, event: events.Click) -> None:
        """Go to the screen under the pointer."""
        if event.y == 1:
            for start, end, view in self.second_row(self.size.width)[1]:
                if start <= event.x < end:
                    await self.run_action(f"app.view('{view}')")


class Banner(Widget):
    """One row below the header that says what is wrong with the connection; hidden while nothing is."""

    DEFAULT_CSS = """
    Banner { display: none; height: 1; width: 100%; background: $panel; color: $warning; text-style: bold; }
    """

    text: reactive[str] = reactive("", init=False)

    def watch_text(self) -> None:
        """Show it if there is something to say."""
        self.display = bool(self.text)

    def render_line(self, y: int) -> Strip:
        """The sentence."""
        cells = self.size.width
        spans = ((f" ! {fit(self.text, max(1, cells - 4))}", ""),)
        return strip_of(spans, {}, self.rich_style).adjust_cell_length(cells, self.rich_style)


class HintBar(Widget):
    """The last row: what the keys do where the focus is. ``?`` is never left out."""

    DEFAULT_CSS = """
    HintBar {
        height: 1;
        width: 100%;
        background: $panel;
        color: $foreground;
        .hints--key { color: $primary; text-style: bold; }
        .hints--muted { color: $muted; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"hints--key", "hints--muted"}

    actions: reactive[tuple[Action, ...]] = reactive(())
    lead: reactive[str] = reactive("")
    """What is said before the hints, such as how to move in this pane."""

    @dataclass(frozen=True, slots=True)
    class Hint:
        """One hint on the row."""

        action: Action
        start: int
        end: int

    def hints(self, cells: int) -> list[Hint]:
        """Those that fit, help last."""
        more = [action for action in self.actions if action.id == "help"]
        room = cells - sum(len(action.keys_shown) + len("more") + 3 for action in more)
        out: list[HintBar.Hint] = []
        at = 1
        if self.lead and at + width(self.lead) + 2 <= room:
            at += width(self.lead) + 2
        for action in self.actions:
            if action.id == "help":
                continue
            size = width(f"{_first(action)} {action.label}")
            if at + size > room:
                continue
            out.append(self.Hint(action, at, at + size))
            at += size + 2
        for action in more:
            out.append(self.Hint(action, at, at + len("? more")))
        return out

    def render_line(self, y: int) -> Strip:
        """The hints."""
        cells = self.size.width
        hints = self.hints(cells)
        spans: list[Span] = [(" ", "")]
        if self.lead and hints and hints[0].start > 1:
            spans.append((self.lead + "  ", "muted"))
        for hint in hints:
            label = "more" if hint.action.id == "help" else hint.action.label
            spans += [(_first(hint.action), "key"), (f" {label}  ", "")]
        looks: dict[str, Style] = {
            look: self.get_component_rich_style(f"hints--{look}", partial=True) for look in ("key", "muted")
        }
        return strip_of(tuple(spans), looks, self.rich_style).adjust_cell_length(cells, self.rich_style)

    def on_mount(self) -> None:
        """Follow the theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self.refresh())

    async def on_click(self, event: events.Click) -> None:
        """Do what the hint under the pointer says."""
        for hint in self.hints(self.size.width):
            if hint.start <= event.x < hint.end:
                self.app.simulate_key(hint.action.keys[0])


def _first(action: Action) -> str:
    """The key that the hint names: one is enough."""
    from workbench.tui.actions import KEY_NAMES

    return action.show or KEY_NAMES.get(action.keys[0], action.keys[0])


class TooSmall(Widget):
    """Says how large the terminal has to be."""

    DEFAULT_CSS = """
    TooSmall { display: none; width: 100%; height: 1fr; background: $background; color: $foreground; }
    """

    def render_line(self, y: int) -> Strip:
        """The sentence, in the first row."""
        size = self.app.size
        text = f"needs {NEEDED[0]}x{NEEDED[1]}, is {size.width}x{size.height}" if y == 0 else ""
        return strip_of(((text, ""),), {}, self.rich_style).adjust_cell_length(self.size.width, self.rich_style)
