"""The list of attack paths, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.graph import nodes
from workbench.tui import filtering
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
        text: The filter; ``is:critical`` and ``is:certain`` name a severity and a verdict, ``kind:Secret`` a kind of
            node on the path.
    """

    def quality(at: int, value: str) -> bool:
        return paths[at].severity == value or (value == "certain" and paths[at].verdict == "on")

    def kind(at: int, value: str) -> bool:
        return any(nodes.kind(node).lower() == value for node in paths[at].nodes)

    return [paths[at] for at in filtering.matching(hay, text, {"is": quality, "kind": kind})]


__all__ = ["PathList", "haystack", "matching", "path_lines"]
