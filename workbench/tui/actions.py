"""The registry of actions, from which bindings, footer, help and the command bar are derived.

An action belongs to *places*: ``app`` (everywhere), a screen's id, or a kind of pane (``move``: anything with a
cursor or a scroll position; ``list``; ``canvas``; ``detail``; ``basket``; ``dialog``; ``input``). Its id is the
name of the Textual action (``action_<id>``) of the place that carries it out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a key does."""

    id: str
    keys: tuple[str, ...]
    label: str
    """One to three words, for the footer."""
    help: str
    """A sentence without a full stop, for the help."""
    places: tuple[str, ...]
    command: str = ""
    """The command that does the same, for terminals that keep the key for themselves."""
    footer: int = 0
    """Where it stands in the footer, the lower the earlier; 0 keeps it out."""
    show: str = ""
    """How the footer and the help write the keys; the keys themselves by default."""

    @property
    def keys_shown(self) -> str:
        """The keys as people write them."""
        return self.show or " ".join(KEY_NAMES.get(key, key) for key in self.keys)


@dataclass(frozen=True, slots=True)
class View:
    """A screen with a digit."""

    digit: str
    id: str
    title: str


VIEWS = (
    View("1", "overview", "Overview"),
    View("2", "paths", "Paths"),
    View("3", "resources", "Resources"),
    View("6", "network", "Network"),
    View("7", "fixes", "Fixes"),
)
"""The screens that exist; the others of the design keep their digit free."""

LOADED = tuple(view.id for view in VIEWS)
"""The screens that show what is loaded."""

CHANGING = ("apply", "undo")
"""The actions that change a cluster; where nothing may be changed they are not offered."""

KEY_NAMES = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "exclamation_mark": "!",
    "vertical_line": "|",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "circumflex_accent": "^",
    "dollar_sign": "$",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "f1": "F1",
}

ACTIONS: tuple[Action, ...] = (
    # The app.
    Action("view('overview')", ("1",), "overview", "Overview: counts, best cuts, coverage", ("app",), "overview"),
    Action("view('paths')", ("2",), "paths", "Paths: the attack paths, one by one", ("app",), "paths"),
    Action(
        "view('resources')",
        ("3",),
        "resources",
        "Resources: the objects, with the paths through each",
        ("app",),
        "resources",
    ),
    Action("view('network')", ("6",), "network", "Network: who may connect to whom, and why", ("app",), "network"),
    Action("view('fixes')", ("7",), "fixes", "Fixes: what is staged and what it closes", ("app",), "fixes"),
    Action("help", ("question_mark", "f1"), "help", "keys of this screen, legend, concepts", ("app",), "help", 98, "?"),
    Action("command", ("colon",), "command", "command bar; tab completes", ("app",), "", 90),
    Action("quit", ("q", "ctrl+q"), "quit", "quit; ctrl+q also inside a dialog", ("app",), "q", 95, "q"),
    Action(
        "leave",
        ("escape",),
        "back",
        "close the dialog, the input, the filter, the pane, the view: one a press",
        ("app",),
    ),
    Action("all_namespaces", ("0",), "all namespaces", "list all namespaces again, after :ns NAME", ("app",)),
    Action("help_quit", ("ctrl+c",), "", "says how to quit", ("app",)),
    Action("repaint", ("ctrl+l",), "repaint", "paint the whole screen again", ("app",), "repaint"),
    Action(
        "app.reload",
        ("r",),
        "reload",
        "read the source again; what is staged stays",
        LOADED,
        "reload",
    ),
    Action(
        "app.coverage",
        ("exclamation_mark",),
        "coverage",
        "what could not be read, what it weakens, the roles that would close it, and what is not looked at",
        LOADED,
        "coverage",
    ),
    # Panes.
    Action("next_pane", ("tab",), "next pane", "next pane", LOADED, "", 0),
    Action("previous_pane", ("shift+tab",), "previous pane", "previous pane", LOADED),
    Action(
        "filter",
        ("slash",),
        "filter",
        "filter: text, !text, -f fuzzy; of paths is:critical, kind:Secret; of objects and workloads -l label=value; "
        "of the network's columns to:text; enter keeps it, esc clears it",
        ("paths", "resources", "network", "fixes", "help"),
        "",
        60,
    ),
    # Anything with a cursor or a scroll position.
    Action("up", ("up", "k"), "up", "up", ("move",), "", 0),
    Action("down", ("down", "j"), "down", "down", ("move",), "", 0),
    Action("page_up", ("pageup", "ctrl+u"), "page up", "a page up", ("move",)),
    Action("page_down", ("pagedown", "ctrl+d"), "page down", "a page down", ("move",)),
    Action("first", ("g", "home"), "first", "the first", ("move",)),
    Action("last", ("G", "end"), "last", "the last", ("move",)),
    Action("open", ("enter",), "open", "open what is under the cursor", ("list",), "", 10),
    # The matrix of the network.
    Action("left", ("left", "h"), "left", "the column to the left", ("matrix",)),
    Action("right", ("right", "l"), "right", "the column to the right", ("matrix",)),
    Action("first_column", ("circumflex_accent",), "first column", "the first column", ("matrix",)),
    Action("last_column", ("dollar_sign",), "last column", "the last column", ("matrix",)),
    Action("open", ("enter",), "why", "the ports of the cell, and the rules that decide them", ("matrix",), "", 10),
    Action(
        "unfold",
        ("space",),
        "unfold",
        "list the workloads of the row and the column, or fold them",
        ("matrix",),
        "",
        12,
    ),
    # The drawing of a path.
    Action("turn", ("vertical_line",), "turn", "turn the picture: from top to bottom, from left to right", ("canvas",)),
    Action(
        "left",
        ("left", "h"),
        "left",
        "across, back to the path; in a picture from left to right the node before",
        ("canvas", "text"),
    ),
    Action(
        "right",
        ("right", "l"),
        "across",
        "across: the next alternative, then the neighbours beside the node; from left to right the next node",
        ("canvas", "text"),
    ),
    Action("open", ("enter",), "step", "go to the step's detail", ("canvas",), "", 10),
    Action("unfold", ("space",), "expand", "unfold or fold the stub under the cursor", ("canvas",), "", 40),
    # Paths.
    Action("fixes", ("f",), "fixes", "the fixes of the current step", ("paths",), "", 20),
    Action("alternatives", ("a",), "other ways", "the other ways between the same two ends", ("paths",), "ways", 25),
    Action(
        "stage",
        ("s",),
        "stage",
        "stage the fix that cuts most per risk, or the one under the cursor",
        ("paths",),
        "",
        21,
    ),
    Action("unstage", ("u",), "unstage", "take a staged fix back: the step's, else the newest", ("paths",), "", 22),
    Action("yaml", ("y",), "YAML", "the YAML; of a step, proving lines marked", ("paths", "resources"), "", 23),
    Action(
        "tab(-1)", ("less_than_sign",), "previous tab", "previous tab of the detail", ("paths", "resources", "network")
    ),
    Action(
        "tab(1)",
        ("greater_than_sign",),
        "next tab",
        "next tab of the detail",
        ("paths", "resources", "network"),
        "",
        30,
    ),
    # Resources.
    Action(
        "paths_through", ("p",), "paths", "list the paths through the object, in Paths", ("resources",), "through", 20
    ),
    Action("fixes", ("f",), "fixes", "the fix of the object that cuts most, in Fixes", ("resources",), "", 25),
    Action("sort", ("o",), "sort", "choose the column to sort by", ("resources",), "sort", 40),
    Action("reverse", ("O",), "reverse", "sort the other way round", ("resources",), "reverse"),
    Action("network", ("n",), "network", "the row and the column of the object in Network", ("resources",), "", 27),
    # Network.
    Action(
        "paths_through",
        ("p",),
        "paths",
        "list the paths through the row's or the column's workload",
        ("network",),
        "",
        20,
    ),
    Action("describe", ("d",), "describe", "the row's or the column's object in Resources", ("network",), "", 25),
    Action("fold_all", ("Z",), "fold all", "list namespaces only", ("network",), "", 40),
    # Fixes.
    Action("toggle_fix", ("space",), "stage/unstage", "stage or unstage the fix under the cursor", ("basket",), "", 12),
    Action("stage", ("s",), "stage", "stage the fix under the cursor", ("fixes",), "", 0),
    Action("unstage", ("u",), "unstage", "unstage the fix under the cursor, else the newest", ("fixes",), "", 22),
    Action(
        "dry_run", ("v",), "dry run", "ask the server what it would make of what is staged", ("fixes",), "dry-run", 26
    ),
    Action(
        "apply", ("A",), "apply...", "apply what is staged, after a dry run and a question", ("fixes",), "apply", 28
    ),
    Action("undo", ("U",), "take back...", "take back what was applied last, after consent", ("fixes",), "undo", 29),
    Action("journal", (), "journal", "what was applied in this context", ("app",), "journal"),
    # Dialogs.
    Action("cancel", ("escape",), "close", "close the dialog", ("dialog",), "", 80),
    Action("write", ("enter",), "write", "write the files", ("export",), "", 10),
    Action("answer", ("enter",), "stage", "the next value; after the last one stage the fix", ("answer",), "", 10),
    Action("agree", ("y",), "yes, change it", "agree to the change, where that is enough", ("apply",), "", 10),
    Action(
        "write_roles", ("x",), "write roles", "write the roles that close the refusals to a file", ("coverage",), "", 20
    ),
    Action("confirm", ("y",), "yes", "yes", ("ask",), "", 10),
    Action("confirm", ("q",), "quit", "yes, quit", ("ask-quit",)),
    Action("export", ("x",), "export", "write what is staged as patches", ("fixes", "paths"), "export", 24),
)
"""Every action, in the order of the help."""

PRIORITY = frozenset({"ctrl+q"})
"""Keys that are looked at before the widget that has the keys."""

SHADOWED = {
    "tab": "our panes know which of them is hidden; Textual's focus order does not",
    "shift+tab": "as tab",
    "ctrl+q": "one way to quit: ours",
    "ctrl+c": "says how to quit where nothing is selected",
}
"""Keys that the framework binds too, and why ours wins."""


def alias(key: str) -> tuple[str, ...]:
    """A key and what terminals with extended keys report for it."""
    if len(key) == 1 and key.isupper():
        return (key, f"shift+{key.lower()}")
    if key == "space":
        return (key, "shift+space")
    return (key,)


def actions_of(*places: str) -> list[Action]:
    """The actions of some places, in the order of the registry."""
    return [action for action in ACTIONS if any(place in places for place in action.places)]


def bindings_of(*places: str) -> list[Binding]:
    """The bindings of a place, for its ``BINDINGS``."""
    return [
        Binding(
            one,
            action.id,
            action.label,
            show=False,
            priority=key in PRIORITY,
            tooltip=action.help,
            id=f"{places[0]}.{action.id}.{one}",
        )
        for action in actions_of(*places)
        for key in action.keys
        for one in alias(key)
    ]


def hints(places: Iterable[str]) -> list[Action]:
    """What the footer shows while the focus is inside these places, innermost first: one entry for a key."""
    found: dict[str, Action] = {}
    for place in places:
        for action in actions_of(place):
            if action.footer:
                found.setdefault(action.keys[0], action)
    return sorted(found.values(), key=lambda action: action.footer)


def commands() -> dict[str, Action]:
    """The actions that the command bar knows by a word."""
    return {action.command: action for action in ACTIONS if action.command}
