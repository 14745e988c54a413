"""What values and arguments named and turns out to be no Service of the source is forgotten, for it may be a secret."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from workbench.inventory.arguments import trimmed_arguments
from workbench.inventory.connectivity import Services
from workbench.inventory.gathered import Gathered
from workbench.inventory.objects import WORKLOADS, KubernetesObject, Pod, PodSpec, Service
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
    # Few addresses are named, by many.
    known = cache(services.known)
    trimmed: dict[tuple[int, str], tuple[list[str], list[str]]] = {}
    # Replicas share what is equal in them, and so do their namespaces.
    done: set[int] = set()
    for kind in _WITH_PODS:
        for obj in objects.of(kind):
            spec = _spec_of(obj)
            if spec is None:
                continue
            for containers in (spec.containers, spec.init_containers, spec.ephemeral_containers):
                for container in containers or ():
                    env = container.env
                    if env and id(env) not in done:
                        done.add(id(env))
                        for variable in env:
                            if variable.value is not None:
                                variable.value = known(variable.value, obj.namespace)
                    if container.args:
                        container.args = _without(container.args, obj.namespace, known, trimmed)
                    if container.command:
                        container.command = _without(container.command, obj.namespace, known, trimmed)


def _spec_of(obj: KubernetesObject) -> PodSpec | None:
    if isinstance(obj, Pod):
        return obj.spec
    template = template_of(obj)
    return template.spec if template is not None else None


def _without(
    arguments: list[str],
    namespace: str,
    known: Callable[[str, str], str | None],
    trimmed: dict[tuple[int, str], tuple[list[str], list[str]]],
) -> list[str]:
    """The arguments without the addresses of strangers; the same list for all that have the same one."""
    key = id(arguments), namespace
    found = trimmed.get(key)
    if found is None:
        left = arguments
        if any("=" in word or ":" in word or "." in word for word in arguments):
            left = trimmed_arguments(arguments, lambda flag, value: known(value, namespace))
        # With the list itself, so that no other one gets its place in memory.
        found = trimmed[key] = arguments, arguments if left == arguments else left
    return found[1]
