"""The app: it owns what is loaded and the basket, runs all work in workers, and changes between screens.

Importing this module loads Textual and light modules only. A screen is imported when it is shown for the first time;
the engine in the worker that loads the source, after the first paint.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import BindingType
from textual.driver import Driver
from textual.widgets import Input

from workbench.errors import ConfigError
from workbench.preferences import Preferences, read_only_by_environment, read_preferences
from workbench.tui import state
from workbench.tui.actions import bindings_of, commands
from workbench.tui.applying import ApplyingApp
from workbench.tui.commands import KIND, Known, UnknownCommand, candidates, parse
from workbench.tui.connecting import ConnectingApp, Connector, connect_to
from workbench.tui.loading import Loader, load_audit
from workbench.tui.narrowing import NarrowingApp
from workbench.tui.screens.base import Asked, WorkbenchScreen
from workbench.tui.text import shown
from workbench.tui.theme import THEMES, variables_of
from workbench.tui.widgets.frame import HeaderState

if TYPE_CHECKING:
    from workbench.sources import SourceRequest

SIGNALLED = 128
"""The exit status after a signal is this and the signal's number."""

TARGETS_COMPLETED = 500

AGE_SHOWN = 15.0
"""Seconds after which the age in the header is looked at again."""

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
    "collecting": "CollectingScreen",
    "overview": "OverviewScreen",
    "paths": "PathsScreen",
    "resources": "ResourcesScreen",
    "network": "NetworkScreen",
    "fixes": "FixesScreen",
}
"""The class of each screen; its module in ``screens`` has the screen's id as its name."""

HEIGHTS: list[tuple[int, str]] | None = [(0, "-flat"), (16, "-short"), (36, "-tall")]
"""The class of a screen by the rows there are."""


class WorkbenchApp(ConnectingApp, NarrowingApp, ApplyingApp):
    """The terminal interface.

    Args:
        request: The source to open; ``None`` begins at Connect.
        theme: ``dark``, ``light``, ``mono``, or one of Textual's.
        read_only: Whether nothing may be changed in any cluster.
        loader: What loads a source.
        connector: What connects to a cluster.
    """

    TITLE = "workbench"
    CSS_PATH: ClassVar[Any] = [
        f"styles/{name}.tcss"
        for name in (
            "base",
            "connect",
            "collecting",
            "overview",
            "paths",
            "resources",
            "network",
            "fixes",
            "help",
            "dialogs",
        )
    ]
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("app")]
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    ESCAPE_TO_MINIMIZE = False
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS

    def __init__(
        self,
        request: SourceRequest | None = None,
        *,
        theme: str | None = None,
        read_only: bool = False,
        loader: Loader = load_audit,
        connector: Connector = connect_to,
    ) -> None:
        no_color = bool(os.environ.get("NO_COLOR"))
        # With its own colours of the terminal Textual strips colours for NO_COLOR; otherwise it turns them to greys.
        super().__init__(request, loader, connector=connector, ansi_color=True if no_color else None)
        self.read_only = read_only or read_only_by_environment()
        self.preferences: Preferences | None = Preferences()
        """What the user keeps of clusters; ``None`` if it cannot be read, and then nothing is changed anywhere."""
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.samples: list[str] = []
        self.contexts: list[str] = []
        """The contexts of the kubeconfig, once Connect has looked."""
        self.is_first_run = False
        self._history: list[str] = []
        self._log: Any = None
        for one in THEMES:
            self.register_theme(one)
        self._theme_asked = theme
        self.theme = "mono" if no_color else theme if theme in self.available_themes else "dark"
        self._views: dict[str, WorkbenchScreen] = {}
        self.view = "connect" if request is None else "collecting" if str(request.kind) == "context" else "overview"

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
        self.set_interval(AGE_SHOWN, self._grow_older)
        # Nothing that takes the interpreter's time before the first paint, which is the screen's and not the app's.
        first.call_after_refresh(self._begin)

    def _begin(self) -> None:
        if self.request is not None:
            self.load(self.request)
        self.in_background("state", _open_state, self._state_opened)

    def _state_opened(self, opened: Opened) -> None:
        self._log, self.is_first_run = opened.log, opened.first_run
        self.preferences = opened.preferences
        if opened.problem:
            self.say(f"{opened.problem}; nothing is changed in any cluster until it is mended", "error")
        self.tell_screens()

    def on_unmount(self) -> None:
        """Close the log, and end all requests."""
        super().on_unmount()
        state.close_log(self._log)

    def _grow_older(self) -> None:
        """The age in the header."""
        if self.session is not None and self.session.read_at is not None and isinstance(self.screen, WorkbenchScreen):
            self.screen.update_frame()

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
        """Quit; asks if staged fixes would be lost, or while a cluster is being changed."""
        staged = tuple(fix.id for fix in self.session.basket) if self.session is not None else ()
        from workbench.tui.screens.dialogs import QuitDialog

        changing = self.is_changing
        if (changing or (staged and staged != self._exported)) and not isinstance(self.screen, QuitDialog):
            self.push_screen(QuitDialog(len(staged), changing=changing), self._quit_answered)
        else:
            self.exit()

    def _quit_answered(self, answer: bool | None) -> None:
        if answer:
            self.exit()

    def action_help_quit(self) -> None:
        """``ctrl+c`` does not end the program by accident."""
        self.say("press q to quit")

    def header_state(self, place: str) -> HeaderState:
        """What the header of a screen says."""
        session = self.session
        if session is None:
            source = str(self.request) if self.request is not None else ""
            word = "loading" if self.loading else "failed" if self.failure else ""
            return HeaderState(source=shown(source, 60), kind=word, view=place, read_only=self.is_read_only(""))
        endpoint, now = session.endpoint, self.now()
        return HeaderState(
            source=shown(session.audit.title, 60),
            kind=shown(session.audit.kind),
            age=session.age_text(now),
            stale=session.is_stale(now),
            acting=shown(endpoint.impersonates, 40) if endpoint is not None else "",
            protected=endpoint is not None and self.is_protected(endpoint.context),
            read_only=self.is_read_only(endpoint.context if endpoint is not None else ""),
            unverified=endpoint is not None and not endpoint.verified,
            namespace=shown(session.namespace),
            coverage=session.coverage_text,
            partial=bool(session.coverage),
            staged=session.staged_text,
            view=place,
            basket=len(session.basket),
            chip=f"{shown(session.query, 40)} x" if session.query else "",
        )

    def is_protected(self, context: str) -> bool:
        """Whether every change in a context takes its name."""
        return self.preferences is None or self.preferences.is_protected(context)

    def is_read_only(self, context: str) -> bool:
        """Whether nothing may be changed in a context."""
        return self.read_only or self.preferences is None or self.preferences.is_read_only(context)

    # -- screens

    def screen_of(self, name: str) -> WorkbenchScreen:
        """A screen by its id, imported and made when it is asked for."""
        screen = self._views.get(name)
        if screen is None:
            screen = self._views[name] = getattr(import_module(f"workbench.tui.screens.{name}"), VIEW_CLASSES[name])()
            self.install_screen(screen, name)
        return screen

    def action_view(self, name: str) -> None:
        """A numbered screen."""
        self.show_view(name)

    def show_view(self, name: str, asked: Asked | None = None) -> None:
        """Change to a screen, and go there to what was asked for."""
        self.due_view = ""
        while len(self.screen_stack) > 1 and self.on_help:
            self.pop_screen()
        if self.view != name:
            # A reading that is over is nothing to come back to.
            left = [self.view] if self.view != "collecting" else []
            self._history = [one for one in self._history if one != self.view] + left
            self.view = name
        screen = self.screen_of(name)
        if self.screen is not screen:
            self.switch_screen(screen)
        if asked is not None:
            screen.call_after_refresh(screen.show_what_was_asked, asked)

    def action_leave(self) -> None:
        """Leave the innermost thing."""
        screen = self.screen
        if isinstance(screen, WorkbenchScreen):
            if screen.leave_one():
                screen.update_frame()
            elif self.on_help:
                self.pop_screen()
                return
            elif self.stop_changes():
                return
            elif self.is_collecting and self.session is None:
                self.show_view("collecting")
                self.ask_to_stop()
            elif self._history:
                self.view = self._history.pop()
                self.switch_screen(self.screen_of(self.view))
            elif self.view != "connect" and self.session is None:
                self.view = "connect"
                self.switch_screen(self.screen_of("connect"))
            else:
                self.bell()
        if self.loading and self.view == "connect":
            self.cancel_loading()

    def action_help(self) -> None:
        """The help of this screen."""
        if isinstance(self.screen, WorkbenchScreen) and not self.on_help:
            from workbench.tui.screens.help import HelpScreen

            self.push_screen(HelpScreen(self.screen.PLACE))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Within an input ``:`` is a letter, and dialogs have no command bar."""
        if action == "command":
            return isinstance(self.screen, WorkbenchScreen) and not isinstance(self.focused, Input)
        return super().check_action(action, parameters)

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

    # -- commands

    def candidates(self, text: str) -> Iterable[str]:
        """What the command bar completes to."""
        session = self.session
        targets = session.report.paths[:TARGETS_COMPLETED] if session is not None else ()
        ends = dict.fromkeys(end for path in targets for end in (path.target, path.source))
        # What a suggestion shows must not be interpreted; an id that would be escaped is no good as a suggestion.
        known = Known(
            samples=self.samples,
            themes=sorted(self.available_themes),
            contexts=[name for name in self.contexts if shown(name) == name],
            targets=[end for end in ends if shown(end) == end],
            namespaces=[name for name in session.namespaces if shown(name) == name] if session is not None else (),
        )
        return candidates(text, known)

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
            self.find_paths(command.arguments)
        elif command.word == "open":
            self.open_source(command.arguments[0])
        elif command.word == "theme":
            self._choose_theme(command.arguments[0])
        elif command.word == "ctx":
            self.open_context(command.arguments)
        elif command.word == "apply-to":
            self.apply_to(command.arguments[0])
        elif command.word == "ns":
            self.limit_to_namespace(command.arguments[0])
        elif command.word == KIND:
            self._show_kind(*command.arguments)
        elif command.word in VIEW_CLASSES:
            self.show_view(command.word)
        elif command.word == "q":
            self.call_later(self.action_quit)
        else:
            name = f"action_{commands()[command.word].id.removeprefix('app.')}"
            target: Any = self.screen if hasattr(self.screen, name) else self
            if hasattr(target, name):
                getattr(target, name)()
            else:
                self.say(f":{command.word} is not for this screen")

    def _show_kind(self, kind: str, filter_text: str = "") -> None:
        if self.session is None:
            self.say("open a source first")
        else:
            self.show_view("resources", Asked(kind=kind, filter=filter_text))

    def _choose_theme(self, name: str) -> None:
        if name in self.available_themes:
            self.theme = name
        else:
            self.say(f"no theme {name}; there are {', '.join(sorted(self.available_themes))}", "warning")


@dataclass(frozen=True, slots=True)
class Opened:
    """What is kept between two starts."""

    log: Any
    first_run: bool
    preferences: Preferences | None
    problem: str = ""
    """What is wrong with the preferences."""


def _open_state() -> Opened:
    log, first_run = state.open_log(), state.first_run()
    try:
        return Opened(log, first_run, read_preferences())
    except ConfigError as error:
        return Opened(log, first_run, None, str(error))


def run_app(
    request: SourceRequest | None = None, *, theme: str | None = None, mouse: bool = True, read_only: bool = False
) -> int:
    """Run the interface until the user quits.

    Args:
        request: The source to open; ``None`` begins at Connect.
        theme: The name of a theme.
        mouse: Whether to take the mouse from the terminal.
        read_only: Whether nothing may be changed in any cluster.

    Returns:
        The exit status: 0, or 128 and the number of the signal that ended it.
    """
    if os.environ.get("NO_COLOR") == "":
        # Set to nothing means not set (no-color.org); Textual only looks whether it is there.
        del os.environ["NO_COLOR"]
    # Jobs in threads give way to the screen five times as often as Python has them do.
    sys.setswitchinterval(0.001)
    app = WorkbenchApp(request, theme=theme, read_only=read_only)
    app.run(mouse=mouse)
    sys.stderr.flush()
    return app.return_code or 0


__all__ = ["WorkbenchApp", "run_app"]
