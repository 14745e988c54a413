"""The picture from left to right, without anything that paints it."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workbench.graph.layout import Box, Layout, Link, Route, isotonic, layered

NAMES = [f"n{number}" for number in range(12)]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Box], list[Link]]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    boxes = [Box(name, draw(st.integers(1, 30)), draw(st.integers(1, 4))) for name in names]
    ends = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES))
    links = [Link(source, target, draw(st.sampled_from([0, 0, 7]))) for source, target in draw(st.lists(ends))]
    return boxes, links


def laid_out(graph: tuple[list[Box], list[Link]], gap: int = 0) -> Layout:
    boxes, links = graph
    return layered(boxes, links, entries=[boxes[0].id], goals=[boxes[-1].id], gap=gap)


def cells(route: Route) -> set[tuple[int, int]]:
    out = set(route.points)
    for (x0, y0), (x1, y1) in pairwise(route.points):
        out |= {(x, y) for x in range(min(x0, x1), max(x0, x1) + 1) for y in range(min(y0, y1), max(y0, y1) + 1)}
    return out


ROUND = (
    [Box(name, 1) for name in ("n4", "n0", "n1", "n2", "n3")],
    [Link("n0", "n2"), Link("n1", "n3"), Link("n2", "n3"), Link("n3", "n4")],
)
"""A line runs between two boxes of a column."""


@given(graphs(), st.integers(0, 2))
@example(ROUND, 2)
def test_boxes_keep_their_size_and_never_overlap(graph: tuple[list[Box], list[Link]], gap: int) -> None:
    found = laid_out(graph, gap)
    assert set(found.placed) == {box.id for box in graph[0]}
    for box in graph[0]:
        placed = found.placed[box.id]
        assert (placed.width, placed.height) == (box.width, box.height)
        assert placed.x >= 0
        assert placed.y >= 0
        assert placed.x + placed.width <= found.width
        assert placed.y + placed.height <= found.height
    for one, other in combinations(found.placed.values(), 2):
        apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
        apart_y = one.y + one.height + gap <= other.y or other.y + other.height + gap <= one.y
        assert apart_x or apart_y, (one, other)
        assert apart_x == (one.rank != other.rank)


@given(graphs())
def test_links_keep_their_direction_and_cross_no_box(graph: tuple[list[Box], list[Link]]) -> None:
    links = graph[1]
    found = laid_out(graph)
    inside = {
        (x, y)
        for one in found.placed.values()
        for x in range(one.x, one.x + one.width)
        for y in range(one.y, one.y + one.height)
    }
    drawn = {at for at, link in enumerate(links) if {link.source, link.target} <= set(found.placed)}
    assert {route.link for route in found.routes} == {at for at in drawn if links[at].source != links[at].target}
    for route in found.routes:
        source, target = found.placed[links[route.link].source], found.placed[links[route.link].target]
        left, right = (target, source) if route.backward else (source, target)
        assert left.rank < right.rank
        points = route.points[::-1] if route.backward else route.points
        assert points[0] == (left.x + left.width, left.port)
        assert points[-1] == (right.x - 1, right.port)
        assert all(x0 <= x1 for (x0, _), (x1, _) in pairwise(points))
        assert all(x0 == x1 or y0 == y1 for (x0, y0), (x1, y1) in pairwise(points))
        assert not cells(route) & inside
        room = range(route.label_x, right.x - 2)
        assert len(room) == links[route.link].label
        assert all((x, right.port) in cells(route) for x in room)


@given(graphs())
def test_only_cycles_entries_and_goals_turn_links(graph: tuple[list[Box], list[Link]]) -> None:
    boxes, links = graph
    forward = [link for link in links if int(link.source[1:]) < int(link.target[1:])]
    found = layered(boxes, forward)
    assert not any(route.backward for route in found.routes)
    found = laid_out(graph)
    assert found.placed[boxes[0].id].rank == 0 or len(boxes) == 1
    if boxes[0].id != boxes[-1].id:
        assert found.placed[boxes[-1].id].rank == len(found.columns) - 1


@given(graphs())
def test_the_same_input_gives_the_same_picture(graph: tuple[list[Box], list[Link]]) -> None:
    assert laid_out(graph) == laid_out(graph)


@given(graphs(), st.permutations(NAMES))
def test_what_the_seed_names_keeps_its_order(graph: tuple[list[Box], list[Link]], seed: list[str]) -> None:
    boxes, links = graph
    named = seed[:8]
    found = layered(boxes, links, seed=named)
    for column in found.columns:
        kept = [one for one in column if one in named]
        assert kept == sorted(kept, key=named.index)
        assert list(column) == sorted(column, key=lambda one: found.placed[one].y)


@given(graphs())
def test_more_boxes_do_not_reorder_those_that_were_there(graph: tuple[list[Box], list[Link]]) -> None:
    boxes, links = graph
    before = layered(boxes, links)
    order = [one for column in before.columns for one in column]
    new = [Box("new", 9), Box("newer", 9)]
    after = layered([*boxes, *new], [*links, *(Link(boxes[0].id, one.id) for one in new)], seed=order)
    for column in after.columns:
        old = [one for one in column if one in before.placed]
        assert old == sorted(old, key=order.index)


@given(st.integers(2, 9), st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=20))
def test_the_spine_stands_in_one_row(length: int, others: list[tuple[int, bool]]) -> None:
    spine = [f"s{at}" for at in range(length)]
    boxes = [Box(one, 5) for one in spine]
    links = [Link(one, other) for one, other in pairwise(spine)]
    for at, (beside, outgoing) in enumerate(others):
        if beside < length:
            boxes.append(Box(f"o{at}", 4))
            links.append(Link(spine[beside], f"o{at}") if outgoing else Link(f"o{at}", spine[beside]))
    found = layered(boxes, links, entries=spine[:1], goals=spine[-1:], spine=spine)
    assert len({found.placed[one].port for one in spine}) == 1
    assert [len(route.points) for route in found.routes[: length - 1]] == [2] * (length - 1)


@pytest.mark.parametrize("turned", ["a", "b"])
def test_a_fan_out_is_one_bus(turned: str) -> None:
    boxes = [Box("a", 3), *(Box(f"b{at}", 3) for at in range(5))]
    links = [Link("a", box.id) for box in boxes[1:]]
    found = layered(boxes, links, seed=[turned])
    assert len({x for route in found.routes for x, _ in route.points[1:-1]}) == 1
    assert found.columns == (("a",), ("b0", "b1", "b2", "b3", "b4"))


def test_long_links_of_one_source_share_their_way() -> None:
    names = ["a", "b", "c", "d", "e"]
    boxes = [Box(name, 3) for name in names]
    links = [*(Link(one, other) for one, other in pairwise(names)), Link("a", "d"), Link("a", "e")]
    found = layered(boxes, links, spine=names)
    assert found.routes[4].points[1:4] == found.routes[5].points[1:4] or (
        found.routes[4].points[:3] == found.routes[5].points[:3]
    )


def test_a_cycle_is_cut_where_the_search_comes_back() -> None:
    boxes = [Box(name, 3) for name in "abc"]
    links = [Link("a", "b"), Link("b", "c"), Link("c", "a"), Link("a", "a"), Link("a", "nowhere")]
    found = layered(boxes, links)
    assert [route.backward for route in found.routes] == [False, False, True]
    assert found.columns == (("a",), ("b",), ("c",))


def test_nothing_to_draw() -> None:
    assert layered([], [Link("a", "b")]) == Layout({}, (), (), 0, 0)


@pytest.mark.parametrize(
    ("targets", "weights", "apart", "rows"),
    [
        ([], [], [], []),
        ([3], [1], [], [3]),
        ([0, 0, 0], [1, 1, 1], [1, 1], [-1, 0, 1]),
        ([5, 1], [1, 1], [2], [2, 4]),
        ([0, 0], [1, 1e9], [3], [-3, 0]),
        ([0, 9, 9], [1, 1, 1], [1, 1], [0, 8.5, 9.5]),
    ],
)
def test_isotonic(targets: list[float], weights: list[float], apart: list[float], rows: list[float]) -> None:
    assert isotonic(targets, weights, apart) == pytest.approx(rows, abs=1e-6)
