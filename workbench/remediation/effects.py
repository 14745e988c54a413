"""What each fix does to the graph, proved by laying it over the objects and recomputing what it touches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.analysis.paths import Path, PathStep
from workbench.analysis.session import Analysis
from workbench.analysis.whatif import WhatIf
from workbench.remediation.records import RISK_WEIGHT, Fix, Status


@dataclass(frozen=True, slots=True)
class Effect:
    """A fix with what it cuts alone, and the records that it takes away."""

    fix: Fix
    removed: frozenset[tuple[str, str]]
    """The pairs of nodes, hubs included, that nothing joins any more."""
    weakened: frozenset[tuple[str, str]]
    """The pairs that fewer techniques or causes join than before."""

    def cuts_step(self, step: PathStep) -> bool:
        """Whether the fix takes the step away."""
        return any((edge.source, edge.target) in self.removed for edge in step.edges)

    def cuts_path(self, path: Path) -> bool:
        """Whether the fix takes any step of the path away."""
        return any(self.cuts_step(step) for step in path.steps)

    @property
    def merit(self) -> float:
        """What orders recommendations: pairs cut for each unit of risk."""
        return self.fix.paths_cut / RISK_WEIGHT[self.fix.risk.level]


def effects(analysis: Analysis, fixes: Iterable[Fix]) -> list[Effect]:
    """The effect of every fix, those that cut most first, then by risk and id.

    Fixes that cannot be made here (blocked, advisory) are measured too: what they would cut is worth knowing.
    """
    found = [_effect(analysis, fix) for fix in fixes]
    return sorted(found, key=lambda effect: (-effect.fix.paths_cut, RISK_WEIGHT[effect.fix.risk.level], effect.fix.id))


def _effect(analysis: Analysis, fix: Fix) -> Effect:
    view, buckets = analysis.recomputed([fix.change])
    after = analysis.compiled.patched(buckets)
    removed: set[tuple[str, str]] = set()
    weakened: set[tuple[str, str]] = set()
    for source, target in after.changed_pairs:
        pair = (after.nodes[source], after.nodes[target])
        if after.edge_at(source, target) < 0:
            removed.add(pair)
        else:
            weakened.add(pair)
    if removed or weakened:
        before, now = analysis.paths(), WhatIf.of(analysis, view, buckets).after
        lost = {
            jewel: len(before.pairs_to(jewel)) - len(now.pairs_to(jewel))
            for jewel in before.jewels
        }
        fix = fix.with_cuts(
            max(0, before.pairs - now.pairs), (jewel for jewel, count in lost.items() if count > 0)
        )
    return Effect(fix, frozenset(removed), frozenset(weakened))


def for_step(known: Sequence[Effect], step: PathStep) -> list[Fix]:
    """The fixes that take a step away, the best recommendation first."""
    found = [effect for effect in known if effect.cuts_step(step)]
    found.sort(key=lambda effect: (effect.fix.status is not Status.READY, -effect.merit, effect.fix.id))
    return [effect.fix for effect in found]
