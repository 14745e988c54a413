"""What KubeHound dumps are made of: the files by kind, and what is known in place of the kinds that they lack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.inventory.evidence import Gap, Origin, Problem
from workbench.inventory.objects import (
    GROUPS,
    KINDS,
    EndpointSlice,
    KubernetesObject,
    ObjectMeta,
    Pod,
    Service,
    ServicePort,
    ServiceSpec,
)
from workbench.inventory.records import plural_of, wire_kind

SERVICE_NAME = "kubernetes.io/service-name"
"""The label by which an EndpointSlice names its Service (Kubernetes documentation, EndpointSlices, "Ownership")."""


def _file_names() -> dict[str, tuple[type[KubernetesObject], str]]:
    found: dict[str, tuple[type[KubernetesObject], str]] = {}
    for group, kinds in GROUPS.items():
        for kind in kinds:
            name = plural_of(wire_kind(kind))
            found[f"{name}.{group}.json" if group else f"{name}.json"] = (kind, f"{group}/v1" if group else "v1")
    return found


FILES = _file_names()
"""The kind and apiVersion that the items of a file have, by its base name (``kubectl api-resources -o name``)."""

DUMPED = {
    kind.__name__: name
    for name, (kind, _) in FILES.items()
    if kind.__name__
    in ("Node", "Pod", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", EndpointSlice.__name__)
}
"""What every dump of a whole cluster holds, and the name of its files."""

_INFERRED = {
    "ServiceAccount": "known only by the pods that run as them and the bindings that name them",
    "Service": "inferred from the labels of EndpointSlices, with the ports of the pods; their types, selectors, "
    "addresses and node ports, and so what they expose, are not known",
    "Secret": "known only by the pods that name them; their types and keys are not known",
    "ConfigMap": "known only by the pods that name them; their keys are not known",
    "Namespace": "inferred from the objects in them; their labels (Pod Security admission) are not known",
    "NetworkPolicy": "whether one keeps pods apart is not known",
    "Ingress": "what they expose is not known",
    "IngressClass": "which controller serves which Ingress is not known",
    "PersistentVolume": "what is behind the claims that pods mount is not known",
    "PersistentVolumeClaim": "known only by the pods that mount them",
    "RuntimeClass": "inferred from the names that pods give; their handlers are not known",
    "CustomResourceDefinition": "which custom resources there are is not known",
    "ReplicaSet": "inferred from the owner references of pods; what owns them in turn is not known",
    "StatefulSet": "inferred from the owner references of pods",
    "DaemonSet": "inferred from the owner references of pods",
    "Job": "inferred from the owner references of pods; what owns them in turn is not known",
    "ReplicationController": "inferred from the owner references of pods",
    "Deployment": "known neither by name nor by template; a fix of a pod's spec is owner-unknown",
    "CronJob": "known neither by name nor by template; a fix of a pod's spec is owner-unknown",
    "ValidatingAdmissionPolicy": "whether one refuses pods is not known",
    "ValidatingAdmissionPolicyBinding": "whether one refuses pods is not known",
    "ClusterPolicy": "whether one refuses pods is not known",
    "Policy": "whether one refuses pods is not known",
    "SecurityContextConstraints": "whether one refuses pods is not known",
}
"""What is known in place of a kind that dumps do not hold."""

_UNKNOWN = "which there are is not known"


def missing(objects: Iterable[KubernetesObject], collected: Iterable[str]) -> Iterator[Gap]:
    """A gap for every kind that a dump does not hold, which says what is known all the same.

    Args:
        objects: What was read of it.
        collected: The kinds that it holds files of.
    """
    there = frozenset(collected)
    for kind in KINDS:
        if kind not in there:
            held = DUMPED.get(kind)
            detail = f"no {held} in the dump" if held else f"not in a dump: {_INFERRED.get(kind, _UNKNOWN)}"
            yield Gap(kind, None, Problem.NOT_COLLECTED, 1, detail)
    pods = [obj for obj in objects if isinstance(obj, Pod)]
    if pods and all(pod.status is not None and pod.status.phase == "Running" for pod in pods):
        detail = "a dump holds the pods that run; those that wait to be started are not known"
        yield Gap(Pod.__name__, None, Problem.NOT_COLLECTED, 1, detail)


def services(
    objects: Iterable[tuple[KubernetesObject, Origin | None]],
) -> Iterator[tuple[KubernetesObject, Origin | None]]:
    """The Services that EndpointSlices name: their names and the ports of the pods, so that the slices resolve them.

    They have no type and no selector, so nothing is taken for exposed by them.
    """
    slices: dict[tuple[str, str], list[tuple[EndpointSlice, Origin | None]]] = {}
    for obj, origin in objects:
        name = (obj.metadata.labels or {}).get(SERVICE_NAME) if isinstance(obj, EndpointSlice) else None
        if name and isinstance(obj, EndpointSlice):
            slices.setdefault((obj.namespace, name), []).append((obj, origin))
    for (namespace, name), found in slices.items():
        ports: dict[tuple[int, str], ServicePort] = {}
        uid: str | None = None
        for item, _ in found:
            for owner in item.metadata.owner_references or ():
                if owner.kind == Service.__name__ and owner.name == name:
                    uid = uid or owner.uid
            for port in item.ports or ():
                if port.port:
                    key = (port.port, port.protocol or "TCP")
                    ports.setdefault(key, ServicePort(name=port.name, port=port.port, protocol=key[1]))
        service = Service(
            api_version="v1",
            metadata=ObjectMeta(name=name, namespace=namespace, uid=uid),
            spec=ServiceSpec(ports=[ports[key] for key in sorted(ports)]),
        )
        first = found[0][1]
        yield service, ServiceOrigin(first) if first is not None else None


class ServiceOrigin:
    """A Service that was inferred stands where the EndpointSlice does that names it."""

    __slots__ = ("_slice",)

    def __init__(self, of: Origin) -> None:
        self._slice = of

    @property
    def file(self) -> str | None:
        return self._slice.file

    @property
    def document(self) -> int | None:
        return self._slice.document

    def line(self, field: str) -> int | None:
        """The line of the EndpointSlice's ports for those of the Service, else of its beginning."""
        return self._slice.line("ports" if field.startswith("spec.ports") else "")

    def text(self) -> tuple[str, int] | None:
        """Nothing: the Service itself was not read."""
        return None
