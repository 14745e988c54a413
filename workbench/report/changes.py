"""What is to be changed in a cluster, what became of it, and the journal, as lines of text.

The lines may hold hostile text: whoever writes them passes them through :func:`workbench.text.shown`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from workbench.remediation.differences import change_lines
from workbench.remediation.live import State

if TYPE_CHECKING:
    from workbench.kube.api import Endpoint
    from workbench.remediation.apply import Row
    from workbench.remediation.journal import Entry, Item
    from workbench.remediation.records import Fix

_WIDTH = max(len(state) for state in State)


def plan_lines(rows: Sequence[Row], endpoint: Endpoint, user: str) -> Iterator[str]:
    """Where, as whom, and for each object what the server made of it."""
    objects = "1 object" if len(rows) == 1 else f"{len(rows)} objects"
    yield f"context {context_name(endpoint)}, server {endpoint.server}, as {user}: {objects}"
    for number, row in enumerate(rows, 1):
        yield ""
        yield f"{number}. {row.id}: {row.state}{f': {row.message}' if row.message else ''}"
        yield from (f"   {label}" for label in row.step.labels)
        yield from (f"   {remark}" for remark in row.step.remarks)
        yield from (f"   {sign} {line}" for sign, line in change_lines(row.changes))
        yield from (f"   warning: {warning}" for warning in row.warnings)
        if not row.reversible:
            yield "   reversible: no"
    if any(not change.ours for row in rows for change in row.changes):
        yield ""
        yield "~ is changed by the cluster itself (admission, defaults) when the object is written"


def row_line(row: Row, verdict: str = "") -> str:
    """One object and what became of it."""
    more = ": ".join(part for part in (verdict, row.message) if part)
    return _line(row.state, row.id, more)


def left_lines(left: Iterable[tuple[Fix, str]]) -> Iterator[str]:
    """The fixes that are not made here, with the reason."""
    for fix, reason in left:
        yield _line(State.REFUSED, fix.target.id, f"{fix.fix} {fix.id}: {reason}")


def done_lines(items: Iterable[Item]) -> Iterator[str]:
    """What the journal knows to be applied."""
    for item in items:
        yield _line(State.ALREADY, item.id, ", ".join(item.sent.rules))


def _line(state: State, node: str, more: str) -> str:
    return f"{state:<{_WIDTH}}  {node}{f'  {more}' if more else ''}"


def journal_rows(entries: Iterable[Entry]) -> Iterator[tuple[str, str, str, str, str]]:
    """The runs, the newest first: id, time, user, what was done, and how much of it is in force."""
    for entry in sorted(entries, key=lambda entry: (entry.begun.when, entry.id), reverse=True):
        begun = entry.begun
        kinds = ", ".join(dict.fromkeys(rule for item in entry.items for rule in item.sent.rules))
        objects = ", ".join(dict.fromkeys(item.id for item in entry.items))
        if begun.action == "undo":
            what, force = f"takes back {begun.undoes}: {objects or 'nothing was left'}", ""
        else:
            what, force = f"{kinds}: {objects}", f"{len(entry.in_force)} of {_changed(entry)}"
        yield begun.id, begun.when[:19].replace("T", " "), begun.user, what, force


def _changed(entry: Entry) -> int:
    return sum(item.may_be_in_force for item in entry.items)


def context_name(endpoint: Endpoint) -> str:
    """What a user types to agree to a change; in a pod of the cluster there is no context."""
    return endpoint.context or "in-cluster"


def reasons_for_name(rows: Sequence[Row], *, protected: bool) -> list[str]:
    """Why the context's name has to be typed; empty if ``y`` will do."""
    going = [row for row in rows if row.state is State.ACCEPTED]
    checks: Mapping[str, Sequence[Row] | bool] = {
        "the context is protected": protected,
        "a cluster-scoped object changes": [row for row in going if row.cluster_scoped],
        "not everything can be taken back": [row for row in going if not row.reversible],
    }
    return [
        f"{reason} ({', '.join(row.id for row in found[:3])})" if isinstance(found, Sequence) else reason
        for reason, found in checks.items()
        if found
    ]
