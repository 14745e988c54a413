"""The basket: what is staged, and what could be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.message import Message

from workbench.tui.actions import bindings_of
from workbench.tui.lines import fix_lines
from workbench.tui.text import Spans
from workbench.tui.widgets.line_list import LineList

if TYPE_CHECKING:
    from workbench.remediation.records import Fix

SUGGESTED = 300
"""How many suggestions are listed; the others are found at the steps they cut."""


@dataclass(frozen=True, slots=True)
class BasketRow:
    """A heading, or a fix with its number."""

    heading: str = ""
    fix: Fix | None = None
    number: int = 0
    staged: bool = False


class Basket(LineList[BasketRow]):
    """Staged fixes first, then the others, the best first."""

    PLACE = "basket"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("basket")]

    @dataclass
    class Toggled(Message):
        """A fix is to be staged or unstaged."""

        fix: Fix

    def paint(self, item: BasketRow, cells: int) -> list[Spans]:
        """A heading, or the lines of a fix with its number."""
        if item.fix is None:
            return [((item.heading, "heading"),)]
        return fix_lines(item.fix, cells, number=item.number, staged=item.staged)

    def row_height(self, item: BasketRow) -> int:
        """As many lines as it takes."""
        return len(self.paint(item, self.cells)) if item.fix is not None else 1

    def selectable(self, item: BasketRow) -> bool:
        """Only fixes."""
        return item.fix is not None

    def show_fixes(self, staged: list[Fix], suggested: list[Fix], *, waiting: bool) -> None:
        """Show both parts; the cursor stays on its fix, or in its place."""
        current = self.current
        rows = [BasketRow("STAGED")]
        rows += [BasketRow(fix=fix, number=number, staged=True) for number, fix in enumerate(staged, 1)]
        if not staged:
            rows.append(BasketRow("  nothing yet: space stages the fix under the cursor"))
        part = f", {SUGGESTED} of {len(suggested):,}" if len(suggested) > SUGGESTED else ""
        rows.append(BasketRow(f"SUGGESTED (best next first{part})"))
        if waiting:
            rows.append(BasketRow("  ranking …"))
        elif not suggested:
            rows.append(BasketRow("  no other fix applies"))
        rows += [BasketRow(fix=fix, number=number) for number, fix in enumerate(suggested[:SUGGESTED], len(staged) + 1)]
        wanted = current.fix.id if current is not None and current.fix is not None else None
        at = next((at for at, row in enumerate(rows) if row.fix is not None and row.fix.id == wanted), self.cursor)
        self.set_items(rows, max(0, at))

    def select_fix(self, fix_id: str) -> None:
        """Move the cursor to a fix."""
        for at, row in enumerate(self.items):
            if row.fix is not None and row.fix.id == fix_id:
                self.cursor = at

    @property
    def fix(self) -> Fix | None:
        """The fix under the cursor."""
        return self.current.fix if self.current is not None else None

    def action_toggle_fix(self) -> None:
        """Stage or unstage the fix under the cursor."""
        if self.fix is not None:
            self.post_message(self.Toggled(self.fix))
