"""Evidence and coverage: what proves a fact, and what could not be read."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec


@dataclass(frozen=True, slots=True)
class Evidence:
    """One precondition of an edge: the object as read, the field, and its value."""

    object: str
    """The id of the object as read; for a representative pod that of the workload."""
    field: str
    """The dotted path, empty for the object as a whole."""
    value: Any
    """The value as plain data; ``None`` where the field is absent."""
    default: Any = None
    """What Kubernetes takes an absent field for."""
    file: str | None = None
    line: int | None = None
    """Counted from 1."""
    builtin: bool = False
    """From the program's knowledge of Kubernetes' own objects, not from the source."""

    def as_dict(self) -> dict[str, Any]:
        """The JSON form of DESIGN."""
        out: dict[str, Any] = {"object": self.object, "field": self.field, "value": self.value}
        if self.value is None and self.default is not None:
            out["default"] = self.default
        if self.file is not None:
            out["file"] = self.file
        if self.line is not None:
            out["line"] = self.line
        if self.builtin:
            out["builtin"] = True
        return out


class Origin(Protocol):
    """Where an object was read; lines and text are looked up only when somebody asks."""

    @property
    def file(self) -> str | None:
        """The file's name as the user gave it, ``-`` for standard input, ``None`` for a cluster."""

    @property
    def document(self) -> int | None:
        """The document's number within the file, from 1."""

    def line(self, field: str) -> int | None:
        """The line of a field (dotted path), or of its nearest parent that is written."""

    def text(self) -> tuple[str, int] | None:
        """The document's own text and the number of its first line."""


class Places(Protocol):
    """Where many objects were read, as numbers side by side: an origin is made of them when somebody asks."""

    def origin(self, index: int) -> Origin | None:
        """Where the object of an index was read, ``None`` if that is not known."""


class Problem(enum.StrEnum):
    """Why a part of the source is not in the inventory."""

    FORBIDDEN = "forbidden"
    MISSING_API = "missing-api"
    INVALID = "invalid"
    SKIPPED = "skipped"
    NOT_COLLECTED = "not-collected"


class Gap(msgspec.Struct, frozen=True, omit_defaults=False):
    """A coverage gap: what could not be read, and what became of it."""

    kind: str
    namespace: str | None
    problem: Problem
    count: int = 1
    detail: str = ""
    read: tuple[str, ...] | None = None
    """Of a kind that a cluster was asked for, the namespaces in which it was read to its end all the same."""

    def as_dict(self) -> dict[str, Any]:
        """The JSON form of DESIGN."""
        return {
            "kind": self.kind,
            "namespace": self.namespace,
            "problem": self.problem.value,
            "count": self.count,
            "detail": self.detail,
        }
