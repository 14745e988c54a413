"""What the engine answers with: plain records for every face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from workbench.analysis.session import Query

if TYPE_CHECKING:
    from workbench.analysis.paths import Path

Progress = Callable[[str, int, int], None]
"""Called with the phase, how much of it is done, and how much there is (0: unknown)."""


@dataclass(frozen=True, slots=True)
class PathQuery:
    """Where paths start and end, what they may use, and how many are wanted."""

    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    limit: int | None = None
    certain: bool = False
    exclude: tuple[str, ...] = ()

    @property
    def query(self) -> Query:
        """The query of the analysis, which knows no limit."""
        return Query(self.sources, self.targets, self.certain, self.exclude)


EVERYTHING = PathQuery()
"""From every default start to every crown jewel."""


@dataclass(frozen=True, slots=True)
class PathReport:
    """The paths of a query, and what they were looked for among."""

    paths: list[Path]
    total: int
    """How many there are without the limit."""
    severities: Mapping[str, int]
    """How many there are of each severity, without the limit."""
    entry_points: int
    crown_jewels: int
    pairs_with_a_path: int


@dataclass(frozen=True, slots=True)
class Document:
    """An object's text to look at, masked."""

    object: str
    title: str
    text: str
    first_line: int
    """The number of the text's first line within its file."""
    file: str | None

    def lines_of(self, fields: Sequence[str]) -> set[int]:
        """The lines (from 0, within the text) of some fields."""
        from workbench.sources.masking import line_of

        found = (line_of(self.text, field) for field in fields if field)
        return {line for line in found if line is not None}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A node next to another, and what joins them."""

    node: str
    technique: str
    outgoing: bool


@dataclass(frozen=True, slots=True)
class Holder:
    """One subject that holds a permission."""

    subject: str
    namespace: str
    """Where; empty for the whole cluster."""
    binding: str
    role: str
    rule: int
    names: tuple[str, ...]
    """The objects that it is limited to; empty for all."""
    builtin: bool


@dataclass(frozen=True, slots=True)
class WhatIfReport:
    """The paths before and after some fixes."""

    paths_before: int
    paths_after: int
    rows: tuple[tuple[str, int, int], ...]
    """Label, before, after."""
    severities: Mapping[str, tuple[int, int]]
    cut: tuple[tuple[Path, tuple[str, ...]], ...]
    """Each closed path with the ids of the fixes that close it."""
    stays: tuple[tuple[Path, tuple[str, ...]], ...]
    """Each path that is left with the ids of fixes that would close it."""
    opened: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What the chosen fixes make of one object."""

    target: str
    title: str
    diff: tuple[tuple[str, str], ...]
    """Sign (`` ``, ``-``, ``+``) and line."""
    patch: str
    """The patch as YAML; empty where the object must be created anew."""
    filename: str = ""
    """The file that an export would write it to."""


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export wrote."""

    directory: FilePath
    files: tuple[str, ...]
    messages: tuple[str, ...]
    next_command: str
