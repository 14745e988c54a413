"""The few ConfigMaps of a live cluster that are read by name, for settings that rules read (DESIGN, principle 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from workbench.errors import Unreachable
from workbench.inventory.decode import CONFIG_VALUES, DecodeError, from_json
from workbench.inventory.objects import ConfigMap, KubernetesObject, Pod
from workbench.kube.paging import Patient
from workbench.kube.resources import Resource

_FLAG = "--configmap"
_CONVENTIONAL = (
    ("kube-system", "kubeadm-config"),
    ("kube-system", "kubelet-config"),
    ("kube-system", "calico-config"),
    ("kube-system", "cilium-config"),
    ("argocd", "argocd-cm"),
    ("argocd", "argocd-rbac-cm"),
)
"""Where they are as a rule, for users who may read one of them and not list them."""


def named_config_maps(
    patient: Patient, objects: Iterable[KubernetesObject], resource: Resource, only: Sequence[str], *, listed: bool
) -> Iterator[KubernetesObject]:
    """Read them one by one; one that is not there, or that this user may not read, is left out.

    Args:
        patient: Sends the requests.
        objects: What was read so far.
        resource: That of ConfigMaps.
        only: The namespaces to read, empty for all.
        listed: Whether all ConfigMaps are among the objects.

    Raises:
        Lost, LoginError, Cancelled: As of :meth:`Patient.get`.
    """
    wanted: dict[tuple[str, str], None] = {} if listed else dict.fromkeys(_CONVENTIONAL)
    seen: set[tuple[str, str]] = set()
    for obj in objects:
        if isinstance(obj, ConfigMap):
            seen.add((obj.namespace, obj.name))
            if obj.name in CONFIG_VALUES:
                wanted[obj.namespace, obj.name] = None
        elif isinstance(obj, Pod):
            wanted.update(dict.fromkeys(_of_ingress(obj)))
    for namespace, name in wanted:
        if (only and namespace not in only) or (listed and (namespace, name) not in seen):
            continue
        try:
            answer = patient.get(resource.path(namespace, name), tries=2)
            if answer.ok:
                yield from_json(ConfigMap, answer.body)
        except (Unreachable, DecodeError):
            # Its metadata was listed all the same; a setting that is not known decides nothing.
            continue


def _of_ingress(pod: Pod) -> Iterator[tuple[str, str]]:
    """The ConfigMap of an ingress-nginx controller, as its arguments name it."""
    for container in (pod.spec.containers if pod.spec else None) or ():
        if "ingress" not in (container.image or ""):
            continue
        words = [*(container.command or ()), *(container.args or ())]
        for at, word in enumerate(words):
            flag, equals, value = word.partition("=")
            if flag != _FLAG:
                continue
            value = value if equals else (words[at + 1] if at + 1 < len(words) else "")
            namespace, slash, name = value.partition("/")
            if slash and name:
                yield (pod.namespace if namespace == "$(POD_NAMESPACE)" else namespace), name
