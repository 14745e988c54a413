"""Help: the keys of the screen it was asked from, the glyphs, the words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.widget import Widget

from workbench.tui.actions import ACTIONS, VIEWS, Action
from workbench.tui.commands import WITH_ARGUMENT
from workbench.tui.lines import BLANK, CONCEPTS, legend_lines
from workbench.tui.screens.base import Pane, WorkbenchScreen, screen_bindings
from workbench.tui.text import Spans, flat
from workbench.tui.widgets.painting import TextPane

PLACE_TITLES = {
    "move": "lists and texts",
    "list": "lists",
    "canvas": "the drawing of a path",
    "matrix": "the matrix of the network",
    "text": "texts",
    "basket": "the basket",
    "dialog": "dialogs",
    "export": "the export dialog",
    "answer": "the dialog that asks for values",
    "coverage": "the coverage sheet",
    "apply": "the question before a change",
    "ask": "questions",
    "ask-quit": "the question before quitting",
    "app": "everywhere",
    "connect": "Connect",
    "collecting": "Collecting",
    "help": "Help",
    **{view.id: view.title for view in VIEWS},
}

DIALOGS = ("dialog", "answer", "apply", "coverage", "export", "ask", "ask-quit")

INSIDE = {
    "connect": ("connect", "list", "move", "app", "dialog", "ask-quit"),
    "collecting": ("collecting", "text", "move", "app", "dialog", "ask-quit"),
    "overview": ("overview", "list", "move", "app", "dialog", "coverage", "ask-quit"),
    "paths": ("paths", "canvas", "list", "text", "move", "app", *DIALOGS),
    "resources": ("resources", "list", "text", "move", "app", "dialog", "coverage", "ask-quit"),
    "network": ("network", "matrix", "list", "text", "move", "app", "dialog", "coverage", "ask-quit"),
    "fixes": (
        "fixes",
        "basket",
        "list",
        "text",
        "move",
        "app",
        "dialog",
        "answer",
        "apply",
        "coverage",
        "export",
        "ask",
        "ask-quit",
    ),
    "help": ("help", "text", "move", "app"),
}
"""Which places there are on a screen, the nearest first."""

KEYS = 18

KIND_HELP = "the table of a kind, by any name that kubectl takes; a filter may follow"


def help_lines(place: str) -> list[Spans]:
    """The help of a screen: its own keys first, then those of other screens, legend, concepts."""
    out: list[Spans] = []
    places = INSIDE.get(place, ("app",))
    said: set[Action] = set()
    for one in places:
        actions = [action for action in ACTIONS if one in action.places and action not in said]
        if actions:
            out += [((PLACE_TITLES[one].upper(), "heading"),), *(_line(action) for action in actions), BLANK]
            said.update(actions)
    others = [action for action in ACTIONS if action not in said]
    if others:
        out += [(("OTHER SCREENS", "heading"),), *(_line(action, with_place=True) for action in others), BLANK]
    out.append((("COMMANDS", "heading"),))
    out += [((f"  :{f'{word} …':<{KEYS}}", "key"), (what, "")) for word, what in WITH_ARGUMENT.items()]
    out.append(
        (
            (f"  :{'pods …':<{KEYS}}", "key"),
            (KIND_HELP, ""),
        )
    )
    out += [((f"  :{action.command:<{KEYS}}", "key"), (action.help, "")) for action in ACTIONS if action.command]
    out += [BLANK, (("LEGEND", "heading"),), *((("  ", ""), *line) for line in legend_lines()), BLANK]
    out += [(("CONCEPTS", "heading"),), *(((f"  {word:<{KEYS + 1}}", "strong"), (what, "")) for word, what in CONCEPTS)]
    return out


def _line(action: Action, *, with_place: bool = False) -> Spans:
    where = f" ({', '.join(PLACE_TITLES[place] for place in action.places)})" if with_place else ""
    keys = " ".join(
        dict.fromkeys(
            [action.keys_shown, *(key for key in action.keys if action.show and len(key) > 1 and "_" not in key)]
        )
    )
    return ((f"  {keys:<{KEYS}} ", "key"), (action.help + where, ""))


class HelpScreen(WorkbenchScreen):
    """The help of one screen."""

    PLACE = "help"
    PANES = (Pane("help", "Help", "#help"),)
    BINDINGS: ClassVar = screen_bindings("help")

    def __init__(self, about: str) -> None:
        super().__init__()
        self.about = about

    def body(self) -> Iterable[Widget]:
        """One text."""
        yield TextPane(id="help")

    def on_mount(self) -> None:
        """Show it."""
        super().on_mount()
        self.apply_filter()

    def apply_filter(self) -> None:
        """The lines that hold the filter's text, headings apart."""
        lines = help_lines(self.about)
        needle = self.filter_text.lower()
        if needle:
            lines = [line for line in lines if needle in flat(line).lower()] or [
                ((f"nothing about {needle!r}", "muted"),)
            ]
        pane = self.query_one(TextPane)
        title = f"Help: {PLACE_TITLES.get(self.about, self.about)}"
        pane.entitle(title, f"filter: {self.filter_text}" if self.filter_text else "/ searches   esc closes")
        pane.show(lines)
