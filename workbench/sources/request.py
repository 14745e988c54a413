"""What to read: the request that the flags and a SOURCE turn into."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from workbench.errors import NotYetSupported, UsageError
from workbench.inventory.inventory import ServerVersion
from workbench.kube.api import ConnectOptions
from workbench.sources.detect import detect
from workbench.sources.versions import parse_version
from workbench.text import shown


class SourceKind(enum.StrEnum):
    """Where objects come from."""

    MANIFESTS = "manifests"
    SNAPSHOT = "snapshot"
    """Also a KubeHound dump, which is told apart by content."""
    SAMPLE = "sample"
    CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """One source, and how to read it."""

    kind: SourceKind | Literal["manifests", "snapshot", "sample", "context"]
    paths: tuple[str, ...] = ()
    """Of manifests: files and directories, ``-`` for standard input; of a snapshot: the one file, or the
    directory of a dump."""
    name: str = ""
    """Of a sample, or of a kubeconfig context (empty for the current one)."""
    default_namespace: str = ""
    """Where manifests that name no namespace stand; empty for ``default``."""
    server_version: ServerVersion | str | None = None
    """Counts before what the source says; text is read by ``parse_version``."""
    keep_going: bool = False
    """Analyse what could be read of bad manifests, and record the rest as coverage gaps."""
    users: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Group memberships of users that the operator named."""
    connect: ConnectOptions = field(default_factory=ConnectOptions)
    """Of a live cluster: which kubeconfig, as whom, how long a request may take; the context is :attr:`name`."""
    namespaces: tuple[str, ...] = ()
    """Of a live cluster: read these namespaces only; empty for all."""
    also: tuple[str, ...] = ()
    """Of a live cluster: names to try where a list of all namespaces is refused, with those of the preferences."""

    def __post_init__(self) -> None:
        """Turn text into the values it stands for.

        Raises:
            UsageError: The version is none.
        """
        object.__setattr__(self, "kind", SourceKind(self.kind))
        object.__setattr__(self, "server_version", self.version)

    @property
    def version(self) -> ServerVersion | None:
        """The server version that was given."""
        given = self.server_version
        return parse_version(given) if isinstance(given, str) else given

    @property
    def options(self) -> ConnectOptions:
        """How to connect to a live cluster."""
        return replace(self.connect, context=self.name)

    def __str__(self) -> str:
        if self.kind in (SourceKind.SAMPLE, SourceKind.CONTEXT):
            return f"{self.kind}:{self.name}"
        return " ".join(self.paths)


def parse_source(text: str) -> SourceRequest:
    """The request that a SOURCE stands for.

    Args:
        text: ``sample:NAME``, ``context:NAME``, ``git:REF[:DIR]``, ``-``, or a path, told apart by content. A path
            that looks like one of the others is written with ``./`` before it.

    Raises:
        UsageError: There is no such file, or the text is empty.
        NotYetSupported: ``git:``.
    """
    prefix, colon, rest = text.partition(":")
    if colon and prefix in ("sample", "context"):
        if prefix == "sample" and not rest:
            raise UsageError("name the sample: sample:NAME (workbench samples lists them)")
        return SourceRequest(SourceKind(prefix), name=rest)
    if colon and prefix == "git":
        raise NotYetSupported(
            "git:REF cannot be read yet; check the ref out (git worktree add DIR REF) and name the directory"
        )
    if not text:
        raise UsageError("a source is sample:NAME, context:NAME, a file, a directory or - for standard input")
    if text == "-":
        return SourceRequest(SourceKind.MANIFESTS, paths=("-",))
    if not os.path.lexists(text):
        raise UsageError(
            f"{shown(text)}: no such file or directory; a source is sample:NAME, context:NAME, a file, a directory or -"
        )
    return SourceRequest(SourceKind.MANIFESTS if detect(text).manifests else SourceKind.SNAPSHOT, paths=(text,))
