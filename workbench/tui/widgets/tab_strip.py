"""One line of tabs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from workbench.tui.text import width
from workbench.tui.widgets.painting import strip_of


class TabStrip(Widget):
    """One line of tabs; a click chooses one."""

    DEFAULT_CSS = """
    TabStrip {
        height: 1;
        width: 100%;
        .tabs--active { text-style: reverse; }
        .tabs--inactive { color: $muted; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"tabs--active", "tabs--inactive"}

    active: reactive[int] = reactive(0)
    labels: reactive[tuple[str, ...]] = reactive(())
    note: reactive[str] = reactive("")

    @dataclass
    class Chosen(Message):
        """A tab was clicked."""

        strip: TabStrip
        index: int

        @property
        def control(self) -> TabStrip:
            """The strip, for selectors."""
            return self.strip

    def __init__(self, labels: Sequence[str] = (), *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.set_reactive(TabStrip.labels, tuple(labels))

    def _parts(self) -> list[str]:
        return [f"[{label}]" if at == self.active else f" {label} " for at, label in enumerate(self.labels)]

    def render_line(self, y: int) -> Strip:
        """The tabs, and the note at the right where there is room."""
        spans: list[tuple[str, str]] = []
        for at, part in enumerate(self._parts()):
            spans += [(part, "active" if at == self.active else "inactive"), (" ", "")]
        used = sum(width(text) for text, _ in spans)
        free = self.size.width - used - width(self.note)
        if self.note and free > 0:
            spans += [(" " * free, ""), (self.note, "inactive")]
        looks = {look: self.get_component_rich_style(f"tabs--{look}", partial=True) for look in ("active", "inactive")}
        return strip_of(tuple(spans), looks, self.rich_style).adjust_cell_length(self.size.width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Choose the tab under the pointer."""
        at = 0
        for index, part in enumerate(self._parts()):
            if at <= event.x < at + width(part):
                self.post_message(self.Chosen(self, index))
                return
            at += width(part) + 1
