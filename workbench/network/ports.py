"""Sets of ports as bit masks.

The ports of each protocol are cut at every end that some policy or backend mentions; a set of ports is an integer with
one bit for each piece, so union and intersection are single operations however many ports are meant.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

PROTOCOLS = ("TCP", "UDP", "SCTP")
"""The protocols that Kubernetes' policies know; what is said of "all ports" means these."""

LAST_PORT = 65535

Ranges: TypeAlias = dict[str, list[list[int]]]
"""Ports for people and JSON: ``{"TCP": [[80, 80], [8000, 8010]]}``, sorted, neighbours joined."""


@dataclass(frozen=True, slots=True)
class PortRange:
    """Some ports of one protocol."""

    protocol: str
    low: int = 1
    high: int = LAST_PORT


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A port by the name that the target pod gives it."""

    name: str
    protocol: str | None = "TCP"
    """``None`` for whatever protocol the pod gives it."""


Port: TypeAlias = PortRange | NamedPort


class PortSpace:
    """The pieces that ports are cut into.

    Attributes:
        all: The mask of every port of every protocol.
    """

    def __init__(self, mentioned: Iterable[PortRange]) -> None:
        """Cut the ports at the ends of some ranges.

        Args:
            mentioned: Every range that will be asked for.
        """
        cuts: dict[str, set[int]] = {protocol: {1} for protocol in PROTOCOLS}
        for each in mentioned:
            cuts[each.protocol].add(each.low)
            if each.high < LAST_PORT:
                cuts[each.protocol].add(each.high + 1)
        self._cut({protocol: sorted(found) for protocol, found in cuts.items()})

    def _cut(self, found: dict[str, list[int]]) -> None:
        self._starts = found
        self._base: dict[str, int] = {}
        bits = 0
        for protocol, starts in self._starts.items():
            self._base[protocol] = bits
            bits += len(starts)
        self.all = (1 << bits) - 1
        self._ranges: dict[int, Ranges] = {}

    def refined(self, mentioned: Iterable[PortRange]) -> tuple[PortSpace, list[int]]:
        """These pieces, cut at the ends of more ranges.

        Args:
            mentioned: The ranges.

        Returns:
            The pieces, and which of the old ones were cut (:func:`~workbench.network.bits.doubled`); the same object
            and an empty list if none was.
        """
        cuts: dict[str, set[int]] = {protocol: set() for protocol in PROTOCOLS}
        for each in mentioned:
            cuts[each.protocol].update((each.low, *((each.high + 1,) if each.high < LAST_PORT else ())))
        places: list[int] = []
        for protocol, starts in self._starts.items():
            cuts[protocol].difference_update(starts)
            places.extend(self._base[protocol] + bisect_right(starts, cut) - 1 for cut in sorted(cuts[protocol]))
        if not places:
            return self, []
        out = PortSpace.__new__(PortSpace)
        out._cut({protocol: sorted({*starts, *cuts[protocol]}) for protocol, starts in self._starts.items()})
        return out, places

    def mask(self, ports: PortRange) -> int:
        """The mask of a range; one that was not mentioned gives every piece that it touches."""
        starts = self._starts[ports.protocol]
        first = bisect_left(starts, ports.low + 1) - 1
        after = bisect_left(starts, ports.high + 1)
        return ((1 << (after - first)) - 1) << (self._base[ports.protocol] + first)

    def ranges(self, mask: int) -> Ranges:
        """The ports of a mask; the result is shared and must not be changed."""
        known = self._ranges.get(mask)
        if known is not None:
            return known
        out: Ranges = {}
        for protocol, starts in self._starts.items():
            found: list[list[int]] = []
            base = self._base[protocol]
            for at, low in enumerate(starts):
                if not mask >> (base + at) & 1:
                    continue
                high = starts[at + 1] - 1 if at + 1 < len(starts) else LAST_PORT
                if found and found[-1][1] == low - 1:
                    found[-1][1] = high
                else:
                    found.append([low, high])
            if found:
                out[protocol] = found
        self._ranges[mask] = out
        return out
