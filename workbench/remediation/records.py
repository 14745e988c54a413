"""The fix record (``remediation.md`` 1.1): one proposed change with its risk, route and status."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.inventory.changes import Change, Op, Target


class RiskLevel(enum.StrEnum):
    """How likely a fix breaks something."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    UNKNOWN = "unknown"


RISK_WEIGHT: Mapping[RiskLevel, float] = {
    RiskLevel.NONE: 1.0,
    RiskLevel.LOW: 1.5,
    RiskLevel.MEDIUM: 3.0,
    RiskLevel.UNKNOWN: 4.0,
    RiskLevel.HIGH: 6.0,
}
"""What a cut path is divided by when fixes are recommended."""


class Route(enum.StrEnum):
    """Where a change must be made to last."""

    DIRECT = "direct"
    GIT = "git"
    HELM = "helm"
    OPERATOR = "operator"
    ADDON = "addon"
    STATIC = "static"
    OUTSIDE = "outside"


class Effect(enum.StrEnum):
    """What applying does to what runs."""

    NONE = "none"
    ROLLOUT = "rollout"
    RECREATE = "recreate"


class Status(enum.StrEnum):
    """Whether a fix can be staged."""

    READY = "ready"
    NEEDS_INPUT = "needs-input"
    ADVISORY = "advisory"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Risk:
    """How likely the fix breaks something, and why we think so."""

    level: RiskLevel
    reasons: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Need:
    """A value that a human must give."""

    name: str
    question: str


@dataclass(frozen=True, slots=True)
class Fix:
    """One fix for one target."""

    fix: str
    """The id of ``catalogue.md`` section 4."""
    title: str
    target: Target
    ops: tuple[Op, ...]
    risk: Risk
    effect: Effect
    status: Status = Status.READY
    reason: str = ""
    """Begins with a word when the status is not ``ready``: ``owner-unknown: …``."""
    route: Route = Route.DIRECT
    managed_by: tuple[str, ...] = ()
    observed_on: tuple[str, ...] = ()
    """The node ids that show the weakness."""
    needs: tuple[Need, ...] = ()
    conflicts_with: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    paths_cut: int = 0
    """How many entry → jewel pairs lose every path if this fix alone is made."""
    targets_cut: tuple[str, ...] = ()
    """The crown jewels of these pairs."""
    id: str = field(default="")

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", fix_id(self.fix, self.target, self.ops, self.needs))

    @property
    def change(self) -> Change:
        """The edits as a change of the inventory."""
        return Change(self.target, self.ops)

    def with_cuts(self, paths: int, targets: Iterable[str]) -> Fix:
        """This fix with what it cuts."""
        return replace(self, paths_cut=paths, targets_cut=tuple(sorted(targets)))


def fix_id(fix: str, target: Target, ops: Iterable[Op], needs: Iterable[Need] = ()) -> str:
    """The record's id: 12 hex digits over fix, target, paths and literal values; answers do not change it."""
    group = target.api_version.rpartition("/")[0]
    names = {need.name for need in needs}
    content = [
        fix,
        f"{group}/{target.kind}/{target.namespace}/{target.name}",
        sorted(
            [op.op, op.path, None if op.op == "remove" or op.path.rpartition("/")[2] in names else op.value] for op in ops
        ),
        sorted(names),
    ]
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def op_dict(op: Op) -> dict[str, Any]:
    """An edit as plain data; what it found is left out where nothing was there."""
    out: dict[str, Any] = {"op": op.op, "path": op.path}
    if op.op == "set":
        out["value"] = op.value
    if op.old is not None:
        out["old"] = op.old
    return out


def as_dict(fix: Fix) -> dict[str, Any]:
    """The record of ``fixes -o json`` and ``fixes.json``."""
    target = fix.target
    return {
        "id": fix.id,
        "fix": fix.fix,
        "rule": fix.fix,
        "title": fix.title,
        "target": {
            "apiVersion": target.api_version,
            "kind": target.kind,
            "namespace": target.namespace or None,
            "name": target.name,
            "uid": target.uid,
            "resourceVersion": target.resource_version,
        },
        "observedOn": list(fix.observed_on),
        "route": fix.route.value,
        "managedBy": list(fix.managed_by),
        "ops": [op_dict(op) for op in fix.ops],
        "cuts": {"paths": fix.paths_cut, "targets": list(fix.targets_cut)},
        "risk": {"level": fix.risk.level.value, "reasons": list(fix.risk.reasons), "evidence": list(fix.risk.evidence)},
        "effect": fix.effect.value,
        "needs": [{"name": need.name, "question": need.question} for need in fix.needs],
        "status": fix.status.value,
        "reason": fix.reason,
        "notes": list(fix.notes),
        "conflictsWith": list(fix.conflicts_with),
        "creates": [],
    }
