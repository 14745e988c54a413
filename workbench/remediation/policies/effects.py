"""What a network policy takes from the ways to the crown jewels, from what it moves between the network's hubs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from workbench.analysis.arrays import Bools, Ints
from workbench.analysis.session import Analysis
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import NetworkPolicy
from workbench.remediation.forest import Pair
from workbench.remediation.nearby import forwarding
from workbench.remediation.policies.cuts import NetworkCut, network_cut
from workbench.techniques.recompute import Bucket
from workbench.techniques.touched import subject_of

_Key: TypeAlias = tuple[int, str]
"""A bucket: the number of its technique, and its subject."""

OF_GROUPS = frozenset({"NET_REACH", "MEMBER_NETWORK"})
"""The techniques of the network's hubs, which :func:`network_cut` knows."""


@dataclass(frozen=True, slots=True)
class PolicyDifference:
    """What a policy parts and brings; pairs of nodes are numbers, a row each."""

    removed: Ints
    """The ways over hubs."""
    doubtful: Ints
    """The pairs that other techniques join and policies decide: some of them may go."""
    added: Ints
    """What stands for the ways over hubs, by nodes that the graph does not have."""
    cut: NetworkCut


class PolicyEffects:
    """Works out the difference that policies make, one after the other."""

    def __init__(self, analysis: Analysis, between: Bools) -> None:
        """Prepare it.

        Args:
            analysis: The graph.
            between: The nodes between the entry points and the crown jewels, all others do not count.
        """
        self._analysis = analysis
        self._compiled = analysis.compiled
        self._between = between
        self._numbers: dict[frozenset[str], Ints] = {}

    def of(self, policy: NetworkPolicy) -> PolicyDifference | None:
        """The difference, ``None`` if the policy parts nothing that counts.

        Args:
            policy: The policy.
        """
        cut = network_cut(self._analysis.view, policy, self._counts)
        doubtful = [pair for _, pairs in self._decided(cut) for pair in pairs]
        if not cut.removed and not doubtful:
            return None
        parts = [np.zeros((0, 2), np.int64)]
        new = len(self._compiled.nodes)
        for moved in cut.moved:
            sources = self._relevant(moved.containers)
            parts.append(_rows(sources, np.full(len(sources), new)))
            excepted = self._relevant(moved.excepted)
            for endpoints in moved.endpoints:
                targets = self._relevant(endpoints)
                if len(excepted):
                    targets = targets[~np.isin(targets, excepted)]
                parts.append(_rows(np.full(len(targets), new), targets))
            new += 1
        removed = [(self._number(source), self._number(target)) for source, target in cut.removed]
        return PolicyDifference(_pairs(removed), _pairs(doubtful), np.concatenate(parts), cut)

    def others(self, changed: Inventory, cut: NetworkCut) -> list[Bucket]:
        """The buckets of other techniques that policies decide and that hold what is selected, computed anew.

        Args:
            changed: The overlay with the policy.
            cut: What it does to the network's steps.
        """
        out: list[Bucket] = []
        for (number, key), _ in self._decided(cut):
            technique = self._analysis.techniques[number]
            subject = subject_of(technique, changed, key)
            found = technique.detect(changed, subject) if subject is not None else ()
            out.append(Bucket.of(technique, number, key, found))
        return out

    def _counts(self, node: str) -> bool:
        number = self._compiled.number(node)
        return number is not None and bool(self._between[number])

    def _number(self, node: str) -> int:
        number = self._compiled.number(node)
        assert number is not None
        return number

    def _relevant(self, nodes: frozenset[str]) -> Ints:
        known = self._numbers.get(nodes)
        if known is None:
            known = self._numbers[nodes] = np.array(
                [self._number(each) for each in nodes if self._counts(each)], np.int64
            )
        return known

    # --- other techniques that policies decide ----------------------------------------------------

    def _decided(self, cut: NetworkCut) -> Iterable[tuple[_Key, list[Pair]]]:
        """Their buckets with records from or to what a policy selects, and the pairs of nodes that these join."""
        selected = [node for pod in cut.pods for node in (pod.id, *(container.id for container in pod.containers))]
        found: dict[_Key, list[Pair]] = {}
        for node in (*selected, *cut.endpoints):
            number = self._compiled.number(node)
            for key, pairs in self._buckets.get(number, {}).items() if number is not None else ():
                found.setdefault(key, []).extend(pairs)
        return found.items()

    @cached_property
    def _buckets(self) -> dict[int, dict[_Key, list[Pair]]]:
        """The records that count, by the nodes at both ends of these, the pod that forwards, and their buckets."""
        graph = self._analysis.graph
        out: dict[int, dict[_Key, list[Pair]]] = {}
        for number, technique in enumerate(self._analysis.techniques):
            if "NetworkPolicy" not in technique.declaration.reads or technique.id in OF_GROUPS:
                continue
            # Of all others what policies are asked about is at the ends.
            exposing = technique.declaration.family == "exposure"
            for key in graph.subjects(number):
                places = graph.bucket(number, key)
                for at in range(places.start, places.stop):
                    source, target = graph.source[at], graph.target[at]
                    if self._between[source] and self._between[target]:
                        between = self._compiled.numbers(list(forwarding(graph.cause(at)))) if exposing else ()
                        for node in (source, target, *map(int, between)):
                            out.setdefault(node, {}).setdefault((number, key), []).append((source, target))
        return out


def _pairs(pairs: list[Pair]) -> Ints:
    return np.array(pairs, np.int64).reshape(-1, 2)


def _rows(source: Ints, target: Ints) -> Ints:
    return np.stack((source, target), axis=1).astype(np.int64)
