"""``workbench fixes``: what would close paths."""

from __future__ import annotations

import argparse

from workbench.cli import options
from workbench.errors import ExitStatus

HELP = "fixes, ranked by what they cut"
DESCRIPTION = (
    "List every fix that applies, with the paths that it closes, how many of the worst ones it makes go another way, "
    "its risk, and whether it is ready."
)
EPILOG = """\
examples:
  workbench fixes --sample shop
  workbench fixes --sample shop -o json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_source(parser)
    options.add_policies(parser)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="the format")


def run(args: argparse.Namespace) -> int:
    """Print the fixes."""
    audit = options.load(args)
    from workbench.report import fixes

    with options.ranking() as progress:
        audit.fixes(progress)
    if args.output == "json":
        options.write(fixes.as_json(audit))
    else:
        fixes.print_table(audit)
    return ExitStatus.DONE
