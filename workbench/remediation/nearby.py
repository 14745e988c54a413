"""Which fixes may take an edge away: those of what stands at its ends, found through indexes without measuring any.

A change of a pod takes only edges from or to what the pod consists of, or what exposes it; a change of permissions only
edges that start at a permission set, or at somebody who holds one; a network policy edges from or to the pods that it
selects, and what exposes them. Of the fixes that are named here most take
nothing; of all others none does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from workbench.analysis.compiled import Compiled
from workbench.analysis.session import Analysis
from workbench.graph import nodes
from workbench.inventory.changes import Op
from workbench.inventory.inventory import (
    CONTAINERS_BY_IMAGE,
    PODS_BY_ACCOUNT,
    PODS_BY_NAMESPACE,
    PODS_BY_NODE,
)
from workbench.inventory.pods import PodInstance
from workbench.remediation.records import Fix
from workbench.techniques.resolve.binding import NAMESPACE_ADMINS
from workbench.techniques.resolve.reach import SOURCES, SOURCES_IF, TARGETS

RBAC = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})
NETWORK = (SOURCES, SOURCES_IF, TARGETS)
"""The hubs that any change of what listens, or of who may connect, leads elsewhere."""
HELD = ("PERMISSION_DISCOVER", "GROUP_MEMBER", "IDENTITY_ASSUME")
"""How somebody comes to hold a permission set, a group or an account."""


def exposes(ops: Iterable[Op]) -> bool:
    """Whether edits may change what leads to a pod from outside."""
    return any(op.steps[-1] in ("hostNetwork", "image") for op in ops)


def forwarding(cause: Any) -> Iterator[str]:
    """The containers and pods in what a technique keeps of an edge: a controller that stands between its two ends."""
    if isinstance(cause, tuple):
        for part in cause:
            yield from forwarding(part)
    elif isinstance(cause, str) and cause.startswith(("Container:", "Pod:")):
        yield cause


class Nearby:
    """The fixes of an analysis by what they are aimed at."""

    def __init__(self, analysis: Analysis, fixes: Iterable[Fix]) -> None:
        """Index the fixes.

        Args:
            analysis: What they are for.
            fixes: The fixes.
        """
        self._view = analysis.view
        self._compiled: Compiled = analysis.compiled
        self._reads = {technique.id: technique.declaration.reads for technique in analysis.techniques}
        self._of_pods: dict[str, list[Fix]] = {}
        self._of_rights: dict[str, list[Fix]] = {}
        self._of_policies: dict[str, list[Fix]] = {}
        for fix in fixes:
            if fix.target.kind in RBAC:
                for node in fix.observed_on:
                    self._of_rights.setdefault(node, []).append(fix)
            elif fix.target.kind == "NetworkPolicy":
                for node in fix.observed_on:
                    self._of_policies.setdefault(node, []).append(fix)
            else:
                self._of_pods.setdefault(fix.target.id, []).append(fix)
        chosen = np.array([technique.id in HELD for technique in analysis.techniques], np.bool_)
        source, target, _ = analysis.compiled.select(chosen)
        order = np.argsort(source, kind="stable")
        self._holders, self._held = source[order], target[order]

    def candidates(self, source: str, target: str) -> list[Fix]:
        """The fixes that may take the edges between two nodes away."""
        ends = [self._compiled.number(source), self._compiled.number(target)]
        if ends[0] is None or ends[1] is None:
            return []
        # All records have to go, so every technique that joins the two has to read what is changed.
        records = self._compiled.records(ends[0], ends[1])
        reads = [self._reads[edge.technique] for edge in records]
        found: dict[str, Fix] = {}
        if all("Pod" in each for each in reads):
            for owner in {
                name for node in (source, target) for pod in self._pods(node) for name in (pod.owner, pod.id)
            }:
                found.update((fix.id, fix) for fix in self._of_pods.get(owner, ()))
            outside = {name for node in (source, target) for pod in self._exposed(node) for name in (pod.owner, pod.id)}
            for owner in outside:
                found.update((fix.id, fix) for fix in self._of_pods.get(owner, ()) if exposes(fix.ops))
        if any(nodes.is_hub(node) and nodes.hub_parts(node)[0] in NETWORK for node in (source, target)):
            found.update((fix.id, fix) for fixes in self._of_pods.values() for fix in fixes if exposes(fix.ops))
        if all("NetworkPolicy" in each for each in reads):
            pods = {pod for node in (source, target) for pod in (*self._pods(node), *self._exposed(node))}
            pods |= {pod for edge in records for node in forwarding(edge.cause) for pod in self._pods(node)}
            for name in {name for pod in pods for name in (pod.id, pod.owner, f"Namespace:{pod.namespace}")}:
                found.update((fix.id, fix) for fix in self._of_policies.get(name, ()))
        if all(each & RBAC for each in reads):
            granting = {name for node in (source, target) for name in self._granting(node)}
            if source == nodes.INTERNET:
                granting |= self._holds(target)
            for node in self._holds(source) | granting:
                found.update((fix.id, fix) for fix in self._of_rights.get(node, ()))
        return list(found.values())

    def _pods(self, node: str) -> Iterable[PodInstance]:
        """The pods that a node belongs to, or that belong to it."""
        view = self._view
        match nodes.kind(node):
            case "Container":
                container = view.containers.get(node)
                return [container.pod] if container is not None else []
            case "Volume":
                pod = view.pods.get("Pod:" + node.removeprefix("Volume:").rpartition("/")[0])
                return [pod] if pod is not None else []
            case "Pod":
                pod = view.pods.get(node)
                return [pod] if pod is not None else []
            case "ServiceAccount":
                return view.index(PODS_BY_ACCOUNT)[node]
            case "Image":
                return [container.pod for container in view.index(CONTAINERS_BY_IMAGE)[node]]
            case _:
                return []

    def _exposed(self, node: str) -> Iterable[PodInstance]:
        """The pods that an endpoint may lead to."""
        if nodes.kind(node) != "Endpoint":
            return []
        name = node.removeprefix("Endpoint:")
        if name.startswith("node."):
            return self._view.index(PODS_BY_NODE)["Node:" + name.removeprefix("node.").rpartition("/")[0]]
        return self._view.index(PODS_BY_NAMESPACE)[name.partition("/")[0]]

    def _granting(self, node: str) -> Iterable[str]:
        """Who may grant a permission set that no binding grants yet, which is there for their sake alone."""
        number = self._compiled.number(node)
        if number is None or not _is_unbound(node):
            return
        reverse = self._compiled.reverse
        found, queue = {number}, [number]
        while queue:
            one = queue.pop()
            for before in reverse.indices[reverse.indptr[one] : reverse.indptr[one + 1]].tolist():
                name = self._compiled.nodes[before]
                if not nodes.is_hub(name):
                    yield name
                elif before not in found:
                    found.add(before)
                    queue.append(before)

    def _holds(self, node: str) -> set[str]:
        """A node, and all permission sets, groups and accounts that it holds, directly or through others."""
        start = self._compiled.number(node)
        if start is None:
            return {node}
        found = {start}
        queue = [start]
        if nodes.kind(node) == "Node":
            inside = [container.id for pod in self._view.index(PODS_BY_NODE)[node] for container in pod.containers]
            queue += self._compiled.numbers(inside).tolist()
        while queue:
            one = queue.pop()
            begin, end = np.searchsorted(self._holders, (one, one + 1))
            new = set(self._held[begin:end].tolist()) - found
            found |= new
            queue += new
        return {self._compiled.nodes[number] for number in found}


def _is_unbound(node: str) -> bool:
    """Whether a node is a permission set without a binding, or a hub of such."""
    if nodes.is_hub(node):
        return nodes.hub_parts(node)[0] == NAMESPACE_ADMINS
    return nodes.kind(node) == "PermissionSet" and node.endswith("@")
