"""The two inputs of a screen: the command bar and the filter."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from textual.suggester import Suggester
from textual.widgets import Input


class Completion(Suggester):
    """Completes from a list that is made anew for every text."""

    def __init__(self, candidates: Callable[[str], Iterable[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._candidates = candidates

    async def get_suggestion(self, value: str) -> str | None:
        """The first candidate that begins with the text."""
        return next((one for one in self._candidates(value) if one.startswith(value) and one != value), None)


class Prompt(Input):
    """One line to type in, hidden until it is asked for."""

    DEFAULT_CSS = """
    Prompt, Prompt:focus {
        display: none;
        height: 1;
        border: none;
        padding: 0 1;
        background: $panel;
        color: $foreground;
        &.-open { display: block; }
    }
    """

    def __init__(self, sign: str, *, id: str, placeholder: str, suggester: Suggester | None = None) -> None:
        super().__init__(id=id, placeholder=f"{sign} {placeholder}", suggester=suggester, select_on_focus=False)
        self.sign = sign
        self.cursor_blink = False

    def open(self, text: str = "") -> None:
        """Show it and give it the keys."""
        self.add_class("-open")
        self.display = True
        self.value = text
        self.screen.set_focus(self, scroll_visible=False)
        self.cursor_position = len(text)

    def close(self) -> None:
        """Hide it."""
        self.remove_class("-open")
        self.display = False

    @property
    def is_prompting(self) -> bool:
        """Whether it is shown."""
        return self.has_class("-open")

    def complete(self) -> None:
        """Take the suggestion."""
        if self._suggestion:
            self.value = self._suggestion
            self.cursor_position = len(self.value)
