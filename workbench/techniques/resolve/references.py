"""The Secrets and ConfigMaps that pods and containers refer to, and where.

A reference is the id of the object, where it stands as a tuple of steps (``dotted`` makes a path of it, only when
somebody asks for evidence), and whether it is optional.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from workbench.graph.graph import Fact
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Container, ServiceAccount, Volume
from workbench.inventory.pods import PodInstance
from workbench.techniques.api import fact

Where: TypeAlias = tuple[str | int | None, ...]
"""A list, the name or position of its item, and the fields within: ``("volumes", "keys", "secret")``."""

_NAMED = frozenset({"volumes", "containers", "initContainers", "ephemeralContainers", "env"})
"""The lists whose items are found by name."""

Reference: TypeAlias = tuple[str, Where, bool]

_READS = frozenset({"Pod", "ServiceAccount"})


def dotted(where: Where) -> str:
    """The dotted path of a place: ``volumes[name=keys].secret``."""
    out = ""
    previous: str | int | None = None
    for step in where:
        if isinstance(step, int):
            out += f"[{step}]"
        elif previous in _NAMED:
            out += f"[name={step}]"
        else:
            out += f".{step}" if out else f"{step}"
        previous = step if previous not in _NAMED else None
    return out


def optional(view: Inventory, node: str) -> tuple[Fact, ...] | None:
    """What it takes for an optional reference to lead somewhere.

    Args:
        view: An inventory, or an overlay.
        node: The id of the Secret or ConfigMap.

    Returns:
        Nothing if the object is in the source; C-NAME if the kind could not be listed, so that it may exist;
        ``None`` if it does not exist.
    """
    if view.by_id(node) is not None:
        return ()
    kind, _, rest = node.partition(":")
    namespace = rest.partition("/")[0]
    if any(gap.kind == kind and gap.namespace in (None, namespace) for gap in view.coverage):
        return fact("C-NAME", node)
    return None


def secrets_of_volume(volume: Volume, namespace: str, into: list[Reference]) -> None:
    """Add the Secrets that a volume shows to who mounts it."""
    source = volume.secret
    if source is not None:
        where: Where = ("volumes", volume.name, "secret")
        into.append((f"Secret:{namespace}/{source.secret_name}", where, source.optional is True))
    elif volume.projected is not None:
        for index, projection in enumerate(volume.projected.sources or ()):
            secret = projection.secret
            if secret is not None:
                where = ("volumes", volume.name, "projected", "sources", index, "secret")
                into.append((f"Secret:{namespace}/{secret.name}", where, secret.optional is True))


def config_maps_of_volume(volume: Volume, namespace: str, into: list[Reference]) -> None:
    """Add the ConfigMaps that a volume shows to who mounts it."""
    source = volume.config_map
    if source is not None:
        where: Where = ("volumes", volume.name, "configMap")
        into.append((f"ConfigMap:{namespace}/{source.name}", where, source.optional is True))
    elif volume.projected is not None:
        for index, projection in enumerate(volume.projected.sources or ()):
            found = projection.config_map
            if found is not None:
                where = ("volumes", volume.name, "projected", "sources", index, "configMap")
                into.append((f"ConfigMap:{namespace}/{found.name}", where, found.optional is True))


def secrets_of_environment(container: Container, namespace: str, into: list[Reference]) -> None:
    """Add the Secrets in the environment of a container; the places are within the container."""
    for variable in container.env or ():
        source = variable.value_from
        if source is not None and source.secret_key_ref is not None:
            ref = source.secret_key_ref
            where: Where = ("env", variable.name, "valueFrom", "secretKeyRef")
            into.append((f"Secret:{namespace}/{ref.name}", where, ref.optional is True))
    for index, bulk in enumerate(container.env_from or ()):
        if bulk.secret_ref is not None:
            where = ("envFrom", index, "secretRef")
            into.append((f"Secret:{namespace}/{bulk.secret_ref.name}", where, bulk.secret_ref.optional is True))


def config_maps_of_environment(container: Container, namespace: str, into: list[Reference]) -> None:
    """Add the ConfigMaps in the environment of a container; the places are within the container."""
    for variable in container.env or ():
        source = variable.value_from
        if source is not None and source.config_map_key_ref is not None:
            ref = source.config_map_key_ref
            where: Where = ("env", variable.name, "valueFrom", "configMapKeyRef")
            into.append((f"ConfigMap:{namespace}/{ref.name}", where, ref.optional is True))
    for index, bulk in enumerate(container.env_from or ()):
        found = bulk.config_map_ref
        if found is not None:
            where = ("envFrom", index, "configMapRef")
            into.append((f"ConfigMap:{namespace}/{found.name}", where, found.optional is True))


def referred(view: Inventory, pod: PodInstance) -> Sequence[tuple[str, bool]]:
    """The ids of what :func:`pod_references` finds, with whether they are optional; once for all replicas."""
    memo = view.memo("references of replicas", _READS)
    found: Sequence[tuple[str, bool]] | None = memo.get(pod.alike)
    if found is None:
        each = dict.fromkeys((node, is_optional) for node, _, is_optional in pod_references(view, pod.alike))
        found = memo[pod.alike] = tuple(each)
    return found


def pod_references(view: Inventory, pod: PodInstance) -> list[Reference]:
    """Everything that the node authorizer lets a pod's node read: volumes, environment, pull and CSI secrets.

    Containers count whether they run or not: the pod's binding to the node is enough. The places are within the pod's
    spec: ``("containers", "app", "env", "KEY", ...)``.

    Source: Kubernetes documentation, "Using Node Authorization".
    """
    spec = pod.spec
    namespace = pod.namespace
    found: list[Reference] = []
    for volume in spec.volumes or ():
        if volume.config_map is not None:
            config_maps_of_volume(volume, namespace, found)
        elif volume.secret is not None:
            secrets_of_volume(volume, namespace, found)
        elif volume.projected is not None:
            config_maps_of_volume(volume, namespace, found)
            secrets_of_volume(volume, namespace, found)
        elif volume.csi is not None:
            if volume.csi.node_publish_secret_ref is not None:
                name = volume.csi.node_publish_secret_ref.name
                where: Where = ("volumes", volume.name, "csi", "nodePublishSecretRef")
                found.append((f"Secret:{namespace}/{name}", where, False))
        elif volume.flex_volume is not None and volume.flex_volume.secret_ref is not None:
            name = volume.flex_volume.secret_ref.name
            found.append((f"Secret:{namespace}/{name}", ("volumes", volume.name, "flexVolume", "secretRef"), False))
    _of_containers("containers", spec.containers, namespace, found)
    _of_containers("initContainers", spec.init_containers, namespace, found)
    _of_containers("ephemeralContainers", spec.ephemeral_containers, namespace, found)
    if spec.image_pull_secrets:
        for index, ref in enumerate(spec.image_pull_secrets):
            found.append((f"Secret:{namespace}/{ref.name}", ("imagePullSecrets", index), False))
    elif not pod.live:
        # Admission copies the account's pull secrets to a pod that names none.
        account = view.by_id(pod.account)
        if isinstance(account, ServiceAccount):
            for ref in account.image_pull_secrets or ():
                found.append((f"Secret:{namespace}/{ref.name}", ("serviceAccountName",), False))
    return found


def _of_containers(group: str, containers: list[Container] | None, namespace: str, found: list[Reference]) -> None:
    for container in containers or ():
        if not container.env and not container.env_from:
            continue
        own: list[Reference] = []
        secrets_of_environment(container, namespace, own)
        config_maps_of_environment(container, namespace, own)
        for node, where, is_optional in own:
            found.append((node, (group, container.name, *where), is_optional))
