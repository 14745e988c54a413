"""The command bar's language: ``:path cluster-admin``, ``:open sample:shop``, ``:theme light``, ``:q``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.graph import nodes
from workbench.tui.actions import commands
from workbench.tui.kinds import WORDS, kind_named

WITH_ARGUMENT = {
    "path": "paths to a node, kind, label:k=v, jewels or cluster-admin; with two, from and to",
    "open": "sample:NAME, or the path of a snapshot or of manifests",
    "apply-to": "a context that fixes of a file are applied to",
    "ctx": "a context of the kubeconfig, and --as USER after it if you like; without one the list",
    "ns": "a namespace to limit what is listed to, or all",
    "theme": "dark, light, mono, or one of Textual's",
}

KIND = "kind"
"""The word of a command that shows a table: ``:pods``; its arguments are the kind and a filter."""

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
    if word == "ns" and not rest:
        return Command(KIND, ("Namespace",))
    if word == "ctx" and not rest:
        return Command("ctx")
    known = [*WITH_ARGUMENT, *commands(), "quit"]
    kind = kind_named(word) if word not in known else None
    if kind is not None:
        return Command(KIND, (kind, rest))
    if word not in known:
        near = [one for one in known if one.startswith(word)]
        if len(near) != 1:
            raise UnknownCommand(f"no command :{word}; there are {', '.join(sorted(known))}, and kinds such as pods")
        word = near[0]
    if word in WITH_ARGUMENT:
        if not rest:
            raise UnknownCommand(f":{word} needs {WITH_ARGUMENT[word]}")
        return Command(word, (rest,) if word in ("open", "ns", "apply-to") else tuple(rest.split()))
    return Command("q" if word == "quit" else word)


@dataclass(frozen=True, slots=True)
class Known:
    """Names that commands complete to."""

    samples: Sequence[str] = ()
    themes: Sequence[str] = ()
    targets: Sequence[str] = ()
    """Node ids that paths lead to."""
    namespaces: Sequence[str] = ()
    contexts: Sequence[str] = ()


def candidates(text: str, known: Known) -> Iterable[str]:
    """What a text may be completed to, the likeliest first.

    Args:
        text: What was typed so far.
        known: The names there are.
    """
    word, space, _ = text.partition(" ")
    if not space:
        yield from sorted([*WITH_ARGUMENT, *commands(), *WORDS])
    elif word == "open":
        yield from (f"open sample:{name}" for name in known.samples)
    elif word == "theme":
        yield from (f"theme {name}" for name in known.themes)
    elif word == "ns":
        yield from (f"ns {name}" for name in ("all", *known.namespaces))
    elif word in ("ctx", "apply-to"):
        yield from (f"{word} {name}" for name in known.contexts)
    elif word == "path":
        head = text[: text.rfind(" ") + 1]
        yield from (head + one for one in (*WORDS_FOR_PATH, *known.targets, *nodes.TAGS))
