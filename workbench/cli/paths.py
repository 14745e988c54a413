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
  workbench paths --sample shop --certain -o json
  workbench paths --sample shop --fail-on critical"""

SEVERITIES = ("low", "medium", "high", "critical")
TABLE_LIMIT = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_source(parser)
    options.add_selection(parser)
    parser.add_argument("--limit", type=_positive, metavar="N", help=f"at most N paths ({TABLE_LIMIT} for a table)")
    parser.add_argument("--explain", action="store_true", help="also what blocks the pairs that have no path")
    parser.add_argument("--fail-on", choices=SEVERITIES, help="status 1 if a path is this severe or worse")
    parser.add_argument("-o", "--output", choices=("table", "json", "md", "csv"), default="table", help="the format")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def run(args: argparse.Namespace) -> int:
    """Print the paths."""
    audit = options.load(args)
    limit = args.limit or (None if args.output in ("json", "csv") else TABLE_LIMIT)
    report = audit.paths(options.query_of(args, limit))
    from workbench.report import paths

    if args.output == "json":
        options.write(paths.as_json(audit, report, explain=args.explain))
    elif args.output == "csv":
        options.write(paths.as_csv(report))
    elif args.output == "md":
        options.write(paths.as_markdown(audit, report, explain=args.explain))
    else:
        paths.print_table(audit, report, explain=args.explain)
    if args.fail_on:
        bar = SEVERITIES.index(args.fail_on)
        if any(SEVERITIES.index(severity) >= bar for severity, count in report.severities.items() if count):
            return ExitStatus.GATE
    return ExitStatus.DONE
