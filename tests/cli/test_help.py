"""The help: every command has one, every example in it runs, every flag in it is explained."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from workbench import __version__
from workbench.cli import COMMANDS, EPILOG, make_parser, subparsers

PARSERS = subparsers(make_parser())


def examples(epilog: str) -> list[str]:
    """The command lines of a help's examples, without the remark beside them."""
    lines = re.findall(r"^  (workbench .*)$", epilog, re.MULTILINE)
    return [re.split(r"\s{2,}|\s\|", line)[0] for line in lines]


EXAMPLES = [("workbench", line) for line in examples(EPILOG)] + [
    (name, line) for name, parser in PARSERS.items() for line in examples(parser.epilog or "")
]


def test_every_command_has_examples() -> None:
    assert list(PARSERS) == list(COMMANDS)
    assert {name for name, _ in EXAMPLES} == {"workbench", *COMMANDS}


WRITES = ("apply", "undo")
"""Commands whose examples are run where there is something to change (``test_apply``)."""


@pytest.mark.parametrize("line", [line for name, line in EXAMPLES if name not in WRITES])
@pytest.mark.usefixtures("live")
def test_every_example_runs(line: str, run: Run, deploy: Path) -> None:
    program, *arguments = shlex.split(line)
    assert program == "workbench"
    done = run(*arguments)
    if arguments[0] == "open" or arguments[0].startswith("-"):
        assert (done.status, done.out, done.err) == (2, "", "workbench: needs a terminal; try workbench paths\n")
    elif arguments[0] == "collect":
        assert (done.status, done.out) == (0, "")
        assert (deploy / arguments[-1]).stat().st_size > 100
    else:
        assert done.status == 0, done.err
        assert done.out.strip()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name: str, run: Run) -> None:
    done = run(name, "--help")
    assert (done.status, done.err) == (0, "")
    assert "examples:" in done.out
    assert "--debug" in done.out
    assert run("help", name).out == done.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_is_explained(name: str) -> None:
    for action in PARSERS[name]._actions:
        assert action.help, (name, action.option_strings or action.dest)


def test_the_help_lists_every_command_in_one_line_each(run: Run) -> None:
    done = run("--help")
    assert done.status == 0
    for name in COMMANDS:
        assert re.search(rf"^    {name} +\S", done.out, re.MULTILINE), name


@pytest.mark.parametrize("before", [[], *([name] for name in COMMANDS)])
def test_version_everywhere(before: list[str], run: Run) -> None:
    done = run(*before, "--version")
    assert (done.status, done.out) == (0, f"workbench {__version__}\n")


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["--debug", "--keep-going"])
def test_flags_that_every_command_takes(name: str, flag: str) -> None:
    assert flag in PARSERS[name]._option_string_actions


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("techniques", "samples", "completion")])
def test_the_source_flags_are_the_same_for_all_commands(name: str) -> None:
    def flags(parser: argparse.ArgumentParser) -> dict[str, str | None]:
        wanted = ("manifests", "snapshot", "sample", "server_version", "default_namespace", "keep_going")
        return {action.dest: action.help for action in parser._actions if action.dest in wanted}

    assert len(flags(PARSERS[name])) == 6
    assert flags(PARSERS[name]) == flags(PARSERS["paths"])
