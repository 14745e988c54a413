"""Network reachability: from an inventory to classes and verdict rows, and how long a question takes.

The generated clusters hold one policy for each namespace; this case adds a thousand of its own, of the forms that are
met: a label for the workload, one to three rules with one to three peers, a block of addresses among five of them, a
handful of ports.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Result

if TYPE_CHECKING:
    from workbench.inventory.inventory import Inventory
    from workbench.inventory.records import KubernetesObject
    from workbench.network.connections import Network

POLICIES = 1_000
SEED = 20260302
_PORTS = (80, 443, 5432, 6379, 8080, 9090, 9200)
_ASKED = 200
"""How many single questions of each kind are asked."""
_WHAT_IFS = 60
"""How many what-ifs of each kind are run."""


def network(data: Path) -> Result:
    """Classes, groups and all verdict rows; then single questions, all connections, and what-ifs to their last row."""
    from workbench.inventory.decode import from_data
    from workbench.inventory.network_objects import NetworkPolicy
    from workbench.network.connections import Network
    from workbench.network.rules import Direction
    from workbench.sources import load
    from workbench.sources.memory import collection_paused
    from workbench.sources.request import SourceKind, SourceRequest

    result = Result("network")
    with collection_paused():
        view = load(SourceRequest(SourceKind.MANIFESTS, paths=(str(data),)))
        own = [from_data(NetworkPolicy, each) for each in _policies(view)]
        view = view.overlay({each.id: each for each in own})
        with result.phase("network classes"):
            net = Network(view)
            _all_rows(net)
        classes = range(len(net.reach.columns.classes))
        chosen = random.Random(SEED).sample(classes, min(_ASKED, len(classes)))
        with result.phase("what it reaches"):
            for number in chosen:
                net.reach.reached_from(number)
        with result.phase("what reaches it"):
            for number in chosen:
                net.reach.reaching(number)
        pairs = 0
        with result.phase("all pairs of classes"):
            for _, row in net.reach.all_reached(list(classes)):
                pairs += sum(bits.bit_count() for bits in row.values())
        for name, overlays in _what_ifs(view, net).items():
            for overlay in overlays:
                with result.sample(f"what-if, {name}"):
                    _all_rows(net.over(overlay))
    groups = net.reach.groups
    result.counts = {
        "pods": len(view.pods),
        "policies": len(net.parsed.policies),
        "classes": len(classes),
        "egress groups": len(groups[Direction.EGRESS].members),
        "ingress groups": len(groups[Direction.INGRESS].members),
        "pairs of classes": pairs,
    }
    result.digest = dict(result.counts)
    return result


def _all_rows(net: Network) -> None:
    for direction, groups in net.reach.groups.items():
        for group, members in enumerate(groups.members):
            if members:
                net.reach.row(direction, group)


def _what_ifs(view: Inventory, net: Network) -> dict[str, list[Inventory]]:
    """Overlays that change one object each: policies that go, change and come, and pods with other labels."""
    from workbench.inventory.decode import from_data, plain
    from workbench.inventory.network_objects import NetworkPolicy

    pick = random.Random(SEED)
    policies = [each for each in view.all(NetworkPolicy) if each.name.startswith("generated-")]
    out: dict[str, list[Inventory]] = {}

    def add(name: str, data: dict[str, Any], of: KubernetesObject) -> None:
        data.pop("kind", None)
        changed = from_data(type(of), data, of.namespace)
        out.setdefault(name, []).append(view.overlay({changed.id: changed}))

    for policy in pick.sample(policies, _WHAT_IFS):
        out.setdefault("a policy goes", []).append(view.overlay({policy.id: None}))
        data = plain(policy)
        add("a policy changes", {**data, "spec": {**data["spec"], "ingress": []}}, policy)
        port, block = pick.randrange(20_000, 30_000), f"172.16.{pick.randrange(256)}.0/24"
        spec = {
            "podSelector": {"matchLabels": {"never-looked-at": "before"}},
            "ingress": [{"from": [{"ipBlock": {"cidr": block}}], "ports": [{"port": port}]}],
        }
        meta = {"name": "new", "namespace": policy.namespace}
        add("a policy comes with labels, ports and addresses of its own", {"metadata": meta, "spec": spec}, policy)
    for pod in pick.sample(net.reach.columns.classes, min(_WHAT_IFS, len(net.reach.columns.classes))):
        obj = pod.pods[0].obj
        data = plain(obj)
        holder = data if obj.kind == "Pod" else data.get("spec", {}).get("template", {})
        labels = (holder.get("metadata") or {}).get("labels") or {}
        holder["metadata"] = {**(holder.get("metadata") or {}), "labels": {**labels, "app.kubernetes.io/name": "other"}}
        add("labels of a pod change", data, obj)
    return out


def _policies(view: Any) -> Iterator[dict[str, Any]]:
    """Policies for the pods of a view, the same for the same view."""
    pick = random.Random(SEED)
    spaces: dict[str, list[dict[str, str]]] = {}
    for pod in view.pods:
        labels = {key: value for key, value in pod.labels.items() if value and "hash" not in key}
        if labels:
            spaces.setdefault(pod.namespace, []).append(labels)
    names = sorted(spaces)

    def selector(namespace: str) -> dict[str, Any]:
        key, value = pick.choice(sorted(pick.choice(spaces[namespace]).items()))
        return {"matchLabels": {key: value}}

    def peer(namespace: str) -> dict[str, Any]:
        kind = pick.random()
        if kind < 0.2:
            return {"ipBlock": {"cidr": f"10.{pick.randrange(256)}.{pick.randrange(256)}.0/24"}}
        if kind < 0.6:
            return {"podSelector": selector(namespace)}
        other = pick.choice(names)
        chosen = {"matchLabels": {"kubernetes.io/metadata.name": other}}
        return {"namespaceSelector": chosen, "podSelector": selector(other)}

    def rule(namespace: str, side: str) -> dict[str, Any]:
        peers = [peer(namespace) for _ in range(pick.randint(1, 3))]
        ports = [{"port": port} for port in pick.sample(_PORTS, pick.randint(1, 2))]
        return {side: peers, "ports": ports}

    for number in range(POLICIES):
        namespace = pick.choice(names)
        spec: dict[str, Any] = {"podSelector": selector(namespace), "policyTypes": ["Ingress"]}
        spec["ingress"] = [rule(namespace, "from") for _ in range(pick.randint(1, 3))]
        if pick.random() < 0.5:
            spec["policyTypes"].append("Egress")
            spec["egress"] = [rule(namespace, "to") for _ in range(pick.randint(1, 3))]
        meta = {"name": f"generated-{number}", "namespace": namespace}
        yield {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}
