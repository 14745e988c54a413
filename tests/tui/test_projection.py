"""The picture of a path, without an app."""

from __future__ import annotations

import pytest

from tests.tui import fake
from workbench.engine import Neighbour
from workbench.tui.canvas.projection import UNFOLDED, Picture, picture
from workbench.tui.canvas.sideways import Sideways
from workbench.tui.canvas.ways import Detour, Place, Ways, detours
from workbench.tui.text import fit, flat, width, wrapped


def rows(drawn: Picture) -> list[str]:
    return [flat(row.spans).rstrip() for row in drawn.rows]


def test_one_row_a_node_and_one_a_step() -> None:
    path = fake.shop()[0][0]
    assert rows(picture(Ways(path), {}, frozenset(), 80)) == [
        "  NET  internet ◎",
        "   ┃  1 exposed by load balancer",
        "  EP   shop/web/80",
        "   ┋  2 exploits the service  assumed: C-VULN",
        "  CTR  shop/web/web",
        "   ┃  3 mounts the node's disk",
        "  NOD  worker-1",
        "   ┃  4 control plane: CA key on disk",
        "  ADM  cluster-admin ★",
    ]


def beside() -> Ways:
    path = fake.shop()[0][0]
    return Ways(path, [path, *fake.ways_beside(path)])


def test_an_alternative_is_a_line_that_leaves_and_joins() -> None:
    assert rows(picture(beside(), {}, frozenset(), 80, 1))[2:8] == [
        "╭─EP   shop/web/80",
        "│  ┃  b shows the secret",
        "├──┃─ SEC  shop/token",
        "┊  ┃  c logs in to  assumed: C-LOG",
        "│  ┋  2 exploits the service  assumed: C-VULN",
        "╰►CTR  shop/web/web",
    ]
    assert rows(picture(beside(), {}, frozenset(), 80, 2))[4:] == [
        "╭─CTR  shop/web/web",
        "│  ┃  c uses the mounted token",
        "├──┃─ SA   shop/other",
        "│  ┃  d impersonates",
        "├──┃─ USR  carol",
        "│  ┃  3 mounts the node's disk",
        "│ NOD  worker-1",
        "│  ┃  e may do everything",
        "│  ┃  4 control plane: CA key on disk",
        "╰►ADM  cluster-admin ★",
    ]
    assert rows(picture(beside(), {}, frozenset(), 80, 3))[4:] == [
        "╭─CTR  shop/web/web",
        "│  ┃  3 mounts the node's disk",
        "│ NOD  worker-1",
        "│  ┃  c breaks out of everything",
        "│  ┃  4 control plane: CA key on disk",
        "╰►ADM  cluster-admin ★",
    ]


@pytest.mark.parametrize(
    ("path", "other", "found"),
    [
        ("abcd", "abcd", []),
        ("abcd", "axcd", [Detour(0, 2, 1, 2)]),
        ("abcd", "axyd", [Detour(0, 3, 1, 3)]),
        ("abcd", "abd", [Detour(1, 3, 2, 2)]),
        ("abcd", "abcxd", [Detour(2, 3, 3, 4)]),
        ("abcd", "axbycd", [Detour(0, 1, 1, 2), Detour(1, 2, 3, 4)]),
        # Back to a node that the path has passed: drawn again.
        ("abcde", "adbe", [Detour(0, 3, 1, 1), Detour(3, 4, 2, 3)]),
    ],
)
def test_where_an_alternative_leaves_and_joins(path: str, other: str, found: list[Detour]) -> None:
    assert list(detours(path, other)) == found


def test_from_left_to_right() -> None:
    drawn = Sideways(beside(), {"Node:worker-1": [Neighbour("Image:nginx", "X", True)]}, frozenset(), 1)
    text = [flat(drawn.spans(y, 0, drawn.width, None, "cursor")[1]) for y in range(drawn.height)]
    assert all(width(line) == drawn.width for line in text)
    path = next(line for line in text if "internet" in line)
    assert " NET  internet ◎ ━━1 exposed by load balancer━► EP   shop/web/80 ╍" in path
    assert "2 exploits the service (assumed: C-VULN)╍► CTR  shop/web/web ━┯" in path
    assert path.endswith("4 control plane: CA key on disk━► ADM  cluster-admin ★ ")
    assert any("╭─► SEC  shop/token ─" in line for line in text)
    assert any("► SA   shop/other ───► USR  carol ─" in line for line in text)
    assert any("─► IMG  nginx" in line for line in text)


def test_a_part_of_a_row_is_that_part_of_the_whole_row() -> None:
    drawn = Sideways(beside(), {}, frozenset(), 2)
    for y in range(drawn.height):
        whole = flat(drawn.spans(y, 0, drawn.width, None, "cursor")[1])
        for low in range(0, drawn.width - 40, 7):
            begin, spans = drawn.spans(y, low, low + 40, None, "cursor")
            part = flat(spans)
            assert begin <= low
            assert whole[begin : begin + len(part)] == part
            assert begin + len(part) >= low + 40


def test_only_rows_near_the_cursor_depend_on_it() -> None:
    drawn = Sideways(
        beside(),
        {"Node:worker-1": [Neighbour(f"Image:i{at}", "X", True) for at in range(9)]},
        {("Node:worker-1", "IMG", True)},
        1,
    )
    for box in drawn.places:
        for y in range(drawn.height):
            if not drawn.depends(y, box):
                assert drawn.spans(y, 0, drawn.width, box, "cursor") == drawn.spans(y, 0, drawn.width, None, "cursor")
    assert not all(drawn.depends(y, "Internet") for y in range(drawn.height))


@pytest.mark.parametrize(
    ("others", "drawn", "folded"),
    [
        ([], [], 0),
        ([("Image:nginx", False)], ["◄ IMG nginx"], 0),
        ([("Pod:a/b", True), ("Pod:a/c", True)], ["► POD +2 more"], 2),
        ([("Pod:a/b", True), ("Pod:a/c", False)], ["► POD b", "◄ POD c"], 0),
        ([("Hub:pods/a", True), ("Internet", True)], [], 0),
        ([("Pod:a/b", True), ("Pod:a/b", True)], ["► POD b"], 0),
    ],
)
def test_what_is_beside_a_node(others: list[tuple[str, bool]], drawn: list[str], folded: int) -> None:
    path = fake.shop()[0][0]
    beside = {"Node:worker-1": [Neighbour(node, "X", outgoing) for node, outgoing in others]}
    found = picture(Ways(path), beside, frozenset(), 100)
    assert [one.label for one in found.beside[3]] == drawn
    assert found.folded == folded
    row = rows(found)[6]
    assert all(label in row for label in drawn)
    for spot in found.rows[6].spots[1:]:
        assert flat(found.rows[6].spans)[spot.start : spot.end] == drawn[spot.place.column - 1]


def test_neighbours_give_way_where_there_is_no_room() -> None:
    path = fake.shop()[0][0]
    beside = {"Node:worker-1": [Neighbour(f"Pod:a/{number}", "X", True) for number in range(9)]}
    found = picture(Ways(path), beside, frozenset(), 40)
    assert found.hidden
    assert found.beside == ((), (), (), (), ())


def test_a_stub_shows_twenty_members_and_how_many_more() -> None:
    path = fake.shop()[0][0]
    beside = {"Node:worker-1": [Neighbour(f"Pod:a/p{number}", "X", True) for number in range(33)]}
    key = ("Node:worker-1", "POD", True)
    found = picture(Ways(path), beside, {key}, 100)
    members = [row for row in rows(found) if "POD  a/p" in row]
    assert len(members) == UNFOLDED
    assert any(row.endswith("└ +13 more") for row in rows(found))
    assert found.folded == 0
    assert found.first_rows[Place(0, 4)] == len(found.rows) - 1


@pytest.mark.parametrize("cells", [30, 60, 80, 200])
@pytest.mark.parametrize("name", ["web", "x" * 120, "名前" * 30, "a-b " * 20])
def test_no_row_is_wider_than_the_picture_and_no_name_is_cut(name: str, cells: int) -> None:
    path = fake.shop(web=name)[0][0]
    beside = {node: [Neighbour(f"Pod:a/{name}", "X", True), Neighbour("Image:i", "X", False)] for node in path.nodes}
    found = picture(Ways(path), beside, frozenset(), cells)
    assert max(width(flat(row.spans)) for row in found.rows) <= cells
    own = [row for row in found.rows if row.place == Place(0, 1) and not row.step]
    text = "".join(flat(row.spans)[7:].split("──")[0] for row in own)
    assert "".join(f"shop/{name}/80".split()) in "".join(text.split()).replace("┃", "")


@pytest.mark.parametrize(
    ("text", "cells", "lines"),
    [
        ("one two three", 8, ["one two", "  three"]),
        ("abcdefghij", 6, ["abcd", "  efgh", "  ij"]),
        ("short", 10, ["short"]),
        ("名前名前", 6, ["名前", "  名前"]),
    ],
)
def test_wrapping_is_in_cells(text: str, cells: int, lines: list[str]) -> None:
    found = [flat(line) for line in wrapped(((text, ""),), cells, 2)]
    assert found == lines
    assert all(width(line) <= cells for line in found)


def test_fitting_is_in_cells() -> None:
    assert fit("名前", 3) == "名…"
    assert fit("ab", 4) == "ab  "
    assert fit("abc", 0) == ""
