"""The dialogs before a cluster is changed, and the list of what was changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from workbench.tui.actions import bindings_of
from workbench.tui.changing import journal_lines, plan_lines
from workbench.tui.screens.dialogs import Dialog
from workbench.tui.text import count, shown
from workbench.tui.widgets.frame import HintBar
from workbench.tui.widgets.line_list import LineList, Row, RowList
from workbench.tui.widgets.painting import TextPane

if TYPE_CHECKING:
    from workbench.tui.changing import Changes


class ApplyDialog(Dialog[bool]):
    """What is going to be changed where, as whom; ``y`` agrees, or the context's name where it takes that."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("apply")]

    def __init__(self, changes: Changes, reasons: Sequence[str], name: str) -> None:
        """Ask.

        Args:
            changes: The batch after its dry run.
            reasons: Why the name has to be typed; empty if ``y`` will do.
            name: The name of the context.
        """
        super().__init__()
        self.changes, self.reasons, self.context_name = changes, reasons, name

    @property
    def PLACES(self) -> tuple[str, ...]:  # type: ignore[override]
        """``y`` only where it is enough."""
        return ("dialog",) if self.reasons else ("dialog", "apply")

    def compose(self) -> ComposeResult:
        """The plan, and where it takes the name, an input."""
        with Vertical(classes="dialog listing"):
            yield TextPane(id="plan")
            if self.reasons:
                field = Input(id="context-name", placeholder="the name of the context, then enter")
                field.cursor_blink = False
                yield field
            yield HintBar()

    def on_mount(self) -> None:
        """Show the plan."""
        super().on_mount()
        pane = self.query_one(TextPane)
        what = count(len(self.changes.rows), "object")
        verb = "Take back changes of" if self.changes.undo else "Apply changes to"
        how = "type the name of the context to go on" if self.reasons else "y goes on, esc does not"
        pane.entitle(f"{verb} {what} in {shown(self.context_name)}", how)
        pane.show(plan_lines(self.changes, self.reasons, self.context_name))
        if self.reasons:
            self.query_one(Input).border_title = "Context"
            self.query_one(Input).focus()
        else:
            pane.focus()

    def action_agree(self) -> None:
        """Go on, where ``y`` is enough."""
        if not self.reasons:
            self.dismiss(True)

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value == self.context_name:
            self.dismiss(True)
        else:
            self.query_one(TextPane).border_subtitle = f"that is not {shown(self.context_name)}: nothing is changed"


class JournalDialog(Dialog[str]):
    """What was applied in a context; answers with the run to take back."""

    PLACES = ("dialog", "list")

    def __init__(self, rows: Sequence[tuple[str, str, str, str, str]], context: str) -> None:
        super().__init__()
        self.rows, self.context = rows, context

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(classes="dialog listing"):
            yield RowList(id="journal")
            yield HintBar()

    def on_mount(self) -> None:
        """Fill it."""
        super().on_mount()
        listed = self.query_one(RowList)
        listed.entitle(f"Journal of {self.context or 'this cluster'}", "enter takes a run back, after a dry run")
        rows = [Row((line,), identifier) for identifier, line in journal_lines(self.rows)]
        listed.set_items(rows or [Row(((("nothing was applied here yet", "muted"),),))])
        listed.focus()

    @on(LineList.Opened)
    def _chosen(self, event: LineList.Opened) -> None:
        row = event.list.items[event.index]
        if isinstance(row, Row):
            self.dismiss(str(row.target))
