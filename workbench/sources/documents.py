"""Files and the documents in them: bounded reading, YAML as kubectl types it, where each document stands.

The text of a file is not kept: a document knows its file and its range of bytes, and is read again when
somebody asks for a line or for the text, provided that the file has not changed since.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import msgspec

from workbench.errors import Fault
from workbench.sources import yaml_nodes
from workbench.text import shown


@dataclass(frozen=True, slots=True)
class Limits:
    """What is read at most; beyond it a file is refused with a message, never cut."""

    json_file: int = 4 << 30
    yaml_file: int = 256 << 20
    yaml_document: int = 64 << 20
    files: int = 100_000


LIMITS = Limits()

_GUESS_YAML = 1 << 20
"""Above this size a file that looks like JSON is not tried as YAML: it would take minutes to say the same."""


class Unreadable(Exception):
    """A file, or a document of it, that cannot be read; carries the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class TextFile:
    """A file by the name that the user gave; standard input and pipes keep their text.

    Attributes:
        name: As given, ``-`` for standard input.
        path: Where to read it again, ``None`` where that is not possible.
    """

    __slots__ = ("_kept", "_state", "name", "path")

    def __init__(self, name: str, path: str | None, *, kept: bytes | None = None) -> None:
        self.name = name
        self.path = path
        self._kept = kept
        self._state: tuple[int, int] | None = None

    @classmethod
    def stdin(cls) -> TextFile:
        """Standard input."""
        return cls("-", None)

    def load(self, limits: Limits = LIMITS) -> bytes:
        """The whole content, without a byte order mark of UTF-16 (which is turned into UTF-8).

        Raises:
            Unreadable: The file is absent, no file, not readable, or larger than the limit.
        """
        try:
            data = self._load(limits)
        except OSError as error:
            raise Unreadable(self.fault((error.strerror or str(error)).lower())) from error
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            try:
                data = data.decode("utf-16").encode()
            except UnicodeDecodeError as error:
                raise Unreadable(self.fault("not UTF-16 text, though it begins with a mark of it")) from error
            self._kept = data
        return data

    def _load(self, limits: Limits) -> bytes:
        if self._kept is not None:
            return self._kept
        if self.path is None:
            data = self._bounded(sys.stdin.buffer, limits)
            self._kept = data
            return data
        with open(self.path, "rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_size > limits.json_file:
                raise Unreadable(self.fault(_too_large(status.st_size, limits.json_file)))
            data = stream.read() if stat.S_ISREG(status.st_mode) else self._bounded(stream, limits)
        if stat.S_ISREG(status.st_mode):
            self._state = (status.st_size, status.st_mtime_ns)
        else:
            self._kept = data
        return data

    def _bounded(self, stream: BinaryIO, limits: Limits) -> bytes:
        parts: list[bytes] = []
        size = 0
        # One read of the pipe at a time: between them the interpreter hears ctrl+c.
        read = getattr(stream, "read1", stream.read)
        while part := read(1 << 20):
            parts.append(part)
            size += len(part)
            if size > limits.json_file:
                raise Unreadable(self.fault(f"too large: more than the {limits.json_file:,} bytes that are read"))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def opened(self, limits: Limits = LIMITS) -> tuple[BinaryIO, int] | None:
        """The file to be read a part at a time, and its size; ``None`` if it has to be, or cannot be, loaded."""
        if self._kept is not None or self.path is None or not os.path.isfile(self.path):
            return None
        try:
            # Without a buffer of its own: whoever reads has one.
            stream = open(self.path, "rb", buffering=0)  # noqa: SIM115
        except OSError:
            return None
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > limits.json_file:
            stream.close()
            return None
        self._state = (status.st_size, status.st_mtime_ns)
        return stream, status.st_size

    def read(self, start: int, end: int) -> bytes | None:
        """A range of the content, or ``None`` if the file has changed or gone since it was read."""
        if self._kept is not None:
            return self._kept[start:end]
        if self.path is None or self._state is None:
            return None
        try:
            with open(self.path, "rb") as stream:
                status = os.fstat(stream.fileno())
                if (status.st_size, status.st_mtime_ns) != self._state:
                    return None
                stream.seek(start)
                return stream.read(end - start)
        except OSError:
            return None

    def fault(
        self, problem: str, *, document: int | None = None, line: int | None = None, field: str | None = None
    ) -> Fault:
        """A fault in this file."""
        return Fault(file=shown(self.name), problem=problem, document=document, line=line, field=field)


def _too_large(size: int, limit: int) -> str:
    return f"too large: {size:,} bytes, at most {limit:,} are read"


class JsonTop(msgspec.Struct, rename="camel", gc=False):
    """The keys of a JSON object that tell what it is; the items of a list stay undecoded."""

    api_version: Any = msgspec.UNSET
    kind: Any = msgspec.UNSET
    metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    spec: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    items: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET


class JsonHeader(msgspec.Struct, rename="camel", gc=False):
    """As :class:`JsonTop`, for objects whose ``items`` is something else."""

    api_version: Any = msgspec.UNSET
    kind: Any = msgspec.UNSET
    metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    spec: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    items: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_TOP = msgspec.json.Decoder(JsonTop)
_HEADER = msgspec.json.Decoder(JsonHeader)
_RAW = msgspec.json.Decoder(msgspec.Raw)


JSON_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding bytes that are no JSON, no UTF-8 or nested too deeply raises."""


def json_top(raw: memoryview | msgspec.Raw) -> JsonTop | JsonHeader | None:
    """What tells what a JSON text is, ``None`` if it is no object.

    Raises:
        JSON_ERRORS: The text is no JSON.
    """
    try:
        return _TOP.decode(raw)
    except msgspec.ValidationError:
        pass
    try:
        return _HEADER.decode(raw)
    except msgspec.ValidationError:
        _RAW.decode(raw)
        return None


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file, decoded to plain data (YAML) or left as it is (JSON)."""

    file: TextFile
    number: int
    """From 1."""
    start: int
    end: int
    line: int
    """The number of the first line of the text between ``start`` and ``end``."""
    first: int
    """The number of the line on which the content begins."""
    data: Any = None
    raw: memoryview | None = None
    """The text, if this is JSON."""
    top: JsonTop | JsonHeader | None = None
    """What tells what a JSON document is, if it is a JSON object."""
    index: int = 0
    """Which of several documents in the range, where no ``---`` stands between them."""
    foreign: tuple[str, int] | None = None
    """The first tag that would ask for more than a type, and its line."""


def documents(file: TextFile, limits: Limits = LIMITS) -> Iterator[Document | Fault]:
    """Every document of a file, and a fault for each that does not parse. Empty documents are left out.

    Raises:
        Unreadable: Nothing of the file can be read.
    """
    data = file.load(limits)
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    begin = skipped(_BLANK, data, start)
    if data[begin : begin + 1] in (b"{", b"[") and not data.startswith(b"{{", begin):
        found = _json(file, data, begin)
        if isinstance(found, list):
            yield from found
            return
        if len(data) > _GUESS_YAML:
            yield found
            return
        as_yaml = list(_yaml(file, data, start, limits))
        # A flow mapping may be YAML and no JSON; if it is neither, the message about JSON is the helpful one.
        if any(isinstance(item, Fault) for item in as_yaml) and _JSON_LIKE.match(data, begin):
            yield found
        else:
            yield from as_yaml
        return
    if len(data) > limits.yaml_file:
        raise Unreadable(
            file.fault(f"{_too_large(len(data), limits.yaml_file)} as YAML; write it as JSON (kubectl get -o json)")
        )
    yield from _yaml(file, data, start, limits)


def skipped(pattern: re.Pattern[bytes], data: bytes | memoryview, at: int) -> int:
    """Where what a pattern matches at a position ends; the position itself if it does not match."""
    match = pattern.match(data, at)
    return match.end() if match is not None else at


_BLANK = re.compile(rb"[ \t\r\n]*")
_JSON_LIKE = re.compile(rb'[\[{][ \t\r\n]*["{\[\]}]')
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_BYTE = re.compile(r" ?\(byte (\d+)\)")


def _json(file: TextFile, data: bytes, begin: int) -> list[Document | Fault] | Fault:
    """The JSON documents of a file (one, or several after each other), or why it is no JSON."""
    found: list[Document | Fault] = []
    view = memoryview(data)
    while begin < len(data):
        end = len(data)
        top = None
        try:
            top = json_top(view[begin:])
        except msgspec.DecodeError as error:
            trailing = _TRAILING.search(str(error))
            if trailing is None:
                return json_fault(file, data, begin, error, len(found) + 1)
            # The message counts the first byte that is too much.
            end = begin + int(trailing[1]) - 1
            top = json_top(view[begin:end])
        except (UnicodeDecodeError, RecursionError) as error:
            return file.fault(json_problem(error), document=len(found) + 1)
        line = data.count(b"\n", 0, begin) + 1
        found.append(Document(file, len(found) + 1, begin, end, line, line, raw=view[begin:end], top=top))
        begin = skipped(_BLANK, data, end)
    return found


def json_fault(file: TextFile, data: bytes, begin: int, error: Exception, number: int) -> Fault:
    """The fault of JSON text that does not parse, with its line."""
    at = _BYTE.search(str(error))
    where = begin + int(at[1]) - 1 if at else len(data.rstrip())
    return file.fault(json_problem(error), document=number, line=data.count(b"\n", 0, where) + 1)


def json_problem(error: Exception) -> str:
    """What one of ``JSON_ERRORS`` says, for people."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 text: byte 0x{error.object[error.start]:02x}"
    problem = _BYTE.sub("", str(error)).removeprefix("JSON is ")
    return "not JSON: " + problem[:1].lower() + problem[1:]


_SEPARATOR = re.compile(rb"^(?:\xef\xbb\xbf)?---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_CONTENT = re.compile(rb"^[ \t]*[^#\s]", re.MULTILINE)


def _chunks(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Ranges that hold one document each, as a rule.

    A line that begins with ``---`` always starts a document (YAML 1.2, 9.1.2: it cannot stand in a scalar), so
    that a fault in one document does not hide the rest. After a directive (``%YAML``) it belongs to it.
    """
    begin = start
    for match in _SEPARATOR.finditer(data, start):
        at = match.start()
        before = data[begin:at].rstrip()
        if before and before[before.rfind(b"\n") + 1 :].startswith(b"%"):
            continue
        if at > begin:
            yield begin, at
        begin = at
    yield begin, len(data)


def _yaml(file: TextFile, data: bytes, start: int, limits: Limits) -> Iterator[Document | Fault]:
    number = 0
    line = 1
    counted = 0
    for begin, end in _chunks(data, start):
        line += data.count(b"\n", counted, begin)
        counted = begin
        chunk = data[begin:end]
        if not _CONTENT.search(chunk):
            continue
        if len(chunk) > limits.yaml_document:
            number += 1
            yield file.fault(_too_large(len(chunk), limits.yaml_document), document=number, line=line)
            continue
        for index, item in enumerate(yaml_nodes.parse(chunk)):
            if isinstance(item, yaml_nodes.YamlFault):
                number += 1
                yield file.fault(item.problem, document=number, line=line + item.line)
                continue
            if item.data is None:
                continue
            number += 1
            foreign = (item.foreign[0], line + item.foreign[1]) if item.foreign else None
            yield Document(
                file, number, begin, end, line, line + item.line, data=item.data, index=index, foreign=foreign
            )
