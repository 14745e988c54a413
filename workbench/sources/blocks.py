"""Large lists of one kind, as ``kubectl get -o json`` writes them, read a block at a time.

To hold the whole text of a large cluster, and to pass over it once for the ends of the items and once more for what
is in them, takes about as long as to make the objects. All items of a list of one kind begin alike, though, and what
stands between two of them can stand nowhere in a string, for it has quotes. So the text is cut there, and each part
is decoded. A text of which each part is JSON is JSON as a whole; where one is not, or anything else is unusual, what
was read is forgotten, and the file is read as any other is, so that what is wrong with it is said with its place.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from workbench.inventory.objects import KubernetesObject, kind_of
from workbench.sources.documents import JSON_ERRORS, LIMITS, JsonTop, Limits, TextFile, json_top
from workbench.sources.objects import HEAD, ObjectReader, is_list
from workbench.sources.origin import JsonPlaces

_BLOCK = 1 << 20
"""How much is read at once. The API server refuses objects that are larger, and this stays in the processor's cache."""

_SMALL = 1 << 16
"""Files up to this size are read as any other: it takes no longer."""

_SPACE = rb"[ \t\r\n]*"
_OPENING = re.compile(
    _SPACE
    + rb"\{(?:"
    + _SPACE.join((rb"", rb'"(?:apiVersion|kind)"', rb":", rb'"[\w./-]+"', rb",)*", rb'"items"', rb":", rb"\[", rb""))
)
"""How such a list begins, up to its first item."""


def read_list(file: TextFile, reader: ObjectReader, limits: Limits = LIMITS) -> bool:
    """Read the objects of a file that is one large list of one kind.

    Returns:
        Whether the file is such a list. If it is none, nothing was read.
    """
    opened = file.opened(limits)
    if opened is None:
        return False
    stream, size = opened
    with stream:
        if size <= _SMALL:
            return False
        mark = reader.mark()
        try:
            if _List(file, reader, stream).read() == size:
                return True
        except (OSError, _Unusual, *JSON_ERRORS):
            pass
    reader.back_to(mark)
    return False


class _Unusual(Exception):
    """Not a list of one kind, or not written as such lists are."""


class _List:
    """One list, and the part of its text that is being looked at."""

    def __init__(self, file: TextFile, reader: ObjectReader, stream: BinaryIO) -> None:
        self._reader = reader
        self._stream = stream
        self._places = JsonPlaces(file, 1)
        self._buffer = bytearray(_BLOCK)
        self._filled = 0
        self._offset = 0
        """Where in the file the buffer begins."""
        self._wanted: type[KubernetesObject] = KubernetesObject
        self._version = ""

    def read(self) -> int:
        """Read all items, and return how long the text is.

        Raises:
            _Unusual: It is no list of one kind.
            JSON_ERRORS: A part of it is no JSON.
            OSError: It cannot be read.
        """
        self._next_block(0)
        buffer, view = self._buffer, memoryview(self._buffer)
        opening = _OPENING.match(buffer)
        if opening is None:
            raise _Unusual
        before = opening[0]
        begin = opening.end()
        between, separator = self._separator(begin)
        while True:
            while (end := buffer.find(separator, begin, self._filled)) >= 0:
                self._object(view[begin:end], self._offset + begin)
                begin = end + len(between)
            if not self._next_block(begin):
                break
            begin = 0
        self._last(before, bytes(view[: self._filled]))
        return self._offset + self._filled

    def _next_block(self, begin: int) -> bool:
        """Keep what is not read yet, and fill the rest of the buffer; whether there was more."""
        view = memoryview(self._buffer)
        kept = self._filled - begin
        view[:kept] = view[begin : self._filled]
        self._offset += begin
        self._filled = kept
        if kept == len(view):
            raise _Unusual
        read = self._stream.readinto(view[kept:])  # type: ignore[attr-defined]
        self._filled += read
        return bool(read)

    def _separator(self, begin: int) -> tuple[bytes, bytes]:
        """What stands between two items, and the same with what every item begins with."""
        buffer = self._buffer
        head = HEAD.match(buffer, begin)
        if head is None:
            raise _Unusual
        self._version, kind = head[1].decode(), head[2].decode()
        wanted = kind_of(self._version, kind)
        second = buffer.find(head[0], head.end(), self._filled)
        if wanted is None or second < 0:
            raise _Unusual
        self._wanted = wanted
        first = bytes(buffer[begin:second])
        between = first[len(first.rstrip(b", \t\r\n")) :]
        if between.count(b",") != 1:
            raise _Unusual
        return between, between + head[0]

    def _object(self, raw: memoryview, at: int) -> None:
        places = self._places
        self._reader.json_object(places, places.add(at, at + len(raw)), self._wanted, self._version, raw)

    def _last(self, before: bytes, rest: bytes) -> None:
        """The last item and what stands after it: a list of one item, together with what stands before the first."""
        top = json_top(memoryview(before + rest))
        if not isinstance(top, JsonTop) or not isinstance(top.items, list) or len(top.items) != 1:
            raise _Unusual
        item = memoryview(top.items[0])
        after = rest[len(item) :]
        # Of a key that stands twice the last counts: then these were not the list's items.
        if rest[: len(item)] != item or b"items" in after or b"\\" in after:
            raise _Unusual
        if not (isinstance(top.api_version, str) and top.api_version and isinstance(top.kind, str)):
            raise _Unusual
        if not is_list(top.api_version, top.kind, has_items=True):
            raise _Unusual
        self._object(item, self._offset)
