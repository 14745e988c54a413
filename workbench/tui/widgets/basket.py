"""The basket: what is staged, and what could be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.message import Message

from workbench.tui.actions import bindings_of
from workbench.tui.changing import look_of
from workbench.tui.lines import fix_lines
from workbench.tui.names import full
from workbench.tui.text import Spans, shown, wrapped
from workbench.tui.widgets.line_list import LineList

if TYPE_CHECKING:
    from workbench.remediation.records import Fix
    from workbench.tui.changing import Changes

SUGGESTED = 300
"""How many suggestions are listed; the others are found at the steps they cut."""


@dataclass(frozen=True, slots=True)
class BasketRow:
    """A heading, a fix with its number, or an object that was changed."""

    heading: str = ""
    fix: Fix | None = None
    number: int = 0
    staged: bool = False
    about: str = ""
    """Of what was applied, the id of the object."""
    state: str = ""
    """How it stands with it at the server, empty where nothing was asked."""


class Basket(LineList[BasketRow]):
    """Staged fixes first, then the others, the best first."""

    PLACE = "basket"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("basket")]

    @dataclass
    class Toggled(Message):
        """A fix is to be staged or unstaged."""

        fix: Fix

    def paint(self, item: BasketRow, cells: int) -> list[Spans]:
        """A heading, or the lines of a fix or of an object, with how it stands with it at the server."""
        server: list[Spans] = []
        if item.state:
            server = [(("    server: ", "muted"), (shown(item.state, max(8, cells - 12)), look_of(item.state)))]
        if item.fix is not None:
            return [*fix_lines(item.fix, cells, number=item.number, staged=item.staged), *server]
        if item.about:
            return [*wrapped((("    ", ""), (full(item.about), "strong")), cells, 4), *server]
        return [((item.heading, "heading"),)]

    def row_height(self, item: BasketRow) -> int:
        """As many lines as it takes."""
        return 1 if item.heading else len(self.paint(item, self.cells))

    def selectable(self, item: BasketRow) -> bool:
        """Fixes, and what was changed."""
        return item.fix is not None or bool(item.about)

    def show_fixes(
        self,
        staged: Sequence[Fix],
        suggested: Sequence[tuple[int, Fix]],
        changes: Changes | None,
        *,
        of: int,
        ranking: str,
        narrowed: bool = False,
    ) -> None:
        """Show all parts; the cursor stays on its fix, or in its place.

        Args:
            staged: What is staged.
            suggested: The first of the other fixes with their numbers, the best first.
            changes: What was asked of the server.
            of: How many other fixes there are.
            ranking: How far the ranking has come; empty once all fixes are ranked.
            narrowed: Whether a filter leaves some of them out.
        """
        current = self.current
        rows = [BasketRow("STAGED")]
        state = changes.state_of if changes is not None and not changes.undo else lambda _about: ""
        rows += [
            BasketRow(fix=fix, number=number, staged=True, state=state(fix.target.id))
            for number, fix in enumerate(staged, 1)
        ]
        if not staged:
            rows.append(BasketRow("  nothing yet: space stages the fix under the cursor"))
        if changes is not None and changes.is_applied:
            rows.append(BasketRow(changes.heading))
            rows += [BasketRow(about=row.id, state=changes.state_of(row.id)) for row in changes.rows]
        part = f", {len(suggested)} of {of:,}" if of > len(suggested) else ""
        rows.append(BasketRow(f"SUGGESTED (best next first{part})"))
        if ranking:
            rows.append(BasketRow(f"  {ranking} …"))
        elif not suggested:
            rows.append(BasketRow("  no fix matches: esc clears the filter" if narrowed else "  no other fix applies"))
        rows += [BasketRow(fix=fix, number=number) for number, fix in suggested]
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
