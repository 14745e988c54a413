"""``workbench open``: the terminal interface."""

from __future__ import annotations

import argparse
import os
import sys

from workbench.cli import options
from workbench.errors import UsageError

HELP = "the terminal interface (also without a command)"
DESCRIPTION = "Open the terminal interface, at the list of sources or at the one that is named."
EPILOG = """\
examples:
  workbench open
  workbench open sample:shop
  workbench open context:staging --read-only
  workbench open --manifests deploy/ --theme light"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="?",
        help="context:NAME, sample:NAME, or a path of a snapshot, a KubeHound dump or manifests",
    )
    options.add_source(parser)
    parser.add_argument("--theme", metavar="NAME", help="dark, light, or one of Textual's themes")
    parser.add_argument("--read-only", action="store_true", help="nothing can be changed in any cluster")
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")


def run(args: argparse.Namespace) -> int:
    """Run the interface until the user quits.

    Raises:
        UsageError: There is no terminal.
    """
    request = options.request_of(args)
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("needs a terminal; try workbench paths")
    if (terminal := os.environ.get("TERM", "")) in ("", "dumb"):
        why = f"TERM is {terminal or 'not set'}"
        raise UsageError(f"needs a terminal that can move the cursor ({why}); try workbench paths")
    from workbench.tui.app import run_app

    return run_app(request, theme=args.theme, mouse=not args.no_mouse, read_only=args.read_only)
