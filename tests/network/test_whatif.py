"""What-if: the network of an overlay says what one made from scratch says."""

from __future__ import annotations

import itertools
from copy import deepcopy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.network.clusters import (
    admin_policies,
    baseline_policies,
    calico_globals,
    calico_policies,
    cilium_policies,
    cluster,
    cluster_policies,
    labels,
    network_policies,
    usual,
)
from tests.network.test_semantics import np
from tests.network.worlds import TRIO, decoded, view
from workbench.network.connections import Network, network_of
from workbench.network.rules import Direction

policies = st.one_of(
    network_policies,
    admin_policies,
    baseline_policies,
    cluster_policies,
    cilium_policies,
    calico_policies,
    calico_globals,
)
Objects = dict[str, dict[str, Any]]


def by_id(objects: list[dict[str, Any]]) -> Objects:
    return {decoded(each).id: each for each in objects}


KINDS = ("new", "new", "new", "gone", "policy", "labels", "host", "port", "phase", "address", "namespace")
EDGE = """
apiVersion: v1
kind: Service
metadata: {name: s, namespace: one}
spec: {selector: {a: x}, ports: [{port: 80, targetPort: web}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i, namespace: one}
spec: {defaultBackend: {service: {name: s, port: {number: 80}}}}
"""
"""What leads to pods by their labels and the names of their ports."""


@st.composite
def changes(draw: st.DrawFn, objects: Objects) -> Objects:
    """One object changed, new or (``{}``) gone, by its id."""
    kind = draw(
        st.sampled_from(
            ("new", "new", "new", "gone", "policy", "labels", "host", "port", "phase", "address", "namespace")
        )
    )
    if kind == "new":
        found = deepcopy(draw(policies))
        if found["metadata"]["name"] != "default":
            found["metadata"]["name"] = draw(st.sampled_from(("new", "newer", "p0")))
        return by_id([found])
    wanted = {"gone": "", "policy": "Policy", "namespace": "Namespace"}.get(kind, "Pod:")
    names = [name for name in objects if wanted in name and (kind != "policy" or "Policy" in objects[name]["kind"])]
    if not names:
        return {}
    name = draw(st.sampled_from(sorted(names)))
    if kind == "gone":
        return {name: {}}
    obj = deepcopy(objects[name])
    if kind == "policy":
        other = [each for each in objects.values() if each["kind"] == obj["kind"] and each is not objects[name]]
        obj["spec"] = deepcopy(draw(st.sampled_from(other))["spec"]) if other else {**obj["spec"], "egress": []}
    elif kind in ("labels", "namespace"):
        obj["metadata"]["labels"] = draw(labels)
    elif kind == "host":
        obj["spec"]["hostNetwork"] = not obj["spec"].get("hostNetwork")
    elif kind == "port":
        ports = draw(st.sampled_from(([], [{"name": "web", "containerPort": 85}], [{"containerPort": 85}])))
        obj["spec"]["containers"][0]["ports"] = ports
    elif kind == "phase":
        obj["status"] = {"phase": draw(st.sampled_from(("Running", "Succeeded")))}
    else:
        obj["status"] = {"podIP": draw(st.sampled_from(("10.0.0.1", "10.1.0.9", "8.8.8.8", "2001:db8::7")))}
    return {name: obj}


def answers(net: Network) -> dict[Any, Any]:
    """All that a network can be asked, by names that do not depend on the numbers of classes."""
    reach, out = net.reach, dict[Any, Any]()
    ranges = reach.space.ranges

    def said(verdict: tuple[int, int]) -> Any:
        return ranges(verdict[0]), ranges(verdict[1])

    classes = reach.columns.classes
    running = [pod.id for pod in net.view.pods if reach.class_of(pod) is not None]
    assert sorted(pod.id for each in classes for pod in each.pods) == sorted(running)
    for one, other in itertools.product(running, running):
        source, target = reach.class_of(one), reach.class_of(other)
        assert source is not None
        assert target is not None
        out[one, other] = said(reach.pair(source, target))
        reached = [verdict for verdict, bits in reach.reached_from(source).items() if bits >> target & 1]
        reaching = [verdict for verdict, bits in reach.reaching(target).items() if bits >> source & 1]
        assert reached == reaching == [verdict for verdict in [reach.pair(source, target)] if verdict != (0, 0)]
        out["why", one, other] = sorted(policy.object for policy in reach.selecting(Direction.EGRESS, source))
    for each in net.workloads:
        out["out", each.name] = [(str(span), said(verdict)) for span, verdict in net.outgoing(each)]
        out["in", each.name] = [(str(span), said(verdict)) for span, verdict in net.incoming(each)]
        out["controller", each.name] = [
            said(reach.gate(Direction.INGRESS, number, net.controller_column)) for number in each.classes
        ]
    out["all"] = {(each.source, each.target): said(each.verdict) for each in net.between()}
    out["let in"] = {name: said(verdict) for name, verdict in net.let_in().items()}
    out["pods"] = sorted((pod.id, id(pod)) for each in classes for pod in each.pods)
    out["faults"] = sorted((fault.object.id, fault.field) for fault in net.parsed.faults)
    return out


@pytest.mark.parametrize("blocks_cover_pods", [False, True])
@settings(usual, max_examples=150)
@given(cluster(policies), st.data())
def test_what_if_says_what_a_network_made_from_scratch_says(
    blocks_cover_pods: bool, objects: list[dict[str, Any]], data: st.DataObject
) -> None:
    objects = [*objects, *yaml.safe_load_all(EDGE)]
    known = by_id(objects)
    base = view(objects)
    net = Network(base, blocks_cover_pods=blocks_cover_pods)
    if data.draw(st.booleans()):
        answers(net)
    for _ in range(data.draw(st.integers(1, 3))):
        change: Objects = {}
        for _ in range(data.draw(st.integers(1, 3))):
            change |= data.draw(changes(known))
        base = base.overlay({name: decoded(each) if each else None for name, each in change.items()})
        known = {name: each for name, each in {**known, **change}.items() if each}
        net = net.over(base)
        assert answers(net) == answers(Network(base, blocks_cover_pods=blocks_cover_pods))


DENY = np({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]})


def test_what_a_change_does_not_touch_is_not_computed_again() -> None:
    base = view(TRIO, [DENY])
    net = network_of(base)
    assert network_of(base.overlay({"ConfigMap:shop/c": None})) is net
    policy = decoded(np({"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{}]}, name="q"))
    changed = base.overlay({policy.id: policy})
    other = network_of(changed)
    assert other is network_of(changed)
    assert other.backends is net.backends
    number = net.reach.class_of("Pod:ops/tool")
    assert number is not None
    assert other.reach.class_of("Pod:ops/tool") == number
    assert len(other.reach.columns.classes) == len(net.reach.columns.classes)
    for direction in Direction:
        group = net.reach.groups[direction].of[number]
        assert other.reach.groups[direction].of[number] == group
        assert other.reach.row(direction, group) is net.reach.row(direction, group)


def test_a_pod_changed_in_what_no_policy_looks_at_stays_in_its_class() -> None:
    base = view(TRIO, [DENY])
    net = network_of(base)
    pod = decoded(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
            "spec": {
                "containers": [{"name": "c", "image": "other", "ports": [{"name": "http", "containerPort": 8080}]}]
            },
        }
    )
    changed = base.overlay({pod.id: pod})
    other = network_of(changed)
    number = other.reach.class_of("Pod:shop/web")
    assert number == net.reach.class_of("Pod:shop/web")
    assert number is not None
    assert [each.obj for each in other.reach.columns.classes[number].pods] == [pod]
    assert other.reach.groups == net.reach.groups


@pytest.mark.parametrize("block", ["10.0.0.0/29", "10.0.0.0/24", "10.0.0.0/28"])
def test_a_block_parts_the_pods_whose_addresses_it_tells_apart(block: str) -> None:
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p{last}", "namespace": "ops", "labels": {"app": "x"}},
            "spec": {"containers": [{"name": "c"}]},
            "status": {"phase": "Running", "podIP": f"10.0.0.{last}"},
        }
        for last in (9, 1, 200)
    ]

    def into(app: str, cidr: str) -> dict[str, Any]:
        spec = {"podSelector": {"matchLabels": {"app": app}}, "ingress": [{"from": [{"ipBlock": {"cidr": cidr}}]}]}
        return np(spec, name=app)

    base = view(TRIO, pods, [into("db", "10.0.0.0/8")])
    net = Network(base, blocks_cover_pods=True)
    new = decoded(into("web", block))
    changed = base.overlay({new.id: new})
    # The answers for the first do not depend on what was found for the second.
    for over in (changed, base.overlay({new.id: new, "Pod:ops/p1": None}), changed):
        assert answers(net.over(over)) == answers(Network(over, blocks_cover_pods=True))
