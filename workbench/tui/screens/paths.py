"""Paths: the list, the drawing of one path, and the detail of its current step follow one selection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.containers import Container
from textual.widget import Widget

from workbench.tui.canvas.ways import Place
from workbench.tui.lines import BLANK, empty_lines
from workbench.tui.screens.base import Asked, Pane, WorkbenchScreen, screen_bindings
from workbench.tui.session import StepDetails, asks, refusal, step_details, step_key, with_fixes
from workbench.tui.text import shown
from workbench.tui.widgets.line_list import LineList
from workbench.tui.widgets.path_drawing import PathDrawing
from workbench.tui.widgets.path_list import PathList, matching
from workbench.tui.widgets.step_detail import FIXES, TABS, YAML, StepDetail

if TYPE_CHECKING:
    from workbench.analysis.paths import Path, PathStep
    from workbench.remediation.records import Fix
    from workbench.tui.session import Session

NEIGHBOURS = 60
"""How many neighbours of a node are asked for."""

ALTERNATIVES = 20
"""How many alternatives are asked for, the path itself among them."""

ALTERNATIVES_KEPT = 500
"""For how many paths the alternatives are kept."""


class PathsScreen(WorkbenchScreen):
    """The attack paths."""

    PLACE = "paths"
    PANES = (
        Pane("list", "List", "#path-list"),
        Pane("graph", "Graph", "#canvas"),
        Pane("step", "Step", "#step-detail"),
    )
    BINDINGS: ClassVar = screen_bindings("paths")

    def __init__(self) -> None:
        super().__init__()
        self._all: Sequence[Path] = ()
        self._hay: Sequence[str] = ()
        self._positions: dict[str, Place] = {}
        """Where the cursor stood, by path id."""
        self._came_from: Pane | None = None

    def body(self) -> Iterable[Widget]:
        """The list on the left, drawing and detail on the right."""
        yield PathList(id="path-list")
        yield Container(PathDrawing(id="canvas"), StepDetail(id="step-detail"), id="right")

    @property
    def path_list(self) -> PathList:
        """The list."""
        return self.query_one(PathList)

    @property
    def drawing(self) -> PathDrawing:
        """The drawing."""
        return self.query_one(PathDrawing)

    @property
    def detail(self) -> StepDetail:
        """The step's detail."""
        return self.query_one(StepDetail)

    def focus_target(self, pane: Pane) -> Widget:
        """The part of the pane that takes the keys."""
        return self.detail.pane if pane.id == "step" else super().focus_target(pane)

    def pane_before(self, pane: Pane) -> Pane:
        """From the detail back to where it was opened, from the drawing to the list."""
        if pane.id == "step" and self._came_from is not None and self._came_from.id != "step":
            return self._came_from
        return self.PANES[0]

    # -- content

    def session_changed(self) -> None:
        """Other paths, or another basket."""
        if not self.is_mounted:
            return
        session = self.session
        if session is None:
            self._all, self._hay = (), ()
            self.path_list.set_items([], quiet=True)
            self._nothing()
            return
        self.query_one(StepDetail).query_one("#step-fixes").staged = session.staged  # type: ignore[attr-defined]
        self.path_list.set_cut(session.cut)
        self.detail.restaged()
        if session.paths is not self._all:
            self._all = session.paths
            self._hay = session.hay
            self._positions.clear()
            self.apply_filter()

    def apply_filter(self) -> None:
        """Show the paths that the filter keeps; the cursor stays on its path if it is one of them."""
        current = self.path_list.current
        kept = matching(self._all, self._hay, self.filter_text)
        at = next((at for at, path in enumerate(kept) if current is not None and path.id == current.id), 0)
        self._entitle(len(kept), "  sort risk")
        self.path_list.set_items(kept, at)
        self.update_frame()

    def _entitle(self, kept: int, more: str = "") -> None:
        below = [f"filter: {self.filter_text}" if self.filter_text else ""]
        if self.session is not None:
            below.append(self.session.limit_text)
        self.path_list.entitle(f"Paths {kept:,}/{len(self._all):,}{more}", "   ".join(filter(None, below)))

    def show_what_was_asked(self, asked: Asked) -> None:
        """Narrow the list, or go to a path."""
        if asked.filter:
            self.filter_text = asked.filter
            self.apply_filter()
        if asked.path:
            self.select_path(asked.path)

    def select_path(self, path_id: str) -> None:
        """Move the cursor to a path; a filter that hides it is taken back."""
        for at, path in enumerate(self.path_list.items):
            if path.id == path_id:
                self.path_list.cursor = at
                return
        if self.filter_text:
            self.filter_text = ""
            self.apply_filter()
            self.select_path(path_id)

    @on(LineList.Moved, "#path-list")
    def _path_selected(self, event: LineList.Moved) -> None:
        event.stop()
        path = self.path_list.current
        if path is None:
            self._nothing()
            return
        heading = f"Graph  path {self.path_list.cursor + 1} of {len(self.path_list.items)}"
        session = self.workbench.require_session()
        known = session.alternatives.get(path.id)
        self.drawing.show_path(path, self._positions.get(path.id, Place()), heading, known or ())
        self._show_step()
        audit = session.audit

        def ask() -> Mapping[str, Sequence[Any]]:
            return {node: audit.neighbours(node, NEIGHBOURS) for node in path.nodes}

        def deliver(neighbours: Mapping[str, Sequence[Any]]) -> None:
            if self.drawing.path is path:
                self.drawing.show_neighbours(neighbours)
                # Only where the cursor stays: a list that is scrolled through must not pile up searches.
                if known is None:
                    self._find_alternatives(session, path)

        self.workbench.in_background("neighbours", ask, deliver)

    def _find_alternatives(self, session: Session, path: Path) -> None:
        audit = session.audit

        def deliver(found: Sequence[Path]) -> None:
            while len(session.alternatives) >= ALTERNATIVES_KEPT:
                del session.alternatives[next(iter(session.alternatives))]
            session.alternatives[path.id] = found
            if self.drawing.path is path:
                self.drawing.show_alternatives(found)

        self.workbench.in_background("alternatives", lambda: audit.alternatives(path, ALTERNATIVES), deliver)

    def _nothing(self) -> None:
        """No path: an empty list has a reason."""
        self.drawing.show_path(None)
        session = self.session
        if session is None:
            title, lines = self.workbench.message_lines()
        elif not self._all and session.namespace and session.whole.report.paths:
            title = "No paths"
            lines = [((f"no path touches namespace {shown(session.namespace)}", "strong"),)]
            lines.append((("0 lists all namespaces", "muted"),))
        elif not self._all and not session.query:
            title, lines = "No paths", empty_lines(session.audit.checked(), session.coverage)
        elif not self._all:
            title = "No paths"
            lines = [((f"no path {shown(session.query)}", "strong"),), (("esc shows all paths again", "muted"),)]
            if session.coverage:
                lines.append((("not everything could be read: press !", "warning"),))
        else:
            title, lines = (
                "No paths",
                [((f"no path matches {shown(self.filter_text)!r}", ""),), (("esc clears the filter", "muted"),)],
            )
        self._entitle(len(self.path_list.items))
        self.detail.show_message([*lines, BLANK], title)

    # -- the current step

    @property
    def step(self) -> PathStep | None:
        """The current step."""
        return self.drawing.step

    @on(PathDrawing.NodeSelected)
    def _node_selected(self, event: PathDrawing.NodeSelected) -> None:
        event.stop()
        path = self.drawing.path
        if path is None:
            return
        self._positions[path.id] = self.drawing.place
        if self.drawing.column and event.node not in path.nodes:
            audit = self.workbench.require_session().audit
            node = event.node
            self.workbench.in_background(
                "describe", lambda: audit.describe(node), lambda rows: self._describe(node, rows)
            )
        else:
            self._show_step()

    def _describe(self, node: str, rows: Sequence[tuple[str, str]]) -> None:
        if self.drawing.node == node:
            self.detail.show_node(node, rows)

    def _show_step(self) -> None:
        step, heading = self.step, self.drawing.step_heading
        session = self.session
        if step is None or session is None:
            return
        known = session.details.get(step_key(step))
        if known is None:
            self.detail.waiting(step, heading)
        else:
            self.detail.show_details(step, heading, known)

        def deliver(details: StepDetails) -> None:
            if self.step is not step or self.drawing.column:
                return
            if details.fixes is None:
                self.detail.show_details(step, heading, details)
            else:
                self.detail.show_fixes(details)

        if known is None or known.fixes is None:
            self._ask("step", session, step, deliver)

    def _ask(self, group: str, session: Session, step: PathStep, deliver: Callable[[StepDetails], None]) -> None:
        """Ask for what is not known of a step: what proves it, then its fixes, and deliver both times."""
        audit, known = session.audit, session.details.get(step_key(step))

        def arrived(details: StepDetails) -> None:
            session.details[step_key(step)] = details
            if self.session is not session:
                # Another source was opened since, whose steps are others.
                return
            deliver(details)
            if details.fixes is None:
                self._ask(group, session, step, deliver)

        def job() -> StepDetails:
            return step_details(audit, step) if known is None else with_fixes(audit, step, known)

        self.workbench.in_background(group, job, arrived)

    def _with_fixes(self, what: Callable[[PathStep, StepDetails, Sequence[Fix]], None]) -> None:
        """Do something with the fixes of the current step, once they are there."""
        step, session = self.step, self.session
        if step is None or session is None:
            self.workbench.say("no step is selected")
            return

        def deliver(details: StepDetails) -> None:
            if details.fixes is not None:
                what(step, details, details.fixes)

        known = session.details.get(step_key(step))
        if known is not None and known.fixes is not None:
            deliver(known)
        else:
            self._ask("act", session, step, deliver)

    # -- actions

    @on(LineList.Opened, "#path-list")
    def _path_opened(self, event: LineList.Opened) -> None:
        event.stop()
        if self.drawing.path is not None:
            self.go_to_pane(self.pane_named("graph"))

    @on(PathDrawing.Turned)
    def _turned(self) -> None:
        # From left to right the drawing needs the width more than the detail does.
        self.set_class(self.drawing.turned is True, "-sideways")
        self.update_hints()

    def action_alternatives(self) -> None:
        """The list of the other ways between the two ends."""
        ways, session = self.drawing.ways, self.session
        if ways is None or session is None:
            self.workbench.say("no path is selected")
        elif ways.path.id not in session.alternatives:
            self.workbench.say("the alternatives are still being searched")
        elif not ways.alternatives:
            self.workbench.say("there is no other way between these two ends")
        else:
            from workbench.tui.screens.dialogs import AlternativesDialog

            self.workbench.ask(
                AlternativesDialog(ways, self.drawing.place.line or self.drawing.shown_line), self._alternative_chosen
            )

    def _alternative_chosen(self, line: int | None) -> None:
        ways = self.drawing.ways
        if line is None or ways is None or line >= len(ways.nodes):
            return
        own = [Place(line, at) for detour in ways.detours[line] for at in detour.own]
        joins = [Place(0, detour.joins) for detour in ways.detours[line]]
        self.drawing.show_line(line)
        self.drawing.go_to((own or joins)[0])
        self.go_to_pane(self.pane_named("graph"))

    @on(PathDrawing.StepOpened)
    def _step_opened(self) -> None:
        self._open_detail()

    def _open_detail(self) -> None:
        if self.pane is not None and self.pane.id != "step":
            self._came_from = self.pane
        self.go_to_pane(self.pane_named("step"))

    def action_fixes(self) -> None:
        """The fixes of the current step."""
        self.detail.tab = FIXES
        self._open_detail()

    def action_yaml(self) -> None:
        """The YAML of the current step."""
        self.detail.tab = YAML
        self._open_detail()

    def action_tab(self, by: int) -> None:
        """Another tab of the detail."""
        self.detail.tab = (self.detail.tab + by) % len(TABS)

    def action_stage(self) -> None:
        """Stage the fix under the cursor, else the one that cuts most per risk."""
        chosen = self.detail.chosen_fix
        if chosen is not None and self.pane is not None and self.pane.id == "step":
            self.workbench.stage(chosen)
            return

        def stage(step: PathStep, details: StepDetails, fixes: Sequence[Fix]) -> None:
            if details.recommended is not None:
                self.workbench.stage(details.recommended)
            elif (asking := next(filter(asks, fixes), None)) is not None:
                self.workbench.stage(asking)
            elif fixes:
                reason = refusal(fixes[0]) or "see the tab of fixes"
                self.workbench.say(f"no fix of this step can be staged: {shown(fixes[0].title)}: {reason}", "warning")
            else:
                self.workbench.say(f"no fix is known for this step ({shown(step.title)})", "warning")

        self._with_fixes(stage)

    def action_unstage(self) -> None:
        """Take the step's staged fix back, else the newest."""
        session = self.session
        if session is None or not session.basket:
            self.workbench.say("nothing is staged")
            return
        chosen = self.detail.chosen_fix
        if chosen is not None and session.staged(chosen):
            self.workbench.unstage(chosen)
            return
        step = self.step
        known = session.details.get(step_key(step)) if step is not None else None
        fixes = known.fixes if known is not None else None
        own = [fix for fix in fixes or () if session.staged(fix)]
        self.workbench.unstage(own[0] if own else session.basket[-1])

    def action_export(self) -> None:
        """Write what is staged."""
        self.workbench.export()

    def leave_assumption(self) -> bool:
        """Show all paths again after ``:path``."""
        return self.workbench.clear_query()
