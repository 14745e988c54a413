"""What the command line of a container says: flags with their values.

Of most flags the inventory knows the name alone (``inventory.arguments``), and nothing of scripts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from workbench.inventory.arguments import DROPPED
from workbench.inventory.objects import Container

_FLAG = re.compile(r"^--?([A-Za-z][\w.-]*)(?:(?:=|\s+)(.*))?$", re.DOTALL)
_SCRIPT = re.compile(r"^-[a-z]*c$")


class CommandLine(NamedTuple):
    """A command with its arguments."""

    words: tuple[str, ...]
    flags: dict[str, list[str]]
    """The values of each flag by its name without dashes; the empty text for one without, or whose value is dropped."""
    hidden: bool
    """Whether a part that is no flag's value is dropped: a script, or what has blanks in it."""

    def has(self, *names: str) -> bool:
        """Whether one of some flags is given."""
        return any(name in self.flags for name in names)

    def values(self, *names: str) -> list[str]:
        """The values of some flags."""
        return [value for name in names for value in self.flags.get(name, ())]

    def is_true(self, name: str) -> bool:
        """Whether a boolean flag is on; one without a value is."""
        return name in self.flags and self.flags[name][-1].lower() in ("", "true", "t", "1")

    def is_false(self, name: str) -> bool:
        """Whether a boolean flag is turned off."""
        return name in self.flags and self.flags[name][-1].lower() in ("false", "f", "0")

    @property
    def program(self) -> str:
        """The file name of the first word, empty if the image decides what runs."""
        return self.words[0].rpartition("/")[2] if self.words else ""


def command_line(container: Container) -> CommandLine:
    """The command line of a container."""
    words = (*(container.command or ()), *(container.args or ()))
    return CommandLine(words, flags_of(words), _hidden(words))


def flags_of(words: Sequence[str]) -> dict[str, list[str]]:
    """The values of each flag among some words, by its name without dashes; a value may be the next word."""
    found: dict[str, list[str]] = {}
    for at, word in enumerate(words):
        match = _FLAG.match(word)
        if match is None:
            continue
        value = match[2]
        if value is None:
            following = words[at + 1] if at + 1 < len(words) else ""
            value = "" if following.startswith("-") or following == DROPPED else following
        found.setdefault(match[1], []).append(value)
    return found


def _hidden(words: Sequence[str]) -> bool:
    for at, word in enumerate(words):
        if word == DROPPED:
            before = words[at - 1] if at else ""
            if not before.startswith("-") or _SCRIPT.match(before):
                return True
    return False
