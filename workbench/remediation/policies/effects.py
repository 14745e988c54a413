"""What a network policy takes from the ways to the crown jewels, from what it moves between the network's hubs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.analysis.arrays import Bools, Ints
from workbench.analysis.session import Analysis
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import NetworkPolicy
from workbench.remediation.policies.cuts import NetworkCut, network_cut
from workbench.techniques.build import Bucket, subject_of

OF_GROUPS = frozenset({"NET_REACH", "MEMBER_NETWORK"})
"""The techniques of the network's hubs, which :func:`network_cut` knows."""


@dataclass(frozen=True, slots=True)
class PolicyDifference:
    """The pairs of nodes, by number and a row each, that a policy parts, and those that stand for them."""

    removed: Ints
    added: Ints
    """Also of nodes that the graph does not have: each stands for containers that reach the same."""
    cut: NetworkCut
    others: list[Bucket]
    """The buckets of other techniques that policies decide, computed anew."""


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

    def of(self, changed: Inventory, policy: NetworkPolicy) -> PolicyDifference | None:
        """The difference, ``None`` if the policy parts nothing that counts.

        Args:
            changed: The overlay with the policy.
            policy: The policy.
        """
        cut = network_cut(self._analysis.view, policy, self._counts)
        others = list(self._decided(changed, cut))
        if not cut.removed and not others:
            return None
        parts = [self._pairs(cut.added)]
        new = len(self._compiled.nodes)
        for moved in cut.moved:
            sources = np.array([self._number(each) for each in moved.containers], np.int64)
            parts.append(_rows(sources, np.full(len(sources), new)))
            for endpoints in moved.endpoints:
                targets = self._relevant(endpoints)
                parts.append(_rows(np.full(len(targets), new), targets))
            new += 1
        return PolicyDifference(self._pairs(cut.removed), np.concatenate(parts), cut, others)

    def _counts(self, node: str) -> bool:
        number = self._compiled.number(node)
        return number is not None and bool(self._between[number])

    def _number(self, node: str) -> int:
        number = self._compiled.number(node)
        assert number is not None
        return number

    def _pairs(self, names: list[tuple[str, str]]) -> Ints:
        rows = [(self._number(source), self._number(target)) for source, target in names]
        return np.array(rows, np.int64).reshape(-1, 2)

    def _relevant(self, endpoints: frozenset[str]) -> Ints:
        known = self._numbers.get(endpoints)
        if known is None:
            known = self._numbers[endpoints] = np.array(
                [self._number(each) for each in endpoints if self._counts(each)], np.int64
            )
        return known

    # --- other techniques that policies decide ----------------------------------------------------

    def _decided(self, changed: Inventory, cut: NetworkCut) -> Iterator[Bucket]:
        """Their buckets with records from or to what the policy selects."""
        nodes = [node for pod in cut.pods for node in (pod.id, *(container.id for container in pod.containers))]
        found: dict[tuple[int, str], None] = {}
        for node in (*nodes, *cut.endpoints):
            number = self._compiled.number(node)
            if number is not None:
                found.update(dict.fromkeys(self._buckets.get(number, ())))
        for number, key in found:
            technique = self._analysis.techniques[number]
            subject = subject_of(technique, changed, key)
            yield Bucket.of(technique, number, key, technique.detect(changed, subject) if subject is not None else ())

    @cached_property
    def _buckets(self) -> dict[int, list[tuple[int, str]]]:
        """The buckets with records that count, by the nodes at both ends of these."""
        graph = self._analysis.graph
        out: dict[int, dict[tuple[int, str], None]] = {}
        for number, technique in enumerate(self._analysis.techniques):
            if "NetworkPolicy" not in technique.declaration.reads or technique.id in OF_GROUPS:
                continue
            for key in graph.subjects(number):
                places = graph.bucket(number, key)
                for at in range(places.start, places.stop):
                    source, target = graph.source[at], graph.target[at]
                    if self._between[source] and self._between[target]:
                        for node in (source, target):
                            out.setdefault(node, {})[number, key] = None
        return {node: list(found) for node, found in out.items()}


def _rows(source: Ints, target: Ints) -> Ints:
    return np.stack((source, target), axis=1).astype(np.int64)
