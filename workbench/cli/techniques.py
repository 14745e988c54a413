"""``workbench techniques``: what a step of a path means."""

from __future__ import annotations

import argparse

from workbench.cli import options
from workbench.errors import ExitStatus

HELP = "the techniques, or one in full"
DESCRIPTION = """\
List the attack techniques that the analysis knows, or explain one. What it does not look at is said on standard
error, and stands in -o json."""
EPILOG = """\
examples:
  workbench techniques
  workbench techniques CE_PRIV_MOUNT"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("technique", metavar="ID", nargs="?", help="the technique to explain")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="the format")


def run(args: argparse.Namespace) -> int:
    """Print the techniques."""
    from workbench.report import techniques

    if args.output == "json":
        options.write(techniques.as_json(args.technique))
    else:
        techniques.print_table(args.technique)
        if args.technique is None:
            from workbench.techniques.limits import limits

            for limit in limits():
                options.say(f"not looked at: {limit.what}: {', '.join(limit.techniques)}")
    return ExitStatus.DONE
