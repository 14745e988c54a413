"""Collecting: how far each kind of a live cluster is; ``esc`` asks whether to stop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.widget import Widget

from workbench.tui.collecting import collecting_lines
from workbench.tui.screens.base import Pane, WorkbenchScreen, screen_bindings
from workbench.tui.widgets.painting import TextPane

TICK = 0.5
"""Seconds between two looks at the clock."""


class CollectingScreen(WorkbenchScreen):
    """A reading that is under way."""

    PLACE = "collecting"
    PANES = (Pane("kinds", "Collecting", "#collecting"),)
    BINDINGS: ClassVar = screen_bindings("collecting")

    def body(self) -> Iterable[Widget]:
        """One text."""
        yield TextPane(id="collecting")

    def on_mount(self) -> None:
        """Let the seconds run."""
        super().on_mount()
        self.set_interval(TICK, self._tick)

    def _tick(self) -> None:
        if self.workbench.is_collecting and self.app.screen is self:
            self.session_changed()

    def session_changed(self) -> None:
        """Another kind is further on."""
        if not self.is_mounted:
            return
        pane = self.query_one(TextPane)
        reading = self.workbench.collecting
        if reading is None:
            pane.entitle("Collecting")
            pane.show([(("nothing is being read", "muted"),)])
            return
        pane.entitle("Collecting", "esc stops it, and asks first")
        at = round(pane.scroll_y)
        pane.show(collecting_lines(reading), wrap=False, at=at + 2)

    def leave_one(self) -> bool:
        """Ask whether to stop."""
        if super().leave_one():
            return True
        if not self.workbench.is_collecting:
            return False
        self.workbench.ask_to_stop()
        return True
