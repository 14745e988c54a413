"""Network: who may connect to whom, as a matrix of namespaces and workloads, and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.widget import Widget

from workbench.errors import WorkbenchError
from workbench.tui.axes import Axes, Line, Wish, World, axes, touches, world
from workbench.tui.jobs import kept
from workbench.tui.network_lines import (
    Look,
    Pair,
    Policy,
    around_rows,
    axis_rows,
    cell_look,
    party_name,
    why_rows,
)
from workbench.tui.screens.base import Asked, Pane, WorkbenchScreen, screen_bindings
from workbench.tui.text import Spans, count, shown, span
from workbench.tui.widgets.cell_detail import REACHES, WHY, CellDetail
from workbench.tui.widgets.line_list import LineList, Row
from workbench.tui.widgets.matrix import MatrixGrid, MatrixPane

if TYPE_CHECKING:
    from workbench.engine import NetworkView
    from workbench.network.matrix import Matrix, Party
    from workbench.tui.session import Session

AT_ONCE = 0.1
"""For how many seconds cells are computed before those that are known are painted."""

REMEMBERED = 1_000_000
"""How many cells are kept."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the screen shows of a session, made in a worker."""

    view: NetworkView
    everybody: World
    after: NetworkView | None
    """With what is staged; ``None`` where nothing is, or nothing of it changes the network."""
    problem: str
    """Why what is staged cannot be laid over."""

    @property
    def now(self) -> NetworkView:
        """What the cells show."""
        return self.after or self.view


class NetworkScreen(WorkbenchScreen):
    """The reachability of the source."""

    PLACE = "network"
    PANES = (Pane("matrix", "Matrix", "#matrix"), Pane("detail", "Why", "#cell-detail"))
    BINDINGS: ClassVar = screen_bindings("network")

    def __init__(self) -> None:
        super().__init__()
        self._shown_session: Session | None = None
        self._namespace = ""
        self._staged: tuple[str, ...] = ()
        self._loaded: Loaded | None = None
        self._axes: Axes | None = None
        self._looks: dict[tuple[str, str], Look] = {}
        self._filling = False
        self._unfolded: set[str] = set()
        self._also: set[str] = set()
        """Namespaces that somebody came here for: they are listed whether they have findings or not."""
        self._wanted: Pair | None = None
        """Where to go once the network is there."""
        self._trail: list[Pair] = []
        """The cells that pairs were opened from."""

    def body(self) -> Iterable[Widget]:
        """The matrix, and the detail of a cell."""
        yield MatrixPane(id="matrix")
        yield CellDetail(id="cell-detail")

    def on_mount(self) -> None:
        """Paint with what is known."""
        self.matrix.grid.look_of = self._look_of
        super().on_mount()

    @property
    def matrix(self) -> MatrixPane:
        """The matrix."""
        return self.query_one(MatrixPane)

    @property
    def detail(self) -> CellDetail:
        """The detail."""
        return self.query_one(CellDetail)

    @property
    def pair(self) -> Pair | None:
        """The cell under the cursor."""
        current = self.matrix.grid.current
        return Pair(current[0].party.id, current[1].party.id) if current is not None else None

    def focus_target(self, pane: Pane) -> Widget:
        """The part of the pane that takes the keys."""
        return self.matrix.target if pane.id == "matrix" else self.detail.pane

    # -- content

    def session_changed(self) -> None:
        """Another source, another basket, or another limit of what is listed."""
        if not self.is_mounted:
            return
        session = self.session
        if session is None:
            self._shown_session, self._loaded, self._axes = None, None, None
            title, lines = self.workbench.message_lines()
            self.matrix.entitle(title)
            self._say(lines)
            return
        staged = tuple(fix.id for fix in session.basket)
        if session is not self._shown_session:
            self._unfolded.clear()
            self._also.clear()
            self._trail.clear()
            self._loaded = None
            self.matrix.entitle("Network")
            self._say([(("computing who reaches whom …", "muted"),)])
        if session is not self._shown_session or staged != self._staged:
            self._shown_session, self._staged, self._namespace = session, staged, session.namespace
            self._load(session)
        elif session.namespace != self._namespace:
            self._namespace = session.namespace
            self._list()

    def _say(self, lines: Sequence[Spans]) -> None:
        self.matrix.say(lines)
        self.detail.entitle("Why")
        self.detail.show_lines([])
        self._keep_keys()

    def _keep_keys(self) -> None:
        """Cells and messages take each other's place: the keys stay in their pane."""
        if self.pane is not None and not self.is_prompting:
            target = self.focus_target(self.pane)
            if self.focused is not target:
                target.focus(scroll_visible=False)

    def _load(self, session: Session) -> None:
        audit, basket, touched = session.audit, list(session.basket), session.whole.namespaces

        def job() -> Loaded:
            view = audit.network()
            after, problem = None, ""
            try:
                staged = audit.network(basket) if basket else view
                after = staged if staged.matrix is not view.matrix else None
            except WorkbenchError as error:
                problem = str(error)
            return kept(Loaded(view, world(view.matrix, touched), after, problem))

        def deliver(made: Loaded) -> None:
            self._loaded = made
            self._looks.clear()
            self._filling = False
            if self._wanted is not None:
                self._reveal(made, self._wanted)
            else:
                self._list()
                self.update_frame()

        def failed(error: Exception) -> None:
            self.workbench.report(error)
            self._say(
                [
                    (("the network cannot be computed", "strong"),),
                    (span(error, "warning"),),
                    (("r reads again", "muted"),),
                ]
            )

        self.workbench.in_background("network", job, deliver, failed)

    def _notes(self, loaded: Loaded) -> list[Spans]:
        notes: list[Spans] = [(("! ", "warning"), span(text, "warning", 2048)) for text in loaded.view.warnings]
        if loaded.problem:
            notes.append((("! what is staged is not shown: ", "warning"), span(loaded.problem, "warning")))
        elif loaded.after is not None:
            notes.append((("staged: ", "strong"), ("- closes, + opens, ~ changes otherwise", "")))
        elif self._staged:
            notes.append((("staged: ", "strong"), ("changes nothing here", "muted")))
        if loaded.view.remark:
            notes.append((span(loaded.view.remark, "muted", 2048),))
        return notes

    def _list(self) -> None:
        """Rows and columns anew; the cursor stays on its cell."""
        loaded, session = self._loaded, self.session
        if loaded is None or session is None:
            return
        where = self._wanted or self.pair
        self._wanted = None
        namespaces = {f"Namespace:{session.namespace}"} if session.namespace else set()
        wish = Wish(self.filter_text, session.namespace, self._unfolded | namespaces, self._also)
        found = self._axes = axes(loaded.everybody, wish)
        matrix = loaded.view.matrix
        limit = f"  ns {session.namespace}" if session.namespace else ""
        groups = count(len(matrix.groups), "namespace")
        more = f"  rows: those with findings, {found.hidden:,} more by /" if found.hidden else ""
        workloads = count(len(matrix.network.workloads), "workload")
        below = f"filter: {self.filter_text}" if self.filter_text else ""
        self.matrix.entitle(f"Network  {groups}, {workloads}{limit}{more}", below)
        if not matrix.network.workloads:
            self._say([(("the source holds no pod that runs", ""),), (("! says what could not be read", "muted"),)])
        elif not found.rows or not found.columns:
            axis = "row" if not found.rows else "column"
            said = f"no {axis} matches {shown(self.filter_text)!r}"
            self._say([((said, ""),), (("esc clears it", "muted"),)])
        else:
            self.matrix.show_notes(self._notes(loaded))
            self.matrix.show(
                found.rows,
                found.columns,
                _place(found.rows, where.source if where else ""),
                _place(found.columns, where.target if where else "", 1),
            )
            self._keep_keys()

    def apply_filter(self) -> None:
        """The filter's text changed."""
        self._list()
        self.update_frame()

    # -- cells

    def _look_of(self, row: Line, column: Line) -> Look | None:
        session = self.session
        if session is not None and not touches(session.namespace, row.party, column.party):
            return Look("", "", f"not listed: neither is in {shown(session.namespace)}; 0 lists all")
        return self._looks.get((row.party.id, column.party.id))

    @on(MatrixGrid.Wanted)
    def _wanted_cells(self, event: MatrixGrid.Wanted) -> None:
        event.stop()
        self._fill()

    def _fill(self) -> None:
        """Compute the cells in view that are not known yet, some rows at a time."""
        loaded = self._loaded
        if self._filling or loaded is None or self._axes is None:
            return
        rows, columns = self.matrix.grid.in_view()
        missing = [(row.party, [one.party for one in columns if self._look_of(row, one) is None]) for row in rows]
        missing = [(row, absent) for row, absent in missing if absent]
        if not missing:
            return
        self._filling = True

        def deliver(found: dict[tuple[str, str], Look]) -> None:
            self._filling = False
            if self._loaded is not loaded:
                return
            if len(self._looks) > REMEMBERED:
                self._looks.clear()
            self._looks.update(found)
            self.matrix.grid.repaint()
            self._say_cell()
            self._fill()

        def failed(error: Exception) -> None:
            self._filling = False
            self.workbench.report(error)

        self.workbench.in_background("cells", lambda: looks(loaded, missing, AT_ONCE), deliver, failed)

    def _say_cell(self) -> None:
        current = self.matrix.grid.current
        if current is None:
            self.matrix.show_status([])
            return
        row, column = current
        look = self._look_of(row, column)
        self.matrix.show_status(
            [
                (
                    ("from ", "muted"),
                    (party_name(row.party), "strong"),
                    (" to ", "muted"),
                    (party_name(column.party), "strong"),
                ),
                ((f"  {look.sentence}" if look is not None else "  …", look.look if look is not None else "muted"),),
            ]
        )

    @on(MatrixGrid.Moved)
    def _moved(self, event: MatrixGrid.Moved) -> None:
        event.stop()
        self._say_cell()
        self._show_detail()

    @on(MatrixGrid.Opened)
    def _opened(self, event: MatrixGrid.Opened) -> None:
        event.stop()
        self.detail.tab = WHY
        self.go_to_pane(self.pane_named("detail"))

    @on(MatrixGrid.Folded)
    def _folded(self, event: MatrixGrid.Folded) -> None:
        event.stop()
        current = self.matrix.grid.current
        if current is None:
            return
        groups = {f"Namespace:{line.party.namespace}" for line in current if line.party.namespace}
        closed = groups - self._unfolded
        if closed:
            self._unfolded |= closed
        elif groups:
            # The cursor goes to where the workloads were folded into.
            pair = self.pair
            self._unfolded -= groups
            if pair is not None:
                source, target = (_group_of(line.party) for line in current)
                self._wanted = Pair(source, target)
        self._list()

    def action_fold_all(self) -> None:
        """Namespaces only."""
        current = self.matrix.grid.current
        self._unfolded.clear()
        if current is not None:
            self._wanted = Pair(*(_group_of(line.party) for line in current))
        self._list()

    # -- the detail

    @on(CellDetail.TabChanged)
    def _tab_changed(self, event: CellDetail.TabChanged) -> None:
        event.stop()
        self._show_detail()

    def _show_detail(self) -> None:
        loaded, current, detail = self._loaded, self.matrix.grid.current, self.detail
        if loaded is None or current is None:
            detail.entitle("Why")
            detail.show_lines([])
            return
        source, target = (line.party for line in current)
        tab, pair = detail.tab, self.pair
        if tab == WHY:
            detail.entitle(f"{party_name(source)} -> {party_name(target)}")
            job: Callable[[], list[Row]] = lambda: cell_rows(loaded, source, target)  # noqa: E731
        else:
            about = source if tab == REACHES else target
            detail.entitle(party_name(about))
            job = lambda: party_rows(loaded.now, about, out=tab == REACHES)  # noqa: E731

        def deliver(rows: list[Row]) -> None:
            if self.pair == pair and detail.tab == tab:
                detail.show_rows(rows, "nothing")
                self._keep_keys()

        self.workbench.in_background("cell", job, deliver)

    @on(LineList.Opened, "#cell-rows")
    def _row_opened(self, event: LineList.Opened) -> None:
        event.stop()
        entry = event.list.items[event.index]
        target = entry.target if isinstance(entry, Row) else None
        if isinstance(target, Policy):
            self.workbench.show_view("resources", Asked(object=target.id))
        elif isinstance(target, Pair):
            if self.pair is not None:
                self._trail.append(self.pair)
            self._go_to(target)

    def show_what_was_asked(self, asked: Asked) -> None:
        """Go to a row and a column."""
        if asked.source or asked.target:
            self._trail.clear()
            self._go_to(Pair(asked.source or asked.target, asked.target or asked.source))

    def _go_to(self, pair: Pair) -> None:
        """Stand on a cell, whatever hid it."""
        self._wanted = pair
        self.go_to_pane(self.pane_named("matrix"))
        if self._loaded is not None:
            self._reveal(self._loaded, pair)

    def _reveal(self, loaded: Loaded, pair: Pair) -> None:
        """List what hid the cell that is wanted."""
        found = [loaded.view.matrix.party(one) for one in (pair.source, pair.target)]
        for party in found:
            if party is not None and party.namespace:
                self._also.add(party.namespace)
                if not party.id.startswith("Namespace:"):
                    self._unfolded.add(f"Namespace:{party.namespace}")
        self._list()
        if self.pair != pair and self.filter_text:
            self.filter_text = ""
            self._wanted = pair
            self._list()
        if None in found:
            self.workbench.say("it has no pods that run, so nothing connects to it")
        self.update_frame()

    def leave_assumption(self) -> bool:
        """Back to the cell that a pair was opened from."""
        if self.pane is None or self.pane.id != "matrix" or not self._trail:
            return False
        self._go_to(self._trail.pop())
        return True

    # -- actions

    def action_tab(self, by: int) -> None:
        """Another tab of the detail."""
        self.detail.turn(by)

    def action_describe(self) -> None:
        """The row's or the column's object in Resources."""
        self._choose("Describe", lambda about: self.workbench.show_view("resources", Asked(object=about)))

    def action_paths_through(self) -> None:
        """The paths through the row's or the column's workload, in Paths."""
        self._choose("Paths through", self._paths_through)

    def _choose(self, title: str, go: Callable[[str], None]) -> None:
        """Which end of the cell is meant; the tabs of one end mean that one."""
        current = self.matrix.grid.current
        if current is None:
            return
        lines = current if self.detail.tab == WHY else (current[self.detail.tab - REACHES],)
        ends = list(dict.fromkeys(line.party.id for line in lines if line.party.namespace))
        if not ends:
            self.workbench.say("neither is an object of the cluster")
        elif len(ends) == 1:
            go(ends[0])
        else:
            from workbench.tui.screens.dialogs import ChoiceDialog

            def chosen(place: int | None) -> None:
                if place is not None:
                    go(ends[place])

            self.workbench.ask(ChoiceDialog(title, [party_name(end) for end in ends], 1), chosen)

    def _paths_through(self, about: str) -> None:
        session = self.session
        if session is None:
            return
        audit, paths = session.audit, session.whole.report.paths

        def deliver(places: Sequence[int]) -> None:
            if places:
                self.workbench.show_paths_at(about, places)
            else:
                self.workbench.say(f"no path goes through {party_name(about)}")

        self.workbench.in_background("through", lambda: audit.through(paths).of(about), deliver)


def _group_of(party: Party) -> str:
    return f"Namespace:{party.namespace}" if party.namespace else party.id


def _place(lines: Sequence[Line], identifier: str, otherwise: int = 0) -> int:
    return next((at for at, line in enumerate(lines) if line.party.id == identifier), otherwise)


def looks(
    loaded: Loaded, missing: Sequence[tuple[Party, Sequence[Party]]], seconds: float
) -> dict[tuple[str, str], Look]:
    """The looks of some cells, row by row, until the time is up; of one row at least (in a worker)."""
    out: dict[tuple[str, str], Look] = {}
    end = time.monotonic() + seconds
    for source, targets in missing:
        out.update(
            zip(((source.id, target.id) for target in targets), _row_looks(loaded, source, targets), strict=True)
        )
        if time.monotonic() > end:
            break
    return out


def _row_looks(loaded: Loaded, source: Party, targets: Sequence[Party]) -> list[Look]:
    before = loaded.view.matrix
    cells = before.row(source, targets)
    if loaded.after is None:
        return [cell_look(before, cell, source, target) for cell, target in zip(cells, targets, strict=True)]
    after = loaded.after.matrix
    out: list[Look] = []
    for target, old in zip(targets, cells, strict=True):
        new_source, new_target = after.party(source.id), after.party(target.id)
        if new_source is None or new_target is None:
            out.append(Look("", "removed", "staged: it is no longer there", "-"))
            continue
        changed = before.differs(after, source, target)
        cell = after.cell(new_source, new_target)
        out.append(cell_look(after, cell, source, target, (before, old) if changed else None))
    return out


def cell_rows(loaded: Loaded, source: Party, target: Party) -> list[Row]:
    """Why a cell is as it is (in a worker)."""
    matrix: Matrix = loaded.now.matrix
    one, other = matrix.party(source.id), matrix.party(target.id)
    if one is None or other is None:
        return []
    return why_rows(loaded.now, one, other, _row_looks(loaded, source, [target])[0])


def party_rows(view: NetworkView, about: Party, *, out: bool) -> list[Row]:
    """What a party reaches (``out``), or who reaches it (in a worker)."""
    party = view.matrix.party(about.id)
    found = view.around(about.id) if party is not None and view.matrix.workload(party) is not None else None
    if found is not None:
        return around_rows(found, sources=not out, targets=out)
    return axis_rows(view.matrix, about, out=out)
