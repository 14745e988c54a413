"""``workbench paths``: attack paths with their evidence."""

from __future__ import annotations

import argparse

from workbench.cli import options
from workbench.errors import ExitStatus

HELP = "attack paths, with the field that proves each step"
DESCRIPTION = "List the attack paths from where an attacker can start to what must not be lost, by risk."
EPILOG = """\
examples:
  workbench paths --sample shop
  workbench paths --sample shop --from internet --to cluster-admin --limit 1
  workbench paths --sample shop --from 'Container:shop/*' --certain -o json
  workbench paths --sample hardened --explain
  workbench paths --sample hardened --fail-on high

exit status: 1 if --fail-on is given and a path is so severe, whatever --limit shows"""

SEVERITIES = ("low", "medium", "high", "critical")
LIMIT = 50
"""How many paths people are shown unless they ask for more; programs get all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_source(parser)
    options.add_selection(parser)
    parser.add_argument(
        "--limit", type=_positive, metavar="N", help=f"at most N paths ({LIMIT} for table and md, else all)"
    )
    parser.add_argument("--explain", action="store_true", help="also what blocks the pairs that have no path")
    parser.add_argument("--fail-on", choices=SEVERITIES, help="status 1 if a path is this severe or worse")
    parser.add_argument("-o", "--output", choices=("table", "json", "md", "csv"), default="table", help="the format")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Print the paths."""
    query = options.query_of(args, args.limit or (None if args.output in ("json", "csv") else LIMIT))
    audit = options.load(args)
    report = audit.paths(query)
    blocked = audit.blocking(query) if args.explain else None
    from workbench.report import paths

    if args.output == "json":
        options.write(paths.as_json(audit, report, blocked))
    elif args.output == "csv":
        options.write(paths.as_csv(report))
    elif args.output == "md":
        options.write(paths.as_markdown(audit, report, blocked))
    else:
        paths.print_table(audit, report, blocked)
    if args.fail_on:
        over = SEVERITIES[SEVERITIES.index(args.fail_on) :]
        failing = sum(report.severities.get(severity, 0) for severity in over)
        if failing:
            number = "1 path is" if failing == 1 else f"{failing:,} paths are"
            options.say(f"the gate failed: {number} {args.fail_on}{'' if len(over) == 1 else ' or worse'}")
            return ExitStatus.GATE
    return ExitStatus.DONE
