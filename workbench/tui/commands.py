"""The command bar's language: ``:path cluster-admin``, ``:open sample:shop``, ``:theme light``, ``:q``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.graph import nodes
from workbench.tui.actions import commands

WITH_ARGUMENT = {
    "path": "paths to a node, kind, label:k=v, jewels or cluster-admin; with two, from and to",
    "open": "sample:NAME, or the path of a snapshot or of manifests",
    "theme": "dark, light, mono, or one of Textual's",
}

WORDS_FOR_PATH = ("cluster-admin", "internet", "jewels")


@dataclass(frozen=True, slots=True)
class Command:
    """A word and what follows it."""

    word: str
    arguments: tuple[str, ...] = ()


class UnknownCommand(Exception):
    """Nothing is called that."""


def parse(text: str) -> Command | None:
    """What was typed, ``None`` for nothing.

    Raises:
        UnknownCommand: The first word is no command, or lacks its argument; the message says what would do.
    """
    word, _, rest = text.strip().removeprefix(":").strip().partition(" ")
    if not word:
        return None
    rest = rest.strip()
    known = [*WITH_ARGUMENT, *commands(), "quit"]
    if word not in known:
        near = [one for one in known if one.startswith(word)]
        if len(near) != 1:
            raise UnknownCommand(f"no command :{word}; there are {', '.join(sorted(known))}")
        word = near[0]
    if word in WITH_ARGUMENT:
        if not rest:
            raise UnknownCommand(f":{word} needs {WITH_ARGUMENT[word]}")
        return Command(word, (rest,) if word == "open" else tuple(rest.split()))
    return Command("q" if word == "quit" else word)


def candidates(text: str, samples: Sequence[str], themes: Sequence[str], targets: Sequence[str]) -> Iterable[str]:
    """What a text may be completed to, the likeliest first.

    Args:
        text: What was typed so far.
        samples: Names of sample clusters.
        themes: Names of themes.
        targets: Node ids that paths lead to.
    """
    word, space, _ = text.partition(" ")
    if not space:
        yield from sorted([*WITH_ARGUMENT, *commands()])
    elif word == "open":
        yield from (f"open sample:{name}" for name in samples)
    elif word == "theme":
        yield from (f"theme {name}" for name in themes)
    elif word == "path":
        head = text[: text.rfind(" ") + 1]
        yield from (head + one for one in (*WORDS_FOR_PATH, *targets, *nodes.TAGS))
