"""Dialogs: choices, other ways, values that a fix asks for, export, and the question before staged fixes are lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from workbench.errors import FixError
from workbench.tui.actions import actions_of, bindings_of
from workbench.tui.lines import BLANK
from workbench.tui.names import short
from workbench.tui.text import Spans, count, shown, span
from workbench.tui.widgets.frame import HintBar
from workbench.tui.widgets.line_list import LineList, Row, RowList
from workbench.tui.widgets.painting import TextPane
from workbench.tui.widgets.severity import severity_span

if TYPE_CHECKING:
    from workbench.analysis.paths import Path as AttackPath
    from workbench.remediation.records import Fix
    from workbench.tui.canvas.ways import Ways
    from workbench.tui.session import Session

T = TypeVar("T")

LISTED = 200


class Dialog(ModalScreen[T], Generic[T]):
    """A box over the screen; ``esc`` closes it without an answer."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("dialog")]
    PLACES: ClassVar[tuple[str, ...]] = ("dialog",)
    TITLE_TEXT = ""

    def show_hints(self) -> None:
        """The keys of the dialog, in its last line."""
        self.query_one(HintBar).actions = tuple(
            sorted((action for action in actions_of(*self.PLACES) if action.footer), key=lambda action: action.footer)
        )

    def on_mount(self) -> None:
        """Show the keys."""
        self.show_hints()

    def action_cancel(self) -> None:
        """Close."""
        self.dismiss(None)


class AlternativesDialog(Dialog[int]):
    """The other ways between the two ends of a path; answers with the number of one."""

    PLACES = ("dialog", "list")

    def __init__(self, ways: Ways, current: int) -> None:
        super().__init__()
        self.ways, self.current = ways, current

    def compose(self) -> ComposeResult:
        """A list."""
        with Vertical(classes="dialog listing"):
            yield RowList(id="alternatives")
            yield HintBar()

    def on_mount(self) -> None:
        """Fill it; the cursor stands on the one that is drawn."""
        super().on_mount()
        found = self.ways.alternatives
        listed = self.query_one(RowList)
        listed.entitle(
            f"{count(len(found), 'other way')} from {short(self.ways.path.source)}",
            f"to {short(self.ways.path.target)}, the shortest first",
        )
        listed.set_items([self._row(line, path) for line, path in enumerate(found, 1)], max(0, self.current - 1))
        listed.focus()

    def _row(self, line: int, path: AttackPath) -> Row:
        facts = f"assumes {shown(', '.join(path.missing))}" if path.missing else "certain"
        via = ", ".join(short(node) for node in self.ways.via(line))
        skipped = [node for node in self.ways.nodes[0] if node not in path.nodes]
        without = f"without {', '.join(short(node) for node in skipped)}" if skipped and not via else ""
        first: Spans = (
            (f"{line:>2} ", "muted"),
            severity_span(path.severity),
            (f"  {path.risk:.1f}  {count(len(path.steps), 'step')}  ", ""),
            (facts, "warning" if path.missing else "muted"),
        )
        return Row((first, (("   ", ""), (f"via {via}" if via else without, "strong"))), line)

    @on(LineList.Opened)
    def _chosen(self, event: LineList.Opened) -> None:
        self.dismiss(event.index + 1)


class AnswerDialog(Dialog["Fix | None"]):
    """Asks for the values that a fix needs; answers with the fix, which can then be staged."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("answer")]
    PLACES = ("dialog", "answer")

    def __init__(self, fix: Fix) -> None:
        super().__init__()
        self.fix = fix

    def compose(self) -> ComposeResult:
        """What the fix is, and a line for each value."""
        with Vertical(classes="dialog asking"):
            yield TextPane(id="asked")
            with VerticalScroll(id="answers", can_focus=False):
                for _ in self.fix.needs:
                    field = Input(classes="answer")
                    field.cursor_blink = False
                    yield field
            yield HintBar()

    def on_mount(self) -> None:
        """Ask."""
        super().on_mount()
        self.query_one(TextPane).entitle(self.fix.fix)
        for need, field in zip(self.fix.needs, self._fields(), strict=True):
            field.border_title = Content(shown(need.name))
        self._explain()
        self._fields()[0].focus()

    def _fields(self) -> list[Input]:
        return list(self.query(".answer").results(Input))

    def _explain(self, problem: str = "") -> None:
        lines: list[Spans] = [(span(self.fix.title, "strong"),)]
        lines += [((f"{shown(need.name)}: ", "muted"), span(need.question)) for need in self.fix.needs]
        pane = self.query_one(TextPane)
        pane.show([((problem, "warning"),), BLANK, *lines] if problem else lines)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_answer()

    def action_answer(self) -> None:
        """The next value that is missing, or the fix with all of them."""
        fields = self._fields()
        given = {need.name: field.value.strip() for need, field in zip(self.fix.needs, fields, strict=True)}
        empty = next((field for field in fields if not field.value.strip()), None)
        if empty is not None:
            empty.focus()
            return
        try:
            self.dismiss(self.fix.answered(given))
        except FixError as error:
            self._explain(shown(error))


class ChoiceDialog(Dialog[int]):
    """A few things to choose one of; answers with its place."""

    PLACES = ("dialog", "list")

    def __init__(self, title: str, choices: Sequence[str], current: int = 0) -> None:
        super().__init__()
        self.choices, self.current, self.heading = choices, current, title

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(classes="dialog"):
            yield RowList(id="choices")
            yield HintBar()

    def on_mount(self) -> None:
        """Fill it."""
        super().on_mount()
        listed = self.query_one(RowList)
        listed.entitle(self.heading)
        listed.set_items([Row(((span(text),),), at) for at, text in enumerate(self.choices)], self.current)
        listed.focus()

    @on(LineList.Opened)
    def _chosen(self, event: LineList.Opened) -> None:
        self.dismiss(event.index)


class QuitDialog(Dialog[bool]):
    """Asks before staged fixes that were not written are lost."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("ask"), *bindings_of("ask-quit")]
    PLACES = ("dialog", "ask")

    def __init__(self, staged: int, *, changing: bool = False) -> None:
        """Ask.

        Args:
            staged: How many fixes are staged and not exported.
            changing: Whether a cluster is being changed.
        """
        super().__init__()
        self.staged, self.changing = staged, changing

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical(classes="dialog question"):
            yield TextPane(id="question")
            yield HintBar()

    def on_mount(self) -> None:
        """Ask."""
        super().on_mount()
        pane = self.query_one(TextPane)
        pane.entitle("Quit?")
        said = f"{count(self.staged, 'staged fix', 'staged fixes')} not exported; quitting loses them."
        if self.changing:
            said = "A cluster is being changed; quitting stops after the object that is under way. The journal has it."
        pane.show([((said, "warning"),), (("y or q quits, esc goes back", ""),)])
        pane.focus()

    def action_confirm(self) -> None:
        """Quit."""
        self.dismiss(True)


class ExportDialog(Dialog["tuple[Path, bool] | None"]):
    """Where to write, what is written, what to mind."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("export"), *bindings_of("ask")]

    def __init__(self, session: Session, directory: str) -> None:
        super().__init__()
        self.session, self.directory = session, directory
        self.asking: Path | None = None
        """The directory that is not empty, while the question is open."""

    @property
    def PLACES(self) -> tuple[str, ...]:  # type: ignore[override]
        """While it asks, ``y``; otherwise ``enter``."""
        return ("dialog", "ask") if self.asking else ("dialog", "export")

    def compose(self) -> ComposeResult:
        """The directory, the files, the warnings."""
        with Vertical(classes="dialog"):
            field = Input(self.directory, id="export-directory", placeholder="directory", select_on_focus=False)
            field.cursor_blink = False
            yield field
            yield TextPane(id="export-files")
            yield HintBar()

    def on_mount(self) -> None:
        """List the files, and wait for the directory."""
        super().on_mount()
        self.query_one("#export-directory", Input).border_title = "Directory"
        pane = self.query_one(TextPane)
        pane.entitle(f"Export {count(len(self.session.basket), 'fix', 'fixes')}")
        pane.show(self._lines())
        self.query_one(Input).focus()

    def _lines(self) -> list[Spans]:
        files = ["README.md", "fixes.json"]
        for preview in self.session.previews:
            if preview.filename:
                files.append(preview.filename)
            if preview.filename.startswith("patches/"):
                files.append(preview.filename.replace("patches/", "rollback/", 1))
        lines: list[Spans] = [((f"{len(files)} files", "heading"),)]
        lines += [(("  ", ""), span(name)) for name in files[:LISTED]]
        if len(files) > LISTED:
            lines.append(((f"  and {len(files) - LISTED} more", "muted"),))
        warnings = export_warnings(self.session)
        if warnings:
            lines += [BLANK, (("Mind", "heading"),), *((("  ! ", "warning"), span(text)) for text in warnings)]
        return lines

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_write()

    def action_write(self) -> None:
        """Write, or ask if the directory is not empty."""
        text = self.query_one(Input).value.strip()
        if not text or self.asking:
            return
        directory = Path(text).expanduser()
        problem = unusable(directory)
        pane = self.query_one(TextPane)
        if problem == "not empty":
            self.asking = directory
            pane.show(
                [
                    ((f"{shown(directory)} is not empty.", "warning"),),
                    (("y writes into it, files of the same name are replaced; esc goes back", ""),),
                ]
            )
            pane.focus()
            self.show_hints()
        elif problem:
            pane.show([((f"{shown(directory)}: {problem}; name another directory", "warning"),), BLANK, *self._lines()])
        else:
            self.dismiss((directory, False))

    def action_confirm(self) -> None:
        """Write into the directory although it is not empty."""
        if self.asking:
            self.dismiss((self.asking, True))

    def action_cancel(self) -> None:
        """Back to the directory, or close."""
        if self.asking:
            self.asking = None
            self.query_one(TextPane).show(self._lines())
            self.query_one(Input).focus()
            self.show_hints()
        else:
            self.dismiss(None)


def unusable(directory: Path) -> str:
    """Why a directory cannot be written as it is, empty if it can."""
    try:
        if directory.exists() and not directory.is_dir():
            return "is a file"
        return "not empty" if directory.is_dir() and any(directory.iterdir()) else ""
    except (OSError, ValueError) as error:
        return shown(getattr(error, "strerror", None) or error)


def export_warnings(session: Session) -> list[str]:
    """What to mind before the patches are applied."""
    out: list[str] = []
    for number, fix in enumerate(session.basket, 1):
        if fix.managed_by:
            out.append(f"fix {number}: {', '.join(fix.managed_by)} manages the object and may take the change back")
        if str(fix.risk.level) in ("high", "unknown"):
            why = f": {fix.risk.reasons[0]}" if fix.risk.reasons else ""
            out.append(f"fix {number}: risk {fix.risk.level}{why}")
        if str(fix.effect) != "none":
            out.append(f"fix {number}: {fix.effect} of {fix.target.id}")
        out += [f"fix {number}: {note}" for note in fix.notes]
    if session.problem:
        out.append(session.problem)
    return out
