"""A batch of changes on its way to a cluster and back: what is asked of the server, and what is shown of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.tui.lines import BLANK
from workbench.tui.names import full
from workbench.tui.text import Spans, count, shown, span

if TYPE_CHECKING:
    from workbench.kube.api import Connection, Endpoint
    from workbench.remediation.apply import Row
    from workbench.remediation.journal import Entry, Journal
    from workbench.remediation.records import Fix
    from workbench.remediation.steps import Step

GOOD = frozenset({"accepted", "applied", "already applied", "verified", "rolled out"})
BAD = frozenset({"refused", "conflict", "not found", "stale", "unknown", "still open"})
LOOKS = {"+": "added", "-": "removed", "~": "warning"}
CHANGED_BY_SERVER = "~ is changed by the cluster itself (admission, defaults) when the object is written"


@dataclass
class Changes:
    """One batch. The worker replaces rows, the screen reads them."""

    undo: bool
    """Whether it takes back what was applied."""
    fixes: tuple[Fix, ...]
    """What it makes; of an undo nothing."""
    connection: Connection = field(repr=False)
    """To the cluster that is asked, and that is changed."""
    steps: Sequence[Step] = ()
    left: Sequence[tuple[Fix, str]] = ()
    """The fixes that are not made here, with the reason."""
    entry: Entry | None = None
    """Of an undo, the run that is taken back."""
    user: str = ""
    """Who the server takes us for."""
    rows: list[Row] = field(default_factory=list)
    phase: str = "checking"
    """``checking``, ``checked``, ``applying``, ``rolling out``, ``verifying`` or ``done``."""
    summary: str = ""
    """Done, failed, unknown, not started."""
    lost: str = ""
    """Why the connection was lost; empty if it was not."""
    run: str = ""
    """The id in the journal."""
    notes: dict[str, str] = field(default_factory=dict)
    """By object: how far its rollout is, or whether the weakness is gone."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Ends the batch between two objects, or the wait for a rollout."""

    @property
    def endpoint(self) -> Endpoint:
        """The cluster that is asked, and that is changed."""
        return self.connection.endpoint

    @property
    def is_running(self) -> bool:
        """Whether something is being asked of the server."""
        return self.phase in ("checking", "applying", "rolling out")

    @property
    def is_applied(self) -> bool:
        """Whether it was begun to be made."""
        return self.phase in ("applying", "rolling out", "verifying", "done")

    @property
    def heading(self) -> str:
        """What stands over its objects once it was begun to be made."""
        if self.phase == "applying":
            return "TAKING BACK" if self.undo else "APPLYING"
        return "TAKEN BACK" if self.undo else "APPLIED"

    def row_of(self, about: str) -> Row | None:
        """The row of an object."""
        return next((row for row in self.rows if row.id == about), None)

    def state_of(self, about: str) -> str:
        """How it stands with an object, in a word or a few; empty if it is not part of the batch."""
        row = self.row_of(about)
        if row is None:
            return "checking …" if any(step.target.id == about for step in self.steps) else ""
        return self.notes.get(about) or str(row.state)

    def problems(self) -> list[str]:
        """Why the batch cannot be applied, a sentence each."""
        out = [f"{row.id}: {row.state}{f': {row.message}' if row.message else ''}" for row in self.rows if not row.good]
        if self.lost:
            out.append(f"the connection was lost: {self.lost}")
        if not self.steps:
            out.append("no staged fix can be applied here")
        return out

    def is_fresh(self, fixes: Sequence[Fix]) -> bool:
        """Whether the dry run is of these fixes and young enough to apply after it."""
        wanted = {fix.id for fix in fixes}
        return (
            self.phase == "checked"
            and not self.undo
            and {fix.id for fix in self.fixes} == wanted
            and bool(self.rows)
            and all(row.is_fresh() for row in self.rows)
        )


def look_of(state: str) -> str:
    """The look of a state."""
    return "added" if state in GOOD else "removed" if state in BAD else "warning"


def row_lines(row: Row, note: str = "", number: int = 0) -> list[Spans]:
    """One object: what is done to it, the difference, what the server said, whether it can be taken back."""
    from workbench.remediation.differences import change_lines

    state = note or str(row.state)
    head = f"{number}. " if number else ""
    lines: list[Spans] = [((head, "muted"), (full(row.id), "strong"), ("  ", ""), (shown(state), look_of(state)))]
    lines += [(("   ", ""), span(label)) for label in row.step.labels]
    lines += [(("   ", ""), span(remark, "muted", 2048)) for remark in row.step.remarks]
    lines += [((f"   {sign} ", LOOKS[sign]), span(text, LOOKS[sign], 2048)) for sign, text in change_lines(row.changes)]
    if row.message:
        lines.append((("   server: ", "muted"), span(row.message, "warning", 2048)))
    lines += [(("   warning: ", "warning"), span(text, "", 2048)) for text in row.warnings]
    reversible: Spans = (
        (("   reversible: ", "muted"), ("yes", "")) if row.reversible else (("   reversible: no", "warning"),)
    )
    return [*lines, reversible]


def plan_lines(changes: Changes, reasons: Sequence[str], name: str) -> list[Spans]:
    """What the dialog says: where, as whom, what, and how to agree.

    Args:
        changes: The batch after its dry run.
        reasons: Why the name of the context has to be typed; empty if ``y`` will do.
        name: The name of the context.
    """
    lines: list[Spans] = [
        (("cluster  ", "muted"), span(changes.endpoint.server, "strong")),
        (("context  ", "muted"), span(name, "strong")),
        (("user     ", "muted"), span(changes.user, "strong")),
        (("objects  ", "muted"), (f"{len(changes.rows)}", "strong")),
    ]
    for number, row in enumerate(changes.rows, 1):
        lines += [BLANK, *row_lines(row, number=number)]
    if any(not change.ours for row in changes.rows for change in row.changes):
        lines += [BLANK, ((CHANGED_BY_SERVER, "muted"),)]
    if changes.left:
        lines += [BLANK, (("not part of it:", "heading"),)]
        lines += [(("   ", ""), span(fix.title), ("  ", ""), span(reason, "warning")) for fix, reason in changes.left]
    return [*lines, BLANK, *((("! ", "warning"), span(reason, "warning")) for reason in reasons)]


def applied_lines(changes: Changes) -> list[Spans]:
    """What became of a batch, the last line first."""
    lines: list[Spans] = []
    if changes.lost:
        lines.append(((f"the connection was lost: {shown(changes.lost)}", "warning"),))
    if changes.summary:
        lines.append(((changes.summary, "strong"),))
    if changes.run and not changes.undo:
        lines.append(((f"U takes it back (journal {shown(changes.run)})", "muted"),))
    for number, row in enumerate(changes.rows, 1):
        lines += [BLANK, *row_lines(row, changes.notes.get(row.id, ""), number)]
    return lines


def subtitle(changes: Changes | None) -> str:
    """What the border of the basket says of what was applied."""
    if changes is None:
        return "applied: none"
    if changes.phase == "checking":
        return f"dry run {len(changes.rows)}/{len(changes.steps)}"
    if changes.phase == "checked":
        good = sum(row.good for row in changes.rows)
        return f"dry run: {good} of {count(len(changes.steps), 'object')} accepted"
    word = "taking back" if changes.undo else "applying"
    return changes.summary if changes.phase == "done" else f"{word}: {changes.phase}"


# --- in a worker --------------------------------------------------------------------------------------


def journal_lines(rows: Sequence[tuple[str, str, str, str, str]]) -> list[tuple[str, Spans]]:
    """The runs of a journal: the id of each, and its line."""
    return [
        (
            identifier,
            (
                span(identifier, "strong"),
                (f"  {shown(when)}  ", "muted"),
                span(who),
                (f"  {shown(force)}  " if force else "  ", "warning"),
                span(what, "", 2048),
            ),
        )
        for identifier, when, who, what, force in rows
    ]


def verdicts_of(fixes: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """For each object the worst verdict of its fixes.

    Args:
        fixes: Pairs of an object's id and a verdict.
    """
    order = ("verified", "rolling out", "unknown", "still open")
    out: dict[str, str] = {}
    for about, verdict in fixes:
        known = out.get(about)
        if known is None or order.index(verdict) > order.index(known):
            out[about] = verdict
    return out


def journal_of(connection: Connection) -> Journal:
    """The journal of a connection's server and context."""
    from workbench.remediation.journal import Journal

    return Journal(connection.endpoint)
