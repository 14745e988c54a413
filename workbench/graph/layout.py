"""Where boxes and the lines between them stand in a picture that is read from left to right.

Layered drawing (Sugiyama, Tagawa and Toda 1981) in whole cells: cut the cycles, rank by the longest path, order each
column by the barycentres of its neighbours, give rows by isotonic regression (pool adjacent violators) so that chains
stay straight, and give each source one track in the channel to its right, so that a fan-out is one bus. Long links of
one source share their way. No randomness and no clock: the same input gives the same picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import accumulate, pairwise

SWEEPS = 6
"""How often columns are ordered, to the right and to the left in turns."""

ROW_SWEEPS = 4
TRACK = 2
"""The cells of a track: its line, and one to keep it apart from the next."""

PINNED = 1e6
"""The weight of the spine when rows are given: nothing moves it."""


@dataclass(frozen=True, slots=True)
class Box:
    """Something to draw."""

    id: str
    width: int
    height: int = 1


@dataclass(frozen=True, slots=True)
class Link:
    """A line to draw."""

    source: str
    target: str
    label: int = 0
    """The cells of the text on it; 0 for none."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a box stands."""

    id: str
    rank: int
    """Its column."""
    x: int
    y: int
    width: int
    height: int

    @property
    def port(self) -> int:
        """The row at which lines meet it."""
        return self.y + self.height // 2


@dataclass(frozen=True, slots=True)
class Route:
    """The way of a link."""

    link: int
    """Its place among the links."""
    points: tuple[tuple[int, int], ...]
    """Corners as ``(x, y)``, from the cell beside the source to the cell beside the target; each shares a row or a
    column with the one before."""
    backward: bool
    """Whether it leads to the left: it closes a cycle, or leads into an entry or out of a goal."""
    label_x: int
    """Where its text begins, in the row of its right end."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture: boxes never overlap, and lines never cross a box."""

    placed: dict[str, Placed]
    routes: tuple[Route, ...]
    """In the order of the links; links to themselves, or to boxes that are not there, have none."""
    columns: tuple[tuple[str, ...], ...]
    """The ids of each column from top to bottom."""
    width: int
    height: int


def layered(
    boxes: Sequence[Box],
    links: Sequence[Link],
    *,
    entries: Sequence[str] = (),
    goals: Sequence[str] = (),
    spine: Sequence[str] = (),
    seed: Sequence[str] = (),
    gap: int = 0,
) -> Layout:
    """Lay out a graph from left to right.

    Args:
        boxes: What to draw; their order settles ties. Ids occur once.
        links: What joins them. Where they form a cycle, the later one of a search in this order leads backward.
        entries: Boxes that stand in the first column, unless another entry leads to them.
        goals: Boxes that stand in the last column, unless they lead to another goal.
        spine: Boxes of different columns that stand in one row.
        seed: Ids in an order to keep, such as that of the picture before: of two that stand in one column now, the
            first stands above the second.
        gap: Empty rows between two boxes of a column.
    """
    if not boxes:
        return Layout({}, (), (), 0, 0)
    drawing = _Drawing(boxes, links, entries, goals)
    drawing.rank()
    drawing.split()
    drawing.order(seed)
    drawing.rows(spine, gap)
    return drawing.routed()


class _Drawing:
    """The steps of a layout. Boxes are numbers; beyond them stand the places where long links pass a column."""

    def __init__(
        self, boxes: Sequence[Box], links: Sequence[Link], entries: Sequence[str], goals: Sequence[str]
    ) -> None:
        self.boxes, self.links = boxes, links
        number = {box.id: at for at, box in enumerate(boxes)}
        self.number = number
        self.entries = {number[one] for one in entries if one in number}
        self.goals = {number[one] for one in goals if one in number}
        self.ends: list[tuple[int, int] | None] = []
        self.backward: list[bool] = []
        for link in links:
            source, target = number.get(link.source), number.get(link.target)
            known = source is not None and target is not None and source != target
            self.ends.append((source, target) if known else None)  # type: ignore[arg-type]
            self.backward.append(False)
        self.ranks: list[int] = []
        self.heights = [box.height for box in boxes]
        self.chains: list[list[int]] = []
        self.columns: list[list[int]] = []
        self.left: list[list[int]] = []
        self.right: list[list[int]] = []
        self.ports: list[int] = []

    # -- ranks

    def rank(self) -> None:
        """Turn links round until there is no cycle, then rank by the longest path."""
        size = len(self.boxes)
        for at, ends in enumerate(self.ends):
            if ends is not None:
                source, target = ends
                into_entry = target in self.entries and source not in self.entries
                out_of_goal = source in self.goals and target not in self.goals
                if into_entry or out_of_goal:
                    self._turn(at)
        self._cut_cycles()
        following: list[list[int]] = [[] for _ in range(size)]
        waiting = [0] * size
        for ends in self.ends:
            if ends is not None:
                following[ends[0]].append(ends[1])
                waiting[ends[1]] += 1
        first = [count == 0 for count in waiting]
        self.ranks = [0] * size
        ready = deque(at for at in range(size) if first[at])
        while ready:
            node = ready.popleft()
            for other in following[node]:
                self.ranks[other] = max(self.ranks[other], self.ranks[node] + 1)
                waiting[other] -= 1
                if not waiting[other]:
                    ready.append(other)
        top = max(self.ranks)
        for goal in self.goals:
            if not following[goal]:
                self.ranks[goal] = top
        for node in range(size):
            # What nothing leads to stands beside what it leads to, not far away in the first column.
            if first[node] and following[node] and node not in self.entries:
                self.ranks[node] = min(self.ranks[other] for other in following[node]) - 1

    def _turn(self, at: int) -> None:
        ends = self.ends[at]
        assert ends is not None
        self.ends[at] = (ends[1], ends[0])
        self.backward[at] = not self.backward[at]

    def _cut_cycles(self) -> None:
        """Turn round what a depth-first search from the entries finds to lead back onto its own way."""
        out: list[list[int]] = [[] for _ in self.boxes]
        for at, ends in enumerate(self.ends):
            if ends is not None:
                out[ends[0]].append(at)
        state = [0] * len(self.boxes)
        back: list[int] = []
        for start in (*sorted(self.entries), *range(len(self.boxes))):
            if state[start]:
                continue
            state[start] = 1
            stack = [(start, iter(out[start]))]
            while stack:
                node, rest = stack[-1]
                for at in rest:
                    ends = self.ends[at]
                    assert ends is not None
                    target = ends[1]
                    if not state[target]:
                        state[target] = 1
                        stack.append((target, iter(out[target])))
                        break
                    if state[target] == 1:
                        back.append(at)
                else:
                    state[node] = 2
                    stack.pop()
        for at in back:
            self._turn(at)

    # -- columns

    def split(self) -> None:
        """Cut long links into pieces of one column each; those of one source share their pieces."""
        passing: dict[tuple[int, int], int] = {}
        pieces: dict[tuple[int, int], None] = {}
        for ends in self.ends:
            if ends is None:
                self.chains.append([])
                continue
            source, target = ends
            chain = [source]
            for rank in range(self.ranks[source] + 1, self.ranks[target]):
                place = passing.get((source, rank))
                if place is None:
                    place = passing[source, rank] = len(self.ranks)
                    self.ranks.append(rank)
                    self.heights.append(1)
                chain.append(place)
            chain.append(target)
            self.chains.append(chain)
            for one, other in pairwise(chain):
                pieces[one, other] = None
        self.left = [[] for _ in self.ranks]
        self.right = [[] for _ in self.ranks]
        for one, other in pieces:
            self.right[one].append(other)
            self.left[other].append(one)

    def order(self, seed: Sequence[str]) -> None:
        """Order each column by barycentres; what the seed names keeps its order."""
        known = {self.number[one]: at for at, one in enumerate(seed) if one in self.number}
        self.columns = [[] for _ in range(max(self.ranks) + 1)]
        for node in sorted(range(len(self.ranks)), key=lambda node: (known.get(node, len(known)), node)):
            self.columns[self.ranks[node]].append(node)
        place = [0] * len(self.ranks)
        for column in self.columns:
            for at, node in enumerate(column):
                place[node] = at

        def arrange(column: list[int], beside: list[list[int]]) -> None:
            centre = {
                node: sum(place[one] for one in beside[node]) / len(beside[node]) if beside[node] else place[node]
                for node in column
            }
            column.sort(key=centre.__getitem__)
            for at, node in enumerate(column):
                place[node] = at

        for sweep in range(SWEEPS):
            if sweep % 2 == 0:
                for column in self.columns[1:]:
                    arrange(column, self.left)
            else:
                for column in self.columns[-2::-1]:
                    arrange(column, self.right)
        for column in self.columns:
            slots = [at for at, node in enumerate(column) if node in known]
            for at, node in zip(slots, sorted((column[at] for at in slots), key=known.__getitem__), strict=True):
                column[at] = node

    # -- rows

    def rows(self, spine: Sequence[str], gap: int) -> None:
        """Give each node the row of its lines: near the middle of its neighbours, the spine in one row."""
        straight = self._spine(spine)
        boxes = len(self.boxes)
        heights = self.heights
        # The rows of two neighbours in a column are at least so far apart.
        apart: list[list[int]] = []
        wanted = [0.0] * len(self.ranks)
        for column in self.columns:
            row = 0.0
            spaces: list[int] = []
            # The last box, and how far from it the lines below it are.
            above, since = boxes, 0
            for one, other in pairwise(column):
                if one < boxes:
                    above, since = one, 0
                space = heights[one] - heights[one] // 2 + heights[other] // 2
                if above < boxes and other < boxes:
                    # Lines between two boxes count as empty rows.
                    least = heights[above] - heights[above] // 2 + heights[other] // 2 + gap
                    space = max(space, least - since)
                since += space
                spaces.append(space)
            for at, node in enumerate(column):
                row += spaces[at - 1] if at else 0
                wanted[node] = row
            apart.append(spaces)
            pinned = next((wanted[node] for node in column if node in straight), row / 2)
            for node in column:
                wanted[node] -= pinned

        def place(rank: int, beside: list[list[int]]) -> None:
            column = self.columns[rank]
            targets, weights = [], []
            for node in column:
                near = beside[node]
                if node in straight:
                    targets.append(0.0)
                    weights.append(PINNED)
                elif near:
                    targets.append(sum(wanted[one] for one in near) / len(near))
                    weights.append(1.0 if node < boxes else 4.0)
                else:
                    targets.append(wanted[node])
                    weights.append(0.05)
            for node, row in zip(column, isotonic(targets, weights, apart[rank]), strict=True):
                wanted[node] = row

        last = len(self.columns)
        for sweep in range(ROW_SWEEPS):
            if sweep % 2 == 0:
                for rank in range(last):
                    place(rank, self.left)
            else:
                for rank in range(last - 1, -1, -1):
                    place(rank, self.right)
        self.ports = [0] * len(self.ranks)
        for column, spaces in zip(self.columns, apart, strict=True):
            self._to_cells(column, spaces, wanted, straight)
        highest = min(self.ports[node] - heights[node] // 2 for node in range(len(self.ports)))
        self.ports = [port - highest for port in self.ports]

    def _spine(self, spine: Sequence[str]) -> set[int]:
        numbers = [self.number[one] for one in spine if one in self.number]
        found = set(numbers)
        pairs = set(pairwise(numbers))
        for chain in self.chains:
            if chain and (chain[0], chain[-1]) in pairs:
                found.update(chain)
        return found

    def _to_cells(self, column: list[int], spaces: list[int], wanted: list[float], straight: set[int]) -> None:
        """Whole rows, outward from the spine, so that it stays straight."""
        ports = self.ports
        fixed = next((at for at, node in enumerate(column) if node in straight), 0)
        for at in range(fixed, len(column)):
            row = round(wanted[column[at]])
            ports[column[at]] = max(row, ports[column[at - 1]] + spaces[at - 1]) if at > fixed else row
        for at in range(fixed - 1, -1, -1):
            ports[column[at]] = min(round(wanted[column[at]]), ports[column[at + 1]] - spaces[at])

    # -- lines

    def routed(self) -> Layout:
        """Give columns their place and links their way."""
        boxes, ports, ranks = self.boxes, self.ports, self.ranks
        last = len(self.columns) - 1
        labels = [0] * (last + 1)
        for at, chain in enumerate(self.chains):
            if chain and self.links[at].label:
                channel = ranks[chain[-1]] - 1
                labels[channel] = max(labels[channel], self.links[at].label + 2)
        begins: list[int] = []
        track: dict[int, int] = {}
        x = 0
        for rank, column in enumerate(self.columns):
            begins.append(x)
            x += max((boxes[node].width for node in column if node < len(boxes)), default=0)
            if rank < last:
                tracks = self._tracks(rank)
                for node, number in tracks.items():
                    track[node] = x + 1 + number * TRACK
                x += 2 + TRACK * (max(tracks.values(), default=-1) + 1) + labels[rank]
        placed = {
            box.id: Placed(box.id, ranks[at], begins[ranks[at]], ports[at] - box.height // 2, box.width, box.height)
            for at, box in enumerate(boxes)
        }
        routes = []
        for at, chain in enumerate(self.chains):
            if not chain:
                continue
            points = [(begins[ranks[chain[0]]] + boxes[chain[0]].width, ports[chain[0]])]
            for one, other in pairwise(chain):
                if ports[one] != ports[other]:
                    points += [(track[one], ports[one]), (track[one], ports[other])]
            end = begins[ranks[chain[-1]]] - 1
            points.append((end, ports[chain[-1]]))
            label_x = end - 1 - self.links[at].label
            backward = self.backward[at]
            routes.append(Route(at, tuple(reversed(points) if backward else points), backward, label_x))
        height = max(one.y + one.height for one in placed.values())
        height = max(height, *(port + 1 for port in ports))
        columns = tuple(tuple(boxes[node].id for node in column if node < len(boxes)) for column in self.columns)
        return Layout(placed, tuple(routes), columns, x, height)

    def _tracks(self, rank: int) -> dict[int, int]:
        """The track of each source of a channel that has to change rows, the fewest that keep lines apart.

        A line that leaves a row has to turn before another one enters that row, or both would run over each other.
        """
        ports = self.ports
        reach: dict[int, tuple[int, int]] = {}
        leaves: dict[int, int] = {}
        for node in self.columns[rank]:
            rows = [ports[other] for other in self.right[node]]
            if any(row != ports[node] for row in rows):
                reach[node] = (min(ports[node], *rows), max(ports[node], *rows))
                leaves[ports[node]] = node
        later: dict[int, list[int]] = {node: [] for node in reach}
        waits = dict.fromkeys(reach, 0)
        for node in reach:
            for other in self.right[node]:
                before = leaves.get(ports[other])
                if before is not None and before != node and node not in later[before]:
                    later[before].append(node)
                    waits[node] += 1
        ready = [(*reach[node], node) for node in reach if not waits[node]]
        heapify(ready)
        left = dict.fromkeys(reach)
        least = dict.fromkeys(reach, 0)
        taken: list[list[tuple[int, int]]] = []
        out: dict[int, int] = {}
        while left:
            # Where two wait for each other, one has to go first, and their lines touch.
            node = heappop(ready)[2] if ready else next(iter(left))
            if node not in left:
                continue
            del left[node]
            top, bottom = reach[node]
            number = least[node]
            while number < len(taken) and any(top <= low and high <= bottom for high, low in taken[number]):
                number += 1
            while number >= len(taken):
                taken.append([])
            taken[number].append((top, bottom))
            out[node] = number
            for other in later[node]:
                least[other] = max(least[other], number + 1)
                waits[other] -= 1
                if not waits[other]:
                    heappush(ready, (*reach[other], other))
        return out


def isotonic(targets: Sequence[float], weights: Sequence[float], apart: Sequence[float]) -> list[float]:
    """Positions in this order, each at least ``apart`` behind the one before, with the least weighted squared distance
    to the targets: pool adjacent violators.
    """
    offsets = list(accumulate(apart, initial=0.0))
    pools: list[tuple[float, float, int]] = []
    for target, weight, offset in zip(targets, weights, offsets, strict=False):
        value, total, count = target - offset, weight, 1
        while pools and pools[-1][0] > value:
            before, heavy, many = pools.pop()
            value = (value * total + before * heavy) / (total + heavy)
            total += heavy
            count += many
        pools.append((value, total, count))
    out: list[float] = []
    for value, _, count in pools:
        out += [value + offset for offset in offsets[len(out) : len(out) + count]]
    return out
