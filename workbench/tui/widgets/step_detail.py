"""What there is to know of one step: evidence, technique, fixes, YAML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.reactive import reactive

from workbench.tui.lines import evidence_lines, fix_lines, node_lines, technique_lines, verdict_text, yaml_lines
from workbench.tui.names import tagged
from workbench.tui.text import Spans, shown
from workbench.tui.widgets.line_list import LineList
from workbench.tui.widgets.painting import TextPane
from workbench.tui.widgets.tab_strip import TabStrip

if TYPE_CHECKING:
    from workbench.analysis.paths import PathStep
    from workbench.remediation.records import Fix
    from workbench.tui.session import StepDetails

TABS = ("Evidence", "Technique", "Fixes", "YAML")
EVIDENCE, TECHNIQUE, FIXES, YAML = range(4)


class FixList(LineList["Fix"]):
    """Fixes of one step."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.staged: Callable[[Fix], bool] = lambda _fix: False
        self.recommended: Fix | None = None

    def paint(self, item: Fix, cells: int) -> list[Spans]:
        """The lines of a fix."""
        best = self.recommended is not None and self.recommended.id == item.id
        return fix_lines(item, cells, staged=self.staged(item), recommended=best)

    def row_height(self, item: Fix) -> int:
        """As many lines as it takes."""
        return len(self.paint(item, self.cells))


class StepDetail(Vertical):
    """Tabs over one step, or over a node beside the path."""

    DEFAULT_CSS = """
    StepDetail {
        border: round $frame;
        border-title-color: $foreground;
        &:focus-within { border: heavy $frame-focus; border-title-style: bold; }
        & > Painted, & > Painted:focus { border: none; height: 1fr; }
    }
    """

    tab: reactive[int] = reactive(EVIDENCE, init=False)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.step: PathStep | None = None
        self.details: StepDetails | None = None
        self._other: list[Spans] | None = None

    def compose(self) -> ComposeResult:
        """The tabs, a text, a list of fixes."""
        yield TabStrip(TABS, id="step-tabs")
        yield TextPane(id="step-text")
        yield FixList(id="step-fixes")

    def on_mount(self) -> None:
        """Begin with the first tab."""
        self._show()

    # -- content

    def waiting(self, step: PathStep, heading: str) -> None:
        """A step whose details are on their way."""
        self.step, self.details, self._other = step, None, None
        self._entitle(f"{heading}: {tagged_pair(step)}")
        self._show()

    def show_details(self, step: PathStep, heading: str, details: StepDetails) -> None:
        """A step with its details."""
        self.step, self.details, self._other = step, details, None
        self._entitle(f"{heading}: {tagged_pair(step)}")
        self._list_fixes(details)
        self._show()

    def show_fixes(self, details: StepDetails) -> None:
        """The fixes of the step that is shown; what else there is of it stays as it stands."""
        self.details = details
        self._list_fixes(details)
        if self.tab == FIXES:
            self._show()
        else:
            self._label()

    def _list_fixes(self, details: StepDetails) -> None:
        fixes = self.query_one(FixList)
        fixes.recommended = details.recommended
        fixes.set_items(list(details.fixes or ()), quiet=True)

    def show_node(self, node: str, rows: Sequence[tuple[str, str]]) -> None:
        """A node beside the path."""
        self._other = node_lines(node, rows)
        self._entitle(f"Beside the path: {tagged(node)}")
        self._show()

    def show_message(self, lines: Sequence[Spans], title: str = "Step") -> None:
        """No step: why."""
        self.step, self.details = None, None
        self._other = list(lines)
        self._entitle(title)
        self._show()

    def restaged(self) -> None:
        """The basket changed: paint the boxes anew."""
        self.query_one(FixList).repaint()

    def _entitle(self, title: str) -> None:
        from textual.content import Content

        self.border_title = Content(shown(" ".join(title.split()), 1024))

    # -- tabs

    def watch_tab(self) -> None:
        """Show the other tab."""
        self._show()

    @on(TabStrip.Chosen)
    def _chosen(self, event: TabStrip.Chosen) -> None:
        event.stop()
        self.tab = event.index

    @property
    def pane(self) -> TextPane | FixList:
        """The pane that the tab shows."""
        listed = self.tab == FIXES and self._other is None and self.details is not None and bool(self.details.fixes)
        return self.query_one(FixList) if listed else self.query_one(TextPane)

    @property
    def chosen_fix(self) -> Fix | None:
        """The fix under the cursor, while the tab of fixes is open."""
        return self.query_one(FixList).current if self.tab == FIXES and isinstance(self.pane, FixList) else None

    def _label(self) -> None:
        fixes = self.details.fixes if self.details is not None else None
        number = f" {len(fixes)}" if fixes is not None else ""
        labels = tuple(f"{label}{number}" if label == "Fixes" else label for label in TABS)
        self.query_one(TabStrip).labels = labels

    def _show(self) -> None:
        if not self.is_mounted:
            return
        text, fixes, tabs = self.query_one(TextPane), self.query_one(FixList), self.query_one(TabStrip)
        had_focus = text.has_focus or fixes.has_focus
        pane = self.pane
        tabs.active = self.tab
        self._label()
        tabs.note = shown(verdict_text(self.step)) if self.step is not None else ""
        text.display, fixes.display = pane is text, pane is fixes
        if had_focus and not pane.has_focus:
            pane.focus(scroll_visible=False)
        if pane is fixes:
            return
        if self._other is not None:
            text.show(self._other)
        elif self.step is None or self.details is None:
            text.show([(("reading …", "muted"),)])
        elif self.tab == EVIDENCE:
            text.show(evidence_lines(self.details.evidence, self.step))
        elif self.tab == TECHNIQUE:
            text.show(technique_lines(self.details.declaration, self.step))
        elif self.tab == FIXES and self.details.fixes is None:
            text.show([(("looking for fixes …", "muted"),)])
        elif self.tab == FIXES:
            text.show(
                [
                    (
                        ("no fix is known for this step: ", ""),
                        (f"{self.step.technique} names none that fits here", "muted"),
                    )
                ]
            )
        else:
            lines, first = yaml_lines(self.details.documents, self.details.proving)
            text.show(lines, wrap=False, at=first)


def tagged_pair(step: PathStep) -> str:
    """``SA shop/cart-sa  bound to  PRM shop/cart-edit``."""
    return f"{tagged(step.source)}, {shown(step.title)}, {tagged(step.target)}"
