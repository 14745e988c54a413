"""The analysis of one view: its graph compiled once, and the questions that are asked of it."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from workbench.analysis import selectors
from workbench.analysis.admin import Admins, admins
from workbench.analysis.compiled import Compiled
from workbench.analysis.jewels import DECIDING, JEWEL_KEY, default_jewels, etcd, labelled, system_secrets, values
from workbench.analysis.paths import PathSet, find_paths
from workbench.analysis.replicas import Replicas
from workbench.analysis.starts import Holders, breached, holders
from workbench.errors import UsageError
from workbench.graph import nodes as node_ids
from workbench.graph.graph import Graph
from workbench.inventory.changes import Change, overlay
from workbench.inventory.inventory import Inventory
from workbench.techniques.api import Technique
from workbench.techniques.recompute import Bucket, recompute
from workbench.techniques.registry import all_techniques


@dataclass(frozen=True, slots=True)
class Query:
    """Where paths start and end, and what they may use; empty is the default of DESIGN."""

    sources: tuple[str, ...] = ()
    """Selectors of the entry points."""
    targets: tuple[str, ...] = ()
    """Selectors of the targets."""
    certain: bool = False
    """Only steps that the objects prove."""
    exclude: tuple[str, ...] = ()
    """Techniques that paths do without."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the default selection is made of, kept so that a what-if renews only what it touches."""

    breached: Set[str]
    holders: Holders
    labelled: tuple[str, ...]
    etcd: tuple[str, ...]
    secrets: tuple[str, ...]


class Analysis:
    """A view, its graph, and what follows from both.

    Attributes:
        view, graph, techniques: What is analysed.
        compiled: The graph as arrays, with every record.
        admins: Which identities are cluster admin.
        entries_changed: In a what-if, the entry points that went and those that came.
    """

    view: Inventory
    graph: Graph
    techniques: Sequence[Technique]
    compiled: Compiled
    admins: Admins
    _jewels: Mapping[str, float]

    def __init__(
        self,
        view: Inventory,
        graph: Graph,
        techniques: Sequence[Technique] | None = None,
        *,
        entry_points: Sequence[str] = (),
        crown_jewels: Sequence[str] = (),
        jewel_key: str = JEWEL_KEY,
    ) -> None:
        """Compile a graph.

        Args:
            view: The objects, not an overlay.
            graph: What :func:`workbench.techniques.build.build` made of them.
            techniques: What the graph was built from, all of the registry by default.
            entry_points: Selectors that the operator set in place of the default entry points.
            crown_jewels: Selectors of what the operator marked, beside the default crown jewels.
            jewel_key: The label or annotation that marks an object.
        """
        self.view = view
        self.graph = graph
        self.techniques = all_techniques() if techniques is None else techniques
        self._entry_points = tuple(entry_points)
        self._crown_jewels = tuple(crown_jewels)
        self._jewel_key = jewel_key
        self.compiled = Compiled(graph, self.techniques)
        self.admins = admins(self.compiled)
        self._parts = _Parts(
            breached=breached(view),
            holders=holders(view, self.compiled),
            labelled=tuple(labelled(view, self.compiled, jewel_key)),
            etcd=tuple(etcd(view)),
            secrets=tuple(
                system_secrets(
                    self.compiled.nodes[number] for number in np.flatnonzero(self.compiled.of_kind("Secret")).tolist()
                )
            ),
        )
        self._over: tuple[Analysis, Sequence[Bucket]] | None = None
        self._compiled: dict[tuple[bool, frozenset[str]], Compiled] = {(False, frozenset()): self.compiled}
        self._found: dict[Query, PathSet] = {}
        self._select()

    def _select(self, base: Analysis | None = None) -> None:
        if base is not None and self._same_jewels(base):
            self._jewels = base._jewels
        else:
            self._jewels = default_jewels(
                self.compiled,
                self.admins,
                secrets=self._parts.secrets,
                etcd=self._parts.etcd,
                marked=(*self._parts.labelled, *self._named(self._crown_jewels)),
            )
        self.entries_changed: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        if self._entry_points:
            self._entries = tuple(self._named(self._entry_points))
            if base is not None:
                before, after = set(base._entries), set(self._entries)
                self.entries_changed = frozenset(before - after), frozenset(after - before)
        elif base is None:
            held = {self.compiled.nodes[number] for number in np.flatnonzero(self._parts.holders.which).tolist()}
            # Sources list pods by name, and what is sorted already is sorted in a fraction of the time.
            self._entries = tuple(sorted([node_ids.INTERNET, *self._parts.breached, *(held - self.admins.direct)]))
        else:
            changed = {node for node in self._differing(base) if base._starts_at(node) != self._starts_at(node)}
            went = frozenset(node for node in changed if base._starts_at(node))
            self.entries_changed = went, frozenset(changed - went)
            if changed:
                entries = [node for node in base._entries if node not in went]
                for node in changed - went:
                    insort(entries, node)
                self._entries = tuple(entries)
            else:
                self._entries = base._entries

    def _same_jewels(self, base: Analysis) -> bool:
        """Whether nothing that makes crown jewels differs from the base."""
        before, after = base._parts, self._parts
        numbers = self.compiled.catalogue.numbers
        return (
            self.admins is base.admins
            and not self._crown_jewels
            and (after.labelled, after.etcd, after.secrets) == (before.labelled, before.etcd, before.secrets)
            and self.compiled.changed_techniques.isdisjoint(numbers.get(each) for each in DECIDING)
        )

    def _differing(self, base: Analysis) -> set[str]:
        """The nodes that may be default entry points here or in the base, but not in both."""
        before, after = base._parts, self._parts
        found = set(base.admins.direct ^ self.admins.direct) if base.admins is not self.admins else set()
        if before.breached is not after.breached:
            found |= before.breached ^ after.breached
        if before.holders is not after.holders:
            size = len(before.holders.which)
            differing = np.flatnonzero(before.holders.which != after.holders.which[:size]).tolist()
            differing += (size + np.flatnonzero(after.holders.which[size:])).tolist()
            found |= {self.compiled.nodes[number] for number in differing}
        return found

    def _starts_at(self, node: str) -> bool:
        """Whether a node is a default entry point: the internet, one of a breach, or one whose credentials leak."""
        if node == node_ids.INTERNET or node in self._parts.breached:
            return True
        number = self.compiled.number(node)
        which = self._parts.holders.which
        return number is not None and number < len(which) and bool(which[number]) and node not in self.admins.direct

    @cached_property
    def replicas(self) -> Replicas:
        """Which nodes are replicas of each other."""
        if self._over is None:
            return Replicas(self.view, self.compiled)
        return self._over[0].replicas.patched(self.view, self.compiled)

    def _named(self, given: Sequence[str]) -> list[str]:
        """What the operator's own selectors name; after a change they may name nothing."""
        return selectors.select(self.view, self.compiled, given, jewels=lambda: self._jewels, strict=False)

    @property
    def entries(self) -> tuple[str, ...]:
        """The entry points of an empty query, sorted."""
        return self._entries

    @property
    def jewels(self) -> dict[str, float]:
        """The crown jewels of an empty query and their values, sorted."""
        return dict(self._jewels)

    def select(self, given: Sequence[str]) -> list[str]:
        """The nodes that selectors name, sorted.

        Raises:
            UsageError: A selector matches nothing; the message names the nearest ids.
        """
        return selectors.select(self.view, self.compiled, given, jewels=lambda: self._jewels)

    def paths(self, query: Query | None = None) -> PathSet:
        """The best paths of a query, searched once.

        Raises:
            UsageError: A selector matches nothing, or an excluded technique is unknown.
        """
        query = query or Query()
        found = self._found.get(query)
        if found is None:
            sources = self.select(query.sources) if query.sources else self._entries
            targets = values(self.select(query.targets), self._jewels) if query.targets else self._jewels
            found = self._found[query] = find_paths(self.searched(query), self.replicas, sources, targets)
        return found

    def searched(self, query: Query) -> Compiled:
        """The graph with what a query leaves out left out.

        Raises:
            UsageError: An excluded technique is unknown.
        """
        unknown = [identifier for identifier in query.exclude if identifier not in self.compiled.catalogue.numbers]
        if unknown:
            raise UsageError(f"no technique is called {unknown[0]}; see: workbench techniques")
        key = (query.certain, frozenset(query.exclude))
        if key not in self._compiled:
            if self._over is None:
                self._compiled[key] = Compiled(self.graph, self.techniques, certain=key[0], exclude=key[1])
            else:
                base, buckets = self._over
                self._compiled[key] = base.searched(query).patched(buckets)
        return self._compiled[key]

    # --- what-if ----------------------------------------------------------------------------------

    def recomputed(self, changes: Iterable[Change]) -> tuple[Inventory, list[Bucket]]:
        """The overlay of some changes, and the buckets that they change, computed anew.

        Raises:
            FixError: A change does not fit its object.
            Conflict: Two changes contradict each other.
        """
        view = overlay(self.view, changes)
        # Most buckets come out as they were; nothing is to be kept of them.
        return view, [bucket for bucket in recompute(self.graph, view, self.techniques) if bucket.changes(self.graph)]

    def after(self, view: Inventory, buckets: Sequence[Bucket]) -> Self:
        """The analysis of an overlay, at the cost of the difference; equal to analysing it from the start.

        Args:
            view: An overlay of this analysis' view.
            buckets: The buckets that it changes; others do not matter.
        """
        new = type(self).__new__(type(self))
        new.view, new.graph, new.techniques = view, self.graph, self.techniques
        new._entry_points, new._crown_jewels = self._entry_points, self._crown_jewels
        new._jewel_key = self._jewel_key
        new.compiled = self.compiled.patched(buckets)
        new._over = (self, buckets)
        new._compiled = {(False, frozenset()): new.compiled}
        new.admins = self.admins if self.admins.stay(new.compiled) else admins(new.compiled, self.admins)
        new._parts = self._renewed(new)
        new._found = {}
        new._select(self)
        return new

    def _renewed(self, new: Analysis) -> _Parts:
        parts, view = self._parts, new.view
        went = {old.id for old, _ in view.replaced.get("containers", ()) if old is not None}
        came = {
            fresh.id for _, fresh in view.replaced.get("containers", ()) if fresh is not None and not fresh.pod.mirror
        }
        same_holders = parts.holders.stay(view, new.compiled)
        objects = [obj for pairs in view.replaced.values() for pair in pairs for obj in pair if obj is not None]
        # Pods stand in the table of pods too, where their template's labels are seen.
        marked = any(self._jewel_key in (entries or ()) for obj in objects for entries in _marks(obj))
        mirrors = any(pod.mirror for pair in view.replaced.get("pods", ()) for pod in pair if pod is not None)
        names = new.compiled.nodes[len(self.compiled.nodes) :]
        return _Parts(
            breached=parts.breached - went | came if went != came else parts.breached,
            holders=parts.holders if same_holders else holders(view, new.compiled, parts.holders),
            labelled=tuple(labelled(view, new.compiled, self._jewel_key)) if marked else parts.labelled,
            etcd=tuple(etcd(view)) if mirrors else parts.etcd,
            secrets=(*parts.secrets, *system_secrets(names)),
        )


def _marks(obj: Any) -> Iterable[Mapping[str, str | None] | None]:
    meta = getattr(obj, "metadata", obj)
    yield getattr(meta, "labels", None)
    yield getattr(meta, "annotations", None)
