"""The fix record (``remediation.md`` 1.1): one proposed change with its risk, route and status."""

from __future__ import annotations

import enum
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Protocol, TypeAlias

from workbench.errors import FixError
from workbench.inventory.changes import Change, Op, Target, contradicts


class RiskLevel(enum.StrEnum):
    """How likely a fix breaks something."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    UNKNOWN = "unknown"


_ANSWERABLE = ("needs-input:", "image-digest:")
"""How the reasons begin that answers do away with."""

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


Turn: TypeAlias = Callable[[bool], None]
"""Called in the course of a long job, with whether others wait for what it finds; it may wait for what is urgent."""


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


class Proof(Protocol):
    """What a policy does to the traffic of its workload; asked of the engine when somebody looks."""

    @property
    def flows(self) -> int:
        """The known flows that are possible without it."""

    @property
    def kept(self) -> int:
        """Those that still are with it."""

    @property
    def lost(self) -> int:
        """Those that are not."""

    @property
    def removed(self) -> int:
        """The connections to and from other workloads that it cuts."""


@dataclass(frozen=True, slots=True)
class Need:
    """A value that a human must give."""

    name: str
    question: str
    """What is asked for, as a noun: ``the digest of nginx:1.25``."""
    path: str = ""
    """The path of the op whose value it completes."""
    form: str = "{}"
    """The value with a place for the answer: ``nginx:1.25@{}``."""
    pattern: str = ".+"
    """What an answer has to look like, as a whole."""


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
    answers: tuple[tuple[str, str], ...] = ()
    """What was answered: the names of needs and their values."""
    conflicts_with: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    paths_cut: int = 0
    """How many entry → jewel pairs lose every path if this fix alone is made."""
    targets_cut: tuple[str, ...] = ()
    """The crown jewels of these pairs."""
    reroutes: int = 0
    """How many of the worst paths lose a step, these pairs' among them; what is left to the others is no better."""
    creates: bool = False
    """Whether the target is not there yet and the ops make it."""
    proof: Proof | None = field(default=None, compare=False, repr=False)
    """Of a synthesized policy."""
    id: str = field(default="")

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", fix_id(self.fix, self.target, self.ops, self.needs))

    @property
    def is_answerable(self) -> bool:
        """Whether answers to all its needs make it ready."""
        return bool(self.needs) and self.reason.startswith(_ANSWERABLE)

    @property
    def change(self) -> Change:
        """The edits as a change of the inventory."""
        return Change(self.target, self.ops, self.creates)

    def answered(self, answers: Mapping[str, str]) -> Fix:
        """This fix with some of its needs answered; with all of them it is ready. Its id stays.

        Raises:
            FixError: An answer is to no need of this fix, or does not look like one.
        """
        unknown = sorted(set(answers) - {need.name for need in self.needs})
        if unknown:
            raise FixError(f"it does not ask for {unknown[0]!r}")
        ops = list(self.ops)
        for need in self.needs:
            answer = answers.get(need.name)
            if answer is None:
                continue
            if not re.fullmatch(need.pattern, answer):
                raise FixError(f"{answer!r} is not {need.question}")
            ops = [replace(op, value=need.form.replace("{}", answer)) if op.path == need.path else op for op in ops]
        left = tuple(need for need in self.needs if need.name not in answers)
        known = (*self.answers, *sorted(answers.items()))
        if left or not self.reason.startswith(_ANSWERABLE):
            return replace(self, ops=tuple(ops), needs=left, answers=known)
        return replace(self, ops=tuple(ops), needs=(), answers=known, status=Status.READY, reason="")

    def with_cuts(self, paths: int, targets: Iterable[str]) -> Fix:
        """This fix with what it cuts."""
        return replace(self, paths_cut=paths, targets_cut=tuple(sorted(targets)))

    def rerouting(self, paths: int) -> Fix:
        """This fix with how many of the worst paths lose a step."""
        return replace(self, reroutes=paths)


def first_ready(fixes: Iterable[Fix]) -> Fix | None:
    """Of fixes of which the best comes first the one to recommend: it can be made as it is."""
    return next((fix for fix in fixes if fix.status is Status.READY), None)


def fix_id(fix: str, target: Target, ops: Iterable[Op], needs: Iterable[Need] = ()) -> str:
    """The record's id: 12 hex digits over fix, target, paths and literal values; answers do not change it."""
    group = target.api_version.rpartition("/")[0] if "/" in target.api_version else ""
    asked = {need.path: need.name for need in needs if need.path}
    edits = [[op.op, op.path, asked.get(op.path, op.value if op.op == "set" else None)] for op in ops]
    content = [
        fix,
        f"{group}/{target.kind}/{target.namespace}/{target.name}",
        sorted(json.dumps(edit, sort_keys=True) for edit in edits),
        sorted(need.name for need in needs),
    ]
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def with_conflicts(fixes: Iterable[Fix]) -> list[Fix]:
    """The fixes, each with the ids of those that contradict it: they edit one field of one object differently."""
    out = list(fixes)
    by_target: dict[str, list[Fix]] = {}
    for fix in out:
        by_target.setdefault(fix.target.id, []).append(fix)
    found: dict[str, list[str]] = {}
    for group in by_target.values():
        for one, other in combinations(group, 2):
            if any(contradicts(op, against) for op in one.ops for against in other.ops):
                found.setdefault(one.id, []).append(other.id)
                found.setdefault(other.id, []).append(one.id)
    return [replace(fix, conflicts_with=tuple(sorted(found[fix.id]))) if fix.id in found else fix for fix in out]


def ready_together(fixes: Iterable[Fix]) -> list[Fix]:
    """The fixes that are ready, in order, without those that contradict one before them."""
    chosen: dict[str, Fix] = {}
    for fix in fixes:
        if fix.status is Status.READY and not any(other in chosen for other in fix.conflicts_with):
            chosen[fix.id] = fix
    return list(chosen.values())


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
        "findings": [],
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
        "reroutes": fix.reroutes,
        "risk": {"level": fix.risk.level.value, "reasons": list(fix.risk.reasons), "evidence": list(fix.risk.evidence)},
        "effect": fix.effect.value,
        "needs": [{"name": need.name, "question": need.question} for need in fix.needs],
        "status": fix.status.value,
        "reason": fix.reason,
        "notes": list(fix.notes),
        "conflictsWith": list(fix.conflicts_with),
        "creates": [_created(target)] if fix.creates else [],
        **({"proof": _proved(fix.proof)} if fix.proof is not None else {}),
    }


def _created(target: Target) -> dict[str, Any]:
    return {
        "apiVersion": target.api_version,
        "kind": target.kind,
        "namespace": target.namespace or None,
        "name": target.name,
    }


def proof_line(proof: Proof) -> str:
    """A proof as a sentence: flows kept of those known, and what is cut."""
    flows = "1 known flow" if proof.flows == 1 else f"{proof.flows} known flows"
    cut = "1 connection" if proof.removed == 1 else f"{proof.removed} connections"
    return f"{proof.kept} of {flows} kept, {cut} to or from other workloads cut"


def _proved(proof: Proof) -> dict[str, Any]:
    return {"flows": proof.flows, "kept": proof.kept, "lost": proof.lost, "removed": proof.removed}
