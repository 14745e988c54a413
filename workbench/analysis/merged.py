"""Which records join each two nodes, and which of them a search uses.

Records are brought together by two counting sorts, which take a few milliseconds where comparing takes many. Most
nodes are joined by one record alone; only where there are several is anything compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from workbench.analysis.arrays import Bools, Floats, Int32s, Ints
from workbench.graph.graph import Fact


@dataclass(frozen=True, slots=True)
class Records:
    """Columns of records, an entry each: ``missing`` is a number of ``Graph.facts``, ``order`` the place of the
    technique in the order of the ids.
    """

    effort: Ints
    missing: Int32s
    order: Int32s
    weight: Floats


@dataclass(frozen=True, slots=True)
class Pairs:
    """The records of each two joined nodes, sorted by source, then target.

    Attributes:
        order: The positions of the records, pair after pair, those of one pair in their own order.
        starts: Where in ``order`` each pair begins, and the end.
        indptr: For each node the place of its first pair, and the end.
        target: The second node of each pair.
    """

    order: Int32s
    starts: Int32s
    indptr: Int32s
    target: Int32s

    @classmethod
    def of(cls, source: Int32s, target: Int32s, size: int) -> Pairs:
        """Bring the records of each pair together.

        Args:
            source, target: The nodes of each record.
            size: How many nodes there are.
        """
        order, source, _ = _sorted(target, size, source)
        _, order, begins = _sorted(source, size, order)
        target = target[order]
        fresh = np.ones(len(order), np.bool_)
        fresh[1:] = target[1:] != target[:-1]
        fresh[begins[:-1][np.diff(begins) > 0]] = True
        starts = np.flatnonzero(fresh).astype(np.int32)
        before = np.zeros(len(order) + 1, np.int32)
        np.cumsum(fresh, out=before[1:])
        return cls(order, np.append(starts, np.int32(len(order))), before[begins], target[starts])

    def positions(self, place: int) -> list[int]:
        """The records of the pair at a place, in their own order."""
        found: list[int] = self.order[self.starts[place] : self.starts[place + 1]].tolist()
        return found

    def several(self) -> Ints:
        """The pairs that more than one record joins."""
        return np.flatnonzero(np.diff(self.starts) > 1)


def counted(keys: Ints | Int32s, size: int) -> tuple[Int32s, Int32s]:
    """The order that sorts small numbers and keeps equal ones as they are, and where each number begins."""
    order, _, begins = _sorted(keys, size, np.ones(len(keys), np.int8))
    return order, begins


def _sorted(keys: Ints | Int32s, size: int, values: Any) -> tuple[Int32s, Any, Int32s]:
    """The same, and a value of each number in that order."""
    # A sparse array with one entry a row: what is turned round is sorted by column, in linear time.
    turned = csr_array((values, keys, np.arange(len(keys) + 1, dtype=np.int32)), shape=(len(keys), size)).tocsc()
    return turned.indices, turned.data, turned.indptr


def chosen(pair: Ints, records: Records, facts: Sequence[tuple[Fact, ...]]) -> Ints:
    """Of the records of each pair the one that a search uses: the best cause of each technique, then the least weight.

    Args:
        pair: What pair each record is of, sorted.
        records: The records.
        facts: The sets of missing facts by number.

    Returns:
        The place of one record for each pair, in order.
    """
    combined, cause = np.unique(records.effort * len(facts) + records.missing, return_inverse=True)
    # The rank of a cause: every (effort, missing) that occurs, put in order once.
    parts = [divmod(value, len(facts)) for value in combined.tolist()]
    ranks = np.empty(len(parts), np.int64)
    ranks[sorted(range(len(parts)), key=lambda at: rank(parts[at][0], facts[parts[at][1]]))] = np.arange(len(parts))
    by_cause = np.lexsort((ranks[cause], records.order, pair))
    best = by_cause[_changes(pair[by_cause]) | _changes(records.order[by_cause])]
    # Of techniques with equal weight the first stays first.
    by_weight = best[np.lexsort((records.order[best], records.weight[best], pair[best]))]
    return by_weight[_changes(pair[by_weight])]


def rank(effort: int, missing: tuple[Fact, ...]) -> tuple[bool, int, int, tuple[Fact, ...]]:
    """What orders the causes of a technique, the best first (``Edge.rank``)."""
    return (bool(missing), effort, len(missing), missing)


def _changes(values: Ints | Int32s) -> Bools:
    """Where a value differs from the one before; the first one does."""
    out = np.ones(len(values), np.bool_)
    out[1:] = values[1:] != values[:-1]
    return out
