"""Overview: paths by severity, the best cuts, coverage, counts; every row opens something."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Container
from textual.widget import Widget

from workbench.graph import nodes
from workbench.tui.lines import empty_lines
from workbench.tui.names import end_of, short
from workbench.tui.screens.base import Asked, Pane, WorkbenchScreen, screen_bindings
from workbench.tui.text import Spans, count, shown, span
from workbench.tui.widgets.line_list import LineList, Row, RowList
from workbench.tui.widgets.painting import TextPane
from workbench.tui.widgets.severity import severity_span

if TYPE_CHECKING:
    from workbench.remediation.records import Fix
    from workbench.tui.session import Session

TOP_PATHS = 5
BEST_CUTS = 8
MOST_NEEDED = 5
"""How many nodes and how many steps are shown that cut most pairs."""


@dataclass(frozen=True, slots=True)
class Opens:
    """Where a row leads."""

    view: str
    """``paths``, ``fixes``, ``resources``, ``coverage`` or ``through``."""
    asked: Asked | None = None
    through: tuple[str, str | None] = ("", None)
    """A node, or the two ends of an edge."""


class OverviewScreen(WorkbenchScreen):
    """The state of the source in one screen."""

    PLACE = "overview"
    PANES = (
        Pane("severity", "Attack paths", "#box-paths"),
        Pane("cuts", "Cut these first", "#box-cuts"),
        Pane("coverage", "Coverage", "#box-coverage"),
        Pane("counts", "Counts", "#box-counts"),
    )
    BINDINGS: ClassVar = screen_bindings("overview")

    def body(self) -> Iterable[Widget]:
        """Four boxes, and what stands in their place while there is nothing to show."""
        yield TextPane(id="overview-message")
        yield Container(
            RowList(id="box-paths"),
            RowList(id="box-cuts"),
            RowList(id="box-coverage"),
            RowList(id="box-counts"),
            id="boxes",
        )

    def on_mount(self) -> None:
        """Name the boxes."""
        for pane in self.PANES:
            self.query_one(pane.selector, RowList).entitle(pane.title)
        super().on_mount()

    def focus_target(self, pane: Pane) -> Widget:
        """The box; while there is none, the message."""
        return self.query_one(pane.selector) if self.session is not None else self.query_one("#overview-message")

    def session_changed(self) -> None:
        """Fill the boxes, or say why they are empty."""
        if not self.is_mounted:
            return
        session = self.session
        was_loaded = self.query_one("#boxes").display
        self.query_one("#boxes").display = session is not None
        message = self.query_one("#overview-message", TextPane)
        message.display = session is None
        if session is None:
            title, lines = self.workbench.message_lines()
            message.entitle(title)
            message.show(lines)
        else:
            self._fill(session)
        if was_loaded != (session is not None) and self.pane is not None and not self.is_prompting:
            self.go_to_pane(self.pane)

    def _fill(self, session: Session) -> None:
        report = session.report
        rows: list[Row] = []
        if report.paths:
            for severity, number in report.severities.items():
                line: Spans = (severity_span(severity), (f"{number:>8,}", "strong" if number else "muted"))
                rows.append(Row((line,), Opens("paths", Asked(filter=f"is:{severity}"))))
            rows.append(Row(((("best paths", "heading"),),)))
            for path in report.paths[:TOP_PATHS]:
                first: Spans = (
                    (f"{path.risk:>4.1f} ", path.severity),
                    (f"{short(path.source)} -> {short(path.target)}", ""),
                )
                rows.append(Row((first,), Opens("paths", Asked(path=path.id))))
        else:
            lines = empty_lines(session.audit.checked(), session.coverage)
            rows = [Row((line,), Opens("paths")) for line in lines]
        entries = count(report.entry_points, "entry point")
        self._set(
            "#box-paths",
            rows,
            f"Attack paths {report.total:,}",
            f"{entries}, {count(report.crown_jewels, 'crown jewel')}",
        )
        self._set("#box-cuts", self._cuts(session), "Cut these first")
        self._set("#box-coverage", self._coverage(session), f"Coverage {session.coverage_text}")
        kinds = [
            Row(
                (((f"{number:>8,}  ", "strong"), span(named(kind, number))),),
                Opens("paths", Asked(filter=f"kind:{kind}")),
            )
            for kind, number in session.audit.counts.items()
            if kind not in (nodes.INTERNET, nodes.CLUSTER_ADMIN)
        ]
        self._set("#box-counts", kinds, "Counts", shown(session.audit.title))

    def _cuts(self, session: Session) -> list[Row]:
        waiting = [Row((((f"{session.ranking} …", "muted"),),), Opens("fixes"))] if session.ranking else []
        cutting = [fix for fix in session.fixes or () if fix.paths_cut or fix.reroutes][:BEST_CUTS]
        rows = []
        for number, fix in enumerate(cutting, 1):
            staged = " staged" if session.staged(fix) else ""
            line: Spans = (
                (f"{number:>2} ", "muted"),
                (f"{_amount(fix):>11}  ", "strong"),
                span(fix.title),
                (staged, "added"),
                ("" if str(fix.status) == "ready" else f"  {fix.status}", "warning"),
            )
            rows.append(Row((line,), Opens("fixes", Asked(fix=fix.id))))
        if not rows and not waiting:
            what = (
                "there is no path to cut"
                if not session.report.paths
                else "no single fix takes a step from a path; press 7 to combine some"
            )
            rows.append(Row((((what, "muted"),),), Opens("fixes")))
        return rows + waiting + self._choke_points(session)

    def _choke_points(self, session: Session) -> list[Row]:
        """Exact: how many pairs of an entry point and a crown jewel have no path without it."""
        if session.choke_points is None:
            return []
        of = f"of {count(session.report.pairs_with_a_path, 'pair')} of entry point and crown jewel"
        rows: list[Row] = []
        for edges, title in ((False, "nodes that most paths need"), (True, "steps that most paths need")):
            points = [point for point in session.choke_points if point.is_edge == edges][:MOST_NEEDED]
            if points:
                rows.append(Row(((("", ""),), ((title, "heading"), (f"  {of}", "muted")))))
            for point in points:
                line: Spans = ((f"{count(point.pairs, 'pair'):>12}  ", "strong"), (end_of(point.source), ""))
                if point.target is not None:
                    titles = (session.audit.declaration(one).title for one in point.techniques)
                    line = (*line, (f"  {shown(', '.join(titles))}  ", "muted"), (end_of(point.target), ""))
                rows.append(Row((line,), Opens("through", through=(point.source, point.target))))
        return rows

    def _coverage(self, session: Session) -> list[Row]:
        rows = []
        for gap in session.coverage:
            where = f" in {gap.namespace}" if gap.namespace else ""
            rows.append(
                Row(((span(f"{gap.kind}{where}", "strong"), (f"  {gap.problem}", "warning")),), Opens("coverage"))
            )
        if not rows:
            rows.append(Row(((("FULL", "added"), ("  all that the source holds was read", "")),), Opens("coverage")))
        rows += [Row(((span(note, "muted"),),), Opens("coverage")) for note in session.audit.notes]
        return rows

    def _set(self, selector: str, rows: list[Row], title: str, subtitle: str = "") -> None:
        box = self.query_one(selector, RowList)
        box.entitle(title, subtitle)
        box.set_items(rows, max(0, box.cursor))

    @on(LineList.Opened)
    def _open(self, event: LineList.Opened) -> None:
        row = event.list.items[event.index]
        opens = row.target if isinstance(row, Row) else None
        if isinstance(opens, Opens):
            if opens.view == "coverage":
                self.workbench.action_coverage()
            elif opens.view == "through":
                self.workbench.show_paths_through(*opens.through)
            else:
                self.workbench.show_view(opens.view, opens.asked)


def _amount(fix: Fix) -> str:
    """What a fix does, in two words: paths that it cuts, else how many of the worst ones it makes go another way."""
    return count(fix.paths_cut, "path") if fix.paths_cut else f"reroutes {fix.reroutes}"


def named(kind: str, number: int) -> str:
    """One or several of a kind: the graph's kinds in running text, other kinds as Kubernetes writes them."""
    word = kind
    if kind in nodes.TAGS:
        word = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind).strip()
    if number == 1:
        return word
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
