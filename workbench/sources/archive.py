"""Tar archives, compressed or not, read as a stream: nothing is extracted, nothing is written, sizes are bounded.

Archives come from outside and may be hostile. A member's path is a name and never a place on this machine; only
regular files are read; an archive that is cut off or damaged is refused, for its missing rest could not be told.

Sources: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual, "Basic Tar Format";
RFC 1952 (gzip).
"""

from __future__ import annotations

import enum
import os
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from workbench.errors import SnapshotError
from workbench.sources.detect import GZIP
from workbench.sources.documents import TextFile
from workbench.text import shown

_BLOCK = 512
_CHUNK = 1 << 20
_NOTHING = bytes(_BLOCK)


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What is read at most; beyond it an archive is refused with a message, never cut."""

    unpacked: int = 2 << 30
    """Bytes, after decompression, headers included: what KubeHound itself reads of a dump."""
    members: int = 100_000
    header: int = 1 << 20
    """Bytes of one extended header, which holds a long name or the like."""


LIMITS = ArchiveLimits()


class MemberType(enum.StrEnum):
    """What a member of an archive is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMBOLIC_LINK = "symbolic link"
    HARD_LINK = "hard link"
    DEVICE = "device"
    PIPE = "pipe"
    OTHER = "special entry"


_TYPES = {
    b"0": MemberType.FILE,
    b"\0": MemberType.FILE,
    b"7": MemberType.FILE,
    b"1": MemberType.HARD_LINK,
    b"2": MemberType.SYMBOLIC_LINK,
    b"3": MemberType.DEVICE,
    b"4": MemberType.DEVICE,
    b"5": MemberType.DIRECTORY,
    b"6": MemberType.PIPE,
}
_WITHOUT_DATA = frozenset(_TYPES.values()) - {MemberType.FILE}
"""Nothing follows the header of these, whatever size it states."""


class Member:
    """One member of an archive while the archive is read; its content can be taken until the next one is asked for."""

    __slots__ = ("_archive", "name", "path", "size", "type")

    def __init__(self, archive: _Reader, name: str, type_: MemberType, size: int) -> None:
        self.name = name
        """As the archive holds it."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        outside = name.startswith("/") or ".." in parts or "\0" in name
        self.path: str | None = None if outside else "/".join(parts)
        """The path within the archive, ``None`` if the name leads out of it."""
        self.type = type_
        self.size = size
        self._archive = archive

    def read(self) -> bytearray:
        """The content.

        Raises:
            SnapshotError: The archive is cut off, damaged or too large.
        """
        return self._archive.content()


def members(path: str, limits: ArchiveLimits = LIMITS) -> Iterator[Member]:
    """The members of an archive, one after the other, extended headers already applied.

    Args:
        path: The archive, compressed with gzip or not.
        limits: The largest archive that is read.

    Raises:
        SnapshotError: It cannot be opened, is cut off or damaged, is too large, or holds two members of one path.
    """
    try:
        with open(path, "rb") as stream:
            yield from _Reader(path, stream, limits).members()
    except OSError as error:
        raise _bad(path, (error.strerror or str(error)).lower()) from error


def _bad(path: str, problem: str) -> SnapshotError:
    return SnapshotError(TextFile(path, path).fault(problem))


class _Reader:
    """Reads one archive from its beginning to its end."""

    def __init__(self, path: str, stream: BinaryIO, limits: ArchiveLimits) -> None:
        self._path = path
        self._limits = limits
        self._chunks = self._bounded(stream)
        self._chunk = memoryview(b"")
        self._left = 0
        """Bytes of the current member's content that were not taken yet."""
        self._padding = 0

    def members(self) -> Iterator[Member]:
        known: set[str] = set()
        count = 0
        long_name: str | None = None
        records: dict[str, str] = {}
        while True:
            header = self._exactly(_BLOCK)
            if header == _NOTHING:
                self._end()
                return
            count += 1
            if count > self._limits.members:
                raise self._fault(f"more than the {self._limits.members:,} members that are read")
            self._check(header)
            flag = header[156:157]
            size = self._number(header[124:136])
            if flag in (b"x", b"X", b"g", b"L", b"K"):
                content = self._extension(size)
                if flag in (b"x", b"X"):
                    records = self._records(content)
                elif flag == b"g" and self._records(content).keys() & {"path", "size"}:
                    raise self._fault("damaged: a header for all members states the path or the size of one")
                elif flag == b"L":
                    long_name = _text(content.rstrip(b"\0"))
                continue
            if flag == b"S" or any(key.startswith("GNU.sparse") for key in records):
                raise self._fault("it holds a sparse file, which is not read; pack it without (tar --sparse)")
            type_ = _TYPES.get(flag, MemberType.OTHER)
            name = records.get("path") or long_name or _name(header)
            if "size" in records:
                if not records["size"].isascii() or not records["size"].isdigit() or len(records["size"]) > 20:
                    raise self._fault("damaged: a header states a size that is none")
                size = int(records["size"])
            if type_ is MemberType.FILE and name.endswith("/"):
                # Older than the flag for directories.
                type_ = MemberType.DIRECTORY
            if type_ in _WITHOUT_DATA:
                size = 0
            if size > self._limits.unpacked:
                raise self._too_large()
            long_name, records = None, {}
            self._left, self._padding = size, -size % _BLOCK
            member = Member(self, name, type_, size)
            if member.path is not None and type_ is not MemberType.DIRECTORY:
                if member.path in known:
                    raise self._fault(f"two members have the path {shown(member.path)}")
                known.add(member.path)
            yield member
            self._skip(self._left)
            self._skip(self._padding)

    def content(self) -> bytearray:
        """What is left of the current member's content."""
        out = bytearray()
        # Not made at the stated size at once: it may be a lie.
        while self._left:
            part = self._some(self._left)
            out += part
            self._left -= len(part)
        return out

    # --- headers ----------------------------------------------------------------------------------

    def _check(self, header: bytes) -> None:
        stated = self._number(header[148:156])
        blank = header[:148] + b" " * 8 + header[156:]
        # Old programs summed the bytes as signed ones.
        if stated not in (sum(blank), sum(byte - 256 if byte > 127 else byte for byte in blank)):
            raise self._fault("damaged: a member's header does not fit its checksum")

    def _number(self, field: bytes) -> int:
        """A number of a header: octal digits, or, where these do not suffice, GNU's binary form."""
        if field[0] == 0x80:
            return int.from_bytes(field[1:], "big")
        digits = field.strip(b" \0")
        if not digits:
            return 0
        if not all(0x30 <= digit <= 0x37 for digit in digits):
            raise self._fault("damaged: a member's header holds a number that is none")
        return int(digits, 8)

    def _extension(self, size: int) -> bytes:
        if size > self._limits.header:
            raise self._fault(f"a header of {size:,} bytes; at most {self._limits.header:,} are read")
        content = self._exactly(size)
        self._skip(-size % _BLOCK)
        return content

    def _records(self, content: bytes) -> dict[str, str]:
        """The records of a pax header: ``length key=value`` and a line break, the length counting all of it."""
        out: dict[str, str] = {}
        at = 0
        while at < len(content):
            digits, space, _ = content[at : at + 20].partition(b" ")
            length = int(digits) if space and digits.isdigit() else 0
            record = content[at + len(digits) + 1 : at + length]
            key, equals, value = record.removesuffix(b"\n").partition(b"=")
            if not equals or not record.endswith(b"\n") or at + length > len(content):
                raise self._fault("damaged: an extended header cannot be read")
            out[_text(key)] = _text(value)
            at += length
        return out

    def _end(self) -> None:
        """After an empty block comes nothing but empty ones (archives are padded to the size of their records)."""
        for chunk in self._rest():
            if chunk.tobytes().strip(b"\0"):
                raise self._fault("there is more after its end")

    # --- bytes ------------------------------------------------------------------------------------

    def _exactly(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            part = self._some(size)
            parts.append(part.tobytes())
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._some(size))

    def _some(self, size: int) -> memoryview:
        """The next bytes: at least one, at most as many as asked for."""
        while not self._chunk:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise self._cut_off()
            self._chunk = memoryview(chunk)
        part, self._chunk = self._chunk[:size], self._chunk[size:]
        return part

    def _rest(self) -> Iterator[memoryview]:
        yield self._chunk
        for chunk in self._chunks:
            yield memoryview(chunk)

    def _bounded(self, stream: BinaryIO) -> Iterator[bytes]:
        total = 0
        for chunk in self._inflated(stream):
            total += len(chunk)
            if total > self._limits.unpacked:
                raise self._too_large()
            yield chunk

    def _inflated(self, stream: BinaryIO) -> Iterator[bytes]:
        head = stream.read(_CHUNK)
        if not head.startswith(GZIP):
            while head:
                yield head
                head = stream.read(_CHUNK)
            return
        try:
            while head:
                # Several compressed streams after each other count as one (RFC 1952, 2.2).
                unzip = zlib.decompressobj(wbits=31)
                while not unzip.eof:
                    yield unzip.decompress(head, _CHUNK)
                    head = unzip.unconsumed_tail
                    if not head and not unzip.eof:
                        head = stream.read(_CHUNK)
                        if not head:
                            raise self._cut_off()
                head = unzip.unused_data or stream.read(_CHUNK)
        except zlib.error as error:
            raise self._fault(f"the compressed data is damaged ({error})") from error

    # --- faults -----------------------------------------------------------------------------------

    def _fault(self, problem: str) -> SnapshotError:
        return _bad(self._path, problem)

    def _cut_off(self) -> SnapshotError:
        return self._fault("the archive is cut off: its end is missing; copy or make it again")

    def _too_large(self) -> SnapshotError:
        return self._fault(f"too large: more than the {self._limits.unpacked:,} bytes that are read, unpacked")


def _name(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    # GNU's own form keeps other things where POSIX has the first part of the path.
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


# --- reading a member again ---------------------------------------------------------------------------


class Archive:
    """An archive whose members are read again when somebody asks for a line of one."""

    _KEPT = 256 << 20

    def __init__(self, path: str, limits: ArchiveLimits = LIMITS) -> None:
        self.path = path
        self._limits = limits
        self._state = _state_of(path)
        self._texts: OrderedDict[str, bytes] = OrderedDict()

    def text(self, wanted: str) -> bytes | None:
        """The content of a member, ``None`` if the archive has changed or gone. The last ones are remembered."""
        known = self._texts.get(wanted)
        if known is not None:
            self._texts.move_to_end(wanted)
            return known
        if self._state is None or _state_of(self.path) != self._state:
            return None
        try:
            for member in members(self.path, self._limits):
                if member.path == wanted and member.type is MemberType.FILE:
                    self._texts[wanted] = text = bytes(member.read())
                    while len(self._texts) > 1 and sum(map(len, self._texts.values())) > self._KEPT:
                        self._texts.popitem(last=False)
                    return text
        except SnapshotError:
            return None
        return None


class MemberFile(TextFile):
    """A file within an archive, by its path there.

    Attributes:
        content: All of it while it is read, so that the lines of faults are known; later it is read again at need.
    """

    __slots__ = ("_archive", "content")

    def __init__(self, archive: Archive, name: str, content: bytearray) -> None:
        super().__init__(name, None)
        self._archive = archive
        self.content: bytearray | None = content

    def read(self, start: int, end: int) -> bytes | None:
        """A range of the content, ``None`` if the archive has changed or gone since it was read."""
        if self.content is not None:
            return bytes(self.content[start:end])
        text = self._archive.text(self.name)
        return text[start:end] if text is not None else None


def _state_of(path: str) -> tuple[int, int] | None:
    """The size of a file and when it was changed, ``None`` if it is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
