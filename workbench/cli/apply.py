"""``workbench apply``: make fixes in a live cluster, after a dry run, a look at the difference, and consent."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from workbench.cli import options, writing
from workbench.errors import ClusterError, ExitStatus, UsageError

if TYPE_CHECKING:
    from workbench.engine import Audit
    from workbench.kube.api import Connection
    from workbench.remediation.apply import Outcome
    from workbench.remediation.journal import Item, Journal
    from workbench.remediation.records import Fix

HELP = "make fixes in a live cluster"
DESCRIPTION = """\
Make fixes in a live cluster. The server's dry run comes first, then the difference is shown and consent is asked for:
y and enter, or the name of the context where it is protected, an object is cluster-scoped, or a change cannot be taken
back. What was applied is kept in a journal; workbench undo takes it back."""
EPILOG = """\
examples:
  workbench apply --context staging --fix F-PRIV --dry-run
  workbench apply --context staging --fix 3f1c9a --yes
  workbench apply --context staging --fix 8a2e4c --set digest=sha256:... --yes
  workbench apply --context prod --fix F-BIND-SUBJ --confirm-context prod

exit status: 0 done, or applied already; 1 something was refused, stale or failed, or nobody agreed; 2 usage, or
read-only; 3 the cluster could not be reached, or was lost before anything was done; 130 interrupted"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_source(parser)
    options.add_fixes(parser)
    writing.add_consent(parser)


def run(args: argparse.Namespace) -> int:
    """Make the changes.

    Raises:
        UsageError: An id names nothing, the source is a file, or nothing may be changed there.
        NotConfirmed: Nobody agreed.
        ClusterError: There was no answer before anything was changed.
    """
    options.check_fixes(args)
    writing.refuse_read_only()
    connection = writing.connected(args)
    try:
        return _run(args, connection)
    finally:
        connection.close()


def _run(args: argparse.Namespace, connection: Connection) -> int:
    from workbench.remediation.journal import Journal
    from workbench.remediation.live import State, username
    from workbench.remediation.steps import fix_steps
    from workbench.report import changes

    preferences = writing.refuse_read_only(connection)
    writing.check_name(args, connection)
    journal = Journal(connection.endpoint)
    audit = options.load(args, connection)
    chosen, already = _chosen(audit, journal, args.fix)
    # A second run gives the answers of the first.
    answers = args.answers if not already else _asked(chosen, args.answers)
    chosen = audit.answered(chosen, answers)
    steps, left = fix_steps(chosen)
    known = [*changes.done_lines(already), *changes.left_lines(left)]
    failed = ExitStatus.GATE if left else ExitStatus.DONE
    if not steps:
        writing.lines(known, result=True)
        if not known:
            options.say("no fix is ready: nothing to apply")
        return failed
    user = username(connection)
    looked = writing.checked(connection, steps)
    writing.lines(changes.plan_lines(looked.rows, connection.endpoint, user), result=args.dry_run)
    stopped = not all(row.good for row in looked.rows)
    if args.dry_run or stopped:
        if not args.dry_run:
            writing.lines([*map(changes.row_line, looked.rows)], result=True)
            options.say("nothing was applied: leave out what the dry run stopped, or mend it")
        writing.lines(known, result=True)
        return max(failed, ExitStatus.GATE if stopped else ExitStatus.DONE)
    if not looked.count(State.ACCEPTED):
        writing.lines([*map(changes.row_line, looked.rows), *known], result=True)
        return failed
    writing.confirm(args, connection, looked.rows, preferences)
    outcome, interrupted = writing.made(connection, looked.rows, journal.begin("apply", user))
    _tell(connection, outcome, chosen, known, interrupted=interrupted)
    status = writing.status(outcome, interrupted=interrupted)
    return status if status is not ExitStatus.DONE else failed


def _chosen(audit: Audit, journal: Journal, wanted: list[str]) -> tuple[list[Fix], list[Item]]:
    """The fixes that ids name, and what the journal knows of those that no longer apply.

    Raises:
        UsageError: An id names nothing, here or in the journal.
    """
    fixes: dict[str, Fix] = {}
    already: list[Item] = []
    for identifier in wanted:
        try:
            with options.ranking() as progress:
                found = audit.select_fixes([identifier], progress)
        except UsageError:
            done = journal.applied(identifier)
            if not done:
                raise
            already += done
            continue
        fixes.update((fix.id, fix) for fix in found)
    return list(fixes.values()), already


def _asked(fixes: list[Fix], answers: list[str]) -> list[str]:
    """The answers to what these fixes ask; the others may be to what is applied already."""
    from workbench.remediation.answers import parse_answer

    needed = [(fix, need.name) for fix in fixes for need in fix.needs]
    parsed = [(text, parse_answer(text)) for text in answers]
    return [text for text, one in parsed if any(one.concerns(fix) and one.name == name for fix, name in needed)]


def _tell(connection: Connection, outcome: Outcome, fixes: list[Fix], known: list[str], *, interrupted: bool) -> None:
    """Print what became of the objects, after another look at them."""
    from workbench.remediation.live import State
    from workbench.remediation.verify import Verdict, verify_live
    from workbench.report import changes

    applied = [row for row in outcome.rows if row.state is State.APPLIED]
    verdicts: dict[str, str] = {}
    going_on = outcome.lost is None and not interrupted
    if going_on:
        ids = {row.id for row in applied}
        try:
            for one in verify_live(connection, [fix for fix in fixes if fix.target.id in ids]):
                worse = verdicts.get(one.fix.target.id, Verdict.VERIFIED)
                verdicts[one.fix.target.id] = worse if worse != Verdict.VERIFIED else one.verdict
        except ClusterError as error:
            options.say(f"the objects could not be read again: {error}")
    writing.lines(
        [*(changes.row_line(row, verdicts.get(row.id, "")) for row in outcome.rows), *known, outcome.summary],
        result=True,
    )
    if applied or outcome.count(State.UNKNOWN):
        options.say(f"to take it back: workbench undo {outcome.run}")
    writing.end(connection, outcome, interrupted=interrupted)
