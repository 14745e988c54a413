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
    """The fixes merged for each target: what policies allow, workload templates, then what denies and takes away.

    Raises:
        Conflict: Two fixes contradict each other.
    """
    own: dict[str, list[Fix]] = {}
    for fix in fixes:
        own.setdefault(fix.target.id, []).append(fix)
    found = [Batch(change, tuple(own[change.target.id])) for change in merged(fix.change for fix in fixes)]
    return sorted(found, key=lambda batch: (_order(batch), *_place(batch.change)))


def _place(change: Change) -> tuple[str, str, str]:
    return change.target.namespace, change.target.kind, change.target.name


def _order(batch: Batch) -> int:
    if batch.change.target.kind == "NetworkPolicy":
        return 5 if any(fix.fix == "F-NP-DENY" for fix in batch.fixes) else 2
    return 5 if batch.change.target.kind in _RBAC else 3
