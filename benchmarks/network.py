"""Network reachability: from an inventory to classes and verdict rows, and how long a question takes.

The generated clusters hold one policy for each namespace; this case adds a thousand of its own, of the forms that are
met: a label for the workload, one to three rules with one to three peers, a block of addresses among five of them, a
handful of ports.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Result

POLICIES = 1_000
SEED = 20260302
_PORTS = (80, 443, 5432, 6379, 8080, 9090, 9200)
_ASKED = 200
"""How many single questions of each kind are asked."""


def network(data: Path) -> Result:
    """Classes, groups and all verdict rows; then single questions, and all connections of every workload."""
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
            for direction in Direction:
                for group in range(len(net.reach.groups[direction].members)):
                    net.reach.row(direction, group)
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
