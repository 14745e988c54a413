"""Laws that hold for every cluster: the engine equals a naive one, and an allow rule never takes anything away."""

from __future__ import annotations

import itertools
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.network import naive
from tests.network.clusters import (
    ADDRESSES,
    PORTS,
    admin_policies,
    baseline_policies,
    calico_globals,
    calico_policies,
    cilium_policies,
    cluster,
    cluster_policies,
    network_policies,
    np_peers,
    np_ports,
    usual,
)
from tests.network.worlds import network, rows, told, workload
from workbench.network.addresses import span
from workbench.network.explain import reasons
from workbench.network.rules import Direction


def check(objects: list[dict[str, Any]]) -> None:
    """The engine says of every pair and port what the naive one says."""
    net = network(objects)
    assert not [fault for fault in net.parsed.faults if fault.field != "spec.priority"]
    known = {
        f"{each['metadata']['namespace']}/{each['metadata']['name']}": each for each in objects if each["kind"] == "Pod"
    }
    listed = rows(net)
    word = {frozenset({True}): "yes", frozenset({False}): "no", frozenset({True, False}): "unknown"}
    for (one, source), (other, target) in itertools.permutations(known.items(), 2):
        verdict = listed.get((f"{one}[Pod]", f"{other}[Pod]"), (0, 0))
        assert verdict == net.pair(workload(net, one), workload(net, other))
        for protocol, port in PORTS:
            expected = word[frozenset(naive.outcomes(objects, source, target, protocol, port))]
            assert told(net, verdict, f"{port}/{protocol}") == expected, (one, other, protocol, port)
    for name, pod in known.items():
        for address in ADDRESSES:
            column = net.column_of(span(address))
            number = workload(net, name).classes[0]
            for protocol, port in PORTS:
                out = net.reach.gate(Direction.EGRESS, number, column)
                expected = word[frozenset(naive.outcomes(objects, pod, address, protocol, port))]
                assert told(net, out, f"{port}/{protocol}") == expected, (name, address, protocol, port)
                into = net.reach.gate(Direction.INGRESS, number, column)
                expected = word[frozenset(naive.outcomes(objects, address, pod, protocol, port))]
                assert told(net, into, f"{port}/{protocol}") == expected, (address, name, protocol, port)


@usual
@given(cluster(network_policies))
def test_network_policies_are_what_their_documentation_says(objects: list[dict[str, Any]]) -> None:
    check(objects)


@usual
@given(cluster(network_policies, admin_policies, baseline_policies, cluster_policies))
def test_admin_policies_are_what_their_documentation_says(objects: list[dict[str, Any]]) -> None:
    check(objects)


@usual
@given(cluster(network_policies, cilium_policies, admin_policies, baseline_policies))
def test_cilium_policies_are_what_their_documentation_says(objects: list[dict[str, Any]]) -> None:
    check(objects)


@usual
@given(cluster(network_policies, calico_policies, calico_globals, baseline_policies))
def test_calico_policies_are_what_their_documentation_says(objects: list[dict[str, Any]]) -> None:
    check(objects)


def allowing(objects: list[dict[str, Any]], direction: str, rule: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The cluster with a rule added to its first NetworkPolicy, if that is of the direction already."""
    more = deepcopy(objects)
    for each in more:
        if each["kind"] == "NetworkPolicy":
            spec = each["spec"]
            types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
            if direction.capitalize() in types:
                spec[direction] = [*(spec.get(direction) or ()), rule]
                return more
    return None


@usual
@given(
    cluster(network_policies, admin_policies, baseline_policies),
    np_peers,
    np_ports,
    st.sampled_from(("ingress", "egress")),
)
def test_an_allow_rule_never_takes_anything_away(
    objects: list[dict[str, Any]], peer: dict[str, Any], port: dict[str, Any], direction: str
) -> None:
    rule = {"from" if direction == "ingress" else "to": [peer], "ports": [port]}
    more = allowing(objects, direction, rule)
    if more is None:
        return
    before, after = network(objects), network(more)
    for one, other in itertools.permutations([each.name.partition("[")[0] for each in before.workloads], 2):
        old = before.pair(workload(before, one), workload(before, other))
        new = after.pair(workload(after, one), workload(after, other))
        for protocol, number in PORTS:
            text = f"{number}/{protocol}"
            rank = ("no", "unknown", "yes")
            assert rank.index(told(after, new, text)) >= rank.index(told(before, old, text))


@usual
@given(cluster(network_policies, admin_policies, baseline_policies, cilium_policies, calico_globals))
def test_the_rules_that_are_named_add_up_to_the_verdict(objects: list[dict[str, Any]]) -> None:
    net = network(objects)
    size = len(net.reach.columns.classes)
    for direction, number, column in itertools.product(Direction, range(size), range(size)):
        allowed, unknown = net.reach.gate(direction, number, column)
        found = reasons(net, direction, number, column)
        sure, perhaps, refused = 0, 0, 0
        for reason in found:
            if reason.action == "allow":
                sure |= reason.ports
            elif reason.action == "may allow":
                perhaps |= reason.ports
            elif reason.action in ("deny", "may deny"):
                refused |= reason.ports
        possible = sure | perhaps
        assert possible & ~refused == allowed
        assert possible & refused == unknown
