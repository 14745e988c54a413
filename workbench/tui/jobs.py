"""Work in threads: what takes more than a moment runs here, and its result comes back as a message."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from time import monotonic, sleep
from typing import TypeVar

from rich.text import Text
from textual import events, on
from textual.worker import Worker, WorkerCancelled, get_current_worker

from workbench.errors import ExitStatus, WorkbenchError
from workbench.tui import state
from workbench.tui.keys import KeysApp
from workbench.tui.messages import JobDone, JobFailed
from workbench.tui.text import shown

T = TypeVar("T")

_PATIENCE = 1.0
"""Seconds for which a long job steps back for short ones at most, before it goes on for a moment."""
_ANSWER = 0.1
"""Seconds within which the screen has answered a key."""
_WORK = 0.05
"""Seconds for which a long job works between two times that it steps back."""


def kept(result: T) -> T:
    """What a job made and what stays: no search for garbage goes through it again (in a worker).

    A full search through the objects of a large cluster would stop the screen for a third of a second.
    """
    gc.freeze()
    return result


class Turns:
    """Lets a long job step back for short ones, and for keys: in Python one of them runs at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = 0
        self._answered = 0.0
        self._working = 0.0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """While a short job runs."""
        with self._changed:
            self._waiting += 1
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1
                self._changed.notify_all()

    def pressed(self) -> None:
        """A key was pressed, or the mouse was used; the screen will soon have answered."""
        self._answered = monotonic() + _ANSWER

    def step_back(self, awaited: bool = False) -> None:
        """Wait, in a long job, until the screen has answered and no short job runs, but neither long nor always.

        Args:
            awaited: Whether short jobs wait for this one; then it does not wait for them.
        """
        if monotonic() < self._working:
            return
        waited = False
        if not awaited:
            with self._changed:
                waited = self._waiting > 0
                self._changed.wait_for(lambda: not self._waiting, _PATIENCE)
        left = self._answered - monotonic()
        if left > 0:
            sleep(left)
        if waited or left > 0:
            # Somebody may go on pressing keys, or wait for a server.
            self._working = monotonic() + _WORK


class JobsApp(KeysApp):
    """An app that runs jobs, and lives on when one of them fails."""

    async def on_event(self, event: events.Event) -> None:
        """Note when a person does something that the screen answers."""
        if isinstance(event, events.InputEvent) and not isinstance(event, events.MouseMove):
            self.turns.pressed()
        await super().on_event(event)

    @cached_property
    def turns(self) -> Turns:
        """Who runs when."""
        return Turns()

    def in_background(
        self,
        group: str,
        job: Callable[[], T],
        deliver: Callable[[T], None],
        failed: Callable[[Exception], None] | None = None,
        *,
        patient: bool = False,
    ) -> Worker[None]:
        """Run a job in a thread; a newer one of the group makes its result void.

        Args:
            group: What the job is about.
            job: Runs in a thread and touches no widget.
            deliver: Gets the result, on the thread of the screen.
            failed: Gets what the job raised; by default it is reported.
            patient: Whether nobody waits for it; it may :meth:`Turns.step_back`.
        """
        turns = self.turns

        def work() -> None:
            worker = get_current_worker()
            if worker.is_cancelled:
                return
            try:
                with nullcontext() if patient else turns.taken():
                    result = job()
            except WorkerCancelled:
                # Nobody waits for it any more.
                return
            except Exception as error:  # the boundary between the engine and the screen
                if not isinstance(error, WorkbenchError):
                    state.LOGGER.exception("a job of %s failed", group)
                self.post_message(JobFailed(worker, failed or self.report, error))
            else:
                self.post_message(JobDone(worker, deliver, result))

        return self.run_worker(work, name=group, group=group, thread=True, exclusive=True, exit_on_error=False)

    @on(JobDone)
    def _job_done(self, event: JobDone) -> None:
        if not event.worker.is_cancelled and self.is_running:
            event.deliver(event.result)

    @on(JobFailed)
    def _job_failed(self, event: JobFailed) -> None:
        if not event.worker.is_cancelled and self.is_running:
            event.deliver(event.error)

    def report(self, error: Exception) -> None:
        """Say what went wrong; the app lives."""
        if isinstance(error, WorkbenchError):
            self.say(str(error), "error")
        else:
            self.say(
                f"internal error: {type(error).__name__}: {error}; the rest keeps working; details: {state.log_path()}",
                "error",
            )

    def _handle_exception(self, error: Exception) -> None:
        super()._handle_exception(error)
        self._return_code = ExitStatus.INTERNAL

    def _fatal_error(self) -> None:
        """Leave the terminal with a sentence; the traceback goes to the log.

        Textual would print the local variables of every frame, which may hold what nobody is to see.
        """
        error = self._exception
        state.LOGGER.error("the interface ended", exc_info=error)
        said = f"workbench: internal error: {type(error).__name__}: {error}; details: {state.log_path()}"
        self._exit_renderables.append(Text(shown(said, 2000)))
        self._close_messages_no_wait()

    async def wait_for_jobs(self) -> None:
        """Until no job runs (for tests)."""
        while any(not worker.is_finished for worker in self.workers):
            try:
                await self.workers.wait_for_complete()
            except WorkerCancelled:
                continue

    def say(self, text: str, severity: str = "information") -> None:
        """A toast."""
        self.notify(shown(text), severity=severity, markup=False)  # type: ignore[arg-type]
