"""Resources: a table for each kind of objects, and the detail of one object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Container
from textual.widget import Widget

from workbench.tui import filtering
from workbench.tui.jobs import kept
from workbench.tui.kinds import plural
from workbench.tui.lines import gap_lines
from workbench.tui.names import full
from workbench.tui.object_lines import document_lines, path_rows, relation_rows, summary_lines
from workbench.tui.screens.base import Asked, Pane, WorkbenchScreen, screen_bindings
from workbench.tui.session import refusal
from workbench.tui.text import Spans, shown, span
from workbench.tui.widgets.line_list import LineList, Row, RowList
from workbench.tui.widgets.object_detail import NETWORK, PATHS, SUMMARY, YAML, ObjectDetail
from workbench.tui.widgets.object_table import ObjectTablePane, TableHead, natural_widths

if TYPE_CHECKING:
    from workbench.analysis.object_tables import KindCount, ObjectRow, ObjectTable
    from workbench.analysis.through import Through
    from workbench.engine import Audit
    from workbench.tui.session import Session

RELATIONS_LISTED = 1000

FIRST_KIND = "Pod"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A table with what painting and filtering need, made in a worker."""

    table: ObjectTable
    natural: Sequence[int]
    """The natural width of each column."""
    hay: Sequence[str]
    """What the filter searches, for each row."""


@dataclass(frozen=True, slots=True)
class Sorting:
    """The column that a table is sorted by."""

    title: str = "PATHS"
    reverse: bool = False


class ResourcesScreen(WorkbenchScreen):
    """The objects of the source."""

    PLACE = "resources"
    PANES = (
        Pane("table", "Objects", "#table"),
        Pane("detail", "Detail", "#object-detail"),
        Pane("kinds", "Kinds", "#kinds"),
    )
    BINDINGS: ClassVar = screen_bindings("resources")

    def __init__(self) -> None:
        super().__init__()
        self.kind = FIRST_KIND
        self._shown_session: Session | None = None
        self._namespace = ""
        self._kinds: Sequence[KindCount] | None = None
        self._through: Through | None = None
        self._tables: dict[str, Prepared] = {}
        self._sorting: dict[str, Sorting] = {}
        self._wanted = ""
        """The id of the object to go to once its table is there."""
        self._trail: list[str] = []
        """The objects that relations were followed from."""

    def body(self) -> Iterable[Widget]:
        """The kinds on the left, table and detail on the right."""
        yield RowList(id="kinds")
        yield Container(ObjectTablePane(id="table"), ObjectDetail(id="object-detail"), id="right")

    @property
    def table(self) -> ObjectTablePane:
        """The table."""
        return self.query_one(ObjectTablePane)

    @property
    def detail(self) -> ObjectDetail:
        """The detail."""
        return self.query_one(ObjectDetail)

    @property
    def row(self) -> ObjectRow | None:
        """The object under the cursor."""
        return self.table.rows.current

    def focus_target(self, pane: Pane) -> Widget:
        """The part of the pane that takes the keys."""
        if pane.id == "table":
            return self.table.target
        return self.detail.pane if pane.id == "detail" else super().focus_target(pane)

    # -- content

    def session_changed(self) -> None:
        """Another source, or another limit of what is listed."""
        if not self.is_mounted:
            return
        session = self.session
        if session is None:
            self._shown_session, self._kinds, self._through, self._tables = None, None, None, {}
            title, lines = self.workbench.message_lines()
            self.table.entitle(title)
            self.table.say(lines)
            self.detail.show_lines([])
            self.query_one("#kinds", RowList).set_items((), quiet=True)
        elif session is not self._shown_session:
            self._shown_session, self._namespace = session, session.namespace
            self._kinds, self._through, self._tables, self._trail = None, None, {}, []
            self._find_kinds(session)
            self._load()
        elif session.namespace != self._namespace:
            self._namespace = session.namespace
            self._load()

    def _find_kinds(self, session: Session) -> None:
        self.query_one("#kinds", RowList).entitle("Kinds")

        def deliver(found: Sequence[KindCount]) -> None:
            self._kinds = found
            self._list_kinds()

        self.workbench.in_background("kinds", session.audit.kinds, deliver)

    def _list_kinds(self) -> None:
        rows = []
        for one in self._kinds or ():
            mark = " !" if one.gaps and one.count else " not read" if one.gaps else ""
            line: Spans = ((f"{one.count:>7,}  ", "strong"), (plural(one.kind), ""), (mark, "warning"))
            rows.append(Row((line,), one.kind))
        at = next((at for at, row in enumerate(rows) if row.target == self.kind), 0)
        self.query_one("#kinds", RowList).set_items(rows, at, quiet=True)

    def _load(self) -> None:
        """The rows of the kind: the table is made once, then filtered and sorted; the newest question wins."""
        session = self.session
        if session is None:
            return
        kind, audit, paths = self.kind, session.audit, session.whole.report.paths
        known, through = self._tables.get(kind), self._through
        choose = self._chooser(session)
        if known is None:
            self.table.entitle(plural(kind))
            self.table.say([(("reading …", "muted"),)])
            self._keep_keys()

        def job() -> tuple[Prepared, Through | None, list[ObjectRow]]:
            found = through
            prepared = known
            if prepared is None:
                found = found or audit.through(paths)
                prepared = kept(prepare(audit.table(kind, found)))
            return prepared, found, choose(prepared)

        def deliver(made: tuple[Prepared, Through | None, list[ObjectRow]]) -> None:
            prepared, self._through, rows = made
            self._tables[kind] = prepared
            self._show(session, prepared, rows)

        self.workbench.in_background("table", job, deliver)

    def _chooser(self, session: Session) -> Callable[[Prepared], list[ObjectRow]]:
        """What picks and sorts the rows, as things stand now."""
        text, namespace = self.filter_text, session.namespace
        sorting = self._sorting.get(self.kind, Sorting())

        def choose(prepared: Prepared) -> list[ObjectRow]:
            from workbench.analysis.object_tables import labels_match, sorted_rows

            table = prepared.table
            kept = filtering.matching(
                prepared.hay, text, labels=lambda at, parts: labels_match(table.rows[at].labels, parts)
            )
            rows = [table.rows[at] for at in kept]
            if namespace and table.namespaced:
                rows = [row for row in rows if row.namespace == namespace]
            return sorted_rows(table, rows, _column(table, sorting.title), reverse=sorting.reverse)

        return choose

    def _show(self, session: Session, prepared: Prepared, rows: list[ObjectRow]) -> None:
        table = prepared.table
        self.table.rows.severity_of = lambda row: session.whole.report.paths[row.paths[0]].severity
        current = self._wanted or (self.row.id if self.row is not None else "")
        at = next((at for at, row in enumerate(rows) if row.id == current), 0)
        self._wanted = ""
        sorting = self._sorting.get(table.kind, Sorting())
        column = table.columns[_column(table, sorting.title)]
        self._entitle(session, table, len(rows))
        if not rows:
            self.table.say(self._empty(session, table))
            self._keep_keys()
            self._show_detail()
            return
        self.table.show(
            table, prepared.natural, rows, at, by=column.title, falling=column.number is not sorting.reverse
        )
        self._keep_keys()

    def _keep_keys(self) -> None:
        """Rows and messages take each other's place: the keys stay in their pane."""
        if self.pane is not None and not self.is_prompting:
            target = self.focus_target(self.pane)
            if self.focused is not target:
                target.focus(scroll_visible=False)

    def _entitle(self, session: Session, table: ObjectTable, rows: int) -> None:
        limit = f"  ns {session.namespace}" if session.namespace and table.namespaced else ""
        below = f"filter: {self.filter_text}" if self.filter_text else ""
        if session.whole.limit_text:
            below = f"{below}   paths: {session.whole.limit_text}".strip()
        gaps = "  PARTIAL" if table.gaps else ""
        self.table.entitle(f"{plural(table.kind)} {rows:,}/{len(table.rows):,}{limit}{gaps}", below)

    def _empty(self, session: Session, table: ObjectTable) -> list[Spans]:
        """Why there are no rows: an empty table is never silent."""
        kinds = plural(table.kind)
        if table.gaps and not table.rows:
            return [
                ((f"{kinds} were not read", "strong"),),
                *gap_lines(table.gaps),
                (("press ! for all gaps", "muted"),),
            ]
        if self.filter_text:
            return [((f"no {table.kind} matches {shown(self.filter_text)!r}", ""),), (("esc clears it", "muted"),)]
        if session.namespace and table.rows:
            return [((f"no {table.kind} in namespace {shown(session.namespace)}", ""),), (("0 lists all", "muted"),)]
        return [((f"the source holds no {kinds}", ""),)]

    def apply_filter(self) -> None:
        """The filter's text changed."""
        self._load()
        self.update_frame()

    def show_what_was_asked(self, asked: Asked) -> None:
        """Go to a kind, or to an object."""
        if asked.object:
            self.go_to_object(asked.object)
        elif asked.kind:
            self.go_to_kind(asked.kind, asked.filter)

    def go_to_kind(self, kind: str, filter_text: str = "") -> None:
        """Show the table of a kind."""
        self.kind = kind
        self.filter_text = filter_text
        self._trail.clear()
        self._list_kinds()
        self.go_to_pane(self.pane_named("table"))
        self._load()
        self.update_frame()

    def go_to_object(self, about: str) -> None:
        """Show an object in the table of its kind; what hides it is taken back."""
        self._wanted = about
        self.kind = about.partition(":")[0]
        self.filter_text = ""
        session = self.session
        self._list_kinds()
        self.go_to_pane(self.pane_named("table"))
        if (
            session is not None
            and session.namespace
            and not about.partition(":")[2].startswith(f"{session.namespace}/")
        ):
            self._namespace = ""
            self.workbench.limit_to_namespace("")
        self._load()
        self.update_frame()

    # -- the detail

    @on(LineList.Moved, "#objects")
    def _moved(self, event: LineList.Moved) -> None:
        event.stop()
        self._show_detail()

    @on(ObjectDetail.TabChanged)
    def _tab_changed(self, event: ObjectDetail.TabChanged) -> None:
        event.stop()
        self._show_detail()

    def _show_detail(self) -> None:
        row, session, prepared = self.row, self.session, self._tables.get(self.kind)
        detail = self.detail
        if row is None or session is None or prepared is None:
            detail.entitle("Detail")
            detail.count_paths(0)
            detail.show_lines([])
            return
        detail.entitle(full(row.id))
        detail.count_paths(len(row.paths))
        audit, tab, table = session.audit, detail.tab, prepared.table
        if tab == PATHS:
            rows = path_rows(session.whole.report.paths, row.paths)
            detail.show_rows(rows, "no path goes through it")
            self._keep_keys()
            return
        detail.show_lines([(("reading …", "muted"),)])

        def fits() -> bool:
            return self.row is not None and self.row.id == row.id and detail.tab == tab

        def lines(found: Sequence[Spans], *, wrap: bool) -> None:
            if fits():
                detail.show_lines(found, wrap=wrap)
                self._keep_keys()

        def rows_of(otherwise: str) -> Callable[[Sequence[Row]], None]:
            def deliver(found: Sequence[Row]) -> None:
                if fits():
                    detail.show_rows(found, otherwise)
                    self._keep_keys()

            return deliver

        background = self.workbench.in_background
        if tab == NETWORK:
            otherwise = "nothing connects to it: it is no pod, no workload and no Service, or has no pods that run"
            background("object", lambda: connection_rows(audit, row.id), rows_of(otherwise))
        elif tab == SUMMARY:
            background(
                "object",
                lambda: summary_lines(table, row, audit.describe(row.id)),
                lambda found: lines(found, wrap=True),
            )
        elif tab == YAML:
            background("object", lambda: document_lines(audit.document(row.id)), lambda found: lines(found, wrap=False))
        else:
            otherwise = "it has to do with nothing else that was read"
            background("object", lambda: relation_rows(audit.relations(row.id), RELATIONS_LISTED), rows_of(otherwise))

    @on(LineList.Opened, "#objects")
    def _object_opened(self, event: LineList.Opened) -> None:
        event.stop()
        self.go_to_pane(self.pane_named("detail"))

    @on(LineList.Opened, "#kinds")
    def _kind_opened(self, event: LineList.Opened) -> None:
        event.stop()
        row = event.list.items[event.index]
        if isinstance(row, Row):
            self.go_to_kind(str(row.target))

    @on(LineList.Opened, "#object-rows")
    def _row_opened(self, event: LineList.Opened) -> None:
        event.stop()
        entry, row = event.list.items[event.index], self.row
        if not isinstance(entry, Row) or row is None:
            return
        if self.detail.tab == PATHS:
            self.workbench.show_paths_at(row.id, row.paths, str(entry.target))
        elif self.detail.tab == NETWORK:
            self._connection_opened(row.id, entry.target)
        elif str(entry.target).partition(":")[0] in {one.kind for one in self._kinds or ()}:
            self._trail.append(row.id)
            self.go_to_object(str(entry.target))
        else:
            self.workbench.say(f"{full(str(entry.target))} is no object that was read")

    def _connection_opened(self, about: str, target: object) -> None:
        """The policy of a row, or its pair in Network."""
        from workbench.tui.network_lines import Pair, Policy

        if isinstance(target, Policy):
            self._trail.append(about)
            self.go_to_object(target.id)
        elif isinstance(target, Pair):
            self.workbench.show_view("network", Asked(source=target.source, target=target.target))

    # -- actions

    def action_tab(self, by: int) -> None:
        """Another tab of the detail."""
        self.detail.turn(by)

    def action_yaml(self) -> None:
        """The YAML of the object."""
        self.detail.tab = YAML
        self.go_to_pane(self.pane_named("detail"))

    def action_paths_through(self) -> None:
        """The paths through the object, in Paths."""
        row = self.row
        if row is None or not row.paths:
            self.workbench.say("no path goes through it")
        else:
            self.workbench.show_paths_at(row.id, row.paths)

    def action_fixes(self) -> None:
        """The fix of the object that cuts most."""
        row, session = self.row, self.session
        if row is None or session is None:
            return
        if session.fixes is None or session.ranking:
            self.workbench.say("the fixes are still being ranked")
            return
        # They come with those that cut most first.
        own = [fix for fix in session.fixes if fix.target.id == row.id or row.id in fix.observed_on]
        best = next((fix for fix in own if refusal(fix) is None), own[0] if own else None)
        if best is None:
            self.workbench.say(f"no fix changes {full(row.id)}")
        else:
            self.workbench.show_view("fixes", Asked(fix=best.id))

    def action_network(self) -> None:
        """The row and the column of the object in Network."""
        row, session = self.row, self.session
        if row is None or session is None:
            return
        audit, about = session.audit, row.id

        def deliver(party: str) -> None:
            if party:
                self.workbench.show_view("network", Asked(source=party, target=party))
            else:
                self.workbench.say(f"{full(about)} has no pods that run: nothing connects to it")

        self.workbench.in_background("party", lambda: party_of(audit, about), deliver)

    def action_sort(self) -> None:
        """Choose the column to sort by."""
        prepared = self._tables.get(self.kind)
        if prepared is None:
            return
        from workbench.tui.screens.dialogs import ChoiceDialog

        titles = [column.title for column in prepared.table.columns]
        current = titles.index(prepared.table.columns[_column(prepared.table, self._by.title)].title)
        self.workbench.ask(ChoiceDialog("Sort by", titles, current), self._sort_chosen)

    @property
    def _by(self) -> Sorting:
        return self._sorting.get(self.kind, Sorting())

    def _sort_chosen(self, place: int | None) -> None:
        prepared = self._tables.get(self.kind)
        if place is not None and prepared is not None:
            self._sort_by(prepared.table.columns[place].title)

    @on(TableHead.Chosen)
    def _title_clicked(self, event: TableHead.Chosen) -> None:
        event.stop()
        self._sort_by(event.title)

    def _sort_by(self, title: str) -> None:
        """Sort by a column; by the same one again the other way round."""
        again = self._by.title == title
        self._sorting[self.kind] = Sorting(title, again and not self._by.reverse)
        self._load()

    def action_reverse(self) -> None:
        """The other way round."""
        self._sorting[self.kind] = Sorting(self._by.title, not self._by.reverse)
        self._load()

    def leave_assumption(self) -> bool:
        """Back to the object that a relation was followed from."""
        if self.pane is None or self.pane.id != "table" or not self._trail:
            return False
        self.go_to_object(self._trail.pop())
        return True


def connection_rows(audit: Audit, about: str) -> list[Row]:
    """Who may connect to an object, and what it may reach (in a worker)."""
    from workbench.tui.network_lines import around_rows

    view = audit.network()
    found = view.around(about)
    return [Row(((("! ", "warning"), span(text, "warning", 2048)),), "") for text in view.warnings if found] + (
        around_rows(found) if found else []
    )


def party_of(audit: Audit, about: str) -> str:
    """The id of an object's row in the network; empty where it has none (in a worker)."""
    view = audit.network()
    if view.matrix.party(about) is not None:
        return about
    found = view.around(about)
    return found.party if found is not None else ""


def prepare(table: ObjectTable) -> Prepared:
    """A table with what painting and filtering need."""
    return Prepared(table, natural_widths(table), [" ".join(map(str, row.cells)).lower() for row in table.rows])


def _column(table: ObjectTable, title: str) -> int:
    return next((at for at, column in enumerate(table.columns) if column.title == title), 0)
