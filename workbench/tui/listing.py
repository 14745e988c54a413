"""Paths to list, with what they are searched and limited by; made in a worker, narrowed on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.graph import nodes

if TYPE_CHECKING:
    from workbench.analysis.paths import Path
    from workbench.engine import PathQuery, PathReport

PATHS_LISTED = 10_000
"""How many paths the list holds; the worst come first, and :path narrows."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Some paths. The three sequences are parallel."""

    report: PathReport
    haystacks: Sequence[str]
    """What the filter searches, one text for each path of the report."""
    namespaces: Sequence[frozenset[str]]
    """The namespaces that each path touches."""
    among: int
    """How many paths these were chosen from."""
    found: int
    """How many there are of those, without the limit."""

    @classmethod
    def of(cls, report: PathReport) -> Listing:
        """List the paths of a report."""
        from workbench.tui.widgets.path_list import haystack

        return cls(
            report,
            [haystack(path) for path in report.paths],
            [namespaces_of(path) for path in report.paths],
            among=len(report.paths),
            found=report.total,
        )

    def only(self, places: Sequence[int]) -> Listing:
        """Some of the paths, by their places."""
        paths = [self.report.paths[at] for at in places]
        severities = {name: sum(path.severity == name for path in paths) for name in self.report.severities}
        report = replace(self.report, paths=paths, total=len(paths), severities=severities)
        return replace(
            self,
            report=report,
            haystacks=[self.haystacks[at] for at in places],
            namespaces=[self.namespaces[at] for at in places],
        )

    @property
    def limit_text(self) -> str:
        """What a list says of the paths that it leaves out, empty where it leaves none out."""
        return f"of the worst {self.among:,} of {self.found:,}" if self.among < self.found else ""

    def within(self, namespace: str) -> Listing:
        """The paths that touch a namespace; all of them for an empty name."""
        if not namespace:
            return self
        return self.only([at for at, touched in enumerate(self.namespaces) if namespace in touched])


def namespaces_of(path: Path) -> frozenset[str]:
    """The namespaces that a path touches: those of its nodes, and those that are nodes."""
    return frozenset(
        nodes.name(node) if nodes.kind(node) == "Namespace" else nodes.namespace(node) for node in path.nodes
    )


def listed_paths(sources: tuple[str, ...] = (), targets: tuple[str, ...] = ()) -> PathQuery:
    """The query for the paths that the list shows (in a worker)."""
    from workbench.engine import PathQuery

    return PathQuery(sources=sources, targets=targets, limit=PATHS_LISTED)
