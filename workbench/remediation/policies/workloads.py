"""Workloads as network policies see them: the pods of one owner, and the selector that picks them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from workbench.inventory.inventory import PODS_BY_OWNER, Inventory
from workbench.inventory.objects import (
    WORKLOADS,
    CronJob,
    Job,
    KubernetesObject,
    Labels,
    LabelSelector,
    ObjectMeta,
    Pod,
    ReplicationController,
)
from workbench.inventory.pods import PodInstance, template_of
from workbench.network.classes import runs
from workbench.network.labels import plain_labels
from workbench.rbac import selector_matches

GENERATED = (
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "batch.kubernetes.io/job-completion-index",
)
"""Labels that controllers give to pods: they differ between the pods of one workload, or with each run of it.

Source: Kubernetes documentation, "Well-Known Labels, Annotations and Taints".
"""


@dataclass(frozen=True, eq=False)
class Workload:
    """The pods of one top owner; of replicas that are alike one stands for all."""

    id: str
    """Of the owner: ``Deployment:shop/web``; of a pod without one its own."""
    namespace: str
    obj: KubernetesObject | None
    """The owner, ``None`` if it is not in the inventory."""
    pods: tuple[PodInstance, ...]
    """Those that run."""
    nodes: frozenset[str]
    """The ids of the nodes that all of its pods are on."""

    @property
    def kind(self) -> str:
        """The kind of the owner."""
        return self.id.partition(":")[0]

    @property
    def name(self) -> str:
        """The name of the owner."""
        return self.id.partition("/")[2]

    @cached_property
    def on_host(self) -> bool:
        """Whether some of its pods are on the network of their node, where no policy applies to them."""
        return any(pod.spec.host_network for pod in self.pods)

    @cached_property
    def selector(self) -> LabelSelector | None:
        """The workload's own selector; for what has none, the labels that its pods have in common.

        A CronJob has no selector, and that of a Job names its run. ``None`` where nothing tells its pods from others.
        """
        found = _own_selector(self.obj)
        if found is None:
            common = _common(plain_labels(pod.labels) for pod in self.pods)
            found = LabelSelector(match_labels={**common})
        return found if found.match_labels or found.match_expressions else None


def _own_selector(obj: KubernetesObject | None) -> LabelSelector | None:
    if isinstance(obj, ReplicationController):
        spec = obj.spec
        return LabelSelector(match_labels=spec.selector) if spec is not None and spec.selector else None
    if obj is None or isinstance(obj, (Pod, Job, CronJob)):
        return None
    found = getattr(getattr(obj, "spec", None), "selector", None)
    return found if isinstance(found, LabelSelector) else None


def _common(labels: Iterable[Mapping[str, str]]) -> dict[str, str]:
    found: dict[str, str] | None = None
    for each in labels:
        if found is None:
            found = {key: value for key, value in each.items() if key not in GENERATED}
        else:
            found = {key: value for key, value in found.items() if each.get(key) == value}
    return dict(sorted((found or {}).items()))


def plain_selector(selector: LabelSelector) -> dict[str, Any]:
    """A selector as the API writes it, its labels and requirements sorted."""
    out: dict[str, Any] = {}
    if selector.match_labels:
        out["matchLabels"] = dict(sorted(plain_labels(selector.match_labels).items()))
    if selector.match_expressions:
        items = [msgspec.to_builtins(each) for each in selector.match_expressions]
        out["matchExpressions"] = sorted(items, key=lambda item: (item.get("key") or "", item.get("operator") or ""))
    return out


@dataclass(slots=True)
class _Entry:
    owner: str
    labels: Labels


@dataclass(slots=True)
class _Namespace:
    entries: list[_Entry] = field(default_factory=list)
    by_label: dict[tuple[str, str | None], list[_Entry]] = field(default_factory=dict)

    def add(self, entry: _Entry) -> None:
        self.entries.append(entry)
        for item in entry.labels.items():
            self.by_label.setdefault(item, []).append(entry)

    def candidates(self, labels: Mapping[str, str | None] | None) -> list[_Entry]:
        """The entries with the rarest of some labels; all without labels."""
        if not labels:
            return self.entries
        return min((self.by_label.get((key, value or ""), []) for key, value in labels.items()), key=len)


class Workloads:
    """The workloads of a view, and which of them a selector picks.

    Attributes:
        view: The view with a pod for each workload that has none now: a CronJob between two runs, what is scaled to
            nothing. They come back, and what they talk to has to let them.
        all: The workloads by the ids of their owners.
    """

    def __init__(self, view: Inventory) -> None:
        standing = {pod.id: owner for owner, pod in _absent(view)}
        self.view = view.overlay({pod.id: pod for _, pod in _absent(view)}) if standing else view
        self.all: dict[str, Workload] = {}
        self._namespaces: dict[str, _Namespace] = {}
        for owner, pods, nodes in _grouped(self.view, standing):
            obj = view.by_id(owner)
            known = obj if pods[0].owner_known and isinstance(obj, (Pod, *WORKLOADS)) else None
            self.all[owner] = Workload(owner, pods[0].namespace, known, tuple(pods), frozenset(nodes))
            for pod in pods:
                self._namespace(pod.namespace).add(_Entry(owner, {**plain_labels(pod.labels)}))

    def _namespace(self, name: str) -> _Namespace:
        return self._namespaces.setdefault(name, _Namespace())

    def get(self, owner: str) -> Workload | None:
        """The workload of an owner's id, ``None`` if no pod of it runs."""
        return self.all.get(owner)

    def others(self, workload: Workload) -> list[str]:
        """The owners of other pods that the selector of a workload picks too, sorted."""
        selector = workload.selector
        if selector is None:
            return []
        found = self._namespace(workload.namespace).candidates(selector.match_labels)
        return sorted(
            {each.owner for each in found if each.owner != workload.id and selector_matches(selector, each.labels)}
        )

    def selected(self, namespace: str, labels: Mapping[str, str | None]) -> Iterator[Workload]:
        """The workloads with pods that the selector of a Service picks."""
        seen: set[str] = set()
        for entry in self._namespace(namespace).candidates(labels):
            if entry.owner in seen or not all(entry.labels.get(key) == (value or "") for key, value in labels.items()):
                continue
            seen.add(entry.owner)
            found = self.all.get(entry.owner)
            if found is not None:
                yield found


def _grouped(view: Inventory, standing: Mapping[str, str]) -> Iterator[tuple[str, list[PodInstance], set[str]]]:
    """The owners of pods that run, with one pod of those that are alike, and the nodes of all."""
    found: dict[str, tuple[dict[PodInstance, PodInstance], set[str]]] = {}
    for pod in view.pods:
        if runs(pod) and not pod.mirror:
            owner = standing.get(pod.id, pod.owner)
            known = found.get(owner)
            if known is None:
                known = found[owner] = ({}, set())
            known[0].setdefault(pod.alike, pod)
            known[1].add(pod.node)
    for owner, (pods, nodes) in found.items():
        yield owner, list(pods.values()), nodes


def _absent(view: Inventory) -> Iterator[tuple[str, Pod]]:
    """The workloads without a pod that runs, each with the pod that its template makes; Jobs do not come back."""
    index = view.index(PODS_BY_OWNER)
    for kind in WORKLOADS:
        if kind is Job:
            continue
        for obj in view.all(kind):
            if any(reference.controller for reference in obj.metadata.owner_references or ()):
                continue
            template = template_of(obj)
            if template is None or template.spec is None or any(map(runs, index[obj.id])):
                continue
            labels = template.metadata.labels if template.metadata is not None else None
            meta = ObjectMeta(name=f"{obj.name}.{obj.kind.lower()}.0", namespace=obj.namespace, labels=labels)
            yield obj.id, Pod(api_version="v1", metadata=meta, spec=template.spec)


_READS = frozenset({"Pod", *(kind.__name__ for kind in WORKLOADS)})


def workloads(view: Inventory) -> Workloads:
    """The workloads of a view, computed once for it."""
    return view.derived("workloads for policies", _READS, Workloads)
