"""What-if: what changes of objects do to the paths, proved by the techniques themselves.

The changes are laid over the objects, the techniques recompute the buckets that this touches, the arrays are edited
where records came or went, and only those searches run again whose distances can differ: an edge that lies on no
shortest path to a jewel, before or after, changes nothing for that jewel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from workbench.analysis.arrays import Bools, Ints
from workbench.analysis.compiled import Compiled
from workbench.analysis.jewels import values
from workbench.analysis.leading import Leading
from workbench.analysis.paths import Entries, Path, PathSet
from workbench.analysis.search import Searches, Tree, grouped
from workbench.analysis.session import Analysis, Query
from workbench.analysis.uncollected import uncollected
from workbench.inventory.changes import Change
from workbench.inventory.inventory import Inventory
from workbench.techniques.recompute import Bucket


@dataclass(frozen=True, slots=True)
class First:
    """The first numbers, from two searches: how much is still reachable at all."""

    entries_before: int
    """Entry points that lead to some crown jewel."""
    entries_after: int
    pods_before: int
    """Pods that the internet leads into."""
    pods_after: int


class WhatIf:
    """The paths before and after some changes.

    Attributes:
        base: The analysis as it is.
        changed: The analysis with the changes laid over.
        query: What is asked of both.
    """

    def __init__(self, base: Analysis, changes: Iterable[Change], query: Query | None = None) -> None:
        """Lay the changes over and recompute what they touch.

        Args:
            base: The analysis as it is.
            changes: The changes, together.
            query: Whose paths to compare.

        Raises:
            FixError: A change does not fit its object.
            Conflict: Two changes contradict each other.
            UsageError: A selector of the query matches nothing.
        """
        self.base = base
        self.query = query or Query()
        with uncollected():
            view, buckets = base.recomputed(changes)
            self.changed = base.after(view, buckets)

    @classmethod
    def of(cls, base: Analysis, view: Inventory, buckets: Sequence[Bucket], query: Query | None = None) -> Self:
        """The same from buckets that are recomputed already (:meth:`Analysis.recomputed`)."""
        new = cls.__new__(cls)
        new.base, new.query = base, query or Query()
        new.changed = base.after(view, buckets)
        return new

    # --- the sets ---------------------------------------------------------------------------------

    @cached_property
    def before(self) -> PathSet:
        """The paths as they are."""
        return self.base.paths(self.query)

    @cached_property
    def _starts(self) -> Entries:
        """The entry points after the changes."""
        known = self.before.starts
        if self.query.sources:
            remaining = [node for node in known.ids if self._remains(node)]
            return known if len(remaining) == len(known.ids) else Entries.of(self._compiled, remaining)
        went, came = self.changed.entries_changed
        return known.changed(self._compiled, went, came)

    @cached_property
    def _jewels(self) -> dict[str, float]:
        """The crown jewels after the changes."""
        if self.query.targets:
            return values(self.before.jewels, self.changed.jewels)
        return self.changed.jewels

    @property
    def _compiled(self) -> Compiled:
        return self.changed.searched(self.query)

    @cached_property
    def after(self) -> PathSet:
        """The paths with the changes."""
        before, starts, leading = self.before, self._starts, self._leading
        goals = leading.compiled.numbers(self._jewels).tolist()
        known = {tree.targets: tree for tree in before.trees}
        differs = _Differs(before, leading.compiled)
        replicas = self.changed.replicas
        trees: list[Tree] = []
        searches = None
        for group in grouped(leading, starts.numbers, goals):
            tree = known.get(group)
            same = tree is not None and not differs(tree)
            if tree is not None and same and starts is before.starts:
                trees.append(tree)
                continue
            searches = searches or Searches(leading, replicas, starts.numbers)
            distance = None
            if tree is not None and same and leading.nodes is tree.nodes:
                distance = tree.distances(leading.folded.anchors)
            trees.append(searches.tree(group, distance))
        return PathSet(leading.compiled, replicas, starts, dict(sorted(self._jewels.items())), leading, trees)

    @cached_property
    def _leading(self) -> Leading:
        """What leads to the crown jewels after the changes."""
        compiled = self._compiled
        return self.before.leading.after(compiled, compiled.numbers(self._jewels).tolist())

    def _remains(self, node: str) -> bool:
        """Whether an entry point is still there: a container may go with a change."""
        replaced = self.changed.view.replaced
        return not any(
            old is not None and old.id == node and new is None
            for kind in ("containers", "pods")
            for old, new in replaced.get(kind, ())
        )

    # --- numbers ----------------------------------------------------------------------------------

    @cached_property
    def first(self) -> First:
        """The first numbers; they need no distances."""
        return First(
            self.before.entries_leading,
            self._entries_leading,
            self.before.compiled.pods_from_internet,
            self._compiled.pods_from_internet,
        )

    @cached_property
    def _entries_leading(self) -> int:
        before, starts = self.before, self._starts
        if self._jewels.keys() == before.jewels.keys():
            lost = before.leading.lost(self._compiled, before.compiled.numbers(before.jewels).tolist())
            if lost is not None:
                if not len(lost) and starts is before.starts:
                    return before.entries_leading
                leads = np.ones(len(before.leading.nodes), np.bool_)
                leads[lost] = False
                return int(np.count_nonzero(leads[before.leading.inside(starts.numbers)]))
        # One search of the whole graph is quicker than to cut out what leads to the jewels, which all numbers need.
        leads = self._compiled.leading_to(self._compiled.numbers(self._jewels).tolist())
        return int(np.count_nonzero(leads[starts.numbers]))

    @property
    def severities(self) -> dict[str, tuple[int, int]]:
        """How many paths there are of each severity, before and after."""
        before, after = self.before.severities, self.after.severities
        return {severity: (count, after[severity]) for severity, count in before.items()}

    @property
    def jewels(self) -> dict[str, tuple[int, int]]:
        """How many entry points lead to each crown jewel, before and after, sorted by id."""
        ids = sorted({*self.before.jewels, *self.after.jewels})
        return {node: (len(self.before.pairs_to(node)), len(self.after.pairs_to(node))) for node in ids}

    @property
    def pairs(self) -> tuple[int, int]:
        """How many pairs of an entry point and a crown jewel have a path, before and after."""
        return self.before.pairs, self.after.pairs

    @cached_property
    def pods_from_internet(self) -> tuple[int, int]:
        """How many pods the internet leads into, before and after."""
        return self.first.pods_before, self.first.pods_after

    # --- paths ------------------------------------------------------------------------------------

    @cached_property
    def _closed(self) -> Bools:
        return ~self.before.having(lambda target: self.after.pairs_to(self.before.compiled.nodes[target]))

    @cached_property
    def _opened(self) -> Bools:
        return self.after.having(self._new_pairs)

    def _new_pairs(self, target: int) -> Ints:
        node = self.after.compiled.nodes[target]
        return np.setdiff1d(self.after.pairs_to(node), self.before.pairs_to(node), assume_unique=True)

    @property
    def counts(self) -> dict[str, int]:
        """How many paths are closed, left and newly opened."""
        closed, opened = int(self._closed.sum()), int(self._opened.sum())
        return {"closed": closed, "left": len(self._opened) - opened, "opened": opened}

    def closed(self, limit: int | None = None) -> list[Path]:
        """The paths before the changes whose entry points have no way to the jewel any more."""
        return self.before.listed(self._closed, limit)

    def left(self, limit: int | None = None) -> list[Path]:
        """The paths after the changes between ends that were joined before; the way may be another one."""
        return self.after.listed(~self._opened, limit)

    def opened(self, limit: int | None = None) -> list[Path]:
        """The paths after the changes between ends that were not joined before."""
        return self.after.listed(self._opened, limit)


class _Differs:
    """Whether what a search found may differ after a change: exact for distances, wide for how a path is described."""

    def __init__(self, before: PathSet, after: Compiled) -> None:
        old, size = before.compiled.arrays, len(before.compiled.nodes)
        rows: list[tuple[int, int, float, float]] = []
        for source, target, best in after.joined:
            place = old.place(source, target) if target < size else -1
            was = old.best(place) if place >= 0 else None
            if was != best:
                lost, won = (np.inf if each is None else each.weight for each in (was, best))
                rows.append((source, target, lost, won))
        pairs = np.array([row[:2] for row in rows], np.int64).reshape(-1, 2)
        self._source, self._target = (before.leading.places(pairs[:, end]) for end in (0, 1))
        self._lost, self._won = (np.array([row[at] for row in rows], np.float64) for at in (2, 3))

    def __call__(self, tree: Tree) -> bool:
        """Whether it may be so for a search before the change."""
        far, near = tree.distances(self._source), tree.distances(self._target)
        tight = (self._lost + near == far) | (self._won + near <= far)
        return bool(np.any(tight & np.isfinite(near)))
