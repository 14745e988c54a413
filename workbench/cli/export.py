"""``workbench export``: fixes as patches with their rollbacks."""

from __future__ import annotations

import argparse

from workbench.cli import options
from workbench.errors import ExitStatus, UsageError

HELP = "write fixes as patches, with rollbacks"
DESCRIPTION = """\
Write patches for kubectl, their rollbacks, the fix records and a README that says how to apply them. A fix with the
status needs-input asks for a value: --set gives it, and the fix gets its patch."""
EPILOG = """\
examples:
  workbench export --sample shop --fix F-PRIV -o patches
  workbench export --sample shop --fix F-AUTOMOUNT F-BIND-SUBJ -o patches
  workbench export --sample shop --fix all-ready -o patches"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_source(parser)
    options.add_fixes(parser)
    parser.add_argument("--format", choices=("kubectl",), default="kubectl", help="the format")
    parser.add_argument("--force", action="store_true", help="write into a directory that is not empty")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="the directory to write")


def run(args: argparse.Namespace) -> int:
    """Write the patches.

    Raises:
        UsageError: An id names nothing, or the directory cannot be written.
    """
    if not args.output:
        raise UsageError("-o names the directory to write")
    options.check_fixes(args)
    audit = options.load(args)
    from pathlib import Path

    from workbench.text import shown

    with options.ranking() as progress:
        fixes = audit.answered(audit.select_fixes(args.fix, progress), args.answers)
    result = audit.export(fixes, Path(args.output), format=args.format, force=args.force)
    for line in result.messages:
        options.say(line)
    for name in result.files:
        options.write(shown(str(result.directory / name), 4096))
    if result.next_command:
        options.say(f"next, in {result.directory}: {result.next_command}")
    return ExitStatus.DONE
