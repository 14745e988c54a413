"""The basket: what is staged, what it leads to, and its export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.tui.session import asks, default_directory, refusal, staged_message
from workbench.tui.shared import SessionApp
from workbench.tui.text import count

if TYPE_CHECKING:
    from workbench.engine import ExportResult, Preview, WhatIfReport
    from workbench.remediation.records import Fix


class StagingApp(SessionApp):
    """An app with a basket."""

    _exported: tuple[str, ...] = ()

    def stage(self, fix: Fix) -> None:
        """Put a fix into the basket, or say why not."""
        session = self.require_session()
        reason = refusal(fix)
        if session.staged(fix):
            self.say(f"already staged: {fix.title}")
        elif asks(fix):
            from workbench.tui.screens.dialogs import AnswerDialog

            self.ask(AnswerDialog(fix), self._needs_answered)
        elif reason:
            self.say(f"cannot be staged: {fix.title}: {reason}", "warning")
        else:
            session.basket.append(fix)
            self.say(staged_message(fix))
            self.basket_changed()

    def _needs_answered(self, fix: Fix | None) -> None:
        if fix is not None:
            self.stage(fix)

    def session_loaded(self) -> None:
        """What stayed staged is computed anew."""
        super().session_loaded()
        if self.require_session().basket:
            self.basket_changed()

    def unstage(self, fix: Fix) -> None:
        """Take a fix out of the basket."""
        session = self.require_session()
        session.basket[:] = [staged for staged in session.basket if staged.id != fix.id]
        self.say(f"unstaged: {fix.title}")
        self.basket_changed()

    def basket_changed(self) -> None:
        """Compute anew what the basket leads to."""
        session = self.require_session()
        session.what_if, session.previews, session.problem = None, (), ""
        if session.basket:
            self._ask_what_if()
        else:
            self.workers.cancel_group(self, "what-if")
        self.tell_screens()

    def fixes_ranked(self) -> None:
        """The fixes that would close what stays can be named now."""
        super().fixes_ranked()
        if self.require_session().basket:
            self._ask_what_if()

    def _ask_what_if(self) -> None:
        session = self.require_session()
        audit, basket = session.audit, list(session.basket)
        # Until all fixes are ranked it would wait for them.
        following = not session.ranking

        def deliver(found: tuple[WhatIfReport, list[Preview]]) -> None:
            session.what_if, session.previews = found
            self.tell_screens()

        def failed(error: Exception) -> None:
            session.problem = str(error) if isinstance(error, WorkbenchError) else f"internal error: {error}"
            if not isinstance(error, WorkbenchError):
                self.report(error)
            self.tell_screens()

        def job() -> tuple[WhatIfReport, list[Preview]]:
            return audit.what_if(basket, following=following), list(audit.previews(basket))

        self.in_background("what-if", job, deliver, failed)

    # -- export

    def export(self) -> None:
        """Ask where to write what is staged."""
        session = self.session
        if session is None or not session.basket:
            self.say("nothing is staged: s stages the fix of a step")
        elif session.problem:
            self.say(f"cannot be exported: {session.problem}", "warning")
        else:
            from workbench.tui.screens.dialogs import ExportDialog

            self.ask(ExportDialog(session, default_directory(session.audit.title)), self._export_answered)

    def _export_answered(self, answer: tuple[Path, bool] | None) -> None:
        if answer is None:
            return
        session = self.require_session()
        directory, force = answer
        basket = list(session.basket)

        def deliver(result: ExportResult) -> None:
            self._exported = tuple(fix.id for fix in basket)
            self.say(f"wrote {count(len(result.files), 'file')} to {result.directory}; next: {result.next_command}")

        self.in_background("export", lambda: session.audit.export(basket, directory, force=force), deliver)
