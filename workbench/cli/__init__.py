"""The command line: one module a command, which parses, calls the engine and prints.

This module and the parsers import ``argparse`` only, so that ``--help`` is immediate; what a command needs is
imported when it runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from workbench import __version__
from workbench.errors import ExitStatus, UsageError, WorkbenchError

COMMANDS = (
    "open",
    "collect",
    "paths",
    "graph",
    "who-can",
    "fixes",
    "export",
    "techniques",
    "samples",
    "completion",
)
"""The commands, in the order of the help; each is a module of this package."""

DESCRIPTION = """\
A terminal audit workbench for Kubernetes: the attack paths of a cluster, the field that proves each step, and
the patch that closes it. Without a command it opens the terminal interface."""

EPILOG = """\
examples:
  workbench --sample shop                      look around in a sample cluster
  workbench paths --manifests deploy/          the attack paths that manifests open
  workbench fixes --sample shop                fixes, ranked by what they cut
  workbench techniques CE_PRIV_MOUNT           what a step means

exit status: 0 done; 1 the gate failed; 2 usage or bad input; 3 the cluster could not be read; 130 interrupted"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{message}\n(see {self.prog} --help)")


def make_parser() -> argparse.ArgumentParser:
    """The whole parser, also walked by the tests and the shell completion."""
    parser = _Parser(
        prog="workbench",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"workbench {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name in COMMANDS:
        module = _module(name)
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.DESCRIPTION,
            epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_argument("--debug", action="store_true", help="show tracebacks and log to standard error")
        module.add_arguments(command)
    return parser


def _module(command: str) -> Any:
    return import_module(f"workbench.cli.{command.replace('-', '_')}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        argv: The arguments after the program's name; those of the process by default.

    Returns:
        The exit status (:class:`workbench.errors.ExitStatus`).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # `workbench --sample shop` opens the interface: the first word decides, unless it asks about the program itself.
    if not arguments or arguments[0] not in (*COMMANDS, "-h", "--help", "--version"):
        if arguments and not arguments[0].startswith("-"):
            return _report(UsageError(f"there is no command {arguments[0]!r}: one of {', '.join(COMMANDS)}"))
        arguments.insert(0, "open")
    debug = "--debug" in arguments
    try:
        parsed = make_parser().parse_args(arguments)
        status = _module(parsed.command).run(parsed)
        sys.stdout.flush()
    except WorkbenchError as error:
        if debug:
            raise
        return _report(error)
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone: nothing is left to say, also not when the interpreter flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.DONE
    except Exception as error:
        if debug:
            raise
        print(
            f"workbench: internal error: {type(error).__name__}: {_safe(str(error))}\n"
            "This is a defect of the program; run again with --debug for the traceback.",
            file=sys.stderr,
        )
        return ExitStatus.INTERNAL
    return int(status)


def _report(error: WorkbenchError) -> int:
    for line in str(error).splitlines() or [type(error).__name__]:
        print(f"workbench: {_safe(line)}", file=sys.stderr)
    return int(error.status)


def _safe(text: str) -> str:
    from workbench.text import shown

    return shown(text, 2000)
