"""Snapshots: the trimmed objects of a source in one file, to look at later, elsewhere, or to compare with.

The file is gzip over JSON lines, so that ``zcat`` and ``grep`` read it too: a header; for each kind a line that
names it and one line for each object (:mod:`~workbench.sources.snapshot_lines`); an end with a count and a checksum,
by which a file that was cut off or changed is found. Objects hold what the inventory holds, so no value of a Secret, a
ConfigMap (but for the few keys that rules read) or an environment variable is in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

import workbench
from workbench.errors import Fault, InputError, SnapshotError, UsageError
from workbench.inventory.decode import DecodeError, Kept, keep_owned, kept_fields, trimmed_annotations
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.gathered import Gathered
from workbench.inventory.inventory import ServerVersion
from workbench.inventory.objects import KINDS, KubernetesObject, ManagedField, Pod
from workbench.inventory.sharing import Sharer
from workbench.sources.detect import FORMAT, GZIP, Content, detect_head
from workbench.sources.documents import JSON_ERRORS, TextFile
from workbench.sources.origin import RecordedOrigin
from workbench.sources.snapshot_lines import MOST, PARTS, POD_SPECS, Assembly, Place, PodLine, TooMuch, line_decoder
from workbench.sources.versions import parse_version
from workbench.text import shown

VERSION = 2
"""The version of the format that this program writes, and the newest that it reads. In version 1 all objects are
whole."""

_CHUNK = 1 << 18
"""How much text is looked at in one go: some dozens of objects, which stay in the processor's cache."""
_ZIPPED = 1 << 14
_NEXT = b'\n{"section":'
"""Where a section ends. No text of an object looks so, for JSON escapes line breaks and quotes."""
_MAX_LINE = 64 << 20
_MAX_SIZE = 8 << 30


class Header(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """The first line: what a snapshot is of."""

    format: str
    version: int
    program: str = ""
    """The version of the program that wrote it."""
    server_version: str | None = None
    """Absent if it was not known."""
    source: str = ""
    """What was read, for people."""
    collected: str | None = None
    """When, as RFC 3339; absent for manifests."""
    live: bool = False
    """Whether it holds pods that ran."""
    counts: dict[str, int] = {}
    coverage: list[Gap] = []
    files: list[str] = []
    """The files that objects were read from; objects name them by index."""

    @property
    def forgotten(self) -> bool:
        """Whether the program that wrote it took out what no Service has (:mod:`~workbench.sources.strangers`)."""
        return self.version > 1


class _Version(msgspec.Struct):
    format: str = ""
    version: int = 0
    program: str = ""


class Section(msgspec.Struct):
    """The line before the objects of a kind, or before parts."""

    section: str
    count: int


class End(msgspec.Struct):
    """What must have been read."""

    objects: int
    """Parts are not counted."""
    sha256: str
    """Of all lines before the last."""


class Trailer(msgspec.Struct):
    """The last line."""

    end: End


def read(path: str) -> tuple[Header, Gathered, list[Gap]]:
    """The header, the objects, and a gap for each object that does not decode.

    Raises:
        SnapshotError: The file is no snapshot, was cut off, was changed, or is of a newer version.
        InputError: The file cannot be opened, or two objects share one kind, namespace and name.
    """
    blocks = _blocks(path)
    block = next(blocks, b"")
    first = block[: block.find(b"\n") + 1]
    reader = _Reader(path, _header(path, first))
    reader.digest.update(first)
    reader.take(block[len(first) :])
    for block in blocks:
        reader.take(block)
    if not reader.ended:
        raise _cut_off(path)
    if reader.faults:
        raise InputError(reader.faults)
    return reader.header, reader.objects, reader.gaps


class _RecordedPlaces:
    """The places that a snapshot keeps of its objects."""

    def __init__(self, files: list[str]) -> None:
        self._files = files
        self._places: list[Place | None] = []

    def add(self, at: Place | None) -> int:
        """Add the place of the next object, and return its index."""
        self._places.append(at)
        return len(self._places) - 1

    def origin(self, index: int) -> RecordedOrigin | None:
        """Where the object of an index stood, ``None`` if that is not known."""
        at = self._places[index]
        if at is None:
            return None
        known = at.file is not None and 0 <= at.file < len(self._files)
        return RecordedOrigin(self._files[at.file] if known and at.file is not None else None, at.document, at.line)


class _Reader:
    """Reads the lines between the header and the end."""

    def __init__(self, path: str, header: Header) -> None:
        self.path = path
        self.digest = hashlib.sha256()
        self.objects = Gathered()
        self.gaps: list[Gap] = []
        self.faults: list[Fault] = []
        self.header = header
        self.ended = False
        self._places = _RecordedPlaces(header.files)
        self._kind = ""
        self._left = 0
        self._count = 0
        # The header is the first.
        self._line = 1
        self._sharer = Sharer()
        self._kept = Kept()
        self._decoder: msgspec.json.Decoder[Any] | None = None
        self._assembly = Assembly()

    def take(self, text: bytes) -> None:
        """Some lines. Those of a section are decoded in one go."""
        try:
            self._take(text)
        except TooMuch as error:
            raise _bad(
                self.path,
                f"too large: its pods have more than the {MOST:,} containers, mounts and volumes that are read",
            ) from error

    def _take(self, text: bytes) -> None:
        begin = 0
        while begin < len(text):
            if self._left and not self.ended:
                end = len(text)
                if text.count(b"\n", begin) > self._left:
                    end = text.find(_NEXT, begin) + 1 or end
                self._take_block(text[begin:end])
            else:
                end = text.index(b"\n", begin) + 1
                self._take_line(text[begin:end])
            begin = end

    def _take_block(self, block: bytes) -> None:
        """Lines of which most, as a rule all, are of the section."""
        found: list[Any] = []
        if self._decoder is not None:
            # Where the count of the section is wrong, or an object is not as it should be, each line is looked at.
            with contextlib.suppress(*JSON_ERRORS):
                found = self._decoder.decode_lines(block)
        if not found or len(found) > self._left:
            for line in block.splitlines(keepends=True):
                self._take_line(line)
            return
        self.digest.update(block)
        self._line += len(found)
        self._left -= len(found)
        self._keep(found)

    def _take_line(self, line: bytes) -> None:
        """One line: a section, an object of the section, or the end."""
        if self.ended:
            raise _bad(self.path, "there is more after its end")
        if line.startswith(b'{"end":'):
            self._end(line)
            return
        self._line += 1
        self.digest.update(line)
        if not self._left:
            try:
                section = msgspec.json.decode(line, type=Section)
            except JSON_ERRORS as error:
                raise _bad(self.path, f"line {self._line} of it is damaged; collect it again") from error
            self._kind, self._left = section.section, section.count
            kind = KINDS.get(self._kind) or PARTS.get(self._kind)
            self._decoder = line_decoder(kind) if kind is not None else None
            self._assembly.pods.clear()
            if kind is None:
                detail = "a kind that this version does not analyse"
                self.gaps.append(Gap(shown(self._kind), None, Problem.SKIPPED, self._left, detail))
            return
        self._left -= 1
        if self._decoder is None:
            self._count += 1
            return
        try:
            read = self._decoder.decode(line)
        except msgspec.ValidationError as error:
            if self._kind in PARTS:
                self._invalid_part(shown(str(error)))
                return
            self._invalid(shown(str(error)))
            self._count += 1
            self._assembly.pods.append(None)
        except JSON_ERRORS as error:
            raise _bad(self.path, f"line {self._line} of it is damaged; collect it again") from error
        else:
            self._keep([read])

    def _keep(self, found: list[Any]) -> None:
        """Decoded lines of the section."""
        if self._kind in PARTS:
            self._keep_parts(found)
            return
        self._count += len(found)
        if self._kind == Pod.__name__:
            self._keep_pods(found)
            return
        for line in found:
            try:
                obj = self._assembly.other(line)
                self._finish(obj, of_parts=line.managed_fields is not None)
            except DecodeError as error:
                self._invalid(str(error))
                continue
            if self._put(obj, line.at):
                self._sharer.share(obj)

    def _keep_parts(self, found: list[Any]) -> None:
        parts = self._assembly.parts[self._kind]
        if self._kind == POD_SPECS:
            self._sharer.of_several(found)
        for part in found:
            try:
                if isinstance(part, ManagedField):
                    keep_owned(part, self._kept)
                parts.append(part)
            except DecodeError as error:
                self._invalid_part(str(error))

    def _invalid_part(self, detail: str) -> None:
        """What names the part is then invalid too; the others keep their numbers."""
        self._invalid(detail)
        self._assembly.parts[self._kind].append(None)

    def _keep_pods(self, found: list[PodLine]) -> None:
        made, pods, sharer = self._assembly.pod, self._assembly.pods, self._sharer
        for line in found:
            try:
                pod = made(line)
                if line.object is not None:
                    self._finish(pod)
            except DecodeError as error:
                self._invalid(str(error))
                pods.append(None)
                continue
            pods.append(pod)
            if not self._put(pod, line.at):
                continue
            if line.object is None and line.like is not None:
                sharer.share_replica(pod)
                self.objects.replicas[id(pod)] = id(pods[line.like]), line.volume or ()
            elif line.pod_spec is not None:
                sharer.share_made(pod)
            else:
                sharer.share(pod)

    def _finish(self, obj: KubernetesObject, *, of_parts: bool = False) -> None:
        """Keep of an object what any source keeps, whatever program wrote the snapshot.

        Args:
            obj: The object.
            of_parts: Whether its managed fields are parts, of which that was kept already.

        Raises:
            DecodeError: It has no name, or a set of fields is no mapping.
        """
        meta = obj.metadata
        if not meta.name:
            raise DecodeError("an object without a name")
        if meta.annotations:
            meta.annotations = trimmed_annotations(meta.annotations)
        if meta.managed_fields and not of_parts:
            meta.managed_fields = kept_fields(meta, self._kept)

    def _put(self, obj: KubernetesObject, at: Place | None) -> bool:
        index = self._places.add(at)
        if self.objects.put(obj, self._places, index):
            return True
        self.faults.append(self.objects.duplicate(obj, self._places.origin(index)))
        return False

    def _invalid(self, detail: str) -> None:
        self.gaps.append(Gap(self._kind, None, Problem.INVALID, 1, detail))

    def _end(self, line: bytes) -> None:
        """The last line, which tells whether all is there and as it was written."""
        self.ended = True
        try:
            end = msgspec.json.decode(line, type=Trailer).end
        except JSON_ERRORS as error:
            raise _cut_off(self.path) from error
        if self._left or end.objects != self._count:
            raise _cut_off(self.path)
        if end.sha256 != self.digest.hexdigest():
            raise _bad(self.path, "it was changed after it was written: its checksum does not match")


def _header(path: str, line: bytes) -> Header:
    try:
        version = msgspec.json.decode(line, type=_Version)
    except JSON_ERRORS:
        version = _Version()
    if version.format != FORMAT:
        raise _bad(path, f"no snapshot: its first line does not say {FORMAT}")
    if version.version > VERSION:
        raise _bad(
            path,
            f"a snapshot of format version {version.version}, written by workbench {shown(version.program)}; "
            f"this is workbench {workbench.__version__}, which reads up to version {VERSION}: use a newer workbench",
        )
    try:
        return msgspec.json.decode(line, type=Header)
    except JSON_ERRORS as error:
        raise _bad(path, f"its first line is damaged: {shown(str(error))}") from error


def _blocks(path: str) -> Iterator[bytes]:
    """The text of a snapshot, compressed or not, some lines at a time."""
    rest: list[bytes] = []
    size = left = 0
    for part in _inflated(path):
        size += len(part)
        if size > _MAX_SIZE:
            raise _bad(path, f"too large: more than the {_MAX_SIZE:,} bytes that are read")
        end = part.rfind(b"\n") + 1
        if end:
            yield b"".join((*rest, part[:end]))
            rest, left = [], 0
        rest.append(part[end:])
        left += len(part) - end
        if left > _MAX_LINE:
            raise _bad(path, f"a line of it is longer than {_MAX_LINE:,} bytes")
    if left:
        raise _cut_off(path)


def _inflated(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as stream:
            head = stream.read(_CHUNK)
            if not head:
                raise _bad(path, "no snapshot: the file is empty")
            content = detect_head(head)
            if content is not Content.SNAPSHOT:
                raise _bad(path, _what_else(content))
            if not head.startswith(GZIP):
                while head:
                    yield head
                    head = stream.read(_CHUNK)
                return
            unzip = zlib.decompressobj(wbits=31)
            while head:
                yield unzip.decompress(head, _CHUNK)
                head = unzip.unconsumed_tail or (b"" if unzip.eof else stream.read(_ZIPPED))
            if not unzip.eof:
                raise _cut_off(path)
            if unzip.unused_data or stream.read(1):
                raise _bad(path, "there is more after its end")
    except zlib.error as error:
        raise _bad(path, f"the compressed data is damaged ({error})") from error
    except OSError as error:
        raise InputError(TextFile(path, path).fault((error.strerror or str(error)).lower())) from error


def _what_else(content: Content) -> str:
    if content is Content.MANIFESTS:
        return "no snapshot as workbench collect writes it; for YAML or JSON of Kubernetes use --manifests"
    if content is Content.KUBEHOUND_DUMP:
        return "an archive, no snapshot as workbench collect writes it"
    return "a compressed file that holds no snapshot as workbench collect writes it, or one that is damaged"


def _cut_off(path: str) -> SnapshotError:
    return _bad(path, "the snapshot is cut off: its end is missing; copy or collect it again")


def _bad(path: str, problem: str) -> SnapshotError:
    return SnapshotError(TextFile(path, path).fault(problem))


def server_version_of(header: Header) -> ServerVersion | None:
    """The API server's version that a snapshot states, ``None`` if it states none that can be read."""
    if header.server_version is None:
        return None
    try:
        return parse_version(header.server_version)
    except UsageError:
        return None
