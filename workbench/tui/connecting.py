"""Live clusters: the connection, the worker that collects, what the user decides meanwhile, the terminal for logins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from textual import on
from textual.app import SuspendNotSupported
from textual.worker import WorkerCancelled, get_current_worker

from workbench.tui.collecting import Collecting
from workbench.tui.loading import Loaded, Loader, LoadingApp
from workbench.tui.messages import KindsRead
from workbench.tui.text import count, shown

if TYPE_CHECKING:
    from workbench.engine import Audit
    from workbench.errors import ClusterError
    from workbench.kube.api import Connection, ConnectOptions
    from workbench.kube.credentials import Terminal
    from workbench.sources import SourceRequest

Connector = Callable[["ConnectOptions", "Terminal"], "Connection"]

KEEP, RETRY, DISCARD = range(3)


def connect_to(options: ConnectOptions, terminal: Terminal) -> Connection:
    """Connect; the client is imported here, in the worker."""
    from workbench.kube.connection import connect

    return connect(options, terminal)


class ConnectingApp(LoadingApp):
    """An app that reads live clusters."""

    def __init__(
        self,
        request: SourceRequest | None,
        loader: Loader,
        *,
        connector: Connector = connect_to,
        ansi_color: bool | None,
    ) -> None:
        super().__init__(request, loader, ansi_color=ansi_color)
        self.connector = connector
        self.collecting: Collecting | None = None
        """The reading that is under way, or was the last."""
        self.connection: Connection | None = None
        """The one that what is loaded was read through; ``None`` for files."""
        self._quiet = False
        """Whether the screens stay while the cluster is read again."""
        self.banner = ""
        """What went wrong with the connection while older data stays, as a sentence."""

    # -- loading

    @property
    def is_collecting(self) -> bool:
        """Whether a cluster is being read."""
        return self.loading and self.collecting is not None

    def begin_loading(self, request: SourceRequest, *, again: bool) -> None:
        """Show what is going on; what was read before stays while the same cluster is read again."""
        self.banner = ""
        if not _is_live(request):
            self.collecting = None
            self._let_go(self.connection)
            super().begin_loading(request, again=again)
            return
        if not again:
            self.session = None
            self._let_go(self.connection)
        self.collecting = Collecting(str(request))
        if not (again and self._quiet):
            self.come_to("collecting")

    def read(self, request: SourceRequest, progress: Callable[[str, int, int], None]) -> Audit:
        """Read a source (in a worker)."""
        reading = self.collecting
        if reading is None or not _is_live(request):
            return super().read(request, progress)
        from workbench.sources import Live

        worker = get_current_worker()

        def hear(news: object) -> None:
            if reading.hear(news) and not worker.is_cancelled:  # type: ignore[arg-type]
                self.post_message(KindsRead(worker))

        def tell(phase: str, done: int, total: int) -> None:
            reading.phase = phase
            progress(phase, done, total)

        connection = self.connector(request.options, self._lend_terminal)
        try:
            reading.connected(connection)
            if worker.is_cancelled:
                raise WorkerCancelled("another source was opened")
            live = Live(connection, observer=hear, keep_partial=True, ended=self._ended_early(reading))
            audit = self.loader(request, tell, live)
            if worker.is_cancelled:
                raise WorkerCancelled("another source was opened")
            return audit
        except BaseException:
            connection.close()
            raise

    def _ended_early(self, reading: Collecting) -> Callable[[ClusterError], None]:
        def ended(error: ClusterError) -> None:
            if not reading.stopped:
                reading.phase = f"the connection was lost: {error}"
                self.call_from_thread(self._lost_while_reading, str(error))

        return ended

    def _lost_while_reading(self, error: str) -> None:
        self.banner = f"connection lost: {shown(error)}; what was read before is shown; r reads it again"

    def _loaded(self, loaded: Loaded) -> None:
        reading = self.collecting
        if reading is None:
            super()._loaded(loaded)
            return
        if self.connection is not reading.connection:
            self._let_go(self.connection)
        self.connection = reading.connection
        super()._loaded(loaded)
        session = self.require_session()
        session.endpoint, session.read_at = reading.endpoint, datetime.now(UTC)
        session.cancelled = reading.stopped
        self._close_question()
        self._leave_collecting()
        self.tell_screens()

    def _load_failed(self, error: Exception) -> None:
        self._close_question()
        if self.session is not None and self.collecting is not None:
            # What was read before stays, and says how old it is.
            self.loading = False
            self.banner = (
                f"reading it again failed: {shown(str(error).splitlines()[0])}; older data is shown; r tries again"
            )
            self._leave_collecting()
            self.tell_screens()
            return
        super()._load_failed(error)
        self._leave_collecting()

    def _leave_collecting(self) -> None:
        """To Overview, unless another screen was chosen meanwhile."""
        if "collecting" in (self.view, self.due_view):
            self.come_to("overview")

    @on(KindsRead)
    def _kinds_read(self, event: KindsRead) -> None:
        from workbench.tui.screens.collecting import CollectingScreen

        if not event.worker.is_cancelled and isinstance(self.screen, CollectingScreen):
            self.screen.session_changed()

    def reload_quietly(self) -> None:
        """Read the cluster again while its screens stay."""
        self._quiet = True
        try:
            self.action_reload()
        finally:
            self._quiet = False

    def banner_says(self, text: str) -> None:
        """Show a sentence below the header."""
        self.banner = text
        self.tell_screens()

    # -- what the user decides

    def ask_to_stop(self) -> None:
        """Ask what becomes of what was read so far; the reading goes on until there is an answer."""
        reading = self.collecting
        if not self.is_collecting or reading is None:
            return
        from workbench.tui.screens.dialogs import ChoiceDialog

        choices = [
            f"stop and keep what was read so far: {count(reading.objects, 'object')}, marked PARTIAL",
            "start again from the beginning",
            "stop and discard it",
        ]
        self.push_screen(ChoiceDialog(f"Stop reading {reading.name}?  esc goes on", choices), self._stop_answered)

    def _stop_answered(self, choice: int | None) -> None:
        reading = self.collecting
        if choice is None or reading is None or not self.is_collecting:
            return
        if choice == KEEP:
            reading.stopped = True
            reading.phase = "stopping"
            reading.cancel()
            self.tell_screens()
            return
        self._abandon()
        if choice == RETRY:
            if self.request is not None:
                self.load(self.request, self.basket)
        elif self.session is not None:
            self.show_view("overview")
            self.tell_screens()
        else:
            self.show_view("connect")
            self.tell_screens()

    def _abandon(self) -> None:
        """Stop reading; nothing comes of it."""
        self.loading = False
        self.workers.cancel_group(self, "load")
        if self.collecting is not None:
            self.collecting.cancel()

    def cancel_loading(self) -> None:
        """Stop loading; its result is void."""
        if self.collecting is not None:
            self.collecting.cancel()
        super().cancel_loading()

    def _close_question(self) -> None:
        """The question whether to stop is void once there is nothing to stop."""
        from workbench.tui.screens.dialogs import ChoiceDialog

        if isinstance(self.screen, ChoiceDialog) and self.collecting is not None:
            self.screen.dismiss(None)

    # -- contexts

    def open_context(self, arguments: Sequence[str]) -> None:
        """Open a context of the kubeconfig (``:ctx NAME [--as USER]``); without a name show them all."""
        if not arguments:
            self.show_view("connect")
            return
        name, *rest = arguments
        if rest and (len(rest) != 2 or rest[0] != "--as"):
            self.say(":ctx takes a name, and --as USER after it", "warning")
            return

        def ask() -> SourceRequest:
            from workbench.kube.api import ConnectOptions
            from workbench.sources import SourceKind, SourceRequest

            base = self.request
            connect = base.connect if base is not None and _is_live(base) else ConnectOptions()
            if rest:
                connect = replace(connect, as_user=rest[1], as_groups=())
            return SourceRequest(SourceKind.CONTEXT, name=name, connect=connect)

        self.in_background("request", ask, self.load)

    def apply_to(self, context: str) -> None:
        """Connect to the cluster that fixes of a file are applied to (``:apply-to NAME``); nothing is read yet."""
        session = self.session
        if session is None or session.endpoint is not None:
            self.say("fixes are applied where they were read" if session is not None else "open a source first")
            return

        def connect() -> Connection:
            from workbench.kube.api import ConnectOptions

            return self.connector(ConnectOptions(context=context), self._lend_terminal)

        def connected(connection: Connection) -> None:
            if self.is_changing or self.session is not session:
                connection.close()
                return
            self._let_go(self.connection)
            self.connection = connection
            self.say(f"fixes are applied to {shown(connection.endpoint.context)}: v asks for a dry run")
            self.tell_screens()

        self.in_background("apply to", connect, connected)

    # -- the terminal and the connection

    def _lend_terminal(self, action: Callable[[], None]) -> None:
        """Run a login plugin while it has the terminal for itself (called in a worker)."""

        def lend() -> None:
            try:
                with self.suspend():
                    action()
            except SuspendNotSupported:
                # Not run: the login then says that it could not be given the terminal.
                return

        self.call_from_thread(lend)

    def _let_go(self, connection: Connection | None) -> None:
        if connection is not None:
            self.connection = None
            connection.cancel()
            self.in_background(f"close {id(connection)}", connection.close, lambda _nothing: None)

    def on_unmount(self) -> None:
        """End all requests, so that no thread holds up the exit."""
        if self.collecting is not None:
            self.collecting.cancel()
        if self.connection is not None:
            self.connection.cancel()
            self.connection.close()


def _is_live(request: SourceRequest) -> bool:
    return str(request.kind) == "context"
