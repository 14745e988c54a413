"""What values and arguments named and turns out to be no Service of the source is forgotten, for it may be a secret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.inventory.connectivity import Services
from workbench.inventory.decode import trimmed_arguments
from workbench.inventory.objects import WORKLOADS, Container, KubernetesObject, Pod, PodSpec, Service
from workbench.inventory.pods import template_of

_WITH_PODS = frozenset((Pod, *WORKLOADS))


def forget_strangers(objects: Iterable[KubernetesObject]) -> None:
    """Take out of pod specs that were just decoded the addresses that no Service of the source has.

    Args:
        objects: All objects of a source. Nobody else holds them yet.
    """
    found = list(objects)
    services = Services(
        (each.namespace, each.name, each.spec.cluster_ip if each.spec is not None else None)
        for each in found
        if isinstance(each, Service)
    )
    # Replicas share what is equal in them, and so do their namespaces.
    done: set[int] = set()
    for obj in found:
        if type(obj) in _WITH_PODS:
            for container in _containers(obj):
                _forget(container, obj.namespace, services, done)


def _containers(obj: KubernetesObject) -> Iterator[Container]:
    template = template_of(obj)
    spec: PodSpec | None = obj.spec if isinstance(obj, Pod) else template.spec if template is not None else None
    if spec is not None:
        for group in (spec.containers, spec.init_containers, spec.ephemeral_containers):
            yield from group or ()


def _forget(container: Container, namespace: str, services: Services, done: set[int]) -> None:
    if container.env and id(container.env) not in done:
        done.add(id(container.env))
        for variable in container.env:
            if variable.value is not None:
                variable.value = services.known(variable.value, namespace)

    def known(flag: str, value: str) -> str | None:
        return services.known(value, namespace)

    for name in ("args", "command"):
        arguments = getattr(container, name)
        if arguments and any("=" in word or ":" in word or "." in word for word in arguments):
            left = trimmed_arguments(arguments, known)
            if left != arguments:
                setattr(container, name, left)
