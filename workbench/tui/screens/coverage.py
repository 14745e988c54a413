"""The coverage sheet: what could not be read, what that weakens, and the rights that would close it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from workbench.tui.actions import bindings_of
from workbench.tui.coverage_lines import coverage_lines
from workbench.tui.screens.dialogs import Dialog
from workbench.tui.text import count
from workbench.tui.widgets.frame import HintBar
from workbench.tui.widgets.painting import TextPane

if TYPE_CHECKING:
    from workbench.analysis.coverage import Weakness

ROLES_FILE = "workbench-reader.yaml"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the sheet shows; put together in a worker."""

    gaps: Sequence[Weakness]
    notes: Sequence[str]
    roles: str
    """The roles that would close the refusals, as YAML; empty if there is none."""
    limits: Sequence[str] = ()
    """What no technique looks at."""


class CoverageSheet(Dialog["str | None"]):
    """What could not be read; answers with the roles if they are to be written."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("coverage")]

    def __init__(self, coverage: Coverage) -> None:
        super().__init__()
        self.coverage = coverage

    @property
    def PLACES(self) -> tuple[str, ...]:  # type: ignore[override]
        """The roles can be written where there are any."""
        return ("dialog", "coverage") if self.coverage.roles else ("dialog",)

    def compose(self) -> ComposeResult:
        """A text."""
        with Vertical(classes="dialog listing"):
            yield TextPane(id="coverage")
            yield HintBar()

    def on_mount(self) -> None:
        """Fill it."""
        super().on_mount()
        pane = self.query_one(TextPane)
        found = self.coverage
        title = f"Coverage  {count(len(found.gaps), 'gap')}" if found.gaps else "Coverage  FULL"
        pane.entitle(title)
        pane.show(coverage_lines(found.gaps, found.notes, found.roles, found.limits))
        pane.focus()

    def action_write_roles(self) -> None:
        """Write the roles to a file."""
        if self.coverage.roles:
            self.dismiss(self.coverage.roles)


def write_roles(roles: str, directory: Path) -> Path:
    """Write the roles to a new file.

    Returns:
        Its path; a file that is there already is kept, and another name taken.
    """
    for number in range(1, 1000):
        name = ROLES_FILE if number == 1 else ROLES_FILE.replace(".yaml", f"-{number}.yaml")
        path = directory / name
        try:
            with path.open("x", encoding="utf-8") as stream:
                stream.write(roles)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{directory / ROLES_FILE} and 998 more are there already")
