"""What a search has to know of techniques and conditions, by number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.graph.graph import Fact
from workbench.techniques.api import Technique


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a search has to know of the techniques, by their numbers in the graph."""

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    internal: npt.NDArray[np.bool_]
    api_only: npt.NDArray[np.bool_]
    numbers: Mapping[str, int]
    order: npt.NDArray[np.int32]
    """The place of each technique in the order of the ids, which breaks ties."""

    @classmethod
    def of(cls, techniques: Sequence[Technique]) -> Catalogue:
        """The catalogue of some techniques, in the order in which the graph was built from them."""
        ids = tuple(technique.id for technique in techniques)
        order = np.empty(len(ids), np.int32)
        order[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids), dtype=np.int32)
        return cls(
            ids,
            tuple(technique.declaration.title for technique in techniques),
            np.array([technique.declaration.internal for technique in techniques], np.bool_),
            np.array([technique.declaration.api_only for technique in techniques], np.bool_),
            {identifier: number for number, identifier in enumerate(ids)},
            order,
        )


class Conditions:
    """Sets of C-ids by number; 0 is the empty set."""

    def __init__(self) -> None:
        self.sets: list[frozenset[str]] = [frozenset()]
        self._numbers: dict[frozenset[str], int] = {frozenset(): 0}
        self._unions: dict[tuple[int, int], int] = {}

    def number(self, conditions: Iterable[str]) -> int:
        """The number of a set, which is added if it is new."""
        key = frozenset(conditions)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.sets)
            self.sets.append(key)
        return found

    def numbers(self, missing: Sequence[tuple[Fact, ...]]) -> npt.NDArray[np.int32]:
        """The number of the set of C-ids of each of some sets of missing facts."""
        # Most of these sets differ in the object alone.
        known: dict[tuple[str, ...], int] = {}
        out = np.empty(len(missing), np.int32)
        for at, facts in enumerate(missing):
            key = tuple([fact for fact, _ in facts])
            found = known.get(key)
            if found is None:
                found = known[key] = self.number(key)
            out[at] = found
        return out

    def union(self, one: int, other: int) -> int:
        """The number of the union of two sets."""
        found = self._unions.get((one, other))
        if found is None:
            found = self._unions[one, other] = self.number(self.sets[one] | self.sets[other])
        return found
