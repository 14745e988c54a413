"""What the commands that change a cluster share: where they may, how they ask, what they say, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from workbench.cli import options
from workbench.errors import Cancelled, ExitStatus, UsageError

if TYPE_CHECKING:
    from workbench.kube.api import Connection
    from workbench.preferences import Preferences
    from workbench.remediation.apply import Outcome, Row
    from workbench.remediation.journal import Run
    from workbench.remediation.steps import Step


def add_consent(parser: argparse.ArgumentParser) -> None:
    """The flags that stand for the answer to the question."""
    group = parser.add_argument_group("consent")
    group.add_argument("--yes", action="store_true", help="do not ask; what takes the context's name is not covered")
    group.add_argument(
        "--confirm-context",
        metavar="NAME",
        help="agree by the name of the context, which some changes take",
    )
    group.add_argument("--dry-run", action="store_true", help="show what the server would make of it, and end")


# --- where --------------------------------------------------------------------------------------------


def connected(args: argparse.Namespace) -> Connection:
    """The connection to the cluster that the flags name.

    Raises:
        UsageError: They name a file.
        WorkbenchError: There is no such cluster, or it cannot be reached.
    """
    from workbench.sources import SourceKind

    request = options.needed(args)
    if request.kind is not SourceKind.CONTEXT:
        raise UsageError(
            f"{request} is a file: changes are made in a live cluster (--context NAME); "
            "workbench export writes patches from a file"
        )
    # Only here, for it takes a third of a second to import.
    from workbench.kube.connection import connect
    from workbench.kube.credentials import terminal_of_process

    return connect(request.options, terminal_of_process())


def refuse_read_only(connection: Connection | None = None) -> Preferences:
    """Refuse where the environment or the preferences forbid every change.

    Args:
        connection: Where the change would be made; ``None`` to look at the environment alone.

    Raises:
        UsageError: Nothing may be changed.
        ConfigError: The preferences are wrong.
    """
    from workbench.preferences import read_only_by_environment, read_preferences

    if read_only_by_environment():
        raise UsageError("WORKBENCH_READ_ONLY is set: nothing is changed")
    preferences = read_preferences()
    if connection is not None and preferences.is_read_only(connection.endpoint.context):
        raise UsageError(f"context {connection.endpoint.context} is read-only in the preferences: nothing is changed")
    return preferences


# --- asking -------------------------------------------------------------------------------------------


class NotConfirmed(UsageError):
    """Nobody agreed to the change."""

    title = "not confirmed"
    status = ExitStatus.GATE


def check_name(args: argparse.Namespace, connection: Connection) -> None:
    """Refuse a ``--confirm-context`` that names another context, before anything is sent.

    Raises:
        NotConfirmed: It does.
    """
    from workbench.report.changes import context_name

    name = context_name(connection.endpoint)
    if args.confirm_context is not None and args.confirm_context != name:
        raise NotConfirmed(f"--confirm-context says {args.confirm_context!r}, the context is {name!r}: nothing changed")


def confirm(args: argparse.Namespace, connection: Connection, rows: Sequence[Row], preferences: Preferences) -> None:
    """Ask for consent, unless a flag has given it.

    Raises:
        NotConfirmed: It was not given.
    """
    from workbench.report.changes import context_name, reasons_for_name

    name = context_name(connection.endpoint)
    if args.confirm_context == name:
        return
    protected = preferences.is_protected(connection.endpoint.context)
    reasons = reasons_for_name(rows, protected=protected)
    if reasons:
        why = "; ".join(reasons)
        if args.yes:
            raise NotConfirmed(f"{why}: --yes does not cover this, --confirm-context {name} does; nothing changed")
        if _ask(f"{why}: type the name of the context to go on: ") != name:
            raise NotConfirmed(f"that is not {name!r}; nothing changed (--confirm-context NAME answers this)")
    elif not args.yes and _ask(f"change this in {name}? (y and enter) ").lower() not in ("y", "yes"):
        raise NotConfirmed("nothing changed (--yes answers this)")


def _ask(question: str) -> str:
    from workbench.text import shown

    print(file=sys.stderr)
    print(shown(question, 2000), end="", file=sys.stderr, flush=True)
    if sys.stdin is None:
        return ""
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        print(file=sys.stderr)
    return answer.strip()


# --- doing --------------------------------------------------------------------------------------------


def checked(connection: Connection, steps: Sequence[Step]) -> Outcome:
    """The dry run, with a line of progress.

    Raises:
        ClusterError: The connection was lost; nothing was changed.
    """
    from workbench.remediation.apply import dry_run

    line = options.ProgressLine()
    try:
        outcome = dry_run(connection, steps, lambda place, row: line("dry run", place + 1, len(steps)))
    finally:
        line.clear()
    if outcome.lost is not None:
        raise outcome.lost
    return outcome


def made(connection: Connection, rows: Sequence[Row], run: Run) -> tuple[Outcome, bool]:
    """Make the changes.

    Returns:
        What became of them, and whether ctrl+c ended it.
    """
    from workbench.remediation.apply import Outcome, apply, waiting

    line = options.ProgressLine()
    seen = [waiting(row) for row in rows]

    def tell(place: int, row: Row) -> None:
        seen[place] = row
        line("applying", place + 1, len(rows))

    try:
        return apply(connection, rows, run, tell), False
    except KeyboardInterrupt:
        return Outcome(seen, run=run.id), True
    finally:
        line.clear()
        run.close()


def end(connection: Connection, outcome: Outcome, *, interrupted: bool) -> None:
    """Say how the connection was lost, or else wait for the pods of what was changed."""
    sys.stdout.flush()
    if outcome.lost is not None:
        options.say(f"the connection was lost: {outcome.lost}")
    elif not interrupted:
        _roll_out(connection, outcome.rows)


def _roll_out(connection: Connection, rows: Iterable[Row]) -> None:
    """Wait for the pods of changed workloads where somebody looks on, else say how to; ctrl+c ends the wait."""
    from workbench.errors import ClusterError
    from workbench.remediation.live import State
    from workbench.remediation.rollout import WATCHED, Rollout, wait

    going = [row for row in rows if row.state is State.APPLIED and row.step.target.kind in WATCHED]
    if not going:
        return
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
        options.say("pods are being replaced; kubectl rollout status shows how far they are")
        return
    line = options.ProgressLine()
    problems: list[str] = []
    try:
        for row in going:

            def show(seen: Rollout, name: str = row.id) -> None:
                line(f"{name}: rolling out (ctrl+c stops waiting)", seen.ready, seen.total)

            found = wait(connection, row.step.target, show)
            if found.problem:
                problems.append(f"{row.id}: {found}")
    except KeyboardInterrupt:
        options.say("not waited for any longer; the rollout goes on")
    except ClusterError as error:
        problems.append(f"the rollout cannot be watched: {error}")
    finally:
        line.clear()
    for problem in problems:
        options.say(problem)


# --- saying -------------------------------------------------------------------------------------------


def lines(texts: Iterable[str], *, result: bool = False) -> None:
    """Write lines of outside text: to standard error, or to standard output where they are the result."""
    from workbench.text import shown

    for text in texts:
        print(shown(text, 4096), file=sys.stdout if result else sys.stderr)


def status(outcome: Outcome, *, interrupted: bool = False) -> ExitStatus:
    """How the command ends: 1 if something was refused, stale or failed; 3 if all was lost before anything was done."""
    from workbench.remediation.live import State

    if interrupted or isinstance(outcome.lost, Cancelled):
        return ExitStatus.INTERRUPTED
    if outcome.lost is not None:
        return ExitStatus.GATE if outcome.count(State.APPLIED) else ExitStatus.CLUSTER
    return ExitStatus.DONE if all(row.good for row in outcome.rows) else ExitStatus.GATE
