"""Tabs over one thing: a text, or rows that open something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive

from workbench.tui.text import Spans, shown
from workbench.tui.widgets.line_list import Row, RowList
from workbench.tui.widgets.painting import TextPane
from workbench.tui.widgets.tab_strip import TabStrip


class TabbedDetail(Vertical):
    """Tabs over one thing. The screen gives what a tab shows when the tab or the thing changes."""

    DEFAULT_CSS = """
    TabbedDetail {
        border: round $frame;
        border-title-color: $foreground;
        &:focus-within { border: heavy $frame-focus; border-title-style: bold; }
        & > Painted, & > Painted:focus { border: none; height: 1fr; }
    }
    """
    TABS: ClassVar[tuple[str, ...]] = ()
    PARTS: ClassVar[str] = ""
    """What the ids of the parts begin with."""

    tab: reactive[int] = reactive(0, init=False)

    class TabChanged(Message):
        """Another tab is shown and wants its content."""

    def compose(self) -> ComposeResult:
        """The tabs, a text, a list."""
        yield TabStrip(self.TABS, id=f"{self.PARTS}-tabs")
        yield TextPane(id=f"{self.PARTS}-text")
        yield RowList(id=f"{self.PARTS}-rows")

    def on_mount(self) -> None:
        """Begin without anything."""
        self.show_lines([])

    def entitle(self, title: str) -> None:
        """Name what is shown."""
        self.border_title = Content(shown(title, 1024))

    @property
    def pane(self) -> TextPane | RowList:
        """What takes the keys."""
        rows = self.query_one(RowList)
        return rows if rows.display else self.query_one(TextPane)

    def show_lines(self, lines: Sequence[Spans], *, wrap: bool = True) -> None:
        """Show a text."""
        text = self.query_one(TextPane)
        self._swap(text)
        text.show(lines, wrap=wrap)

    def show_rows(self, rows: Sequence[Row], otherwise: str) -> None:
        """Show rows that open something, or say that there are none."""
        if not rows:
            self.show_lines([((otherwise, "muted"),)])
            return
        listed = self.query_one(RowList)
        self._swap(listed)
        listed.set_items(rows, quiet=True)

    def _swap(self, wanted: TextPane | RowList) -> None:
        text, rows = self.query_one(TextPane), self.query_one(RowList)
        had_focus = text.has_focus or rows.has_focus
        text.display, rows.display = wanted is text, wanted is rows
        if had_focus and not wanted.has_focus:
            wanted.focus(scroll_visible=False)

    def watch_tab(self) -> None:
        """Ask for the content of the tab."""
        self.query_one(TabStrip).active = self.tab
        self.post_message(self.TabChanged())

    def turn(self, by: int) -> None:
        """Another tab."""
        self.tab = (self.tab + by) % len(self.TABS)

    @on(TabStrip.Chosen)
    def _chosen(self, event: TabStrip.Chosen) -> None:
        event.stop()
        self.tab = event.index
