"""``workbench collect``: a source as a snapshot file."""

from __future__ import annotations

import argparse
import datetime
import os

from workbench.cli import options
from workbench.errors import ExitStatus, UsageError

HELP = "read a source into a snapshot file"
DESCRIPTION = "Write a snapshot: the objects that the analysis reads, without any secret value, and what was not read."
EPILOG = """\
examples:
  workbench collect -o prod.jsonl.gz
  workbench collect --context prod -n shop -n payments -o prod.jsonl.gz
  workbench collect --manifests deploy/ -o shop.jsonl.gz
  workbench collect --sample shop -o shop.jsonl.gz"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_source(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the snapshot to write")


def run(args: argparse.Namespace) -> int:
    """Write the snapshot.

    Raises:
        UsageError: The file is one that is read, or no file.
    """
    request = options.needed(args)
    if args.output in ("", "-"):
        raise UsageError("-o names the file to write; a snapshot does not go to standard output")
    if any(path != "-" and _same(path, args.output) for path in request.paths):
        raise UsageError(f"{args.output} is what is read; write the snapshot to another file")
    from workbench.sources import SourceKind, load, write_snapshot

    progress = options.ProgressLine()
    try:
        inventory = load(request, progress, options.live(progress))
    finally:
        progress.clear()
    options.say_gaps(inventory.coverage)
    count = write_snapshot(inventory, args.output, collected=_now() if request.kind is SourceKind.CONTEXT else None)
    options.say(f"{count:,} objects of {inventory.source} in {args.output}")
    return ExitStatus.DONE


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _same(one: str, other: str) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)
