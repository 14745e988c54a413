"""Sets of small numbers as integers: number ``n`` is in the set if bit ``n`` is set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

_FEW = 8


def bits_of(numbers: Iterable[int], size: int) -> int:
    """The set of some numbers below ``size``."""
    found = list(numbers)
    if len(found) <= _FEW:
        out = 0
        for number in found:
            out |= 1 << number
        return out
    # Each single shift would copy the whole set.
    data = bytearray((size + 7) // 8)
    for number in found:
        data[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(data, "little")


def numbers_of(bits: int) -> Iterator[int]:
    """The numbers in a set, ascending."""
    text = bin(bits)[:1:-1]
    at = text.find("1")
    while at >= 0:
        yield at
        at = text.find("1", at + 1)


def doubled(bits: int, places: Sequence[int]) -> int:
    """A set of pieces after some of them were cut in two: both parts of a piece are in the set that it was in.

    Args:
        bits: The set.
        places: The numbers of the pieces that were cut, ascending; one that was cut twice stands there twice.
    """
    for place in reversed(places):
        bits = bits >> place << (place + 1) | bits & ((2 << place) - 1)
    return bits
