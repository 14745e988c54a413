"""Manifests: files, directories and standard input of YAML and JSON, as ``kubectl apply`` takes them.

What is wrong is collected over all files and reported together, as a gate must not pass on half-read input;
with ``keep_going`` it becomes coverage gaps and the rest is analysed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from workbench.errors import Fault, InputError, UsageError
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.gathered import Gathered
from workbench.sources.blocks import read_list
from workbench.sources.documents import LIMITS, Document, Limits, TextFile, Unreadable, documents
from workbench.sources.objects import ObjectReader
from workbench.text import shown

Progress: TypeAlias = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and how much there is, 0 where that is not known."""

SUFFIXES = (".yaml", ".yml", ".json")
"""What is read of a directory, as kubectl does; a file that is named is read whatever its name."""

STDIN = "-"

_REPORTED = 200
"""Of one file, progress is told each time that so many documents have been read (about a tenth of a second)."""


@dataclass(slots=True)
class Manifests:
    """What the files held."""

    objects: Gathered = field(default_factory=Gathered)
    gaps: list[Gap] = field(default_factory=list)
    files: int = 0
    faults: list[Fault] = field(default_factory=list)
    """Only with ``keep_going``: what the gaps of kind ``invalid`` stand for."""


def read_manifests(
    paths: Sequence[str],
    *,
    default_namespace: str = "",
    keep_going: bool = False,
    progress: Progress | None = None,
    limits: Limits = LIMITS,
    names: Callable[[str], str] | None = None,
) -> Manifests:
    """Read manifests.

    Args:
        paths: Files and directories; ``-`` is standard input.
        default_namespace: Where objects stand that name no namespace; empty for ``default``.
        keep_going: Turn what is wrong into coverage gaps instead of raising.
        progress: Hears of every file.
        limits: The largest input that is read.
        names: The name to show for a path, if not the path itself.

    Raises:
        InputError: A file or document is wrong, or there is no Kubernetes object; lists every such place.
        UsageError: Standard input is named twice, or no path is given.
    """
    if not paths:
        raise UsageError("name at least one file or directory of manifests")
    if list(paths).count(STDIN) > 1:
        raise UsageError("standard input (-) can be read only once")
    reader = ObjectReader(default_namespace)
    out = Manifests()
    files = _files(paths, reader.faults, limits)
    for done, path in enumerate(files):
        if progress is not None:
            progress("reading manifests", done, len(files))
        name = os.fsencode(names(path) if names else path).decode("utf-8", "backslashreplace")
        _read_file(TextFile.stdin() if path == STDIN else TextFile(name, path), reader, limits, progress)
    if progress is not None:
        progress("reading manifests", len(files), len(files))
    out.files = len(files)
    out.objects = reader.objects
    faults = list(reader.faults)
    if not reader.objects and not reader.other_kinds and not faults:
        faults.append(_nothing(paths, len(files), reader.no_objects))
    if faults and not keep_going:
        raise InputError(faults)
    out.faults = faults
    out.gaps = _gaps(reader, faults)
    return out


def _read_file(file: TextFile, reader: ObjectReader, limits: Limits, progress: Progress | None) -> None:
    if read_list(file, reader, limits):
        return
    try:
        for number, item in enumerate(documents(file, limits), 1):
            if progress is not None and number % _REPORTED == 0:
                progress(f"reading {shown(file.name)}: document", number, 0)
            if isinstance(item, Document):
                reader.add(item)
            else:
                reader.faults.append(item)
    except Unreadable as error:
        reader.faults.append(error.fault)


def _gaps(reader: ObjectReader, faults: Iterable[Fault]) -> list[Gap]:
    gaps = [Gap(reader.fault_kinds.get(fault, "Document"), None, Problem.INVALID, 1, str(fault)) for fault in faults]
    gaps.extend(
        Gap(kind, None, Problem.SKIPPED, count, f"{api_version} {kind} is not analysed")
        for (api_version, kind), count in sorted(reader.other_kinds.items())
    )
    if reader.no_objects:
        gaps.append(Gap("Document", None, Problem.SKIPPED, reader.no_objects, "no Kubernetes objects"))
    return gaps


def _nothing(paths: Sequence[str], files: int, passed_over: int) -> Fault:
    where = ", ".join("standard input" if path == "-" else shown(path) for path in paths)
    if not files:
        return Fault(where, f"no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file in it")
    read = "1 file" if files == 1 else f"{files} files"
    others = "1 other document" if passed_over == 1 else f"{passed_over} other documents"
    return Fault(where, f"no Kubernetes object ({read} read, {others} passed over)")


def _files(paths: Sequence[str], faults: list[Fault], limits: Limits) -> list[str]:
    """The files to read, each once, in the order of the arguments, those of a directory sorted."""
    out: list[str] = []
    seen: set[str] = set()

    def take(path: str) -> None:
        real = os.path.realpath(path)
        if real in seen:
            return
        seen.add(real)
        out.append(path)
        if len(out) > limits.files:
            raise UsageError(f"more than {limits.files:,} files; name the directories that hold the manifests")

    for path in paths:
        if path == STDIN:
            out.append(path)
        elif os.path.isdir(path):
            before = len(out) + len(faults)
            for found in _walk(path, faults):
                take(found)
            if len(out) + len(faults) == before and len(paths) > 1 and not _covered(path, seen):
                faults.append(_nothing([path], 0, 0))
        elif os.path.lexists(path) and not os.path.exists(path):
            faults.append(Fault(shown(path), "a symbolic link that leads nowhere, or round in a circle"))
        elif not os.path.exists(path):
            faults.append(Fault(shown(path), "no such file or directory"))
        else:
            take(path)
    return out


def _covered(path: str, seen: Iterable[str]) -> bool:
    """Whether the files of a directory were read already, through another argument."""
    prefix = os.path.join(os.path.realpath(path), "")
    return any(real.startswith(prefix) for real in seen)


def _walk(directory: str, faults: list[Fault]) -> list[str]:
    """The files of a directory, sorted; links to directories are followed, each directory once."""
    found: list[str] = []
    visited: set[tuple[int, int]] = set()
    pending = [directory]
    while pending:
        current = pending.pop()
        try:
            status = os.stat(current)
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(current) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            faults.append(Fault(shown(current), (error.strerror or str(error)).lower()))
            continue
        for entry in listed:
            try:
                if entry.is_dir():
                    pending.append(entry.path)
                elif entry.name.endswith(SUFFIXES):
                    found.append(entry.path)
            except OSError as error:
                faults.append(Fault(shown(entry.path), (error.strerror or str(error)).lower()))
    return sorted(found)


def source_name(paths: Sequence[str], files: int) -> str:
    """What was read, for people."""
    if list(paths) == [STDIN]:
        return "standard input"
    return f"manifests ({files} file{'s' if files != 1 else ''})"
