"""What an operator waits for at the keyboard: what-ifs and alternative paths, one sample for each."""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeVar

from benchmarks.measure import Result

if TYPE_CHECKING:
    from workbench.analysis.paths import Path as PathOf
    from workbench.analysis.session import Analysis
    from workbench.remediation.records import Fix
    from workbench.techniques.recompute import Bucket

WHAT_IFS = ((1, 80), (10, 60), (100, 60))
"""How many edges go at once, and how often."""
ALTERNATIVES = 100
FIXES = 60
SEED = 7
PATIENCE = 120.0
"""Seconds after which no more of a kind are run."""

T = TypeVar("T")


def interactive(data: Path) -> Result:
    """What-ifs to their first numbers and to all of them, real fixes, and the twenty next best paths."""
    from workbench.analysis.alternatives import alternatives
    from workbench.analysis.choke import choke_points
    from workbench.analysis.whatif import WhatIf
    from workbench.engine import Audit, PathQuery
    from workbench.remediation.catalogue import all_fixes
    from workbench.sources.request import SourceKind, SourceRequest

    result = Result("interactive")
    random = Random(SEED)
    audit = Audit.load(SourceRequest(SourceKind.MANIFESTS, paths=(str(data),)))
    analysis = audit.analysis
    found = analysis.paths()

    edges = _Edges(analysis)
    result.counts["edges between"] = len(edges.between)
    for count, times in WHAT_IFS:
        samples = [random.sample(edges.between, min(count, len(edges.between))) for _ in range(times)]
        _each(result, f"{count} edges", samples, lambda chosen, name: edges.time(result, name, chosen))
    loaded = [point for point in choke_points(found) if point.target is not None][:10]
    joining = [edges.joining(point.source, point.target or "") for point in loaded]
    _each(result, "most loaded edges", joining, lambda chosen, name: edges.time(result, name, chosen))

    ready = [fix for fix in all_fixes(audit.inventory) if fix.status == "ready"]
    result.counts["ready fixes"] = len(ready)
    # As the interface does once it has listed them (tui.jobs): what stays is not gone through for garbage again.
    gc.freeze()

    def fix_first(fix: Fix, name: str) -> list[int]:
        with result.sample(f"{name}, first numbers"):
            first = WhatIf(analysis, [fix.change]).first
        return [first.entries_after, first.pods_after]

    _each(result, "real fix", random.sample(ready, min(FIXES, len(ready))), fix_first)

    def others(path: PathOf, name: str) -> list[int]:
        with result.sample(name):
            return [len(alternatives(found, path.source, path.target, 20))]

    shown = audit.paths(PathQuery(limit=20 * ALTERNATIVES)).paths
    _each(result, "20 alternatives", random.sample(shown, min(ALTERNATIVES, len(shown))), others)
    return result


def fixes(data: Path) -> Result:
    """The first fix staged, all of them ranked, and the whole what-if report of some, as the screens ask for them."""
    from workbench.engine import Audit, PathQuery
    from workbench.sources.request import SourceKind, SourceRequest

    result = Result("fixes")
    audit = Audit.load(SourceRequest(SourceKind.MANIFESTS, paths=(str(data),)))
    steps = [step for path in audit.paths(PathQuery(limit=ALTERNATIVES)).paths for step in path.steps]
    with result.phase("first staged fix"):
        # As the interface does it: the numbers come before all fixes are ranked.
        best = next(fix for step in steps if (fix := audit.recommended(step)) is not None)
        audit.what_if([best], following=False)
    with result.phase("rank all"):
        ranked = audit.fixes()
    ready = [fix for fix in ranked if fix.status == "ready"]
    result.counts = {"fixes": len(ranked), "ready": len(ready)}
    result.digest = {**result.counts, "first": [fix.id for fix in ranked[:10]]}

    def report(fix: Fix, name: str) -> list[int]:
        with result.sample(f"{name}, whole report"):
            return [audit.what_if([fix]).paths_after]

    _each(result, "fix", Random(SEED).sample(ready, min(FIXES, len(ready))), report)
    return result


def _each(result: Result, name: str, items: Sequence[T], run: Callable[[T, str], list[int]]) -> None:
    """Run all of a kind, and keep their numbers; what takes too long is cut short, and its numbers are not kept."""
    end = time.perf_counter() + PATIENCE
    numbers: list[int] = []
    for item in items:
        numbers += run(item, name)
        if time.perf_counter() > end:
            return
    result.digest[name] = hashlib.sha256(repr(numbers).encode()).hexdigest()[:16]


class _Edges:
    """Records of the graph, to take away by their positions as a fix takes them away: bucket by bucket."""

    def __init__(self, analysis: Analysis) -> None:
        import numpy as np

        from workbench.analysis.arrays import reached

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
        from workbench.techniques.recompute import Bucket

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
        from workbench.analysis.whatif import WhatIf

        buckets = self.buckets(positions)
        with result.sample(f"what-if, {name}, first numbers"):
            what_if = WhatIf.of(self.analysis, self.analysis.view.overlay({}), buckets)
            first = what_if.first
        with result.sample(f"what-if, {name}, all numbers"):
            counts = what_if.counts
        return [first.entries_after, first.pods_after, *counts.values()]
