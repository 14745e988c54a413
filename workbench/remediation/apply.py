"""Dry run and apply, one object after the other (``remediation.md`` 1.7).

:func:`dry_run` asks the server what it would make of each change; :func:`apply` makes those changes, each after another
look at the live object. Both run off the thread of a screen: progress is told object by
object, and a batch ends between two objects when it is asked to. The same functions take changes back
(:func:`workbench.remediation.steps.undo_steps`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from workbench.errors import Cancelled, ClusterError
from workbench.kube.api import Connection
from workbench.remediation.differences import FieldChange, marked, masked_change
from workbench.remediation.journal import Done, Run, Sent, fingerprint
from workbench.remediation.live import LiveObject, Patched, State, Stopped, may, read, read_or_absent, send
from workbench.remediation.steps import Prepared, Step, cluster_scoped, journaled

GOOD_FOR = timedelta(minutes=5)
"""How long a dry run may be relied on before it has to be made again."""

_TRIES = 2
"""A conflict is met by reading, planning and trying anew once."""


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a batch, and how it stands with it."""

    step: Step
    state: State = State.NOT_STARTED
    message: str = ""
    """The server's words, or ours; may be hostile."""
    changes: tuple[FieldChange, ...] = ()
    """Live object to the server's answer, masked."""
    warnings: tuple[str, ...] = ()
    """What the server remarks, and who may undo the change."""
    reversible: bool = True
    at: datetime | None = None
    """When the server answered."""
    prepared: Prepared | None = field(default=None, repr=False)
    version: str = ""
    """The resource version that the dry run was made with."""

    @property
    def id(self) -> str:
        """The node id of the object."""
        return self.step.target.id

    @property
    def cluster_scoped(self) -> bool:
        """Whether the change counts in the whole cluster."""
        return cluster_scoped(self.step)

    @property
    def good(self) -> bool:
        """Whether nothing stands in the way of the batch."""
        return self.state in (State.ACCEPTED, State.APPLIED, State.ALREADY)

    def is_fresh(self, now: datetime | None = None) -> bool:
        """Whether the dry run is young enough to apply after it."""
        return self.at is not None and (now or datetime.now(UTC)) - self.at < GOOD_FOR


Progress = Callable[[int, Row], None]
"""Called with the place of a row and the row, whenever it changes."""


@dataclass(slots=True)
class Outcome:
    """What became of a batch."""

    rows: list[Row]
    lost: ClusterError | None = None
    """Why the connection was lost, or who ended it."""
    run: str = ""
    """The id in the journal; empty if nothing was sent."""

    def count(self, *states: State) -> int:
        """How many rows are in some states."""
        return sum(row.state in states for row in self.rows)

    @property
    def summary(self) -> str:
        """The last line: done, unknown, not started, and what failed."""
        done, unknown = self.count(State.APPLIED, State.ALREADY), self.count(State.UNKNOWN)
        left = self.count(State.NOT_STARTED, State.ACCEPTED)
        failed = len(self.rows) - done - unknown - left
        return f"done {done}, failed {failed}, unknown {unknown}, not started {left}"


# --- dry run ------------------------------------------------------------------------------------------


def dry_run(
    connection: Connection,
    steps: Sequence[Step],
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Ask the server what it would make of each change; nothing persists.

    Args:
        connection: The way to the server.
        steps: The changes, in their order.
        progress: Hears of each row.
        stop: Asked before each object; true ends the run.

    Returns:
        A row for each step. Where the connection was lost the rows after it are not started.
    """
    outcome = Outcome([Row(step, reversible=step.reversible) for step in steps])
    for place, step in enumerate(steps):
        if stop():
            break
        try:
            row = check(connection, step)
        except ClusterError as error:
            outcome.lost = error
            break
        outcome.rows[place] = row
        if progress is not None:
            progress(place, row)
    return outcome


def check(connection: Connection, step: Step) -> Row:
    """The dry run of one object.

    Raises:
        ClusterError: There was no answer.
    """
    row = Row(step, reversible=step.reversible)
    for attempt in range(_TRIES):
        try:
            live = _read(connection, step)
            prepared = step.prepared(live)
            if not prepared.changes:
                return replace(row, state=State.ALREADY, at=datetime.now(UTC), prepared=prepared, version=live.version)
            if attempt == 0:
                may(connection, step.target, prepared.type)
            return _checked(connection, row, live, prepared)
        except Stopped as stopped:
            row = replace(row, state=stopped.state, message=stopped.message, at=datetime.now(UTC))
            if stopped.state is not State.CONFLICT:
                break
    return row


def _read(connection: Connection, step: Step) -> LiveObject:
    """The object of a step as it is now; that it is absent is no failure of one that creates it, or takes that back."""
    return read_or_absent(connection, step.target) if step.creates else read(connection, step.target)


def _checked(connection: Connection, row: Row, live: LiveObject, prepared: Prepared) -> Row:
    """The row after the server's dry run took the patch."""
    answer = send(connection, row.step.target, live, prepared.type, prepared.forward, dry_run=True)
    changes, missing = marked(live.data, answer.live.data, prepared.changes)
    if missing:
        where = ", ".join(change.dotted for change in missing[:3])
        raise Stopped(State.REFUSED, f"admission in the cluster undoes the change of {where}")
    return replace(
        row,
        state=State.ACCEPTED,
        message="",
        changes=tuple(map(masked_change, changes)),
        warnings=(*prepared.notes, *answer.warnings),
        reversible=prepared.reverse is not None,
        at=datetime.now(UTC),
        prepared=prepared,
        version=live.version,
    )


# --- apply --------------------------------------------------------------------------------------------


def apply(
    connection: Connection,
    rows: Sequence[Row],
    run: Run,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Make the changes of a dry run, in order; the first failure, or a lost connection, ends the batch.

    Args:
        connection: The way to the server.
        rows: The rows of the dry run that the user agreed to. Those that were already applied stay as they are.
        run: The journal's file.
        progress: Hears of each row.
        stop: Asked before each object; true ends the batch there.

    Returns:
        The rows as they are now.

    Raises:
        UsageError: The journal cannot be written; nothing is sent that could not be taken back.
    """
    outcome = Outcome([waiting(row) for row in rows], run=run.id)

    def tell(place: int, row: Row) -> None:
        outcome.rows[place] = row
        if row.state is State.ALREADY and run.begun.undoes:
            run.settled(row.id)
        if progress is not None:
            progress(place, row)

    for place, agreed in enumerate(rows):
        if agreed.state is State.ALREADY:
            tell(place, agreed)
            continue
        if agreed.state is not State.ACCEPTED or stop():
            break
        attempt = _Attempt(connection, agreed, run)
        try:
            tell(place, attempt.apply())
        except ClusterError as error:
            outcome.lost = error
            said = "the connection was ended" if isinstance(error, Cancelled) else str(error)
            if attempt.in_flight:
                tell(place, replace(agreed, state=State.UNKNOWN, message=said))
            break
        except KeyboardInterrupt:
            if attempt.in_flight:
                tell(place, replace(agreed, state=State.UNKNOWN, message="interrupted before the answer came"))
            raise
        if not outcome.rows[place].good:
            break
    return outcome


def waiting(row: Row) -> Row:
    """A row of a dry run before its change is made."""
    return replace(row, state=State.NOT_STARTED) if row.state is State.ACCEPTED else row


class _Attempt:
    """The change of one object, from reading it anew to the server's answer."""

    def __init__(self, connection: Connection, agreed: Row, run: Run) -> None:
        self._connection = connection
        self._agreed = agreed
        self._run = run
        self.in_flight = False
        """Whether a change was sent whose answer has not come."""
        self._sent: Sent | None = None

    def apply(self) -> Row:
        """Change the object.

        Raises:
            ClusterError: There was no answer.
            UsageError: The journal cannot be written.
        """
        row = self._agreed
        for _ in range(_TRIES):
            try:
                return self._once()
            except Stopped as stopped:
                if self.in_flight:
                    self.in_flight = False
                    self._run.done(Done(state=stopped.state, message=stopped.message))
                row = replace(self._agreed, state=stopped.state, message=stopped.message)
                if stopped.state is not State.CONFLICT:
                    break
        return row

    def _once(self) -> Row:
        agreed, step = self._agreed, self._agreed.step
        live = _read(self._connection, step)
        prepared = step.prepared(live)
        if not prepared.changes:
            if self._sent is None:
                return replace(agreed, state=State.ALREADY)
            # After a conflict: a patch that was sent twice on its way got through the first time.
            self._run.sent(self._sent)
            self._run.done(Done(state=State.APPLIED, resource_version=live.version, after=fingerprint(live.trimmed)))
            return replace(agreed, state=State.APPLIED)
        if live.version != agreed.version or not agreed.is_fresh():
            agreed = self._agreed = _checked(self._connection, agreed, live, prepared)
        self._sent = journaled(live, prepared)
        self._run.sent(self._sent)
        self.in_flight = True
        answer = send(self._connection, step.target, live, prepared.type, prepared.forward, dry_run=False)
        self.in_flight = False
        return self._applied(live, prepared, answer)

    def _applied(self, live: LiveObject, prepared: Prepared, answer: Patched) -> Row:
        changes, missing = marked(live.data, answer.live.data, prepared.changes)
        state, message = State.APPLIED, ""
        if missing:
            where = ", ".join(change.dotted for change in missing[:3])
            state, message = State.REFUSED, f"admission in the cluster undid the change of {where}"
        self._run.done(
            Done(
                state=state,
                message=message,
                resource_version=answer.live.version,
                uid=answer.live.uid,
                after=fingerprint(answer.live.trimmed),
            )
        )
        return replace(
            self._agreed,
            state=state,
            message=message,
            changes=tuple(map(masked_change, changes)),
            warnings=(*prepared.notes, *answer.warnings),
            at=datetime.now(UTC),
            version=answer.live.version,
        )
