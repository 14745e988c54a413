"""What can be typed next: the table behind the completion scripts, and completion for ``kubectl workbench``.

kubectl runs ``kubectl_complete-workbench`` with the words after ``kubectl workbench``, the last of them unfinished and
perhaps empty, and reads the answer in the protocol of Cobra (``completions.go``): one candidate a line, a description
after a tab, and in the last line ``:`` with what the shell may do besides.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DEFAULT = 0
"""Cobra's ShellCompDirectiveDefault: where there is no candidate, the shell completes the names of files."""

NO_FILES = 4
"""Cobra's ShellCompDirectiveNoFileComp."""


@dataclass(frozen=True)
class Values:
    """What an option takes."""

    words: tuple[str, ...] = ()
    """Those that can be listed."""
    files: bool = False
    """Whether it takes the name of a file or directory."""
    many: bool = False
    """Whether it takes several in one go."""


@dataclass(frozen=True)
class Command:
    """What can stand after a command."""

    help: str
    flags: Mapping[str, Values | None]
    """What each option takes; ``None`` if nothing."""
    helps: Mapping[str, str]
    """What each option does."""
    words: tuple[str, ...]
    """The values of its positional argument."""
    files: bool
    """Whether that may be a file."""

    def long(self) -> list[str]:
        """The long options."""
        return [flag for flag in self.flags if flag.startswith("--")]


def commands() -> dict[str, Command]:
    """The commands, in the order of the help."""
    from workbench.cli import make_parser, subparsers
    from workbench.sources.samples import samples
    from workbench.techniques.registry import public_techniques

    names = tuple(sample.name for sample in samples())
    techniques = tuple(technique.id for technique in public_techniques())
    listed = {
        "sample": names,
        "exclude_technique": techniques,
        "technique": techniques,
        "source": tuple(f"sample:{name}" for name in names),
        "theme": ("dark", "light"),
        "sources": ("internet",),
        "targets": ("cluster-admin", "jewels"),
        "fix": ("all-ready",),
    }
    out: dict[str, Command] = {}
    for name, parser in subparsers(make_parser()).items():
        flags: dict[str, Values | None] = {}
        helps: dict[str, str] = {}
        words: tuple[str, ...] = ()
        files = False
        for action in parser._actions:
            if action.help is argparse.SUPPRESS:
                continue
            values = Values(
                words=tuple(map(str, action.choices)) if action.choices else listed.get(action.dest, ()),
                files=action.dest in ("manifests", "snapshot", "output") and not action.choices,
                many=action.nargs == "+",
            )
            for flag in action.option_strings:
                flags[flag] = None if action.nargs == 0 else values
                helps[flag] = action.help or ""
            if not action.option_strings:
                words, files = values.words, action.dest == "source"
        out[name] = Command(
            (parser.description or "").partition("\n")[0], dict(sorted(flags.items())), helps, words, files
        )
    return out


def complete(typed: Sequence[str], current: str) -> tuple[list[tuple[str, str]], int]:
    """What can stand in place of an unfinished word.

    Args:
        typed: The finished words after the program's name.
        current: The unfinished one.

    Returns:
        The candidates that begin with it, each with its description, and the directive of Cobra.
    """
    known = commands()
    command = ""
    pending: Values | None = None
    for word in typed:
        if word.startswith("-") and word != "-":
            # Without a command it is `open`.
            pending = known[command or "open"].flags.get(word)
        elif not command and pending is None and word in known:
            command = word
        elif pending is not None and not pending.many:
            pending = None
    here = known[command or "open"]
    flag, equals, begun = current.partition("=")
    if current.startswith("-") and equals:
        taken = here.flags.get(flag)
        found = [(f"{flag}={word}", "") for word in taken.words if word.startswith(begun)] if taken else []
        return found, DEFAULT if taken and taken.files else NO_FILES
    if current.startswith("-"):
        return [(flag, here.helps[flag]) for flag in here.long() if flag.startswith(current)], NO_FILES
    if pending is not None:
        words, files = [(word, "") for word in pending.words], pending.files
    elif command:
        # Where nothing but options can follow, these are what is wanted.
        words = [(word, "") for word in here.words] or [(flag, here.helps[flag]) for flag in here.long()]
        files = here.files
    else:
        words, files = [(name, other.help) for name, other in known.items()], False
    return [(word, help) for word, help in words if word.startswith(current)], DEFAULT if files else NO_FILES


def main() -> int:
    """Answer kubectl: ``kubectl_complete-workbench WORD... UNFINISHED``."""
    *typed, current = sys.argv[1:] or [""]
    found, directive = complete(typed, current)
    lines = [f"{word}\t{help}" if help else word for word, help in found]
    sys.stdout.write("\n".join([*lines, f":{directive}", ""]))
    return 0
