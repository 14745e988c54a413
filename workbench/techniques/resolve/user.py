"""R2: the user that a container's processes run as, and whether they can become root.

Source: Kubernetes documentation, "Configure a Security Context for a Pod or Container"; the container's
fields win over the pod's. The user that the image names is not in the API.
"""

from __future__ import annotations

from typing import NamedTuple

from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import PodSecurityContext
from workbench.inventory.pods import ContainerInstance
from workbench.techniques.resolve import HOLDS, Answer, needs, ruled_out

IMAGE_USER = "the image's user"
"""What Kubernetes takes an absent ``runAsUser`` for."""

_NO_CONTEXT = PodSecurityContext()


class User(NamedTuple):
    """The effective user of a container."""

    root: bool | None
    """``None`` where only the image tells."""
    uid: int | None
    """The number, where the objects name it."""
    may_escalate: bool
    """Whether a setuid binary would help: ``allowPrivilegeEscalation`` is not false."""


def effective_user(container: ContainerInstance) -> User:
    """The user that a container's processes run as."""
    context = container.security_context
    pod = container.pod.spec.security_context or _NO_CONTEXT
    uid = context.run_as_user if context.run_as_user is not None else pod.run_as_user
    may_escalate = context.allow_privilege_escalation is not False
    if uid is not None:
        return User(uid == 0, uid, may_escalate)
    non_root = context.run_as_non_root if context.run_as_non_root is not None else pod.run_as_non_root
    return User(False if non_root else None, None, may_escalate)


def as_root(container: ContainerInstance) -> Answer:
    """Whether an attacker in a container acts as its root user.

    It takes C-USER where only the image tells, C-SETUID for another user that may escalate its privileges.
    """
    user = effective_user(container)
    if user.root:
        return HOLDS
    if user.root is None:
        return needs("C-USER", container.image)
    if user.may_escalate:
        return needs("C-SETUID", container.image)
    proof = f"runAsUser: {user.uid}" if user.uid is not None else "runAsNonRoot: true"
    return ruled_out(f"{proof} with allowPrivilegeEscalation: false leaves no way to root")


def user_evidence(view: Inventory, container: ContainerInstance) -> list[Evidence]:
    """The fields that decide the user; for one that is not root also those that decide on escalation."""
    user = effective_user(container)
    context = container.security_context
    pod = container.pod
    pod_context = pod.spec.security_context or _NO_CONTEXT
    out: list[Evidence] = []
    of_container = container.field("securityContext.runAsUser")
    of_pod = pod.field("securityContext.runAsUser")
    if context.run_as_user is not None:
        out.append(view.evidence(pod.obj, of_container))
    elif pod_context.run_as_user is not None:
        out.append(view.evidence(pod.obj, of_pod))
    else:
        out.append(view.evidence(pod.obj, of_container, IMAGE_USER))
        out.append(view.evidence(pod.obj, of_pod, IMAGE_USER))
        if context.run_as_non_root is None and pod_context.run_as_non_root is not None:
            out.append(view.evidence(pod.obj, pod.field("securityContext.runAsNonRoot")))
        else:
            out.append(view.evidence(pod.obj, container.field("securityContext.runAsNonRoot"), False))
    if user.root is False:
        out.append(view.evidence(pod.obj, container.field("securityContext.allowPrivilegeEscalation"), True))
    return out
