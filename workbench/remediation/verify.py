"""Whether what was applied holds: on an inventory read anew, and on the objects themselves."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from workbench.inventory.changes import pods_after
from workbench.inventory.decode import plain
from workbench.inventory.inventory import Inventory
from workbench.kube.api import Connection
from workbench.remediation.differences import already, differences
from workbench.remediation.live import Stopped, read
from workbench.remediation.records import Fix


class Verdict(enum.StrEnum):
    """What is left of a weakness after its fix."""

    VERIFIED = "verified"
    ROLLING_OUT = "rolling out"
    """The template is changed; pods of before still run."""
    STILL_OPEN = "still open"
    UNKNOWN = "unknown"
    """The object is not among what was read."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A fix, and whether its weakness is gone."""

    fix: Fix
    verdict: Verdict
    objects: tuple[str, ...] = ()
    """The node ids that still show the weakness."""


def verify(view: Inventory, fixes: Iterable[Fix]) -> list[Verified]:
    """Whether fixes have nothing left to change, their target's pods included.

    Args:
        view: An inventory read after the fixes were applied.
        fixes: The fixes.
    """
    return [_verified(view, fix) for fix in fixes]


def _verified(view: Inventory, fix: Fix) -> Verified:
    target = view.by_id(fix.target.id)
    if target is None:
        return Verified(fix, Verdict.UNKNOWN)
    trimmed = plain(target)
    if not all(already(trimmed, op) for op in fix.ops):
        return Verified(fix, Verdict.STILL_OPEN, (target.id,))
    old = [pod.id for pod, after in pods_after(view, target, fix.ops) if differences(plain(pod), plain(after))]
    if old:
        return Verified(fix, Verdict.ROLLING_OUT, tuple(sorted(old)))
    return Verified(fix, Verdict.VERIFIED)


def verify_live(connection: Connection, fixes: Iterable[Fix]) -> list[Verified]:
    """Whether the objects themselves, read again, hold what the fixes set; of their pods nothing is said.

    Raises:
        ClusterError: There was no answer.
    """
    out: list[Verified] = []
    for fix in fixes:
        try:
            trimmed = read(connection, fix.target).trimmed
        except Stopped:
            out.append(Verified(fix, Verdict.UNKNOWN))
            continue
        held = all(already(trimmed, op) for op in fix.ops)
        out.append(Verified(fix, Verdict.VERIFIED if held else Verdict.STILL_OPEN, () if held else (fix.target.id,)))
    return out
