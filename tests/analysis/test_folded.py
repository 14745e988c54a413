"""The graph without the nodes that lead to a single other one: its distances are those of the whole graph."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from workbench.analysis.arrays import Arrays
from workbench.analysis.folded import Folded

SIZE = 6


def arrays(edges: dict[tuple[int, int], int]) -> Arrays:
    rows = np.array([[*pair, weight] for pair, weight in sorted(edges.items())], np.int64).reshape(-1, 3)
    indptr = np.searchsorted(rows[:, 0], np.arange(SIZE + 1)).astype(np.int32)
    nothing = np.zeros(len(rows), np.int32)
    return Arrays(indptr, rows[:, 1].astype(np.int32), rows[:, 2].astype(float), nothing.astype(np.uint16), nothing)


def least(edges: dict[tuple[int, int], int], end: int) -> list[float]:
    """The distances by definition: nothing gets shorter by any edge."""
    found = [0.0 if node == end else np.inf for node in range(SIZE)]
    for _ in range(SIZE):
        for (source, target), weight in edges.items():
            found[source] = min(found[source], weight + found[target])
    return found


NODES = st.integers(0, SIZE - 1)


@given(
    st.dictionaries(st.tuples(NODES, NODES), st.integers(1, 3), max_size=14),
    st.sets(NODES, min_size=1, max_size=3),
)
@example({(0, 1): 1, (1, 0): 1, (2, 0): 1, (2, 3): 1}, {3})  # a circle before all that leads to the end
@example({(0, 1): 1, (0, 2): 1, (1, 3): 1, (2, 3): 3, (4, 0): 1, (4, 5): 9, (3, 5): 1, (3, 4): 1}, {5})
def test_the_least_weights_are_those_of_the_whole_graph(edges: dict[tuple[int, int], int], ends: set[int]) -> None:
    folded = Folded(arrays(edges), np.array(sorted(ends)))
    for end in ends:
        assert folded.of(folded.distances(end), np.arange(SIZE)).tolist() == least(edges, end)
