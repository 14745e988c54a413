"""What a file or a directory is, told by its content and never by its name."""

from __future__ import annotations

import enum
import itertools
import os
import re
import zlib

GZIP = b"\x1f\x8b"
FORMAT = "workbench-snapshot"
"""What the first line of a snapshot says that it is."""

_HEAD = 4096
_SNAPSHOT = re.compile(rb'^\s*\{\s*"format"\s*:\s*"workbench-snapshot"')
_DUMP_FILES = ("nodes.json", "clusterroles.rbac.authorization.k8s.io.json")
_WRAPPED = 3
"""So many directories may stand around a dump, each the only thing in the one above."""

_TAR_MAGIC = (257, b"ustar")
"""Offset and bytes, POSIX.1-2017, pax, "ustar Interchange Format"."""


class Content(enum.StrEnum):
    """What a path turned out to be."""

    SNAPSHOT = "snapshot"
    KUBEHOUND_DUMP = "KubeHound dump"
    COMPRESSED = "compressed file"
    """Compressed, and neither a snapshot nor an archive."""
    MANIFESTS = "manifests"
    """Everything else: text, or a directory; whether it holds objects is found when it is read."""

    @property
    def manifests(self) -> bool:
        """Whether to read it as manifests."""
        return self is Content.MANIFESTS


def detect(path: str) -> Content:
    """What a path is. What cannot be opened counts as manifests, whose reader says what is wrong with it."""
    if os.path.isdir(path):
        return Content.KUBEHOUND_DUMP if _holds_dump(path) else Content.MANIFESTS
    if not os.path.isfile(path):
        return Content.MANIFESTS
    try:
        with open(path, "rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return Content.MANIFESTS
    return detect_head(head)


def _holds_dump(directory: str) -> bool:
    """Whether a directory is a dump, or holds one and nothing else, as an unpacked archive does."""
    for _ in range(_WRAPPED + 1):
        if all(os.path.isfile(os.path.join(directory, name)) for name in _DUMP_FILES):
            return True
        try:
            with os.scandir(directory) as entries:
                # Two are enough to know.
                inside = list(itertools.islice((entry for entry in entries if not entry.name.startswith(".")), 2))
        except OSError:
            return False
        if len(inside) != 1 or not inside[0].is_dir(follow_symlinks=False):
            return False
        directory = inside[0].path
    return False


def detect_head(head: bytes) -> Content:
    """What a file is whose first bytes are these."""
    compressed = head.startswith(GZIP)
    if compressed:
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, _HEAD)
        except zlib.error:
            return Content.COMPRESSED
    offset, magic = _TAR_MAGIC
    if head[offset : offset + len(magic)] == magic:
        return Content.KUBEHOUND_DUMP
    if _SNAPSHOT.match(head):
        return Content.SNAPSHOT
    return Content.COMPRESSED if compressed else Content.MANIFESTS
