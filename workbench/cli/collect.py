"""``workbench collect``: a source as a snapshot file."""

from __future__ import annotations

import argparse
import sys

from workbench.cli import options
from workbench.errors import ExitStatus, UsageError

HELP = "read a source into a snapshot file"
DESCRIPTION = "Write a snapshot: the objects that the analysis reads, without any secret value, and what was not read."
EPILOG = """\
examples:
  workbench collect --manifests deploy/ -o shop.jsonl.gz"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_source(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the snapshot to write")


def run(args: argparse.Namespace) -> int:
    """Write the snapshot."""
    request = options.request_of(args)
    if request is None:
        raise UsageError(options.NO_SOURCE)
    from workbench.sources import load
    from workbench.sources.snapshot import write
    from workbench.text import shown

    inventory = load(request)
    count = write(inventory, args.output)
    print(f"workbench: {count:,} objects of {shown(inventory.source)} in {shown(args.output)}", file=sys.stderr)
    return ExitStatus.DONE
