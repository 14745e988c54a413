"""Which nodes lead to some nodes over chosen records alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_array

from workbench.analysis.arrays import Bools, Ints, reached
from workbench.analysis.merged import counted


def leading_to(size: int, source: Ints, target: Ints, goals: Iterable[int]) -> Bools:
    """Which nodes lead to some nodes over the given records, the goals included.

    Args:
        size: How many nodes there are.
        source, target: The records.
        goals: The nodes.
    """
    wanted = list(goals)
    # Most records lead to what leads nowhere over the others.
    useful = np.zeros(size, np.bool_)
    useful[source] = True
    useful[wanted] = True
    source, target = source[useful[target]], target[useful[target]]
    order, begins = counted(target, size)
    # A search does not mind parallel edges, nor their order.
    matrix = csr_array((np.ones(len(source), np.float64), source[order], begins), shape=(size, size))
    return reached(matrix, wanted)
