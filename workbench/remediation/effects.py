"""All fixes of an analysis, ranked by what each does to the graph alone.

A fix's value is the number of entry → jewel pairs that lose every path when its own edges go (DESIGN, "Analysis"); of
those that cut none it is how many of the worst paths have to go another way.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from time import monotonic
from typing import TypeAlias

from workbench.analysis.choke import choke_points
from workbench.analysis.paths import Path, PathStep
from workbench.analysis.session import Analysis
from workbench.remediation.measure import Effect, Measure
from workbench.remediation.nearby import Nearby
from workbench.remediation.records import RISK_WEIGHT, Fix, Status, Turn

Ranked: TypeAlias = Callable[[Sequence[Fix], int, int], None]
"""Hears fixes that are measured, how many are, and how many there are in all."""

_BEST = 20
"""The fixes of so many choke points, and of so many paths, are measured first."""
WORST = 500
"""So many paths are the worst ones, of which fixes say whether they lose a step."""
_EVERY = 1.0
"""Seconds between two reports of progress."""


class Effects:
    """The effects of all fixes of an analysis; each is measured when somebody asks for it, or for all of them.

    Attributes:
        fixes: The fixes, not measured.
    """

    def __init__(self, analysis: Analysis, fixes: Iterable[Fix]) -> None:
        self._fixes = {fix.id: fix for fix in fixes}
        self.fixes: Sequence[Fix] = list(self._fixes.values())
        self._analysis = analysis
        self._measure = Measure(analysis)
        self._nearby = Nearby(analysis, self.fixes)
        self._known: dict[str, Effect] = {}
        self._by_pair: dict[tuple[str, str], list[Effect]] = {}
        self._ranked: list[Effect] | None = None
        # One thread ranks while others ask: for a moment each, so that nobody waits for the ranking.
        self._lock = threading.RLock()

    def ranked(self, progress: Ranked | None = None, turn: Turn | None = None) -> list[Effect]:
        """All of them, those that cut most first, then those that take most of the worst paths a step for their risk.

        Args:
            progress: Hears now and then what is measured so far, in this order too. What most paths need, and the
                best paths, come first.
            turn: Called before each; nobody waits for all of them.
        """
        if self._ranked is None:
            told = monotonic()
            effects: list[Effect] = []
            for fix in self._in_turn():
                if turn is not None:
                    turn(False)
                effects.append(self._of(fix))
                if monotonic() - told > _EVERY:
                    if progress is not None:
                        progress([effect.fix for effect in sorted(effects, key=_order)], len(effects), len(self.fixes))
                    # All of it stays: no search for garbage goes through it again.
                    gc.freeze()
                    told = monotonic()
            self._ranked = sorted(effects, key=_order)
        return self._ranked

    def measured(self, fixes: Iterable[Fix]) -> list[Fix]:
        """Some fixes with what each cuts, in the order of :meth:`ranked`."""
        return [effect.fix for effect in sorted((self._of(self._fixes[fix.id]) for fix in fixes), key=_order)]

    def _in_turn(self) -> Iterable[Fix]:
        """All fixes, first those of what most paths need and of the best paths."""
        paths = self._analysis.paths()
        edges = [(point.source, point.target or point.source) for point in choke_points(paths, _BEST)]
        for path in paths.paths(_BEST):
            edges += [(edge.source, edge.target) for step in path.steps for edge in step.edges]
        found = {fix.id: fix for edge in edges for fix in self._nearby.candidates(*edge)}
        return {**found, **self._fixes}.values()

    def for_step(self, step: PathStep, objects: Collection[str] = ()) -> list[Fix]:
        """The fixes that take a step away, the best recommendation first.

        Args:
            step: The step, of any query.
            objects: The ids of the objects that prove it: their fixes are tried if the step lies between no entry
                point and crown jewel, where nothing else is measured.
        """
        if self._ranked is None:
            for edge in step.edges:
                for fix in self._nearby.candidates(edge.source, edge.target):
                    self._of(fix)
        found = {effect.fix.id: effect for effect in self._cutting(step)}
        if not all(self._measure.between(edge.source, edge.target) for edge in step.edges):
            near = {*objects, step.source, step.target}
            for fix in self._fixes.values():
                if fix.target.id in near or near.intersection(fix.observed_on):
                    effect = self._of(fix)
                    self._complete(effect)
                    if self._takes(effect, step):
                        found[fix.id] = effect
        # Of what is equally good the first id comes first.
        order = sorted(found.values(), key=lambda effect: effect.fix.id)
        order.sort(key=lambda effect: (effect.fix.status is Status.READY, effect.merit), reverse=True)
        return [effect.fix for effect in order]

    def closing(self, path: Path, among: Collection[str]) -> list[str]:
        """The ids of those of some fixes that take any step of a path away, the best first."""
        if self._ranked is None:
            for identifier in among:
                if identifier in self._fixes:
                    self._of(self._fixes[identifier])
        found = {effect.fix.id: effect for step in path.steps for effect in self._cutting(step)}
        return [one.fix.id for one in sorted(found.values(), key=_order) if one.fix.id in among]

    def _of(self, fix: Fix) -> Effect:
        found = self._known.get(fix.id)
        if found is None:
            with self._lock:
                return self._measured(fix)
        return found

    def _measured(self, fix: Fix) -> Effect:
        found = self._known.get(fix.id)
        if found is None:
            found = self._measure.effect(fix)
            reroutes = self._rerouted(found)
            if reroutes:
                found.fix = found.fix.rerouting(reroutes)
            for pair in found.pairs:
                self._by_pair.setdefault(pair, []).append(found)
            self._known[fix.id] = found
        return found

    def _rerouted(self, effect: Effect) -> int:
        """How many of the worst paths lose a step by a fix."""
        near = {place: step for pair in self._worst.keys() & effect.pairs for place, step in self._worst[pair]}
        return len({path for (path, _), step in near.items() if self._takes(effect, step)})

    @cached_property
    def _worst(self) -> dict[tuple[str, str], list[tuple[tuple[int, int], PathStep]]]:
        """The steps of the worst paths, with the number of the path and of the step in it, by the pairs they use."""
        found: dict[tuple[str, str], list[tuple[tuple[int, int], PathStep]]] = {}
        for number, path in enumerate(self._analysis.paths().paths(WORST)):
            for at, step in enumerate(path.steps):
                for edge in step.edges:
                    found.setdefault((edge.source, edge.target), []).append(((number, at), step))
        return found

    def _cutting(self, step: PathStep) -> Iterable[Effect]:
        for edge in step.edges:
            for effect in self._by_pair.get((edge.source, edge.target), ()):
                if self._takes(effect, step):
                    yield effect

    def _takes(self, effect: Effect, step: PathStep) -> bool:
        """Whether a fix takes a step away: by none of the hubs, old or new, does it lead to its target."""
        with self._lock:
            return self._decides(effect, step)

    def _decides(self, effect: Effect, step: PathStep) -> bool:
        pairs = {(edge.source, edge.target) for edge in step.edges}
        if not effect.doubtful.isdisjoint(pairs):
            effect.removed, effect.doubtful = self._measure.decided(effect.fix), frozenset()
        if not effect.ways.isdisjoint(pairs):
            return not self._measure.lets(effect.fix, step.source, step.target)
        if effect.removed.isdisjoint(pairs):
            return False
        return not effect.added or not self._measure.joined(effect, step.source, step.target)

    def _complete(self, effect: Effect) -> None:
        with self._lock:
            if effect.measured:
                return
            effect.removed, effect.added = self._measure.recomputed(effect.fix)
            effect.measured = True


def effects(analysis: Analysis, fixes: Iterable[Fix]) -> Effects:
    """The effect of every fix.

    Fixes that cannot be made here (blocked, advisory) are measured too: what they would cut is worth knowing.
    """
    return Effects(analysis, fixes)


def _order(effect: Effect) -> tuple[int, float, float, str]:
    weight = RISK_WEIGHT[effect.fix.risk.level]
    return (-effect.fix.paths_cut, -effect.fix.reroutes / weight, weight, effect.fix.id)
