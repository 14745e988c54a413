"""R5 and R6: user namespaces and sandboxed runtimes, which keep an escape inside.

Source: KEP-127 (user namespaces, on by default from 1.33), Kubernetes documentation "User Namespaces" and
"Runtime Class".
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import RuntimeClass
from workbench.inventory.pods import PodInstance
from workbench.techniques.resolve import CLUSTER, HOLDS, Answer, all_of, needs, ruled_out

USER_NAMESPACES_FROM = (1, 33)

SANDBOX_HANDLERS = ("runsc", "gvisor", "kata*", "firecracker")
"""Globs of RuntimeClass handlers that run pods in a virtual machine or a kernel of their own."""

_DERIVED = "sandbox handlers"


def set_sandbox_handlers(view: Inventory, globs: Iterable[str]) -> None:
    """Take other handlers for sandboxes (``sandboxHandlers`` of the configuration).

    Args:
        view: An inventory, before anything was asked about it; its overlays take over the setting.
        globs: Globs of handler names, in place of :data:`SANDBOX_HANDLERS`.

    Raises:
        ValueError: The handlers of the inventory are settled already, and differ.
    """
    wanted = tuple(globs)
    if view.derived(_DERIVED, frozenset(), lambda _: wanted) != wanted:
        raise ValueError("the sandbox handlers were asked for before they were set")


def sandbox_handlers(view: Inventory) -> tuple[str, ...]:
    """The globs of handlers that count as sandboxes in a view."""
    return view.derived(_DERIVED, frozenset(), lambda _: SANDBOX_HANDLERS)


def no_user_namespace(view: Inventory, pod: PodInstance) -> Answer:
    """R5: whether root in a pod is root on the host.

    A live pod with ``hostUsers: false`` runs in a user namespace, for a server without the feature drops the
    field. In manifests the server's version decides; C-GATE where it is assumed.
    """
    if pod.host_users is not False:
        return HOLDS
    version = view.server_version
    if not pod.live:
        if version.assumed:
            return needs("C-GATE", CLUSTER)
        if version.pair < USER_NAMESPACES_FROM:
            return HOLDS
    return ruled_out("hostUsers: false puts the pod in a user namespace of its own")


def no_sandbox(view: Inventory, pod: PodInstance) -> Answer:
    """R6: whether a pod shares the kernel of its node; C-RUNTIMECLASS if its RuntimeClass was not read."""
    name = pod.spec.runtime_class_name
    if not name:
        return HOLDS
    runtime_class = view.get(RuntimeClass, name)
    if runtime_class is None or runtime_class.handler is None:
        return needs("C-RUNTIMECLASS", CLUSTER)
    handler = runtime_class.handler
    if any(fnmatchcase(handler, glob) for glob in sandbox_handlers(view)):
        return ruled_out(f"runtimeClassName: {name} runs the pod in a sandbox (handler {handler})")
    return HOLDS


def not_isolated(view: Inventory, pod: PodInstance) -> Answer:
    """R5 and R6 together: whether the pod's root user faces the kernel of the node as its root user."""
    if pod.host_users is None and pod.spec.runtime_class_name is None:
        return HOLDS
    return all_of(no_user_namespace(view, pod), no_sandbox(view, pod))


def user_namespace_evidence(view: Inventory, pod: PodInstance) -> list[Evidence]:
    """The field that decides R5."""
    return [view.evidence(pod.obj, pod.field("hostUsers"), True)]


def sandbox_evidence(view: Inventory, pod: PodInstance) -> list[Evidence]:
    """The fields that decide R6."""
    out = [view.evidence(pod.obj, pod.field("runtimeClassName"), "the node's default runtime")]
    name = pod.spec.runtime_class_name
    runtime_class = view.get(RuntimeClass, name) if name else None
    if runtime_class is not None:
        out.append(view.evidence(runtime_class, "handler"))
    return out


def isolation_evidence(view: Inventory, pod: PodInstance) -> list[Evidence]:
    """The fields that decide R5 and R6."""
    return [*user_namespace_evidence(view, pod), *sandbox_evidence(view, pod)]
