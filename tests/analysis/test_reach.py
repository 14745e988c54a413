"""Reachability after edges went and came: what a new search finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from workbench.analysis.arrays import reached
from workbench.analysis.reach import Reach

NODES = 9
PAIRS = st.sets(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)), max_size=24)


def matrix(pairs: set[tuple[int, int]], size: int) -> csr_array:
    rows, columns = (np.array([pair[at] for pair in sorted(pairs)], np.int32) for at in (0, 1))
    found = csr_array((np.ones(len(pairs)), (rows, columns)), shape=(size, size))
    found.sort_indices()
    return found


@settings(deadline=None, max_examples=300)
@given(PAIRS, st.sets(st.integers(0, NODES - 1), max_size=2), st.data(), st.integers(0, 40))
def test_after_an_edit_it_is_what_a_new_search_finds(
    pairs: set[tuple[int, int]], starts: set[int], data: st.DataObject, isolated: int
) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(pairs)), max_size=4)) if pairs else set()
    came = data.draw(PAIRS) - pairs if data.draw(st.booleans()) else set()
    # Beside many nodes that are not reached, few are ever too many.
    size = NODES + isolated
    reach = Reach(matrix(pairs, size), matrix({(column, row) for row, column in pairs}, size), starts)
    before = reach.found.copy()
    assert np.array_equal(before, reached(matrix(pairs, size), starts))
    lost = reach.after(sorted(gone), sorted(came))
    wanted = reached(matrix((pairs - gone) | came, size), starts)
    if lost is not None:
        assert lost.tolist() == np.flatnonzero(before & ~wanted).tolist()
        assert not (wanted & ~before).any()
    assert np.array_equal(reach.found, before)


def test_one_edge_of_many_is_never_too_many() -> None:
    pairs = {(0, 1), (1, 2), (0, 3), (3, 2)}
    reach = Reach(matrix(pairs, 40), matrix({(column, row) for row, column in pairs}, 40), [0])
    kept, cut = reach.after([(1, 2)], []), reach.after([(0, 1)], [])
    assert kept is not None
    assert cut is not None
    assert (kept.tolist(), cut.tolist()) == ([], [1])
