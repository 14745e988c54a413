"""Which fields of a pod's spec a change changes: most changes change one, and most rules do not read it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Container, CronJob, KubernetesObject, PodSecurityContext, SecurityContext
from workbench.inventory.pods import PodInstance

_GROUPS = ("containers", "init_containers", "ephemeral_containers")
_NO_CONTEXT = SecurityContext()
_NO_POD_CONTEXT = PodSecurityContext()


def changed_fields(view: Inventory) -> frozenset[str] | None:
    """The fields that differ between the pods that an overlay changes and what they were, of all together.

    Returns:
        The names of fields, without those that they stand in: of the pod's spec, of its containers and of the security
        contexts of both, as :mod:`workbench.inventory.objects` has them, and ``labels`` and ``annotations``. ``None``
        if pods come or go, or anything else of them differs.
    """
    return view.derived("changed fields of pods", frozenset({"Pod"}), _changed_fields)


def _changed_fields(view: Inventory) -> frozenset[str] | None:
    found: set[str] = set()
    # Replicas that are alike change alike, as a rule.
    known: list[tuple[PodInstance, PodInstance]] = []
    for old, new in view.replaced.get("pods", ()):
        if old is None or new is None or not _same_place(old, new):
            return None
        if any(old.alike is first.alike and new.alike is second.alike for first, second in known[-1:]):
            continue
        known.append((old, new))
        for field in _differing(old, new):
            if field is None:
                return None
            found.add(field)
    return frozenset(found)


def _same_place(old: PodInstance, new: PodInstance) -> bool:
    """Whether two pods are one pod, with the same containers, in the same state, on the same node."""
    return (
        (old.id, old.node, old.owner, old.owner_known, old.live, old.mirror)
        == (new.id, new.node, new.owner, new.owner_known, new.live, new.mirror)
        and old.status == new.status
        and [(c.id, c.type) for c in old.containers] == [(c.id, c.type) for c in new.containers]
    )


def _differing(old: PodInstance, new: PodInstance) -> Iterator[str | None]:
    if not _same_beside(old.obj, new.obj, templates=old.template is not None):
        yield None
    for field in ("labels", "annotations"):
        if getattr(old, field) != getattr(new, field):
            yield field
    for field in old.spec.__struct_fields__:
        if field in _GROUPS or field == "security_context":
            continue
        if getattr(old.spec, field) != getattr(new.spec, field):
            yield field
    before, after = old.spec.security_context or _NO_POD_CONTEXT, new.spec.security_context or _NO_POD_CONTEXT
    yield from _fields(before, after)
    for group in _GROUPS:
        for one, other in zip_longest(getattr(old.spec, group) or (), getattr(new.spec, group) or ()):
            if one is None or other is None or one.name != other.name:
                yield None
                return
            yield from _of_container(one, other)


def _of_container(old: Container, new: Container) -> Iterator[str]:
    if old == new:
        return
    for field in old.__struct_fields__:
        if field != "security_context" and getattr(old, field) != getattr(new, field):
            yield field
    yield from _fields(old.security_context or _NO_CONTEXT, new.security_context or _NO_CONTEXT)


def _fields(old: SecurityContext | PodSecurityContext, new: SecurityContext | PodSecurityContext) -> Iterator[str]:
    if old != new:
        yield from (field for field in old.__struct_fields__ if getattr(old, field) != getattr(new, field))


def _same_beside(old: KubernetesObject, new: KubernetesObject, *, templates: bool) -> bool:
    """Whether two objects are equal in all that is not part of their pod."""
    if old is new:
        return True
    own = {"managed_fields"} if templates else {"managed_fields", "labels", "annotations"}
    fields = [field for field in old.metadata.__struct_fields__ if field not in own]
    if any(getattr(old.metadata, field) != getattr(new.metadata, field) for field in fields):
        return False
    if not templates:
        return True
    spec, other = getattr(old, "spec", None), getattr(new, "spec", None)
    if isinstance(old, CronJob) or spec is None or other is None:
        return False
    return all(field == "template" or getattr(spec, field) == getattr(other, field) for field in spec.__struct_fields__)
