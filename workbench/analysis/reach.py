"""Which nodes lead to some nodes, and which they lead to: breadth-first searches over the arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from workbench.analysis.compiled import Bools, Compiled, Ints


def reached(matrix: Any, starts: Iterable[int]) -> Bools:
    """Which nodes some nodes lead to, themselves included.

    Args:
        matrix: ``Compiled.forward``, or ``Compiled.reverse`` for what leads to the nodes.
        starts: Where the search starts, all at once.
    """
    size = matrix.shape[0]
    out = np.zeros(size, np.bool_)
    first = np.unique(np.fromiter(starts, np.int64))
    if len(first) == 0:
        return out
    if len(first) == 1:
        out[breadth_first_order(matrix, int(first[0]), return_predecessors=False)] = True
        return out
    # One extra node in front of all starts turns many searches into one.
    indptr = np.append(matrix.indptr, matrix.indptr[-1] + len(first)).astype(np.int32)
    indices = np.concatenate([matrix.indices, first.astype(np.int32)])
    data = np.ones(len(indices), np.float64)
    joined = csr_array((data, indices, indptr), shape=(size + 1, size + 1))
    order = breadth_first_order(joined, size, return_predecessors=False)
    out[order[order < size]] = True
    return out


def leading_to(compiled: Compiled, source: Ints, target: Ints, goals: Iterable[int]) -> Bools:
    """Which nodes lead to some nodes over the given records, the goals included."""
    size = len(compiled.nodes)
    matrix = csr_array((np.ones(len(source), np.float64), (target, source)), shape=(size, size))
    return reached(matrix, goals)
