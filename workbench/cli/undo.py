"""``workbench undo``: take back what was applied."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from workbench.cli import options, writing
from workbench.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from workbench.kube.api import Connection
    from workbench.remediation.journal import Entry, Item, Journal

HELP = "take back what was applied"
DESCRIPTION = """\
Take back what workbench apply changed in a cluster, from the journal: the last run in this context, or the one that is
named. Fields that others changed since are left alone, and the command says so. The dry run, the difference and the
question are those of workbench apply."""
EPILOG = """\
examples:
  workbench undo --context staging --list
  workbench undo --context staging
  workbench undo 20260510T101112Z-3f9a --context prod --confirm-context prod

exit status: as for workbench apply"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("id", metavar="ID", nargs="?", help="a run of --list, or a fix; the last run by default")
    options.add_source(parser)
    parser.add_argument("--list", action="store_true", help="list what was applied in this context")
    writing.add_consent(parser)


def run(args: argparse.Namespace) -> int:
    """Take changes back, or list them.

    Raises:
        UsageError: The id names nothing that is in force, the source is a file, or nothing may be changed there.
        NotConfirmed: Nobody agreed.
        ClusterError: There was no answer before anything was changed.
    """
    if args.id == "":
        raise UsageError("the id is empty")
    if args.list and args.id:
        raise UsageError("--list takes no id")
    if not args.list:
        writing.refuse_read_only()
    connection = writing.connected(args)
    try:
        from workbench.remediation.journal import Journal

        journal = Journal(connection.endpoint)
        return _list(journal) if args.list else _undo(args, connection, journal)
    finally:
        connection.close()


def _list(journal: Journal) -> int:
    from workbench.report.changes import context_name, journal_rows
    from workbench.report.tables import Output

    rows = list(journal_rows(journal.entries()))
    if rows:
        Output().table(("ID", "WHEN (UTC)", "WHO", "WHAT", "IN FORCE"), rows)
    else:
        options.say(f"nothing was applied in context {context_name(journal.endpoint)}")
    return ExitStatus.DONE


def _undo(args: argparse.Namespace, connection: Connection, journal: Journal) -> int:
    from workbench.remediation.live import State, username
    from workbench.remediation.steps import undo_steps
    from workbench.report import changes

    preferences = writing.refuse_read_only(connection)
    writing.check_name(args, connection)
    entry, items = _chosen(journal, args.id)
    user = username(connection)
    looked = writing.checked(connection, undo_steps(items))
    writing.lines(changes.plan_lines(looked.rows, connection.endpoint, user), result=args.dry_run)
    stopped = not all(row.good for row in looked.rows)
    if args.dry_run:
        return ExitStatus.GATE if stopped else ExitStatus.DONE
    if stopped:
        writing.lines(map(changes.row_line, looked.rows), result=True)
        options.say("nothing was taken back: name the fixes that can be, one by one (workbench undo ID)")
        return ExitStatus.GATE
    if looked.count(State.ACCEPTED):
        writing.confirm(args, connection, looked.rows, preferences)
    outcome, interrupted = writing.made(connection, looked.rows, journal.begin("undo", user, entry.id))
    writing.lines([*map(changes.row_line, outcome.rows), outcome.summary], result=True)
    writing.end(connection, outcome, interrupted=interrupted)
    return writing.status(outcome, interrupted=interrupted)


def _chosen(journal: Journal, identifier: str | None) -> tuple[Entry, list[Item]]:
    """The run that is meant, and its objects.

    Raises:
        UsageError: There is none.
    """
    from workbench.report.changes import context_name

    if identifier:
        return journal.find(identifier)
    entry = journal.last()
    if entry is None:
        raise UsageError(f"nothing that was applied in context {context_name(journal.endpoint)} is in force")
    return entry, entry.in_force
