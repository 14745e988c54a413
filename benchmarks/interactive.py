"""What an operator waits for at the keyboard: what-ifs and alternative paths, one sample for each."""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benchmarks.measure import Result

if TYPE_CHECKING:
    from workbench.analysis.session import Analysis
    from workbench.analysis.whatif import WhatIf
    from workbench.techniques.build import Bucket

WHAT_IFS = ((1, 80), (10, 60), (100, 60))
"""How many edges go at once, and how often."""
ALTERNATIVES = 100
FIXES = 60
SEED = 7


def interactive(data: Path) -> Result:
    """What-ifs to their first numbers and to all of them, real fixes, and the twenty next best paths."""
    from workbench.engine import Audit, PathQuery

    from workbench.analysis.alternatives import alternatives
    from workbench.analysis.choke import choke_points
    from workbench.sources.request import SourceKind, SourceRequest

    result = Result("interactive")
    random = Random(SEED)
    audit = Audit.load(SourceRequest(SourceKind.MANIFESTS, paths=(str(data),)))
    analysis = audit.analysis
    found = analysis.paths()
    numbers: list[int] = []

    edges = _Edges(analysis)
    for count, times in WHAT_IFS:
        for _ in range(times):
            chosen = random.sample(edges.between, min(count, len(edges.between)))
            numbers += edges.time(result, f"what-if, {count} edges", chosen)
    loaded = [point for point in choke_points(found) if point.target is not None][:10]
    for point in loaded:
        assert point.target is not None
        numbers += edges.time(result, "what-if, most loaded edges", edges.joining(point.source, point.target))

    for fix in random.sample(ready := [fix for fix in audit.fixes() if fix.status == "ready"], min(FIXES, len(ready))):
        with result.sample("fix, whole report"):
            report = audit.what_if([fix])
        numbers.append(report.paths_after)

    shown = audit.paths(PathQuery(limit=20 * ALTERNATIVES)).paths
    for path in random.sample(shown, min(ALTERNATIVES, len(shown))):
        with result.sample("20 alternatives"):
            others = alternatives(found, path.source, path.target, 20)
        numbers.append(len(others))
    result.counts = {"fixes": len(ready), "edges between": len(edges.between)}
    result.digest = {"numbers": hashlib.sha256(repr(numbers).encode()).hexdigest()[:16], "first": numbers[:8]}
    return result


class _Edges:
    """Records of the graph, to take away by their positions as a fix takes them away: bucket by bucket."""

    def __init__(self, analysis: Analysis) -> None:
        import numpy as np

        from workbench.analysis.reach import reached

        self.analysis = analysis
        self.found = analysis.paths()
        graph, compiled = analysis.graph, analysis.compiled
        inside = reached(compiled.forward, self.found.starts.numbers.tolist())
        inside &= reached(compiled.reverse, compiled.numbers(analysis.jewels).tolist())
        source = np.frombuffer(graph.source, np.int32)
        target = np.frombuffer(graph.target, np.int32)
        self.between: list[int] = np.flatnonzero(inside[source] & inside[target]).tolist()
        """The positions of the records that lie between an entry point and a crown jewel."""
        self._bucket: dict[int, tuple[int, str]] = {}
        wanted = set(self.between)
        for technique in range(len(graph.techniques)):
            for subject in graph.subjects(technique):
                for position in graph.bucket(technique, subject):
                    if position in wanted:
                        self._bucket[position] = (technique, subject)

    def joining(self, source: str, target: str) -> list[int]:
        """The positions of all records between two nodes."""
        return [
            position
            for position in self.between
            if (edge := self.analysis.graph.edge(position)).source == source and edge.target == target
        ]

    def buckets(self, positions: list[int]) -> list[Bucket]:
        """The buckets as they are without some records."""
        from workbench.techniques.build import Bucket

        graph, gone = self.analysis.graph, set(positions)
        return [
            Bucket(
                technique,
                subject,
                [graph.edge(position) for position in graph.bucket(technique, subject) if position not in gone],
                [],
            )
            for technique, subject in sorted({self._bucket[position] for position in positions})
        ]

    def time(self, result: Result, name: str, positions: list[int]) -> list[int]:
        """Time one what-if, and return its numbers."""
        from workbench.analysis.session import Query
        from workbench.analysis.whatif import WhatIf

        buckets = self.buckets(positions)
        with result.sample(f"{name}, first numbers"):
            what_if: WhatIf = WhatIf.__new__(WhatIf)
            what_if.base, what_if.query = self.analysis, Query()
            what_if.changed = self.analysis.after(self.analysis.view.overlay({}), buckets)
            first = what_if.first
        with result.sample(f"{name}, all numbers"):
            counts = what_if.counts
        return [first.entries_after, first.pods_after, *counts.values()]
