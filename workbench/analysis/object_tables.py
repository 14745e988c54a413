"""The objects of a source as tables: one row for each object; what the columns are, is for each kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.analysis.object_columns import NAME, NAMESPACE, PATHS, Cell, Column, columns_of
from workbench.analysis.session import Analysis
from workbench.analysis.through import Through
from workbench.graph import nodes as node_ids
from workbench.inventory.evidence import Gap
from workbench.inventory.objects import CLUSTER_SCOPED, KINDS

ORDER = (
    "Pod",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "CronJob",
    "Job",
    "ReplicaSet",
    "ReplicationController",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "Service",
    "Ingress",
    "NetworkPolicy",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "Node",
    "Namespace",
)
"""The kinds that come first; the others follow by name."""

REFERRED = frozenset({"Node", "Secret", "ServiceAccount"})
"""Kinds of which the graph holds objects that could not be read, because something refers to them."""


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object."""

    id: str
    namespace: str
    """Empty for cluster-scoped objects."""
    cells: tuple[Cell, ...]
    """One for each column."""
    paths: tuple[int, ...] = ()
    """The places of the paths through it in the list that was given."""
    labels: Mapping[str, str | None] = field(default_factory=dict)
    read: bool = True
    """Whether the object was read; otherwise something that was read refers to it."""


@dataclass(frozen=True, slots=True)
class ObjectTable:
    """The objects of one kind."""

    kind: str
    columns: tuple[Column, ...]
    rows: tuple[ObjectRow, ...]
    """By namespace and name."""
    gaps: tuple[Gap, ...] = ()
    """What of the kind could not be read."""

    @property
    def namespaced(self) -> bool:
        """Whether its objects stand in namespaces."""
        return self.kind not in CLUSTER_SCOPED


@dataclass(frozen=True, slots=True)
class KindCount:
    """A kind, and how many of it there are."""

    kind: str
    count: int
    gaps: tuple[Gap, ...] = ()


def kind_counts(analysis: Analysis, coverage: Sequence[Gap]) -> list[KindCount]:
    """The kinds that the source holds, or that could not be read, in the order of display."""
    gaps: dict[str, list[Gap]] = {}
    for gap in coverage:
        if gap.kind in KINDS:
            gaps.setdefault(gap.kind, []).append(gap)
    out = []
    for kind in sorted(KINDS, key=_place):
        count = len(analysis.view.all(KINDS[kind])) + len(_referred(analysis, kind))
        if count or kind in gaps:
            out.append(KindCount(kind, count, tuple(gaps.get(kind, ()))))
    return out


def object_table(analysis: Analysis, kind: str, through: Through, coverage: Sequence[Gap] = ()) -> ObjectTable:
    """The table of a kind.

    Args:
        analysis: What was analysed.
        kind: One of the kinds that are analysed.
        through: Which paths go through which object.
        coverage: What could not be read.
    """
    own, cells = columns_of(kind)
    namespaced = kind not in CLUSTER_SCOPED
    head: tuple[Column, ...] = (NAMESPACE, NAME, PATHS) if namespaced else (NAME, PATHS)
    rows = []
    for obj in analysis.view.all(KINDS[kind]):
        about = obj.id
        paths = through.of(about)
        first: tuple[Cell, ...] = (obj.namespace, obj.name) if namespaced else (obj.name,)
        of_kind = cells(analysis, obj)
        rows.append(ObjectRow(about, obj.namespace, (*first, len(paths), *of_kind), paths, obj.metadata.labels or {}))
    for node in _referred(analysis, kind):
        namespace, name = node_ids.namespace(node), node_ids.name(node)
        paths = through.of(node)
        first = (namespace, name) if namespaced else (name,)
        rows.append(ObjectRow(node, namespace, (*first, len(paths), *[""] * len(own)), paths, read=False))
    rows.sort(key=lambda row: (row.namespace, row.id))
    return ObjectTable(kind, (*head, *own), tuple(rows), tuple(gap for gap in coverage if gap.kind == kind))


def _place(kind: str) -> tuple[int, str]:
    return (ORDER.index(kind) if kind in ORDER else len(ORDER), kind)


def _referred(analysis: Analysis, kind: str) -> list[str]:
    """The objects of a kind that something refers to and that were not read."""
    if kind not in REFERRED:
        return []
    compiled, view = analysis.compiled, analysis.view
    found = (compiled.nodes[number] for number in np.flatnonzero(compiled.of_kind(kind)).tolist())
    return [node for node in found if node != node_ids.UNKNOWN_NODE and view.by_id(node) is None]


def sorted_rows(
    table: ObjectTable, rows: Iterable[ObjectRow], column: int, *, reverse: bool = False
) -> list[ObjectRow]:
    """Rows by a column: text from a to z, numbers from the largest; equal ones stay as they were.

    Args:
        table: Whose columns they have.
        rows: What to sort.
        column: The place of the column.
        reverse: The other way round.
    """
    numbers = table.columns[column].number

    def key(row: ObjectRow) -> Any:
        cell = row.cells[column]
        # An empty cell of numbers counts as less than 0.
        return (cell if isinstance(cell, int) else -1) if numbers else str(cell).lower()

    return sorted(rows, key=key, reverse=numbers != reverse)


def labels_match(labels: Mapping[str, str | None], wanted: Iterable[str]) -> bool:
    """Whether labels fit a selector's parts: ``key``, ``key=value`` or ``key!=value``."""
    for part in wanted:
        key, equals, value = part.partition("=")
        if key.endswith("!"):
            if labels.get(key.removesuffix("!")) == value:
                return False
        elif key not in labels or (equals and labels[key] != value.removeprefix("=")):
            return False
    return True
