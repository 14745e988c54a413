"""What the parts of the app share: the session, and the screens that are told when it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from textual.screen import Screen

from workbench.tui.jobs import JobsApp
from workbench.tui.screens.base import Asked, WorkbenchScreen
from workbench.tui.session import Session

if TYPE_CHECKING:
    from workbench.sources import SourceRequest

T = TypeVar("T")


class SessionApp(JobsApp):
    """An app that holds what is loaded."""

    request: SourceRequest | None = None
    """What is opened, or was last."""
    session: Session | None = None
    """``None`` while nothing is loaded."""
    view: str = "connect"
    """The id of the screen that is shown."""
    due_view: str = ""
    """The id of the screen that comes once what somebody types or answers is done, empty for none."""

    def require_session(self) -> Session:
        """What is loaded, where something must be."""
        if self.session is None:
            raise RuntimeError("nothing is loaded")
        return self.session

    def ask(self, dialog: Screen[T], answered: Callable[[T | None], None]) -> None:
        """Show a dialog about what is loaded.

        Args:
            dialog: The dialog.
            answered: Gets the answer, unless something else is loaded or it was read again by then.
        """
        session, request = self.session, self.request

        def given(answer: T | None) -> None:
            if self.session is session:
                answered(answer)
            elif answer is not None:
                what = "it was read again" if self.request == request else "something else was loaded"
                self.say(f"{what} meanwhile; nothing was done", "warning")

        self.push_screen(dialog, given)

    @property
    def is_changing(self) -> bool:
        """Whether a cluster is being changed right now."""
        return False

    def tell_screens(self) -> None:
        """Every screen that is there shows the new state; hidden ones do when they come back."""
        for screen in self.screen_stack:
            if isinstance(screen, WorkbenchScreen) and screen.is_mounted:
                screen.session_changed()
                screen.update_frame()

    def show_view(self, name: str, asked: Asked | None = None) -> None:
        """Change to a screen, and go there to what was asked for."""
        raise NotImplementedError

    def come_to(self, name: str) -> None:
        """Change to a screen because a job is over, not because a key was pressed.

        What somebody is typing, a dialog or the help stays; the screen changes once that is left, unless another one
        was chosen by then.
        """
        self.due_view = name
        self.come_to_what_is_due()

    def come_to_what_is_due(self) -> None:
        """Change to the screen that is due, unless somebody is still typing or answering."""
        screen = self.screen
        if self.due_view and isinstance(screen, WorkbenchScreen) and not self.on_help and not screen.is_prompting:
            self.show_view(self.due_view)

    @property
    def on_help(self) -> bool:
        """Whether the help lies over the screens."""
        return isinstance(self.screen, WorkbenchScreen) and self.screen.PLACE == "help"

    def session_loaded(self) -> None:
        """A source was loaded, with what is staged of it."""

    def fixes_ranked(self) -> None:
        """All fixes of what is loaded are ranked."""
