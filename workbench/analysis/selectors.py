"""SEL: how the command line, the configuration and the screens name nodes (DESIGN, Command line).

A node id, exact or with ``*``; a kind alone; ``label:k=v``; ``internet``, ``jewels``, ``cluster-admin``; several with
commas. Kinds are taken in any case. A workload stands for the containers that it runs, as it is itself no node of
an attack path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

from workbench.analysis.compiled import Compiled
from workbench.analysis.replicas import containers_of
from workbench.errors import UsageError
from workbench.graph import nodes as node_ids
from workbench.inventory.inventory import PODS_BY_OWNER, Inventory
from workbench.inventory.objects import KINDS, WORKLOADS, KubernetesObject, PersistentVolume, Pod, Service

_NEAREST = 5
_COMPARED = 5000
"""How many ids are compared to find the nearest ones; the comparison is slow."""


def select(
    view: Inventory,
    compiled: Compiled,
    selectors: Sequence[str],
    *,
    jewels: Callable[[], Iterable[str]] = tuple,
    strict: bool = True,
) -> list[str]:
    """The nodes that selectors name, sorted, each once.

    Args:
        view: The objects.
        compiled: Their graph.
        selectors: As given; each may hold several with commas.
        jewels: What ``jewels`` stands for, asked only if it is named.
        strict: Whether a selector without a match is an error.

    Raises:
        UsageError: A selector matches nothing, and ``strict`` is set; the message names the nearest ids. Or it needs
            a live cluster.
    """
    found: set[str] = set()
    for given in selectors:
        # A user's name may hold commas (LDAP), so a whole id comes first.
        parts = [given] if compiled.number(given.strip()) is not None else given.split(",")
        for part in (part.strip() for part in parts):
            if not part:
                continue
            matched = list(_one(view, compiled, part, jewels))
            if not matched and strict:
                raise UsageError(_no_match(view, compiled, part))
            found.update(matched)
    if not found and strict:
        raise UsageError("an empty selector: name a node id, a kind, label:k=v, internet, jewels or cluster-admin")
    return sorted(found)


def _one(view: Inventory, compiled: Compiled, part: str, jewels: Callable[[], Iterable[str]]) -> Iterable[str]:
    word = part.lower()
    if word == "internet":
        return [node_ids.INTERNET]
    if word in ("cluster-admin", "clusteradmin"):
        return [node_ids.CLUSTER_ADMIN]
    if word == "jewels":
        return jewels()
    if word == "me" or word.startswith("developer:"):
        raise UsageError(f"{part}: comes with live clusters; name the ServiceAccount, User or Group instead")
    if word.startswith("label:"):
        return _by_label(view, compiled, part.partition(":")[2])
    kind, colon, rest = part.partition(":")
    kind = _kind(compiled, kind)
    if not colon:
        if kind in _WORKLOADS:
            return _containers(view, lambda owner: owner.startswith(f"{kind}:"))
        prefix = f"{kind}:"
        if kind == node_ids.HUB:
            return []
        return [node for node in compiled.nodes if node.startswith(prefix)]
    node = f"{kind}:{rest}"
    if "*" in rest:
        pattern = re.compile(".*".join(re.escape(piece) for piece in node.split("*")), re.DOTALL)
        if kind in _WORKLOADS:
            return _containers(view, lambda owner: pattern.fullmatch(owner) is not None)
        return [each for each in compiled.nodes if pattern.fullmatch(each) and not node_ids.is_hub(each)]
    if compiled.number(node) is not None and not node_ids.is_hub(node):
        return [node]
    obj = view.by_id(node)
    return nodes_of(view, compiled, obj) if obj is not None else []


_WORKLOADS = frozenset(kind.__name__ for kind in WORKLOADS)
_KINDS = {kind.lower(): kind for kind in (*node_ids.TAGS, *KINDS)}


def _kind(compiled: Compiled, text: str) -> str:
    """A kind in its own spelling."""
    return _KINDS.get(text.lower(), text)


def _containers(view: Inventory, matches: Callable[[str], bool]) -> list[str]:
    index = view.index(PODS_BY_OWNER)
    owners = [owner for owner in index.keys() if matches(owner)]  # noqa: SIM118 - an index is no mapping
    return [container for owner in owners for pod in index[owner] for container in containers_of(pod)]


def nodes_of(view: Inventory, compiled: Compiled, obj: KubernetesObject) -> list[str]:
    """The nodes of the graph that an object means: itself, the containers that it runs, a Service's endpoints."""
    if isinstance(obj, Pod):
        pod = view.pods.get(obj.id)
        return list(containers_of(pod)) if pod is not None else []
    if isinstance(obj, WORKLOADS):
        owned = view.index(PODS_BY_OWNER)[obj.id]
        return [container for pod in owned for container in containers_of(pod)]
    if isinstance(obj, Service):
        prefix = f"Endpoint:{obj.namespace}/{obj.name}/"
        return [node for node in compiled.nodes if node.startswith(prefix)]
    node = f"Volume:{obj.name}" if isinstance(obj, PersistentVolume) else obj.id
    return [node] if compiled.number(node) is not None else []


def _by_label(view: Inventory, compiled: Compiled, text: str) -> list[str]:
    key, equals, value = text.partition("=")

    def has(labels: object) -> bool:
        return isinstance(labels, dict) and key in labels and (not equals or (labels[key] or "") == value)

    found: list[str] = []
    for pod in view.pods:
        if has(pod.labels):
            found += containers_of(pod)
    for kind in KINDS.values():
        if kind is Pod:
            continue
        for obj in view.all(kind):
            if has(obj.metadata.labels):
                found += nodes_of(view, compiled, obj)
    return found


def _no_match(view: Inventory, compiled: Compiled, part: str) -> str:
    kind, colon, rest = part.partition(":")
    known = sorted({node_ids.kind(node) for node in compiled.nodes} - {node_ids.HUB})
    if not colon:
        near = get_close_matches(kind, [*known, *_WORKLOADS], _NEAREST, 0.5)
        return f"nothing matches {part!r}" + (f"; did you mean {', '.join(near)}?" if near else _kinds(known))
    if kind.lower() == "label":
        return f"nothing has the label {rest}"
    own = _kind(compiled, kind)
    same = [node for node in compiled.nodes if node.startswith(f"{own}:")]
    candidates = same or [node for node in compiled.nodes if not node_ids.is_hub(node)]
    if len(candidates) > _COMPARED:
        # Those that share the most letters with what was typed.
        wanted = set(rest.lower())
        candidates = sorted(candidates, key=lambda node: (-len(wanted & set(node.lower())), node))[:_COMPARED]
    near = get_close_matches(f"{own}:{rest}", sorted(candidates), _NEAREST, 0.5)
    return f"nothing matches {part!r}" + (f"; the nearest are {', '.join(near)}" if near else _kinds(known))


def _kinds(known: list[str]) -> str:
    return f"; the kinds of this source are {', '.join(known)}" if known else ""
