"""Dry run, apply and undo: the workers that ask the server, and the questions that come before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import on
from textual.worker import get_current_worker

from workbench.tui.changing import Changes, journal_of, verdicts_of
from workbench.tui.messages import RowsChanged
from workbench.tui.staging import StagingApp
from workbench.tui.text import count, shown

if TYPE_CHECKING:
    from workbench.kube.api import Connection, Endpoint
    from workbench.remediation.apply import Row
    from workbench.remediation.rollout import Rollout


class ApplyingApp(StagingApp):
    """An app that changes clusters, if it is told so twice."""

    connection: Connection | None
    changes: Changes | None = None
    """The last batch: checked, under way, or applied."""

    # -- whether

    def changes_refused(self) -> str:
        """Why nothing can be changed here, as a sentence; empty if something can."""
        session = self.session
        if session is None:
            return "nothing is loaded"
        endpoint = self.target_endpoint
        if endpoint is None or self.connection is None:
            return "this source is a file: :apply-to CONTEXT names the cluster to change"
        if self.is_read_only(endpoint.context):
            return f"read-only: nothing is changed in {endpoint.context or 'this cluster'}"
        if self.changes is not None and self.changes.is_running:
            return "a batch is under way; esc stops it after the object it is at"
        return ""

    @property
    def target_endpoint(self) -> Endpoint | None:
        """The cluster that would be changed."""
        return self.connection.endpoint if self.connection is not None else None

    def is_read_only(self, context: str) -> bool:
        """Whether nothing may be changed in a context."""
        raise NotImplementedError

    def is_protected(self, context: str) -> bool:
        """Whether every change in a context takes its name."""
        raise NotImplementedError

    def reload_quietly(self) -> None:
        """Read the cluster again while its screens stay."""
        raise NotImplementedError

    def basket_changed(self) -> None:
        """A dry run of another basket says nothing of this one."""
        if self.changes is not None and self.changes.phase == "checked":
            self.changes = None
        super().basket_changed()

    def _is_current(self, changes: Changes) -> bool:
        """Whether a batch is the last one, and of the cluster that is open: what was agreed to for one cluster is never
        made in another.
        """
        return self.changes is changes and changes.connection is self.connection

    @property
    def is_changing(self) -> bool:
        """Whether a cluster is being changed right now."""
        return self.changes is not None and self.changes.phase == "applying"

    # -- dry run

    def check_staged(self, then: Callable[[Changes], None] | None = None) -> None:
        """Ask the server what it would make of what is staged; nothing persists (``v``).

        Args:
            then: What is done with the result where everything was accepted.
        """
        session = self.session
        refused = self.changes_refused()
        if refused or session is None:
            self.say(refused, "warning")
        elif not session.basket:
            self.say("nothing is staged: space stages the fix under the cursor")
        elif session.problem:
            self.say(f"cannot be checked: {session.problem}", "warning")
        elif self.connection is not None:
            self._check(Changes(False, tuple(session.basket), self.connection), then)

    def _check(self, changes: Changes, then: Callable[[Changes], None] | None) -> None:
        connection = changes.connection
        self.changes = changes
        self.tell_screens()

        def job() -> Changes:
            from workbench.remediation.apply import dry_run
            from workbench.remediation.live import username
            from workbench.remediation.steps import fix_steps, undo_steps

            if changes.entry is not None:
                changes.steps = undo_steps(changes.entry.in_force)
            else:
                changes.steps, changes.left = fix_steps(changes.fixes)
            changes.user = username(connection)
            outcome = dry_run(connection, changes.steps, self._row_teller(changes), changes.stop.is_set)
            changes.rows = outcome.rows
            changes.lost = str(outcome.lost or "")
            return changes

        def checked(found: Changes) -> None:
            if not self._is_current(found):
                # Another cluster was opened meanwhile.
                self.changes = None if self.changes is found else self.changes
                return
            found.phase = "checked"
            self.tell_screens()
            problems = found.problems()
            if problems:
                more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
                self.say(f"the dry run stopped: {shown(problems[0])}{more}", "warning")
            elif then is not None:
                then(found)
            else:
                self.say(f"the server accepts {count(len(found.rows), 'object')}; A applies")

        self.in_background("change", job, checked, self._failed)

    def _failed(self, error: Exception) -> None:
        self.changes = None
        self.report(error)
        self.tell_screens()

    def _row_teller(self, changes: Changes) -> Callable[[int, Row], None]:
        worker = get_current_worker()

        def tell(place: int, row: Row) -> None:
            rows = list(changes.rows)
            rows[place : place + 1] = [row]
            changes.rows = rows
            self.post_message(RowsChanged(worker))

        return tell

    @on(RowsChanged)
    def _rows_changed(self) -> None:
        self.tell_screens()

    # -- apply

    def apply_staged(self) -> None:
        """Apply what is staged, after a dry run and consent (``A``)."""
        session, changes = self.session, self.changes
        known = session is not None and changes is not None and changes.is_fresh(session.basket)
        if known and changes is not None and self._is_current(changes) and not changes.problems():
            self._ask(changes)
        else:
            self.check_staged(self._ask)

    def _ask(self, changes: Changes) -> None:
        from workbench.remediation.live import State
        from workbench.report.changes import context_name, reasons_for_name
        from workbench.tui.screens.apply import ApplyDialog

        if all(row.state is State.ALREADY for row in changes.rows):
            self.say("nothing is left to take back" if changes.undo else "already applied: nothing is left to do")
            if changes.undo:
                # The journal learns of it; nothing is sent.
                self._apply(changes)
            return
        protected = self.is_protected(changes.endpoint.context)
        reasons = reasons_for_name(changes.rows, protected=protected)

        def answered(agreed: bool | None) -> None:
            if agreed and self._is_current(changes):
                self._apply(changes)

        self.ask(ApplyDialog(changes, reasons, context_name(changes.endpoint)), answered)

    def _apply(self, changes: Changes) -> None:
        connection = changes.connection
        changes.phase = "applying"
        changes.stop.clear()
        self.tell_screens()

        def job() -> Changes:
            from workbench.remediation.apply import apply

            undoes = changes.entry.id if changes.entry is not None else ""
            run = journal_of(connection).begin("undo" if changes.undo else "apply", changes.user, undoes)
            changes.run = run.id
            try:
                outcome = apply(connection, changes.rows, run, self._row_teller(changes), changes.stop.is_set)
            finally:
                run.close()
            changes.rows, changes.summary = outcome.rows, outcome.summary
            changes.lost = str(outcome.lost or "")
            if not changes.lost:
                self._wait_for_pods(connection, changes)
            return changes

        self.in_background("change", job, self._applied, self._failed)

    def _wait_for_pods(self, connection: Connection, changes: Changes) -> None:
        """Wait until the changed workloads run their new template (in a worker); ``esc`` ends the wait."""
        from workbench.errors import ClusterError
        from workbench.remediation.live import State
        from workbench.remediation.rollout import WATCHED, wait

        worker = get_current_worker()
        changes.phase = "rolling out"
        for row in changes.rows:
            if row.state is not State.APPLIED or row.step.target.kind not in WATCHED:
                continue

            def tell(seen: Rollout, about: str = row.id) -> None:
                changes.notes = {**changes.notes, about: str(seen)}
                self.post_message(RowsChanged(worker))

            try:
                tell(wait(connection, row.step.target, tell, changes.stop.is_set))
            except ClusterError as error:
                changes.notes = {**changes.notes, row.id: f"the rollout cannot be watched: {error}"}

    def _applied(self, changes: Changes) -> None:
        session = self.session
        if changes.lost:
            changes.phase = "done"
            self.banner_says(f"connection lost: {shown(changes.lost)}; {changes.summary}; r reads the cluster again")
            self.tell_screens()
            return
        self.say(f"{'taken back' if changes.undo else 'applied'}: {changes.summary}")
        if not self._is_current(changes):
            changes.phase = "done"
        elif session is not None and session.endpoint is not None:
            changes.phase = "verifying"
            self.reload_quietly()
        else:
            changes.phase = "verifying"
            self._verify_live(changes)
        self.tell_screens()

    def banner_says(self, text: str) -> None:
        """Show a sentence below the header."""
        raise NotImplementedError

    def session_loaded(self) -> None:
        """What was applied is verified on what was read after it."""
        super().session_loaded()
        changes, session = self.changes, self.require_session()
        if changes is None or changes.phase != "verifying":
            return
        if self.target_endpoint != changes.endpoint:
            changes.phase = "done"
            return
        view, fixes = session.audit.inventory, changes.fixes

        def job() -> list[tuple[str, str]]:
            from workbench.remediation.verify import verify

            return [(one.fix.target.id, str(one.verdict)) for one in verify(view, fixes)]

        self.in_background("verify", job, lambda found: self._verified(changes, found))

    def _verify_live(self, changes: Changes) -> None:
        """Of a source that is a file only the objects themselves are read again."""
        connection = changes.connection

        def job() -> list[tuple[str, str]]:
            from workbench.remediation.verify import verify_live

            return [(one.fix.target.id, str(one.verdict)) for one in verify_live(connection, changes.fixes)]

        self.in_background("verify", job, lambda found: self._verified(changes, found))

    def _verified(self, changes: Changes, found: list[tuple[str, str]]) -> None:
        from workbench.remediation.live import State

        applied = {row.id for row in changes.rows if row.state in (State.APPLIED, State.ALREADY)}
        verdicts = {about: verdict for about, verdict in verdicts_of(found).items() if about in applied}
        changes.notes = {**changes.notes, **verdicts}
        changes.phase = "done"
        self.tell_screens()

    def stop_changes(self) -> bool:
        """End a batch after the object it is at, or the wait for pods; whether there was one."""
        changes = self.changes
        if changes is None or not changes.is_running or changes.stop.is_set():
            return False
        changes.stop.set()
        waiting = changes.phase == "rolling out"
        self.say("not waited for any longer; the rollout goes on" if waiting else "stops after the object it is at")
        return True

    # -- undo

    def undo_applied(self, identifier: str = "") -> None:
        """Take back what was applied, the last run by default (``U``)."""
        refused = self.changes_refused()
        connection = self.connection
        if refused or connection is None:
            self.say(refused, "warning")
            return

        def job() -> Changes | None:
            journal = journal_of(connection)
            entry = journal.find(identifier)[0] if identifier else journal.last()
            return Changes(True, (), connection, entry=entry) if entry is not None else None

        def found(changes: Changes | None) -> None:
            if changes is None:
                self.say("nothing that was applied in this context is in force")
            elif changes.connection is self.connection:
                self._check(changes, self._ask)

        self.in_background("change", job, found)

    def action_journal(self) -> None:
        """What was applied in this context (``:journal``)."""
        connection = self.connection
        if connection is None:
            self.say("this source is a file: the journal is one of a cluster")
            return

        def job() -> list[tuple[str, str, str, str, str]]:
            from workbench.report.changes import journal_rows

            return list(journal_rows(journal_of(connection).entries()))

        def deliver(rows: list[tuple[str, str, str, str, str]]) -> None:
            from workbench.tui.screens.apply import JournalDialog

            def chosen(identifier: str | None) -> None:
                # What it names is looked up anew, in the journal of the same cluster.
                if identifier and self.target_endpoint == connection.endpoint:
                    self.undo_applied(identifier)

            self.push_screen(JournalDialog(rows, connection.endpoint.context), chosen)

        self.in_background("journal", job, deliver)
