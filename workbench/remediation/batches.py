"""Chosen fixes as one change for each object, in the order in which they are made (``remediation.md`` 1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.inventory.changes import Change, merged
from workbench.remediation.records import Fix

_RBAC = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


@dataclass(frozen=True, slots=True)
class Batch:
    """All that is done to one object."""

    change: Change
    fixes: tuple[Fix, ...]


def batches(fixes: Sequence[Fix]) -> list[Batch]:
    """The fixes merged for each target: workload templates first, then what takes permissions away.

    Raises:
        Conflict: Two fixes contradict each other.
    """
    changes = merged(fix.change for fix in fixes)
    changes.sort(key=lambda change: (_order(change), change.target.namespace, change.target.kind, change.target.name))
    return [Batch(change, tuple(fix for fix in fixes if fix.target.id == change.target.id)) for change in changes]


def _order(change: Change) -> int:
    return 5 if change.target.kind in _RBAC else 3
