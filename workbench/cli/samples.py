"""``workbench samples``: the sample clusters that ship with the program."""

from __future__ import annotations

import argparse

from workbench.cli import options
from workbench.errors import ExitStatus

HELP = "the sample clusters"
DESCRIPTION = "List the sample clusters that ship with the program; open one with --sample NAME."
EPILOG = """\
examples:
  workbench samples
  workbench samples -o json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="the format")


def run(args: argparse.Namespace) -> int:
    """Print the samples."""
    from workbench.report import samples

    if args.output == "json":
        options.write(samples.as_json())
    else:
        samples.print_table()
    return ExitStatus.DONE
