"""The command line: one module a command, which parses, calls the engine and prints.

This module and the parsers import ``argparse`` only, so that ``--help`` is immediate; what a command needs is
imported when it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from workbench import __version__
from workbench.errors import ExitStatus, NotYetSupported, UsageError, WorkbenchError

COMMANDS = (
    "open",
    "collect",
    "paths",
    "graph",
    "connectivity",
    "who-can",
    "fixes",
    "export",
    "apply",
    "undo",
    "techniques",
    "samples",
    "completion",
)
"""The commands, in the order of the help; each is a module of this package."""

LATER = {
    "images": "workbench graph --from Image",
    "serve": "workbench open",
    "scan": "workbench paths --fail-on SEVERITY",
    "diff": "workbench paths -o json of both",
}
"""Commands that this version does not have, and what does something like it."""

DESCRIPTION = """\
A terminal audit workbench for Kubernetes: the attack paths of a cluster, the field that proves each step, and
the patch that closes it. Without a command it opens the terminal interface."""

EPILOG = """\
examples:
  workbench --sample shop                      look around in a sample cluster
  workbench paths --context prod               the attack paths of a live cluster
  workbench paths --manifests deploy/          the attack paths that manifests open
  workbench fixes --sample shop                fixes, ranked by what they cut
  workbench techniques CE_PRIV_MOUNT           what a step means

exit status: 0 done; 1 the gate failed; 2 usage or bad input; 3 the cluster could not be read; 130 interrupted"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are ours, and name what was probably meant."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n(see {self.prog} --help)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(action, f"{value!r} is none of {', '.join(known)}{nearest(str(value), known)}")

    def unknown(self, argument: str) -> NoReturn:
        """Refuse an argument that nothing takes."""
        if not argument.startswith("-"):
            self.error(f"what is {argument!r} for? {self.prog} takes no such argument")
        flag = argument.partition("=")[0]
        known = [option for action in self._actions for option in action.option_strings]
        self.error(f"there is no flag {flag}{nearest(flag, known)}")


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help with room for the longest command beside what it does."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)
        # argparse forgets that the commands are set in once more.
        self._action_max_length = 4 + max(map(len, COMMANDS))


def nearest(given: str, known: Sequence[str]) -> str:
    """``; did you mean --sample?``, or nothing if nothing is near."""
    import difflib

    near = difflib.get_close_matches(given, known, 3, 0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def make_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The parser, also walked by the tests and the shell completion.

    Args:
        names: The commands that it knows. To run one, the modules of the others need not be loaded.
    """
    parser = _Parser(
        prog="workbench", description=DESCRIPTION, epilog=EPILOG, formatter_class=_Help, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"workbench {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name in names:
        module = _module(name)
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.DESCRIPTION,
            epilog=module.EPILOG,
            formatter_class=_Help,
            allow_abbrev=False,
        )
        module.add_arguments(command)
        command.add_argument("--debug", action="store_true", help="show tracebacks and log to standard error")
        command.add_argument("--version", action="version", version=f"workbench {__version__}", help=argparse.SUPPRESS)
        if "--keep-going" not in command._option_string_actions:
            command.add_argument("--keep-going", action="store_true", help=argparse.SUPPRESS)
    return parser


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    return next(dict(action.choices) for action in parser._actions if isinstance(action, argparse._SubParsersAction))


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
    # The libraries of numpy and of scipy would each start a thread for every core, which takes a tenth of a second at
    # every start; the analysis multiplies no matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _prepare_streams()
    debug = "--debug" in arguments
    try:
        status = _run(arguments, debug=debug)
        sys.stdout.flush()
    except WorkbenchError as error:
        return _report(error, debug=debug)
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone: nothing is left to say, also not when the interpreter flushes.
        _discard_output()
        return ExitStatus.DONE
    except OSError as error:
        # A full disk behind standard output, a terminal that went away: nothing that the program could do better.
        _discard_output()
        where = f": {error.filename}" if error.filename else ""
        return _report(UsageError(f"{(error.strerror or str(error)).lower()}{where}"), debug=debug)
    except Exception as error:
        if debug:
            _traceback()
        _say(f"internal error: {type(error).__name__}: {error}")
        _say("this is a defect of the program; run it again with --debug for the traceback")
        return ExitStatus.INTERNAL
    return int(status)


def _run(arguments: list[str], *, debug: bool) -> int:
    if debug:
        import logging

        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="workbench: %(name)s: %(message)s")
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    # `workbench --sample shop` opens the interface: the first word decides, unless it asks about the program itself.
    if not arguments or arguments[0] not in (*COMMANDS, "-h", "--help", "--version"):
        _refuse_misplaced(arguments)
        arguments = ["open", *arguments]
    parser = make_parser(arguments[:1] if arguments[0] in COMMANDS else COMMANDS)
    try:
        parsed, rest = parser.parse_known_args(arguments)
    except SystemExit as stop:
        # --help and --version, printed by argparse.
        sys.stdout.flush()
        return int(stop.code or 0)
    if rest:
        command = subparsers(parser)[parsed.command]
        assert isinstance(command, _Parser)
        command.unknown(rest[0])
    return int(_module(parsed.command).run(parsed))


def _refuse_misplaced(arguments: Sequence[str]) -> None:
    """Refuse what is no command, and a command that stands after its flags."""
    if not arguments:
        return
    first = arguments[0]
    if not first.startswith("-"):
        if first in LATER:
            raise NotYetSupported(f"workbench {first} comes in a later version; until then: {LATER[first]}")
        if first.startswith("sample:") or os.path.exists(first):
            raise UsageError(f"there is no command {first!r}; did you mean workbench open {first}?")
        raise UsageError(f"there is no command {first!r}{nearest(first, COMMANDS)} (one of {', '.join(COMMANDS)})")
    for word in arguments:
        if word in COMMANDS and not os.path.exists(word):
            others = " ".join(other for other in arguments if other != word)
            raise UsageError(f"flags stand after the command: workbench {word} {others}")


def _prepare_streams() -> None:
    """Make sure that both streams are there, and that no name can fail to be printed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Closed by the caller (`>&-`). Without this, messages would go where print finds a stream.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the life of the process
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(error: WorkbenchError, *, debug: bool) -> int:
    if debug:
        _traceback()
    for line in str(error).splitlines() or [type(error).__name__]:
        _say(line)
    return int(error.status)


def _traceback() -> None:
    import traceback

    from workbench.text import shown_lines

    for line in shown_lines(traceback.format_exc(), 2000):
        print(line, file=sys.stderr)


def _say(text: str) -> None:
    from workbench.text import shown

    # Standard error may be closed at the other end, too.
    with contextlib.suppress(BrokenPipeError):
        print(f"workbench: {shown(text, 2000)}", file=sys.stderr)
