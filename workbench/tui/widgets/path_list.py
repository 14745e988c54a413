"""The list of attack paths, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.tui.names import short
from workbench.tui.text import Spans, count, shown
from workbench.tui.widgets.line_list import LineList
from workbench.tui.widgets.severity import severity_span

if TYPE_CHECKING:
    from workbench.analysis.paths import Path


def path_lines(path: Path, *, cut: bool) -> list[Spans]:
    """Three lines: how bad and from where, to where, how."""
    steps = count(len(path.steps), "step")
    facts = "certain" if not path.missing else f"assumes {shown(', '.join(path.missing))}"
    how: Spans = (
        (f"     {steps}  {path.risk:.1f}  ", "muted"),
        (facts, "muted" if path.verdict == "on" else "warning"),
    )
    if path.count > 1:
        how = (*how, (f"  ×{path.count}", "muted"))
    if cut:
        how = (how[0], ("staged", "added"), ("" if path.verdict == "on" else ", assumed", "warning"))
    return [
        (severity_span(path.severity), ("  ", ""), (short(path.source), "")),
        (("     -> ", "muted"), (short(path.target), "strong")),
        how,
    ]


class PathList(LineList["Path"]):
    """Paths, three lines each."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cut: frozenset[str] = frozenset()
        """The ids of the paths that the staged fixes close."""

    def paint(self, item: Path, cells: int) -> list[Spans]:
        """The three lines of a path."""
        return path_lines(item, cut=item.id in self.cut)

    def row_height(self, item: Path) -> int:
        """Three."""
        return 3

    def set_cut(self, cut: frozenset[str]) -> None:
        """Mark the paths that the staged fixes close."""
        if cut != self.cut:
            self.cut = cut
            self.repaint()


def haystack(path: Path) -> str:
    """What the filter searches: every node and title of a path, in lower case."""
    parts = [path.severity, path.source, path.target, path.id]
    for step in path.steps:
        parts += [step.target, step.title, step.technique]
    return " ".join(parts).lower()


def matching(paths: Sequence[Path], hay: Sequence[str], text: str) -> list[Path]:
    """The paths that a filter keeps.

    Args:
        paths: All paths.
        hay: The haystack of each.
        text: Words that must all occur; ``!word`` must not; ``is:critical`` and ``is:certain`` name a severity and
            a verdict, ``kind:Secret`` a kind of node on the path; ``-f`` before a word makes it match fuzzily.
    """
    from workbench.graph import nodes

    kept = list(range(len(paths)))
    fuzzy = False
    for word in text.lower().split():
        if word == "-f":
            fuzzy = True
            continue
        inverse = word.startswith("!") and len(word) > 1
        needle = word[1:] if inverse else word
        if needle.startswith("is:"):
            wanted = needle[3:]
            keep = [
                at
                for at in kept
                if (paths[at].severity == wanted or (wanted == "certain" and paths[at].verdict == "on")) != inverse
            ]
        elif needle.startswith("kind:"):
            wanted = needle[5:]
            keep = [
                at
                for at in kept
                if any(
                    nodes.kind(node).lower() == wanted
                    for node in (paths[at].source, *(step.target for step in paths[at].steps))
                )
                != inverse
            ]
        elif fuzzy:
            keep = [at for at in kept if _fuzzy(needle, hay[at]) != inverse]
        else:
            keep = [at for at in kept if (needle in hay[at]) != inverse]
        kept = keep
        fuzzy = False
    return [paths[at] for at in kept]


def _fuzzy(needle: str, text: str) -> bool:
    """Whether the letters occur in this order within one word."""
    for word in text.split():
        at = 0
        for letter in needle:
            at = word.find(letter, at) + 1
            if not at:
                break
        else:
            return True
    return False


__all__ = ["PathList", "haystack", "matching", "path_lines"]
