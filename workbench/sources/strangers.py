"""What values and arguments named and turns out to be no Service of the source is forgotten, for it may be a secret."""

from __future__ import annotations

from workbench.inventory.connectivity import Services
from workbench.inventory.decode import trimmed_arguments
from workbench.inventory.gathered import Gathered
from workbench.inventory.objects import WORKLOADS, Container, KubernetesObject, Pod, PodSpec, Service
from workbench.inventory.pods import template_of

_WITH_PODS: tuple[type[KubernetesObject], ...] = (Pod, *WORKLOADS)


def forget_strangers(objects: Gathered) -> None:
    """Take out of pod specs that were just decoded the addresses that no Service of the source has.

    Args:
        objects: All objects of a source. Nobody else holds them yet.
    """
    services = Services(
        (each.namespace, each.name, each.spec.cluster_ip if each.spec is not None else None)
        for each in objects.of(Service)
    )
    known: dict[tuple[int, str], tuple[list[str], list[str]]] = {}
    done: set[int] = set()
    for kind in _WITH_PODS:
        for obj in objects.of(kind):
            for containers in _containers(obj):
                # Replicas share what is equal in them, and so do their namespaces.
                if containers and id(containers) not in done:
                    done.add(id(containers))
                    for container in containers:
                        _forget(container, obj.namespace, services, done, known)


def _containers(obj: KubernetesObject) -> tuple[list[Container] | None, ...]:
    template = None if type(obj) is Pod else template_of(obj)
    spec: PodSpec | None = obj.spec if isinstance(obj, Pod) else template.spec if template is not None else None
    return () if spec is None else (spec.containers, spec.init_containers, spec.ephemeral_containers)


def _forget(
    container: Container,
    namespace: str,
    services: Services,
    done: set[int],
    known: dict[tuple[int, str], tuple[list[str], list[str]]],
) -> None:
    env = container.env
    if env and id(env) not in done:
        done.add(id(env))
        for variable in env:
            if variable.value is not None:
                variable.value = services.known(variable.value, namespace)
    if container.args:
        container.args = _without(container.args, namespace, services, known)
    if container.command:
        container.command = _without(container.command, namespace, services, known)


def _without(
    arguments: list[str],
    namespace: str,
    services: Services,
    known: dict[tuple[int, str], tuple[list[str], list[str]]],
) -> list[str]:
    """The arguments without the addresses of strangers; the same list for all that have the same one."""
    key = id(arguments), namespace
    found = known.get(key)
    if found is None:
        left = arguments
        if any("=" in word or ":" in word or "." in word for word in arguments):
            left = trimmed_arguments(arguments, lambda flag, value: services.known(value, namespace))
        # With the list itself, so that no other one gets its place in memory.
        found = known[key] = arguments, arguments if left == arguments else left
    return found[1]
