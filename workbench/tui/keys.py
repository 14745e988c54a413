"""Keys are carried out in the order in which they were pressed, each once what the one before led to is done.

Textual sends a key from queue to queue, up from the widget that has the focus, and looks for its action when it arrives
at the app. Of keys that are typed quickly, or while the screen is busy, a later one may then act first, or an earlier
one on a screen that it was not meant for. Here the app looks for the action at once, and sends a message the way that
others from the same widget go: when that arrives, what they led to on the screen has happened. What jobs find in the
background is not waited for.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from textual import events, on
from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widgets import Input

if TYPE_CHECKING:
    from rich.console import RenderableType

LOOK = 0.05
"""Seconds after which it is looked whether a key that waits still has something to wait for."""
PATIENCE = 1.0
"""Seconds that a key waits at most, so that the keys work whatever happens."""


class Done(Message):
    """What a key led to in the widgets is done."""


class KeysApp(App[None]):
    """An app that carries out keys one after another."""

    def __init__(self, *, ansi_color: bool | None = None) -> None:
        super().__init__(ansi_color=ansi_color)
        self._keys: deque[events.Key | events.Paste] = deque()
        """Those that wait."""
        self._under_way: MessagePump | None = None
        """Where the last key went, until what it led to is done."""
        self._since = 0.0
        self._shown_last: Screen[Any] | None = None
        """The screen that has done what it does when it appears."""
        self._looks = False
        self._ends = False

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """End; nothing that was pressed after it is carried out."""
        self._ends = True
        self._keys.clear()
        super().exit(result, return_code, message)

    @property
    def keys_wait(self) -> bool:
        """Whether keys were pressed that are not carried out yet."""
        return bool(self._keys)

    async def on_event(self, event: events.Event) -> None:
        """Take keys, and what is pasted, in their order."""
        if self._ends and isinstance(event, events.InputEvent | events.Paste):
            return
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self._keys.append(event)
            await self._next_key()
        else:
            await super().on_event(event)

    @property
    def _is_busy(self) -> bool:
        """Whether it will be told that the last key is done; a widget that is gone tells nothing."""
        return self._under_way is not None and self._under_way.is_attached and monotonic() - self._since < PATIENCE

    async def _next_key(self) -> None:
        if not self._keys:
            return
        if self._is_busy:
            self._look_again()
        elif self.screen is self._shown_last:
            await self._carry_out(self._keys.popleft())
        else:
            # Behind what the screen does when it appears and is painted, and what it then asks of the app.
            self._look_again()
            self.screen.call_after_refresh(self.call_later, self._screen_ready, self.screen)

    async def _screen_ready(self, screen: Screen[Any]) -> None:
        self._shown_last = screen
        await self._next_key()

    async def _carry_out(self, event: events.Key | events.Paste) -> None:
        self.app_focus = True
        target = self.focused or self.screen
        bound = isinstance(event, events.Key) and (
            await self._check_bindings(event.key, priority=True) or await self._check_bindings(event.key)
        )
        if not bound and (isinstance(target, Input) or isinstance(event, events.Paste)):
            target._forward_event(event)
        target.post_message(Done())
        self._under_way, self._since = target, monotonic()
        if self._keys:
            self._look_again()

    @on(Done)
    async def _key_done(self) -> None:
        self._under_way = None
        await self._next_key()

    def _look_again(self) -> None:
        if not self._looks:
            self._looks = True
            self.set_timer(LOOK, self._look)

    async def _look(self) -> None:
        self._looks = False
        await self._next_key()


__all__ = ["KeysApp"]
