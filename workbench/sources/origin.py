"""Where an object was read: its file, document and lines, looked up again only when somebody asks."""

from __future__ import annotations

import contextlib
import textwrap
from array import array
from collections import OrderedDict
from typing import TypeAlias

import yaml
from yaml.nodes import Node

from workbench.inventory import fields
from workbench.inventory.fields import Path
from workbench.sources import locate, yaml_nodes
from workbench.sources.documents import TextFile

_Range: TypeAlias = tuple[TextFile, int, int]

_REMEMBERED = 64
_roots: OrderedDict[tuple[int, int, int], tuple[TextFile, bytes, list[Node]]] = OrderedDict()


def _composed(file: TextFile, start: int, end: int) -> tuple[bytes, list[Node]] | None:
    """The text of a range and its root nodes; the last few are remembered, as evidence asks for them in runs."""
    key = (id(file), start, end)
    known = _roots.get(key)
    if known is not None and known[0] is file:
        _roots.move_to_end(key)
        return known[1], known[2]
    text = file.read(start, end)
    if text is None:
        return None
    roots: list[Node] = []
    # A later document of the range may be broken; those before it are known.
    with contextlib.suppress(yaml.YAMLError, RecursionError):
        roots.extend(yaml_nodes.compose(text))
    _roots[key] = (file, text, roots)
    if len(_roots) > _REMEMBERED:
        _roots.popitem(last=False)
    return text, roots


class YamlOrigin:
    """An object of a YAML document: the document itself, or an item of the list that it holds."""

    __slots__ = ("_base", "_end", "_file", "_first", "_index", "_start", "_top", "document")

    def __init__(
        self, file: TextFile, document: int, span: tuple[int, int], *, top: int, first: int, index: int, base: Path = ()
    ) -> None:
        """Say where an object stands.

        Args:
            file: The file.
            document: The document's number, from 1.
            span: The range of bytes that holds the document.
            top: The number of the range's first line.
            first: The number of the line on which the document's content begins.
            index: Which of the documents in the range.
            base: The path of the object within the document, for an item of a list.
        """
        self._file = file
        self.document: int | None = document
        self._start, self._end = span
        self._top = top
        self._first = first
        self._index = index
        self._base = base

    @property
    def file(self) -> str | None:
        return self._file.name

    def line(self, field: str) -> int | None:
        """The line of a field, of its nearest written parent; ``None`` if the file has changed since."""
        if not field and not self._base:
            return self._first
        found = self._root()
        if found is None:
            return None
        return self._top + locate.yaml_line(found[1], (*self._base, *fields.parse(field)))

    def text(self) -> tuple[str, int] | None:
        """The document's own text, or that of the list's item without its indentation."""
        found = self._root()
        if found is None:
            return None
        lines = found[0].decode("utf-8", "replace").splitlines()
        if not self._base:
            begin = self._first - self._top if self._index else 0
            return "\n".join(lines[begin:]), self._top + begin
        node = locate.yaml_node(found[1], self._base)
        if node is None:
            return None
        start, end = node.start_mark, node.end_mark
        taken = lines[start.line : end.line + (1 if end.column else 0)]
        taken[0] = " " * start.column + taken[0][start.column :]
        return textwrap.dedent("\n".join(taken)), self._top + start.line

    def _root(self) -> tuple[bytes, Node] | None:
        found = _composed(self._file, self._start, self._end)
        if found is None or self._index >= len(found[1]):
            return None
        return found[0], found[1][self._index]


_PART = 8 << 20
"""How much of a file is held at once to count lines."""


class JsonPlaces:
    """The ranges of the objects of one JSON document, whose line numbers are counted once for all."""

    __slots__ = ("_ends", "_lines", "_starts", "document", "file")

    def __init__(self, file: TextFile, document: int) -> None:
        self.file = file
        self.document = document
        # Of a large cluster there are a hundred thousand: as numbers side by side they take a sixth of what pairs take.
        self._starts = array("q")
        self._ends = array("q")
        self._lines: list[int] = []

    def add(self, start: int, end: int) -> int:
        """Add the range of bytes of the next object, and return its index."""
        index = len(self._starts)
        self._starts.append(start)
        self._ends.append(end)
        return index

    def origin(self, index: int) -> JsonOrigin:
        """Where the object of an index stands."""
        return JsonOrigin(self, index)

    def span(self, index: int) -> tuple[int, int]:
        """The range of bytes of the object of an index."""
        return self._starts[index], self._ends[index]

    def first_line(self, index: int) -> int | None:
        """The line on which the object of an index begins, ``None`` if the file has changed since."""
        lines, starts = self._lines, self._starts
        while index >= len(lines):
            # From the last one on: faults ask while more objects are still to come. Of a large file a part at a time.
            known = len(lines)
            base = starts[known - 1] if lines else 0
            end = known + 1
            while end < len(starts) and starts[end] - base <= _PART:
                end += 1
            new = starts[known:end]
            text = self.file.read(base, max([base, *new]))
            if text is None:
                return None
            line = lines[-1] if lines else 1
            before = 0
            for start in new:
                at = max(before, start - base)
                line += text.count(b"\n", before, at)
                before = at
                lines.append(line)
        return lines[index]


class JsonOrigin:
    """An object of a JSON document: the document itself, or an item of the list that it is."""

    __slots__ = ("_index", "_places")

    def __init__(self, places: JsonPlaces, index: int) -> None:
        self._places = places
        self._index = index

    @property
    def file(self) -> str | None:
        return self._places.file.name

    @property
    def document(self) -> int | None:
        return self._places.document

    def line(self, field: str) -> int | None:
        """The line of a field, of its nearest written parent; ``None`` if the file has changed since."""
        first = self._places.first_line(self._index)
        if first is None or not field:
            return first
        text = self._places.file.read(*self._places.span(self._index))
        if text is None:
            return None
        return first + text.count(b"\n", 0, locate.json_offset(text, fields.parse(field)))

    def text(self) -> tuple[str, int] | None:
        """The object's own text."""
        first = self._places.first_line(self._index)
        text = self._places.file.read(*self._places.span(self._index))
        if first is None or text is None:
            return None
        lines = text.decode("utf-8", "replace").splitlines()
        indent = min((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), default=0)
        return "\n".join((lines[0], *(line[indent:] for line in lines[1:]))), first


class RecordedOrigin:
    """What a snapshot keeps of an object's place: the lines of its fields are not known any more."""

    __slots__ = ("_line", "document", "file")

    def __init__(self, file: str | None, document: int | None, line: int | None) -> None:
        self.file = file
        self.document = document
        self._line = line

    def line(self, field: str) -> int | None:
        """The line on which the object begins, whatever the field: the nearest that is known."""
        return self._line

    def text(self) -> tuple[str, int] | None:
        """Nothing: a snapshot holds no text."""
        return None
