"""The app: it owns what is loaded and the basket, runs all work in workers, and changes between screens.

Importing this module loads Textual and light modules only. A screen is imported when it is shown for the first time;
the engine in the worker that loads the source, after the first paint.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import on
from textual.binding import BindingType
from textual.driver import Driver
from textual.worker import WorkerCancelled, get_current_worker

from workbench.errors import WorkbenchError
from workbench.tui import state
from workbench.tui.actions import bindings_of
from workbench.tui.commands import UnknownCommand, candidates, parse
from workbench.tui.failures import failure_lines
from workbench.tui.jobs import JobsApp
from workbench.tui.messages import Progress
from workbench.tui.names import end_of
from workbench.tui.screens.base import WorkbenchScreen
from workbench.tui.session import Session, asks, default_directory, passes, refusal, staged_message
from workbench.tui.text import Spans, count, shown
from workbench.tui.theme import THEMES, variables_of
from workbench.tui.widgets.frame import HeaderState

if TYPE_CHECKING:
    from workbench.analysis.choke import ChokePoint
    from workbench.engine import Audit, ExportResult, PathQuery, PathReport, Preview, WhatIfReport
    from workbench.remediation.records import Fix
    from workbench.sources import SourceRequest

T = TypeVar("T")

Loader = Callable[["SourceRequest", Callable[[str, int, int], None]], "Audit"]

SIGNALLED = 128
"""The exit status after a signal is this and the signal's number."""

TARGETS_COMPLETED = 500

CHOKE_POINTS = 50
"""How many are asked for: nodes and edges come mixed, and some of each are shown."""

PATHS_LISTED = 10_000
"""How many paths the list holds; the worst come first, and :path narrows."""

WIDTHS: list[tuple[int, str]] | None = [
    (0, "-tiny"),
    (60, "-narrow"),
    (100, "-medium"),
    (120, "-wide"),
    (160, "-wider"),
]
"""The class of a screen by the columns there are; the styles do the rest."""

VIEW_CLASSES = {
    "connect": "ConnectScreen",
    "overview": "OverviewScreen",
    "paths": "PathsScreen",
    "fixes": "FixesScreen",
}
"""The class of each screen; its module in ``screens`` has the screen's id as its name."""

HEIGHTS: list[tuple[int, str]] | None = [(0, "-flat"), (16, "-short"), (36, "-tall")]
"""The class of a screen by the rows there are."""


def load_audit(request: SourceRequest, progress: Callable[[str, int, int], None]) -> Audit:
    """Load a source; the engine is imported here, in the worker."""
    from workbench.engine import Audit

    return Audit.load(request, progress)


def listed_paths(sources: tuple[str, ...] = (), targets: tuple[str, ...] = ()) -> PathQuery:
    """The query for the paths that the list shows (in a worker)."""
    from workbench.engine import PathQuery

    return PathQuery(sources=sources, targets=targets, limit=PATHS_LISTED)


class WorkbenchApp(JobsApp):
    """The terminal interface.

    Args:
        request: The source to open; ``None`` begins at Connect.
        theme: ``dark``, ``light``, ``mono``, or one of Textual's.
        loader: What loads a source.
    """

    TITLE = "workbench"
    CSS_PATH: ClassVar[Any] = [
        f"styles/{name}.tcss" for name in ("base", "connect", "overview", "paths", "fixes", "help", "dialogs")
    ]
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("app")]
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    ESCAPE_TO_MINIMIZE = False
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS

    def __init__(
        self, request: SourceRequest | None = None, *, theme: str | None = None, loader: Loader = load_audit
    ) -> None:
        no_color = bool(os.environ.get("NO_COLOR"))
        # With its own colours of the terminal Textual strips colours for NO_COLOR; otherwise it turns them to greys.
        super().__init__(ansi_color=True if no_color else None)
        self.request = request
        self.loader = loader
        self.session: Session | None = None
        self.samples: list[str] = []
        self.is_first_run = False
        self._progress = "starting"
        self._loading = request is not None
        self._failure: tuple[str, list[Spans]] | None = None
        self._history: list[str] = []
        self._exported: tuple[str, ...] = ()
        self._log: Any = None
        self._leaving = False
        for one in THEMES:
            self.register_theme(one)
        self._theme_asked = theme
        self.theme = "mono" if no_color else theme if theme in self.available_themes else "dark"
        self._views: dict[str, WorkbenchScreen] = {}
        self.view = "connect" if request is None else "overview"

    # -- start and end

    def get_driver_class(self) -> type[Driver]:
        """Ours where Textual would take the one for Unix terminals."""
        chosen = super().get_driver_class()
        if chosen.__name__ == "LinuxDriver":
            from workbench.tui.driver import TerminalDriver

            return TerminalDriver
        return chosen

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The variables that themes of others do not have."""
        return variables_of(self.current_theme)

    def on_mount(self) -> None:
        """Show the first screen, take signals, and load what was asked for."""
        first = self.screen_of(self.view)
        self.push_screen(first)
        if not self.is_headless:
            self._take_signals()
        if self._theme_asked and self._theme_asked not in self.available_themes:
            self.say(f"no theme {self._theme_asked}; there are {', '.join(sorted(self.available_themes))}", "warning")
        # Nothing that takes the interpreter's time before the first paint, which is the screen's and not the app's.
        first.call_after_refresh(self._begin)

    def _begin(self) -> None:
        if self.request is not None:
            self._load(self.request)
        self.in_background("state", _open_state, self._state_opened)

    def _state_opened(self, opened: tuple[Any, bool]) -> None:
        self._log, self.is_first_run = opened
        self._tell_screens()

    def on_unmount(self) -> None:
        """Close the log."""
        state.close_log(self._log)

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            try:
                loop.add_signal_handler(number, self._signalled, number)
            except (NotImplementedError, RuntimeError, ValueError):
                # Not in the main thread, or a platform without them: the default action stays.
                return

    def _signalled(self, number: int) -> None:
        self.exit(return_code=SIGNALLED + number)

    async def action_quit(self) -> None:
        """Quit; asks if staged fixes would be lost."""
        staged = tuple(fix.id for fix in self.session.basket) if self.session is not None else ()
        from workbench.tui.screens.dialogs import QuitDialog

        if staged and staged != self._exported and not isinstance(self.screen, QuitDialog):
            self.push_screen(QuitDialog(len(staged)), self._quit_answered)
        else:
            self.exit()

    def _quit_answered(self, answer: bool | None) -> None:
        if answer:
            self.exit()

    def action_help_quit(self) -> None:
        """``ctrl+c`` does not end the program by accident."""
        self.say("press q to quit")

    # -- loading

    def open_source(self, text: str) -> None:
        """Open a SOURCE (``:open``)."""

        def ask() -> SourceRequest:
            from workbench.sources import parse_source

            return parse_source(text)

        self.in_background("request", ask, self._load)

    def _load(self, request: SourceRequest, keep: Sequence[Fix] = ()) -> None:
        self.request = request
        self.session = None
        self._failure = None
        self._loading = True
        self._progress = "starting"
        loader = self.loader

        def job() -> tuple[Audit, PathReport, list[str], list[Fix]]:
            from workbench.tui.widgets.path_list import haystack

            worker = get_current_worker()

            def progress(phase: str, done: int, total: int) -> None:
                if worker.is_cancelled:
                    raise WorkerCancelled("another source was opened")
                self.post_message(Progress(worker, phase, done, total))

            audit = loader(request, progress)
            self.post_message(Progress(worker, "searching paths", 0, 0))
            report = audit.paths(listed_paths())
            staged = []
            for fix in keep:
                try:
                    staged.append(audit.fix(fix.id).answered(dict(fix.answers)))
                except WorkbenchError:
                    continue
            return audit, report, [haystack(path) for path in report.paths], staged

        self.in_background("load", job, lambda loaded: self._loaded(loaded, len(keep)), self._load_failed)
        self.show_view("overview")
        self._tell_screens()

    @on(Progress)
    def _progressed(self, event: Progress) -> None:
        if not event.worker.is_cancelled and self._loading:
            total = f" of {event.total:,}" if event.total else ""
            self._progress = event.phase + (f" {event.done:,}{total}" if event.done or event.total else "")
            if isinstance(self.screen, WorkbenchScreen):
                self.screen.session_changed()

    def _loaded(self, loaded: tuple[Audit, PathReport, list[str], list[Fix]], kept: int) -> None:
        audit, report, haystacks, staged = loaded
        self._loading = False
        self.session = Session(audit, report, haystacks, tuple(audit.coverage), basket=staged)
        if kept > len(staged):
            self.say(f"{count(kept - len(staged), 'staged fix does', 'staged fixes do')} not apply any more", "warning")
        self._tell_screens()
        self._rank()
        if staged:
            self._basket_changed()

    def _load_failed(self, error: Exception) -> None:
        self._loading = False
        self._failure = failure_lines(error, str(self.request))
        self._tell_screens()

    def _rank(self) -> None:
        session = self.require_session()

        def deliver(fixes: list[Fix]) -> None:
            session.fixes = fixes
            self._tell_screens()

        def counted(points: list[ChokePoint]) -> None:
            session.choke_points = points
            self._tell_screens()

        self.in_background("choke points", lambda: session.audit.choke_points(CHOKE_POINTS), counted)
        self.in_background("rank", lambda: list(session.audit.fixes()), deliver)

    def message_lines(self) -> tuple[str, list[Spans]]:
        """What stands where there is nothing to show: a title and lines."""
        if self._failure is not None:
            return self._failure
        if self._loading:
            lines: list[Spans] = [
                ((shown(f"reading {self.request}"), "strong"),),
                ((shown(self._progress), ""),),
                (("esc goes back to Connect", "muted"),),
            ]
            return "Loading", lines
        return "Nothing open", [
            (("no source is open", "strong"),),
            ((":open SOURCE opens one, esc goes to Connect", "muted"),),
        ]

    def require_session(self) -> Session:
        """What is loaded, where something must be."""
        if self.session is None:
            raise RuntimeError("nothing is loaded")
        return self.session

    def _tell_screens(self) -> None:
        """Every screen that is there shows the new state; hidden ones do when they come back."""
        for screen in self.screen_stack:
            if isinstance(screen, WorkbenchScreen) and screen.is_mounted:
                screen.session_changed()
                screen.update_frame()

    def header_state(self, place: str) -> HeaderState:
        """What the header of a screen says."""
        session = self.session
        if session is None:
            source = str(self.request) if self.request is not None else ""
            word = "loading" if self._loading else "failed" if self._failure else ""
            return HeaderState(source=shown(source, 60), kind=word, view=place)
        return HeaderState(
            source=shown(session.audit.title, 60),
            kind=shown(session.audit.kind),
            coverage=session.coverage_text,
            partial=bool(session.coverage),
            staged=session.staged_text,
            view=place,
            basket=len(session.basket),
            chip=f"{shown(session.query, 40)} x" if session.query else "",
        )

    # -- screens

    def screen_of(self, name: str) -> WorkbenchScreen:
        """A screen by its id, imported and made when it is asked for."""
        screen = self._views.get(name)
        if screen is None:
            screen = self._views[name] = getattr(import_module(f"workbench.tui.screens.{name}"), VIEW_CLASSES[name])()
            self.install_screen(screen, name)
        return screen

    @property
    def _on_help(self) -> bool:
        return isinstance(self.screen, WorkbenchScreen) and self.screen.PLACE == "help"

    def action_view(self, name: str) -> None:
        """A numbered screen."""
        self.show_view(name)

    def show_view(self, name: str, *, filter_text: str = "", path: str = "", fix: str = "") -> None:
        """Change to a screen, and narrow or select there what was asked for."""
        while len(self.screen_stack) > 1 and self._on_help:
            self.pop_screen()
        if self.view != name:
            self._history = [one for one in self._history if one != self.view] + [self.view]
            self.view = name
        screen = self.screen_of(name)
        if self.screen is not screen:
            self.switch_screen(screen)
        if filter_text or path or fix:
            screen.call_after_refresh(screen.show_what_was_asked, filter_text=filter_text, path=path, fix=fix)

    def action_leave(self) -> None:
        """Leave the innermost thing."""
        screen = self.screen
        if isinstance(screen, WorkbenchScreen):
            if screen.leave_one():
                screen.update_frame()
            elif self._on_help:
                self.pop_screen()
            elif self._history:
                self.view = self._history.pop()
                self.switch_screen(self.screen_of(self.view))
            elif self.view != "connect" and self.session is None:
                self.view = "connect"
                self.switch_screen(self.screen_of("connect"))
            else:
                self.bell()
        if self._loading and self.view == "connect":
            self._loading = False
            self.workers.cancel_group(self, "load")
            self.say("loading was cancelled")

    def action_help(self) -> None:
        """The help of this screen."""
        if isinstance(self.screen, WorkbenchScreen) and not self._on_help:
            from workbench.tui.screens.help import HelpScreen

            self.push_screen(HelpScreen(self.screen.PLACE))

    def action_command(self) -> None:
        """Open the command bar."""
        if isinstance(self.screen, WorkbenchScreen):
            self.screen.command_bar.open()
            self.screen.update_hints()

    def action_repaint(self) -> None:
        """Paint everything again."""
        for screen in self.screen_stack:
            screen.refresh(repaint=True, layout=True)
        self.refresh(repaint=True, layout=True)

    def action_reload(self) -> None:
        """Read the source again; the basket stays."""
        if self.request is not None and not self._loading:
            self._load(self.request, list(self.session.basket) if self.session else [])

    def action_coverage(self) -> None:
        """What could not be read."""
        if self.session is not None:
            from workbench.tui.screens.dialogs import CoverageDialog

            self.push_screen(CoverageDialog(self.session.coverage, self.session.audit.notes, self.session.audit.limits))
        else:
            self.say("nothing is loaded")

    # -- commands

    def candidates(self, text: str) -> Iterable[str]:
        """What the command bar completes to."""
        targets = self.session.report.paths[:TARGETS_COMPLETED] if self.session is not None else ()
        ends = dict.fromkeys(end for path in targets for end in (path.target, path.source))
        # What a suggestion shows must not be interpreted; an id that would be escaped is no good as a suggestion.
        return candidates(text, self.samples, sorted(self.available_themes), [end for end in ends if shown(end) == end])

    def run_command(self, text: str) -> None:
        """Carry out what was typed in the command bar."""
        try:
            command = parse(text)
        except UnknownCommand as error:
            self.say(str(error), "warning")
            return
        if command is None:
            return
        if command.word == "path":
            self._find_paths(command.arguments)
        elif command.word == "open":
            self.open_source(command.arguments[0])
        elif command.word == "theme":
            self._choose_theme(command.arguments[0])
        elif command.word in VIEW_CLASSES:
            self.show_view(command.word)
        elif command.word == "q":
            self.call_later(self.action_quit)
        else:
            target: Any = self.screen if hasattr(self.screen, f"action_{command.word}") else self
            getattr(target, f"action_{command.word}", self.bell)()

    def _choose_theme(self, name: str) -> None:
        if name in self.available_themes:
            self.theme = name
        else:
            self.say(f"no theme {name}; there are {', '.join(sorted(self.available_themes))}", "warning")

    def _find_paths(self, arguments: Sequence[str]) -> None:
        session = self.session
        if session is None:
            self.say("open a source first")
            return
        sources, targets = ((arguments[0],), (arguments[1],)) if len(arguments) > 1 else ((), (arguments[0],))
        query = f"from {sources[0]} to {targets[0]}" if sources else f"to {targets[0]}"

        def ask() -> tuple[PathReport, list[str]]:
            from workbench.tui.widgets.path_list import haystack

            report = session.audit.paths(listed_paths(sources, targets))
            return report, [haystack(path) for path in report.paths]

        self.in_background("query", ask, lambda found: self._narrowed(session, query, *found))

    def show_paths_through(self, source: str, target: str | None = None) -> None:
        """Narrow the list to the paths through a node, or over the edge between two."""
        session = self.require_session()
        query = f"through {end_of(source)}" + (f" -> {end_of(target)}" if target else "")
        report, hay = session.report, session.haystacks

        def ask() -> tuple[PathReport, list[str]]:
            places = [at for at, path in enumerate(report.paths) if passes(path, source, target)]
            paths = [report.paths[at] for at in places]
            return replace(report, paths=paths, total=len(paths)), [hay[at] for at in places]

        self.in_background("query", ask, lambda found: self._narrowed(session, query, *found))

    def _narrowed(self, session: Session, query: str, report: PathReport, hay: list[str]) -> None:
        session.query = query
        session.shown_report, session.shown_haystacks = report, hay
        self.show_view("paths")
        self._tell_screens()

    def clear_query(self) -> bool:
        """Show all paths again; whether they were narrowed."""
        session = self.session
        if session is None or not session.query:
            return False
        session.query, session.shown_report = "", None
        self._tell_screens()
        return True

    # -- basket

    def stage(self, fix: Fix) -> None:
        """Put a fix into the basket, or say why not."""
        session = self.require_session()
        reason = refusal(fix)
        if session.staged(fix):
            self.say(f"already staged: {fix.title}")
        elif asks(fix):
            from workbench.tui.screens.dialogs import AnswerDialog

            self.push_screen(AnswerDialog(fix), self._needs_answered)
        elif reason:
            self.say(f"cannot be staged: {fix.title}: {reason}", "warning")
        else:
            session.basket.append(fix)
            self.say(staged_message(fix))
            self._basket_changed()

    def _needs_answered(self, fix: Fix | None) -> None:
        if fix is not None:
            self.stage(fix)

    def unstage(self, fix: Fix) -> None:
        """Take a fix out of the basket."""
        session = self.require_session()
        session.basket[:] = [staged for staged in session.basket if staged.id != fix.id]
        self.say(f"unstaged: {fix.title}")
        self._basket_changed()

    def _basket_changed(self) -> None:
        session = self.require_session()
        session.what_if, session.previews, session.problem = None, (), ""
        basket = list(session.basket)
        audit = session.audit
        if not basket:
            self.workers.cancel_group(self, "what-if")
            self._tell_screens()
            return

        def deliver(found: tuple[WhatIfReport, list[Preview]]) -> None:
            session.what_if, session.previews = found
            self._tell_screens()

        def failed(error: Exception) -> None:
            session.problem = str(error) if isinstance(error, WorkbenchError) else f"internal error: {error}"
            if not isinstance(error, WorkbenchError):
                self.report(error)
            self._tell_screens()

        self.in_background("what-if", lambda: (audit.what_if(basket), list(audit.previews(basket))), deliver, failed)
        self._tell_screens()

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

            self.push_screen(ExportDialog(session, default_directory(session.audit.title)), self._export_answered)

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


def _open_state() -> tuple[Any, bool]:
    return state.open_log(), state.first_run()


def run_app(request: SourceRequest | None = None, *, theme: str | None = None, mouse: bool = True) -> int:
    """Run the interface until the user quits.

    Args:
        request: The source to open; ``None`` begins at Connect.
        theme: The name of a theme.
        mouse: Whether to take the mouse from the terminal.

    Returns:
        The exit status: 0, or 128 and the number of the signal that ended it.
    """
    if os.environ.get("NO_COLOR") == "":
        # Set to nothing means not set (no-color.org); Textual only looks whether it is there.
        del os.environ["NO_COLOR"]
    app = WorkbenchApp(request, theme=theme)
    app.run(mouse=mouse)
    sys.stderr.flush()
    return app.return_code or 0


__all__ = ["WorkbenchApp", "run_app"]
