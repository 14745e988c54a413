"""What is to be done to one object, worked out anew on the object as it is: applying fixes, and taking them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from workbench.errors import FixError
from workbench.inventory import fields
from workbench.inventory.changes import Change, Target, edited, merged
from workbench.kube.resources import builtin
from workbench.remediation.batches import batches
from workbench.remediation.differences import (
    FieldChange,
    already,
    differences,
    holds,
    keeps_values,
    masked_change,
    masked_patch,
    same,
)
from workbench.remediation.journal import Field, Item, Sent, fingerprint
from workbench.remediation.live import LiveObject, State, Stopped
from workbench.remediation.owners import controller_of, managers, reference_id
from workbench.remediation.patches import patch
from workbench.remediation.records import Effect, Fix, Status


@dataclass(frozen=True, slots=True)
class Prepared:
    """A patch for an object as it is. It may hold environment values: never log it."""

    changes: tuple[FieldChange, ...] = field(repr=False)
    """What it asks for; nothing if all is done already."""
    type: str = "strategic"
    forward: Any = field(default=None, repr=False)
    reverse: Any = field(default=None, repr=False)
    """``None`` where a value that is not kept would be needed."""
    notes: tuple[str, ...] = ()
    """What the user should know first: who may undo the change."""
    fixes: tuple[tuple[str, str, str], ...] = ()
    """Id, kind and title of the fixes that it makes, or takes back."""


class Step(Protocol):
    """The change of one object."""

    @property
    def target(self) -> Target:
        """The object."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What is done, a line for each fix."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What it may break, and what becomes of what runs."""

    @property
    def reversible(self) -> bool:
        """Whether it can be taken back, as far as is known before the object was read."""

    @property
    def creates(self) -> bool:
        """Whether it makes an object, or takes back that one was made: there may be none."""

    def prepared(self, live: LiveObject) -> Prepared:
        """The patch for the object as it is.

        Raises:
            Stopped: It is not to be patched.
        """


def _effect(target: Target) -> str:
    """When a change of an object counts, and what becomes of its pods."""
    match target.kind:
        case "Deployment" | "StatefulSet" | "DaemonSet":
            return "effect: its pods are replaced"
        case "CronJob":
            return "effect: from its next run"
        case "ReplicaSet" | "ReplicationController":
            return "effect: on new pods; those that run stay until they are deleted"
    return "effect: at once"


def cluster_scoped(step: Step) -> bool:
    """Whether the change counts in the whole cluster."""
    resource = builtin(step.target.api_version, step.target.kind)
    return resource is not None and not resource.namespaced


# --- fixes --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FixStep:
    """Fixes of one object."""

    target: Target
    fixes: tuple[Fix, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(f"{fix.fix} {fix.id} {fix.title}" for fix in self.fixes)

    @property
    def remarks(self) -> tuple[str, ...]:
        risks = (f"risk {fix.risk.level}: {'; '.join(fix.risk.reasons) or 'none known'}" for fix in self.fixes)
        return (*dict.fromkeys(risks), _effect(self.target))

    @property
    def reversible(self) -> bool:
        return True

    @property
    def creates(self) -> bool:
        return any(fix.creates for fix in self.fixes)

    def prepared(self, live: LiveObject) -> Prepared:
        if live.absent:
            return self._creating(live)
        trimmed = live.trimmed
        left = [fix for fix in self.fixes if not all(already(trimmed, op) for op in fix.ops)]
        if not left:
            return Prepared(())
        if self.creates:
            raise Stopped(State.STALE, "there is another object of this name by now")
        ops = tuple(op for change in merged(Change(self.target, fix.ops) for fix in left) for op in change.ops)
        owner = controller_of(live.decoded)
        if owner is not None:
            raise Stopped(State.REFUSED, f"{reference_id(owner, live.decoded.namespace)} makes it: change that instead")
        found = managers(live.decoded, ops)
        if found.status is not Status.READY:
            raise Stopped(State.REFUSED, found.reason)
        for op in ops:
            if not holds(trimmed, op):
                raise Stopped(
                    State.STALE, f"{fields.dotted(op.steps)} is not any more what it was when the fix was made"
                )
        try:
            made = patch(live.data, ops)
            changes = differences(live.data, edited(live.data, ops))
        except FixError as error:
            raise Stopped(State.STALE, str(error)) from error
        reverse = made.rollback if keeps_values(changes) else None
        named = tuple((fix.id, fix.fix, fix.title) for fix in left)
        return Prepared(changes, made.type, made.content, reverse, tuple(found.notes), named)

    def _creating(self, live: LiveObject) -> Prepared:
        ops = tuple(op for change in merged(fix.change for fix in self.fixes) for op in change.ops)
        made = edited(live.data, ops)
        named = tuple((fix.id, fix.fix, fix.title) for fix in self.fixes)
        notes = tuple(dict.fromkeys(note for fix in self.fixes for note in fix.notes))
        return Prepared(differences(live.data, made), "create", made, live.data, notes, named)


def fix_steps(fixes: Sequence[Fix]) -> tuple[list[FixStep], list[tuple[Fix, str]]]:
    """The fixes as steps in the order in which they are made, and those that are not made here, with the reason.

    Raises:
        Conflict: Two fixes contradict each other.
    """
    chosen = sorted({fix.id: fix for fix in fixes}.values(), key=lambda fix: (fix.fix, fix.id))
    left: list[tuple[Fix, str]] = []
    ready: list[Fix] = []
    for fix in chosen:
        if fix.status is not Status.READY:
            left.append((fix, fix.reason or str(fix.status)))
        elif fix.effect is Effect.RECREATE:
            left.append((fix, "recreate: its fields cannot change while it exists"))
        else:
            ready.append(fix)
    return [FixStep(batch.change.target, batch.fixes) for batch in batches(ready)], left


# --- taking back --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UndoStep:
    """What the journal knows of one object, to be taken back."""

    item: Item

    @property
    def target(self) -> Target:
        sent = self.item.sent
        uid = sent.uid or (self.item.done.uid if self.item.done is not None else "")
        return Target(sent.api_version, sent.kind, sent.namespace, sent.name, uid)

    @property
    def labels(self) -> tuple[str, ...]:
        sent = self.item.sent
        named = zip(sent.rules, sent.fixes, sent.titles, strict=True)
        return tuple(f"takes back {rule} {fix} {title}" for rule, fix, title in named)

    @property
    def remarks(self) -> tuple[str, ...]:
        return (_effect(self.target),)

    @property
    def reversible(self) -> bool:
        return self.item.sent.reverse is not None

    @property
    def creates(self) -> bool:
        return self.item.sent.patch_type == "create"

    def prepared(self, live: LiveObject) -> Prepared:
        sent = self.item.sent
        if live.absent:
            return Prepared(())
        held = [(one, fields.parse(one.path)) for one in sent.fields]
        current = {one.path: fields.find(live.data, path)[1] for one, path in held}
        if not self.creates and all(same(path, current[one.path], one.before) for one, path in held):
            return Prepared(())
        if sent.reverse is None:
            raise Stopped(State.REFUSED, "it cannot be taken back: a value that would be needed was not kept")
        for one, path in held:
            if not same(path, current[one.path], one.after):
                raise Stopped(State.STALE, f"{fields.dotted(path)} was changed by others since")
        if self.creates:
            taken = tuple(FieldChange(one.path, current[one.path], None) for one in sent.fields)
            named = tuple(zip(sent.fixes, sent.rules, sent.titles, strict=True))
            return Prepared(taken, "delete", {}, sent.forward, (), named)
        changes = tuple(FieldChange(one.path, current[one.path], one.before) for one in sent.fields)
        owner = controller_of(live.decoded)
        if owner is not None:
            raise Stopped(State.REFUSED, f"{reference_id(owner, live.decoded.namespace)} makes it: change that instead")
        found = managers(live.decoded)
        notes = (*([found.reason] if found.reason else []), *found.notes)
        named = tuple(zip(sent.fixes, sent.rules, sent.titles, strict=True))
        return Prepared(changes, sent.patch_type, sent.reverse, sent.forward, notes, named)


def undo_steps(items: Sequence[Item]) -> list[UndoStep]:
    """What was applied as steps that take it back: the last one first."""
    return [UndoStep(item) for item in reversed(items)]


# --- the journal --------------------------------------------------------------------------------------


def journaled(live: LiveObject, prepared: Prepared) -> Sent:
    """The journal's line about a patch that is about to be sent; values that must not be kept are masked."""
    masked = [masked_change(change) for change in prepared.changes]
    return Sent(
        api_version=live.resource.api_version,
        kind=live.resource.kind,
        namespace=live.decoded.namespace,
        name=live.decoded.name,
        uid=live.uid,
        resource_version=live.version,
        fixes=tuple(fix for fix, _, _ in prepared.fixes),
        rules=tuple(rule for _, rule, _ in prepared.fixes),
        titles=tuple(title for _, _, title in prepared.fixes),
        patch_type=prepared.type,
        forward=masked_patch(prepared.forward),
        reverse=masked_patch(prepared.reverse) if prepared.reverse is not None else None,
        fields=tuple(Field(path=change.path, before=change.before, after=change.after) for change in masked),
        before=fingerprint(live.trimmed),
    )
