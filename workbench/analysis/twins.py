"""Entry points that are twins: replicas that lead to the same single node in the same way.

Whatever is said of the path of one holds for the others, so one of them is searched. On a large cluster most
containers have twins: all that leads on from them is the network.
"""

from __future__ import annotations

import numpy as np

from workbench.analysis.arrays import Int32s, Ints, ranges
from workbench.analysis.leading import Leading
from workbench.analysis.replicas import Replicas


class Twins:
    """The entry points that lead to some target of a :class:`Leading`, or are one.

    Attributes:
        numbers: Their numbers, sorted.
        first: For each of them the place, in ``firsts``, of the first of its twins; of one without twins its own.
        firsts: The places of the firsts in the leading nodes, sorted.
        sizes: For each first how many entry points it stands for, itself included.
    """

    numbers: Ints
    first: Int32s
    firsts: Ints
    sizes: Ints

    def __init__(self, leading: Leading, replicas: Replicas, sources: Ints) -> None:
        """Find them.

        Args:
            leading: What leads to the targets.
            replicas: Which nodes are replicas.
            sources: The entry points by number, sorted.
        """
        folded, arrays = leading.folded, leading.arrays
        places = leading.inside(sources)
        self.numbers = leading.nodes[places]
        # What several nodes follow may be a way of its own for each replica.
        alike = folded.single[places]
        edge = arrays.indptr[places[alike]]
        after = arrays.indices[edge]
        numbers = self.numbers[alike]
        which = _numbered(
            replicas.classes_of(numbers),
            after,
            arrays.technique[edge],
            arrays.conditions[edge],
            arrays.weights[edge],
            replicas.own_nodes_of(numbers) == leading.nodes[after],
        )
        key = np.empty(len(places), np.int64)
        key[alike] = which
        key[~alike] = np.arange(len(places) - len(which)) + (which.max(initial=-1) + 1)
        _, at, inverse = np.unique(key, return_index=True, return_inverse=True)
        order = np.argsort(at)
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        self.firsts = places[at[order]]
        self.first = rank[inverse]
        self.sizes = np.bincount(self.first, minlength=len(order))
        self._by_first = np.argsort(self.first, kind="stable")
        self._begins = np.cumsum(self.sizes) - self.sizes

    def place(self, number: int) -> int:
        """The place, in ``firsts``, of the first twin of an entry point; -1 if it is none of them."""
        at = int(np.searchsorted(self.numbers, number))
        return int(self.first[at]) if at < len(self.numbers) and self.numbers[at] == number else -1

    def of(self, firsts: Int32s) -> Ints:
        """The numbers of all entry points that a few firsts stand for, sorted."""
        _, at = ranges(self._begins[firsts], self.sizes[firsts])
        return np.sort(self.numbers[self._by_first[at]])


def _numbered(*columns: Ints) -> Ints:
    """A number for each row of some columns, the same for equal rows."""
    number: Ints = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, inverse = np.unique(column, return_inverse=True)
        number = number * max(len(values), 1) + inverse
        # Numbered anew, so that the product of a few stays small.
        number = np.unique(number, return_inverse=True)[1]
    return number
