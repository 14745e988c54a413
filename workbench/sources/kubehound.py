"""KubeHound dumps: the directory that ``kubehound dump local`` writes, or its archive, read without unpacking it.

A dump holds the pods that run, the nodes, roles, bindings and EndpointSlices, one JSON list a file::

    metadata.json
    nodes.json, clusterroles.rbac.authorization.k8s.io.json, clusterrolebindings.rbac.authorization.k8s.io.json
    <namespace>/pods.json, <namespace>/roles.rbac.authorization.k8s.io.json,
    <namespace>/rolebindings.rbac.authorization.k8s.io.json, <namespace>/endpointslices.discovery.k8s.io.json

The lists come from typed Go structs, so neither they nor their items say what they are: the file's name does. Dumps
made by hand (``scripts/collectors/collect.sh``: ``kubectl get -o json``) use the same names, do say it, and may hold
more kinds. Files are found by their base names wherever they stand, as KubeHound finds them.

Reading is lenient: what cannot be read becomes a coverage gap. So does every kind that the dump does not hold; Services
are inferred from the EndpointSlices that name them.

Source: KubeHound, ``pkg/collector`` (``file.go``, ``k8s_api.go``, ``writer``) and ``pkg/dump``.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from workbench.errors import Fault, InputError, UsageError
from workbench.inventory.decode import DecodeError, from_json
from workbench.inventory.evidence import Gap, Origin, Problem
from workbench.inventory.inventory import ServerVersion
from workbench.inventory.objects import (
    CLUSTER_SCOPED,
    KINDS,
    KubernetesObject,
    Pod,
    PodStatus,
    Service,
    kind_of,
)
from workbench.sources.archive import LIMITS, Archive, ArchiveLimits, MemberFile, MemberType, members
from workbench.sources.documents import (
    JSON_ERRORS,
    JsonHeader,
    JsonTop,
    Limits,
    TextFile,
    Unreadable,
    json_fault,
    json_problem,
    json_top,
    skipped,
)
from workbench.sources.dumped import DUMPED, FILES, missing, services
from workbench.sources.manifests import Progress
from workbench.sources.objects import ObjectReader
from workbench.sources.origin import JsonOrigin, JsonPlaces
from workbench.sources.versions import parse_version
from workbench.text import shown

METADATA = "metadata.json"

_ARCHIVE_NAME = re.compile(r"kubehound_([A-Za-z0-9._@-]+)_[0-9a-z]{26}(?:\.tar(?:\.gz)?)?")
"""How KubeHound names a dump: the cluster, and the run's ULID."""

_SHOWN_FAULTS = 20
"""So many faults of one kind are gaps of their own, the rest is one."""


@dataclass(slots=True)
class Dump:
    """What a dump held."""

    objects: list[tuple[KubernetesObject, Origin | None]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    cluster: str = ""
    """The cluster's name, as its metadata or else the path says."""
    server_version: ServerVersion | None = None


def read_dump(path: str, progress: Progress | None = None, limits: ArchiveLimits = LIMITS) -> Dump:
    """Read a dump.

    Args:
        path: The directory or the archive.
        progress: Hears how many files have been read.
        limits: The largest dump that is read.

    Raises:
        SnapshotError: An archive is cut off, damaged, too large, or holds two members of one path.
        InputError: There is no such path, no file of a dump in it, no object that can be read, dumps of several
            clusters, or more than is read.
    """
    reader = _Reader(path, limits, progress)
    if os.path.isdir(path):
        reader.directory()
    else:
        reader.archive()
    return reader.finish()


# --- files --------------------------------------------------------------------------------------------


class _Places(JsonPlaces):
    """The ranges of a file's items. The files that KubeHound writes are one line each."""

    __slots__ = ("flat",)

    def __init__(self, file: TextFile, *, flat: bool) -> None:
        super().__init__(file, 1)
        self.flat = flat


class _ItemOrigin(JsonOrigin):
    """An item of a dump's list."""

    __slots__ = ()

    _places: _Places

    def line(self, field: str) -> int | None:
        """The line of a field; nothing has to be read for that where there is only one."""
        return 1 if self._places.flat else super().line(field)

    def text(self) -> tuple[str, int] | None:
        """The item's own text, ``None`` if all of the file is one line, which nobody could read."""
        return None if self._places.flat else super().text()


# --- reading ------------------------------------------------------------------------------------------

_ITEMS = re.compile(rb'"items"[ \t\r\n]*:[ \t\r\n]*\[')
_BETWEEN = re.compile(rb"[ \t\r\n,]*")
_TOLD = re.compile(rb'\{[ \t\r\n]*"(?:apiVersion|kind)"')
"""How an item begins that says what it is: so do both Go structs and the API server."""


class _What(msgspec.Struct, rename="camel", gc=False):
    api_version: Any = None
    kind: Any = None


_WHAT = msgspec.json.Decoder(_What)


class _Reader:
    def __init__(self, path: str, limits: ArchiveLimits, progress: Progress | None) -> None:
        self._path = path
        self._limits = limits
        self._progress = progress
        self._objects: dict[str, tuple[KubernetesObject, Origin]] = {}
        self._found = ObjectReader()
        self._gaps: list[Gap] = []
        self._collected: set[str] = set()
        self._roots: dict[str, None] = {}
        self._metadata: tuple[int, str, dict[str, Any]] | None = None
        self._files = 0
        self._others: list[str] = []
        self._irregular: list[str] = []
        self._twice: Counter[str] = Counter()

    # --- where the files are ----------------------------------------------------------------------

    def archive(self) -> None:
        """Read an archive."""
        archive = Archive(self._path, self._limits)
        for member in members(self._path, self._limits):
            if member.type is MemberType.DIRECTORY:
                continue
            if member.path is None:
                self._irregular.append(f"{member.name} (its path leads out of the archive)")
                continue
            if member.type is not MemberType.FILE:
                self._irregular.append(f"{member.path} (a {member.type})")
                continue
            if not self._wanted(member.path):
                continue
            content = member.read()
            file = MemberFile(archive, member.path, content)
            self._file(member.path, file, content)
            file.content = None

    def directory(self) -> None:
        """Read a directory; links within it are not followed, for they may lead anywhere."""
        size = 0
        listed = 0
        pending = [""]
        while pending:
            below = pending.pop()
            try:
                with os.scandir(os.path.join(self._path, below)) as entries:
                    found = sorted((entry.name, entry.path, entry.stat(follow_symlinks=False)) for entry in entries)
            except OSError as error:
                self._unread("Document", below or ".", (error.strerror or str(error)).lower())
                continue
            folders: list[str] = []
            for name, path, status in found:
                inside = f"{below}{name}"
                listed += 1
                if listed > self._limits.members:
                    raise InputError(self._fault(f"more than the {self._limits.members:,} files that are read"))
                if stat.S_ISDIR(status.st_mode):
                    folders.append(f"{inside}/")
                elif not stat.S_ISREG(status.st_mode):
                    what = MemberType.SYMBOLIC_LINK if stat.S_ISLNK(status.st_mode) else MemberType.OTHER
                    self._irregular.append(f"{inside} (a {what})")
                elif self._wanted(inside):
                    size += status.st_size
                    if size > self._limits.unpacked:
                        limit = self._limits.unpacked
                        raise InputError(self._fault(f"too large: more than the {limit:,} bytes that are read"))
                    self._regular(inside, path)
            pending.extend(reversed(folders))

    def _regular(self, inside: str, path: str) -> None:
        """A regular file of a directory."""
        file = TextFile(_utf8(os.path.join(self._path, inside)), path)
        try:
            content = file.load(Limits(json_file=self._limits.unpacked))
        except Unreadable as error:
            self._unread(self._kind(inside), inside, error.fault.problem)
            return
        self._file(inside, file, content)

    def _wanted(self, path: str) -> bool:
        base = path.rpartition("/")[2]
        if base in FILES or base == METADATA:
            return True
        if base.endswith(".json"):
            self._others.append(path)
        return False

    def _kind(self, path: str) -> str:
        known = FILES.get(path.rpartition("/")[2])
        return known[0].__name__ if known is not None else "Document"

    def _unread(self, kind: str, path: str, problem: str) -> None:
        self._collected.add(kind)
        self._gaps.append(Gap(kind, self._namespace(kind, path), Problem.NOT_COLLECTED, 1, f"{shown(path)}: {problem}"))

    @staticmethod
    def _namespace(kind: str, path: str) -> str | None:
        """The namespace that a file's directory names."""
        if kind in CLUSTER_SCOPED or kind not in KINDS:
            return None
        return shown(path.rpartition("/")[0].rpartition("/")[2]) or None

    # --- one file ---------------------------------------------------------------------------------

    def _file(self, path: str, file: TextFile, content: bytes | bytearray) -> None:
        self._files += 1
        if self._progress is not None:
            self._progress("reading the dump: files", self._files, 0)
        folder, _, base = path.rpartition("/")
        if base == METADATA:
            self._read_metadata(folder, file, content)
            return
        name = self._kind(path)
        if name in ("Node", "ClusterRole", "ClusterRoleBinding"):
            self._roots.setdefault(folder)
        if not content.strip():
            self._unread(name, path, "is empty")
            return
        self._collected.add(name)
        begin = 3 if content.startswith(b"\xef\xbb\xbf") else 0
        raw = memoryview(content)[begin:]
        try:
            top = json_top(raw)
        except JSON_ERRORS as error:
            self._found.fault(json_fault(file, bytes(content), begin, error, 1), name)
            return
        _List(self, path, file, content, begin).read(top)

    def _read_metadata(self, folder: str, file: TextFile, content: bytes | bytearray) -> None:
        try:
            data = msgspec.json.decode(content)
        except JSON_ERRORS as error:
            self._found.fault(json_fault(file, bytes(content), 0, error, 1), "Document")
            return
        if not isinstance(data, dict):
            self._found.fault(file.fault("expected an object", document=1), "Document")
            return
        depth = folder.count("/") + 1 if folder else 0
        if self._metadata is None or depth < self._metadata[0]:
            self._metadata = depth, file.name, data

    def take(self, obj: KubernetesObject, origin: Origin) -> None:
        """Keep an object; the first of two with one name counts."""
        if isinstance(obj, Pod):
            _running(obj)
        first = self._objects.setdefault(obj.id, (obj, origin))
        # collect.sh may write one list into several directories: what says the same twice is no loss.
        if first[0] is not obj and first[0] != obj:
            self._twice[obj.kind] += 1

    @property
    def found(self) -> ObjectReader:
        """What gathers faults and objects of other kinds."""
        return self._found

    def denied(self, kind: str, path: str) -> None:
        """Note that the list of a kind was refused to who made the dump."""
        namespace = self._namespace(kind, path)
        self._gaps.append(Gap(kind, namespace, Problem.FORBIDDEN, 1, f"{shown(path)}: the dump holds an error"))

    # --- the end ----------------------------------------------------------------------------------

    def finish(self) -> Dump:
        """What was read, with what follows from it and what is missing."""
        if not self._files:
            names = f"{DUMPED['Node']}, <namespace>/{DUMPED['Pod']}"
            hint = "; for YAML or JSON of Kubernetes use --manifests" if os.path.isdir(self._path) else ""
            raise InputError(self._fault(f"no file of a KubeHound dump in it ({names}, ...){hint}"))
        if len(self._roots) > 1:
            names = ", ".join(shown(root) or "." for root in sorted(self._roots))
            raise InputError(self._fault(f"dumps of several clusters ({names}): name the directory of one"))
        faults = self._found.faults
        if not self._objects:
            raise InputError([*faults, self._fault("no Kubernetes object in it that can be read")])
        root = next(iter(self._roots), "")
        out = Dump(cluster=self._cluster(root))
        out.server_version = self._version()
        out.objects = list(self._objects.values())
        if Service.__name__ not in self._collected:
            out.objects.extend(services(out.objects))
        out.gaps = [
            *missing((obj for obj, _ in self._objects.values()), self._collected),
            *self._gaps,
            *self._invalid(faults),
            *self._passed_over(),
        ]
        return out

    def _fault(self, problem: str) -> Fault:
        return TextFile(self._path, self._path).fault(problem)

    def _cluster(self, root: str) -> str:
        """The cluster's name: as the metadata says, as KubeHound named the dump, else the directory's or file's."""
        if self._metadata is not None:
            cluster = self._metadata[2].get("cluster")
            name = cluster.get("name") if isinstance(cluster, dict) else None
            if isinstance(name, str) and name.strip():
                return name.strip()
        parts = [*os.path.abspath(self._path).split(os.sep), *filter(None, root.split("/"))]
        for part in reversed(parts):
            match = _ARCHIVE_NAME.fullmatch(part)
            if match is not None:
                return match[1]
        return parts[-1].removesuffix(".gz").removesuffix(".tgz").removesuffix(".tar")

    def _version(self) -> ServerVersion | None:
        if self._metadata is None:
            return None
        _, file, data = self._metadata
        cluster = data.get("cluster")
        if not isinstance(cluster, dict):
            return None
        given = [cluster.get("version_major"), cluster.get("version_minor")]
        if given[0] in (None, "") and given[1] in (None, ""):
            return None
        try:
            return parse_version(".".join(str(part) for part in given))
        except UsageError as error:
            self._found.fault(Fault(shown(file), str(error).partition(";")[0], field="cluster.version_minor"))
            return None

    def _invalid(self, faults: Iterable[Fault]) -> Iterator[Gap]:
        by_kind: dict[str, list[Fault]] = {}
        for fault in faults:
            by_kind.setdefault(self._found.fault_kinds.get(fault, "Document"), []).append(fault)
        for kind, found in by_kind.items():
            for fault in found[:_SHOWN_FAULTS]:
                yield Gap(kind, None, Problem.INVALID, 1, str(fault))
            if len(found) > _SHOWN_FAULTS:
                yield Gap(kind, None, Problem.INVALID, len(found) - _SHOWN_FAULTS, "more of the same kind")
        for kind, count in self._twice.items():
            yield Gap(kind, None, Problem.INVALID, count, "a name that another object has already; the first counts")

    def _passed_over(self) -> Iterator[Gap]:
        for (api_version, kind), count in sorted(self._found.other_kinds.items()):
            yield Gap(kind, None, Problem.SKIPPED, count, f"{api_version} {kind} is not analysed")
        if self._others:
            detail = f"files of kinds that are not analysed: {_few(self._others)}"
            yield Gap("Document", None, Problem.SKIPPED, len(self._others), detail)
        if self._irregular:
            detail = f"no regular files within it: {_few(self._irregular)}"
            yield Gap("Document", None, Problem.SKIPPED, len(self._irregular), detail)


class _List:
    """Reads the items of one file."""

    def __init__(self, reader: _Reader, path: str, file: TextFile, content: bytes | bytearray, begin: int) -> None:
        self._reader = reader
        self._raw = memoryview(content)
        self._begin = begin
        self._kind, self._api_version = FILES[path.rpartition("/")[2]]
        self._path = path
        self._namespace = path.rpartition("/")[0].rpartition("/")[2]
        self._places = _Places(file, flat=content.find(b"\n", 0, len(content.rstrip())) < 0)

    def read(self, top: JsonTop | JsonHeader | None) -> None:
        """Read them all.

        Args:
            top: The keys of the file's one JSON value, ``None`` if that is no object.
        """
        span = (self._begin, len(self._raw))
        self._told(top)
        if top is None:
            self._wrong(self._origin(span), "", "expected an object that holds a list of items")
        elif isinstance(top.items, list):
            items: list[msgspec.Raw] = top.items
            for item, item_span in zip(items, self._spans(items), strict=True):
                self._item(memoryview(item), self._origin(item_span))
        elif top.items is msgspec.UNSET:
            self._no_list(span)
        elif top.items is not None:
            self._wrong(self._origin(span), "items", "expected a list")

    def _told(self, top: JsonTop | JsonHeader | None) -> None:
        """What a typed list says that its items are counts before the name of the file."""
        if top is not None and isinstance(top.kind, str) and isinstance(top.api_version, str):
            kind = kind_of(top.api_version, top.kind.removesuffix("List"))
            if kind is not None:
                self._kind, self._api_version = kind, top.api_version

    def _no_list(self, span: tuple[int, int]) -> None:
        """An object without items: one object by itself, an error in its place, or nothing."""
        raw = self._raw[self._begin :]
        data = msgspec.json.decode(raw)
        if data.get("error"):
            self._reader.denied(self._kind.__name__, self._path)
        elif data.get("kind") == self._kind.__name__:
            self._item(raw, self._origin(span))
        elif data.keys() - {"metadata", "kind", "apiVersion"}:
            self._wrong(self._origin(span), "items", "no items, so this is no list of objects")

    def _origin(self, span: tuple[int, int]) -> _ItemOrigin:
        return _ItemOrigin(self._places, self._places.add(*span))

    def _spans(self, items: list[msgspec.Raw]) -> list[tuple[int, int]]:
        """Where the items stand: one after the other, from the first ``"items": [`` that fits."""
        raw = self._raw
        for match in _ITEMS.finditer(raw):
            out: list[tuple[int, int]] = []
            at = match.end()
            for item in items:
                begin = skipped(_BETWEEN, raw, at)
                at = begin + len(memoryview(item))
                out.append((begin, at))
            ends = [(out[0], items[0]), (out[-1], items[-1])] if out else []
            if all(raw[start:end] == memoryview(item) for (start, end), item in ends):
                return out
        return [(self._begin, len(raw))] * len(items)

    def _item(self, raw: memoryview, origin: _ItemOrigin) -> None:
        wanted, api_version = self._kind, self._api_version
        found = self._reader.found
        if _TOLD.match(raw):
            try:
                told = _WHAT.decode(raw)
            except JSON_ERRORS as error:
                self._wrong(origin, "", json_problem(error))
                return
            if isinstance(told.api_version, str) and told.api_version:
                api_version = told.api_version
            if told.kind not in (None, "", wanted.__name__):
                other = kind_of(api_version, told.kind) if isinstance(told.kind, str) else None
                if other is None:
                    found.other_kinds[(shown(api_version), shown(told.kind))] += 1
                    return
                wanted = other
        try:
            obj = from_json(wanted, raw, self._namespace)
        except (DecodeError, *JSON_ERRORS) as error:
            self._undecoded(wanted, raw, origin, error)
            return
        if not obj.api_version:
            obj.api_version = api_version
        self._reader.take(obj, origin)

    def _undecoded(
        self, wanted: type[KubernetesObject], raw: memoryview, origin: _ItemOrigin, error: Exception
    ) -> None:
        try:
            data = msgspec.json.decode(raw)
        except JSON_ERRORS as broken:
            self._wrong(origin, "", json_problem(broken))
            return
        self._reader.found.wrong(origin, wanted, data, error)

    def _wrong(self, origin: _ItemOrigin, path: str, problem: str) -> None:
        self._reader.found.fault_at(origin, path, problem, self._kind.__name__)


def _few(names: list[str]) -> str:
    more = len(names) - 3
    return ", ".join(shown(name) for name in names[:3]) + (f" and {more:,} more" if more > 0 else "")


def _utf8(path: str) -> str:
    """A path of the file system as text that can be written out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _running(pod: Pod) -> None:
    """A dump holds pods that run, whatever is left of their status."""
    if pod.spec is not None and pod.spec.node_name and (pod.status is None or not pod.status.phase):
        pod.status = msgspec.structs.replace(pod.status or PodStatus(), phase="Running")
