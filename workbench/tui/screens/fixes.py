"""Fixes: the basket, what it leads to, and the diff."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Container
from textual.widget import Widget

from workbench.tui.changing import applied_lines, row_lines, subtitle
from workbench.tui.filtering import matching
from workbench.tui.lines import BLANK, diff_lines, risk_lines, what_if_lines
from workbench.tui.screens.base import Asked, Pane, WorkbenchScreen, screen_bindings
from workbench.tui.session import refusal
from workbench.tui.text import Spans, count, shown, span
from workbench.tui.widgets.basket import SUGGESTED, Basket
from workbench.tui.widgets.line_list import LineList
from workbench.tui.widgets.painting import TextPane
from workbench.tui.widgets.severity import WORDS

if TYPE_CHECKING:
    from workbench.engine import Preview
    from workbench.remediation.records import Fix


class FixesScreen(WorkbenchScreen):
    """The fix workbench."""

    PLACE = "fixes"
    PANES = (Pane("basket", "Basket", "#basket"), Pane("whatif", "What if", "#whatif"), Pane("diff", "Diff", "#diff"))
    BINDINGS: ClassVar = screen_bindings("fixes")

    def __init__(self) -> None:
        super().__init__()
        self._asked = ""
        """The id of the fix that was asked for last."""

    def body(self) -> Iterable[Widget]:
        """The basket on the left, what-if and diff on the right."""
        yield Basket(id="basket")
        yield Container(TextPane(id="whatif"), TextPane(id="diff"), id="right")

    @property
    def basket(self) -> Basket:
        """The list of fixes."""
        return self.query_one(Basket)

    def session_changed(self) -> None:
        """Another basket, or fixes were ranked."""
        if not self.is_mounted:
            return
        session = self.session
        if session is None:
            title, lines = self.workbench.message_lines()
            self.basket.set_items([], quiet=True)
            self._text("#whatif", title, lines)
            self._text("#diff", "Diff", [])
            return
        staged = {fix.id for fix in session.basket}
        suggested = [fix for fix in session.fixes or () if fix.id not in staged]
        asked = next((fix for fix in suggested if fix.id == self._asked), None)
        if asked is not None and asked not in suggested[:SUGGESTED]:
            # What was asked for is listed, however little it cuts, and what else there is for its object.
            suggested.sort(key=lambda fix: (fix.target.id != asked.target.id, fix is not asked))
        kept = (
            matching([_hay(fix) for fix in suggested], self.filter_text) if self.filter_text else range(len(suggested))
        )
        part = f"{len(kept)} of {len(suggested)}" if self.filter_text else f"{len(suggested)}"
        changes = self.workbench.changes
        below = f"filter: {shown(self.filter_text)}" if self.filter_text else subtitle(changes)
        self.basket.entitle(f"Basket {len(session.basket)} staged, {part} suggested", below)
        # A fix keeps its number, by which the what-if speaks of it.
        listed = [(len(session.basket) + 1 + at, suggested[at]) for at in kept[:SUGGESTED]]
        self.basket.show_fixes(
            session.basket, listed, changes, of=len(kept), ranking=session.ranking, narrowed=bool(self.filter_text)
        )
        self._what_if()
        self._diff()

    def apply_filter(self) -> None:
        """List the suggestions that the filter keeps; what is staged always stays in sight."""
        self.session_changed()

    def _text(self, selector: str, title: str, lines: list[Spans]) -> None:
        pane = self.query_one(selector, TextPane)
        pane.entitle(title)
        pane.show(lines)

    def _what_if(self) -> None:
        session = self.session
        if session is None:
            return
        if not session.basket:
            total = session.report.total
            self._text(
                "#whatif",
                f"What if  {count(total, 'path')}",
                [
                    (("nothing is staged", "strong"),),
                    (("space stages the fix under the cursor; what it closes is computed at once", "muted"),),
                ],
            )
            return
        if session.problem:
            lines: list[Spans] = [((shown(session.problem), "warning"),), (("unstage one of them: u", "muted"),)]
            self._text("#whatif", "What if  conflict", lines)
            return
        report = session.what_if
        if report is None:
            self._text("#whatif", "What if", [(("computing …", "muted"),)])
            return
        change = "   ".join(
            f"{WORDS[severity].strip()} {before:,} -> {after:,}"
            for severity, (before, after) in report.severities.items()
            if before or after
        )
        staged = {fix.id for fix in session.basket}
        order = [*session.basket, *(fix for fix in session.fixes or () if fix.id not in staged)]
        numbers = {fix.id: number for number, fix in enumerate(order, 1)}
        lines = [*what_if_lines(report, numbers), *risk_lines(session.basket)]
        self._text(
            "#whatif", f"What if  {report.paths_before:,} -> {count(report.paths_after, 'path')}   {change}", lines
        )

    def _diff(self) -> None:
        """The diff of the fix under the cursor: merged with the others if it is staged, else on its own."""
        session = self.session
        fix = self.basket.fix
        changes = self.workbench.changes
        about = self.basket.current.about if self.basket.current is not None else ""
        if about and changes is not None:
            row = changes.row_of(about)
            own = row_lines(row, changes.notes.get(about, "")) if row is not None else []
            self._text("#diff", f"Changed  {about}", [*own, BLANK, *applied_lines(changes)[:2]])
            return
        if session is None or fix is None:
            self._text("#diff", "Diff", [])
            return
        if session.staged(fix):
            previews = [preview for preview in session.previews if preview.target == fix.target.id]
            waiting: list[Spans] = [((shown(session.problem) or "computing …", "muted"),)]
            shown_lines = [*(diff_lines(previews) or waiting), BLANK, *self._server_lines(fix)]
            self._text("#diff", f"Diff  {fix.target.id}  (staged)", shown_lines)
            return
        lines: list[Spans] = []
        reason = refusal(fix)
        if reason:
            lines += [((reason, "warning"),), BLANK]
        self._text("#diff", f"Diff  {fix.target.id}  (proposed)", [*lines, (("computing …", "muted"),)])
        audit = session.audit

        def deliver(previews: list[Preview]) -> None:
            if self.basket.fix is not None and self.basket.fix.id == fix.id and not session.staged(fix):
                known = diff_lines(previews)
                pane_lines = [*lines, *(known or [(("no patch", "muted"),)]), BLANK, *_about(fix.risk.reasons)]
                self._text("#diff", f"Diff  {fix.target.id}  (proposed)", pane_lines)

        def failed(error: Exception) -> None:
            self._text("#diff", f"Diff  {fix.target.id}", [*lines, ((shown(error), "warning"),)])

        self.workbench.in_background("preview", lambda: list(audit.previews([fix])), deliver, failed)

    def _server_lines(self, fix: Fix) -> list[Spans]:
        """What the server's dry run made of a staged fix."""
        changes = self.workbench.changes
        row = changes.row_of(fix.target.id) if changes is not None and not changes.undo else None
        if row is None or changes is None:
            refused = self.workbench.changes_refused()
            return [
                (("server dry-run: not yet run", "muted"), (f"   {refused}" if refused else "   v runs it", "muted"))
            ]
        return row_lines(row, changes.notes.get(row.id, ""))

    @on(LineList.Moved, "#basket")
    def _moved(self, event: LineList.Moved) -> None:
        event.stop()
        self._diff()

    @on(LineList.Opened, "#basket")
    def _opened(self, event: LineList.Opened) -> None:
        event.stop()
        self.go_to_pane(self.pane_named("diff"))

    @on(Basket.Toggled)
    def _toggled(self, event: Basket.Toggled) -> None:
        event.stop()
        session = self.session
        if session is not None and session.staged(event.fix):
            self.workbench.unstage(event.fix)
        else:
            self.workbench.stage(event.fix)

    def action_stage(self) -> None:
        """Stage the fix under the cursor."""
        if self.basket.fix is not None:
            self.workbench.stage(self.basket.fix)

    def action_unstage(self) -> None:
        """Unstage the fix under the cursor, else the newest."""
        session = self.session
        if session is None or not session.basket:
            self.workbench.say("nothing is staged")
            return
        fix = self.basket.fix
        self.workbench.unstage(fix if fix is not None and session.staged(fix) else session.basket[-1])

    def action_dry_run(self) -> None:
        """Ask the server what it would make of what is staged."""
        self.workbench.check_staged()

    def action_apply(self) -> None:
        """Apply what is staged."""
        self.workbench.apply_staged()

    def action_undo(self) -> None:
        """Take back what was applied last."""
        self.workbench.undo_applied()

    def action_export(self) -> None:
        """Write what is staged."""
        self.workbench.export()

    def show_what_was_asked(self, asked: Asked) -> None:
        """Go to a fix."""
        if asked.fix:
            self._asked = asked.fix
            self.session_changed()
            self.select_fix(asked.fix)

    def select_fix(self, fix_id: str) -> None:
        """Move the cursor to a fix."""
        self.basket.select_fix(fix_id)


def _hay(fix: Fix) -> str:
    """What the filter searches for a fix."""
    return f"{fix.fix} {fix.title} {fix.target.id} risk {fix.risk.level} {fix.status}".lower()


def _about(reasons: Iterable[str]) -> list[Spans]:
    return [(("risk: ", "muted"), span(reason)) for reason in reasons]
