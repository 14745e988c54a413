"""The matrix says of every cell what its pairs come to, however it counts; what is around an object agrees with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.network.test_properties import cluster, cluster_policies, network_policies, usual
from tests.network.test_semantics import DB, EVERY, WEB, np
from tests.network.worlds import TRIO, decoded, view
from workbench.inventory.inventory import Inventory
from workbench.network.around import Side, around, deciding
from workbench.network.connections import CONTROLLER, Network
from workbench.network.matrix import OUTSIDE, Matrix, Party, State
from workbench.network.reach import NOTHING
from workbench.network.rules import Direction

WEB_TO_DB = np({"podSelector": DB, "ingress": [{"from": [{"podSelector": WEB}], "ports": [{"port": 5432}]}]})
DENY = np({"podSelector": EVERY, "policyTypes": ["Ingress"]}, "deny")
OUT = np(
    {"podSelector": WEB, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}, "out"
)

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 80, targetPort: sql}, {name: x, port: 81, targetPort: 9999}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: in, namespace: shop}
spec: {defaultBackend: {service: {name: db, port: {number: 80}}}}
"""


def party(matrix: Matrix, identifier: str) -> Party:
    found = matrix.party(identifier)
    assert found is not None, identifier
    return found


def state(matrix: Matrix, source: str, target: str) -> State:
    return matrix.cell(party(matrix, source), party(matrix, target)).state


def of(*parts: Any) -> Matrix:
    return Matrix.of(view(*parts))


@pytest.mark.parametrize(
    ("policies", "source", "target", "expected"),
    [
        ([], "Namespace:ops", "Namespace:shop", State.ALL),
        ([], "Namespace:shop", "Namespace:shop", State.ALL),
        ([], "Namespace:ops", "Namespace:ops", State.NO_PAIR),
        ([], OUTSIDE, "Namespace:shop", State.ALL),
        ([], OUTSIDE, OUTSIDE, State.NO_PAIR),
        ([WEB_TO_DB], "Pod:shop/web", "Pod:shop/db", State.SOME),
        ([WEB_TO_DB], "Pod:ops/tool", "Pod:shop/db", State.NOTHING),
        ([WEB_TO_DB], "Namespace:ops", "Namespace:shop", State.SOME),
        ([WEB_TO_DB], OUTSIDE, "Pod:shop/db", State.NOTHING),
        ([DENY], "Namespace:ops", "Namespace:shop", State.NOTHING),
        ([OUT], "Pod:shop/web", OUTSIDE, State.SOME),
        ([OUT], "Pod:shop/db", OUTSIDE, State.ALL),
    ],
)
def test_what_a_cell_comes_to(policies: list[Any], source: str, target: str, expected: State) -> None:
    assert state(of(TRIO, policies), source, target) is expected


def test_a_namespace_counts_its_pairs() -> None:
    matrix = of(TRIO, [WEB_TO_DB])
    cell = matrix.cell(party(matrix, "Namespace:ops"), party(matrix, "Namespace:shop"))
    assert (cell.pairs, cell.linked, cell.open) == (2, 1, 1), "db takes only web"
    assert [
        (one.id, other.id)
        for one, other, _ in matrix.pairs(party(matrix, "Namespace:ops"), party(matrix, "Namespace:shop"))
    ] == [("Pod:ops/tool", "Pod:shop/web")]


def test_the_ingress_controller_is_a_row_where_something_is_led_in() -> None:
    assert [one.id for one in of(TRIO).parties] == [OUTSIDE, "Namespace:ops", "Namespace:shop"]
    matrix = of(TRIO, SERVICE)
    assert [one.id for one in matrix.parties][:2] == [OUTSIDE, CONTROLLER]
    cell = matrix.cell(party(matrix, CONTROLLER), party(matrix, "Pod:shop/db"))
    assert matrix.port_count(cell.allowed) == 1
    assert state(matrix, CONTROLLER, "Pod:shop/web") is State.NOTHING


# --- counting ------------------------------------------------------------------------------------------


def owned(objects: list[dict[str, Any]], owners: list[str]) -> Inventory:
    """Objects whose pods belong to workloads: several to one, which then has pods of several classes."""
    pods = [each for each in objects if each["kind"] == "Pod"]
    for pod, owner in zip(pods, owners, strict=False):
        if owner:
            reference = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": owner, "uid": "u", "controller": True}
            pod["metadata"]["ownerReferences"] = [reference]
    return Inventory([(decoded(each), None) for each in objects])


@usual
@given(
    cluster(network_policies, cluster_policies), st.lists(st.sampled_from(("", "set", "other")), min_size=4, max_size=4)
)
def test_cells_are_what_their_pairs_come_to(objects: list[dict[str, Any]], owners: list[str]) -> None:
    matrix = Matrix(Network(owned(objects, owners)))
    net = matrix.network
    full = net.reach.space.all
    for source in matrix.parties[1:]:
        for target in matrix.parties[1:]:
            cell = matrix.cell(source, target)
            pairs = [
                (net.workloads[one], net.workloads[other])
                for one in source.workloads
                for other in target.workloads
                if one != other
            ]
            verdicts = [net.pair(one, other) for one, other in pairs]
            allowed = unknown = 0
            for verdict in verdicts:
                allowed |= verdict[0]
                unknown |= verdict[1]
            assert cell.pairs == len(pairs)
            assert cell.linked == sum(bool(verdict[0]) for verdict in verdicts)
            assert cell.open == sum(verdict[0] == full for verdict in verdicts)
            assert cell.unsure == sum(bool(verdict[1]) for verdict in verdicts)
            assert (cell.allowed, cell.unknown) == (allowed, unknown & ~allowed)
            listed = {(one.id, other.id): verdict for one, other, verdict in matrix.pairs(source, target)}
            assert listed == {
                (one.id, other.id): verdict
                for (one, other), verdict in zip(pairs, verdicts, strict=True)
                if verdict != NOTHING
            }


def expanded(matrix: Matrix, sides: tuple[Side, ...], own: str) -> dict[str, tuple[Any, Any]]:
    """Sides, with those that stand for many workloads as these."""
    out: dict[str, tuple[Any, Any]] = {}
    for side in sides:
        if side.id in (OUTSIDE, CONTROLLER):
            continue
        found = matrix.party(side.id)
        places = found.workloads if found is not None else range(len(matrix.network.workloads))
        for place in places:
            if matrix.network.workloads[place].id != own:
                out[matrix.network.workloads[place].id] = (side.ports, side.unknown)
    return out


@usual
@given(
    cluster(network_policies, cluster_policies), st.lists(st.sampled_from(("", "set", "other")), min_size=4, max_size=4)
)
def test_what_is_around_a_workload_is_its_row_and_its_column(objects: list[dict[str, Any]], owners: list[str]) -> None:
    matrix = Matrix(Network(owned(objects, owners)))
    net, ranges = matrix.network, matrix.ranges
    for workload in net.workloads:
        found = around(matrix, workload.id)
        assert found is not None
        assert found.targets is not None
        for sides, out in ((found.targets, True), (found.sources, False)):
            expected = {}
            for other in net.workloads:
                verdict = net.pair(workload, other) if out else net.pair(other, workload)
                if other is not workload and verdict != NOTHING:
                    expected[other.id] = (ranges(verdict[0]), ranges(verdict[1]))
            assert expanded(matrix, sides, workload.id) == expected


# --- around an object ----------------------------------------------------------------------------------


def test_a_pod_of_a_workload_has_the_connections_of_its_own_labels() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s", "uid": "u", "controller": True}
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": app}, "ownerReferences": [owner]},
            "spec": {"containers": [{"name": "c"}]},
        }
        for name, app in (("a", "db"), ("b", "x"))
    ]
    matrix = of(TRIO, pods, [WEB_TO_DB])
    one, other, whole = (around(matrix, about) for about in ("Pod:shop/a", "Pod:shop/b", "StatefulSet:shop/s"))
    assert one is not None
    assert other is not None
    assert whole is not None
    assert {found.party for found in (one, other, whole)} == {"StatefulSet:shop/s"}
    assert [side.ports for side in one.sources if side.id == "Pod:shop/web"] == [{"TCP": [[5432, 5432]]}]
    assert one.selected[Direction.INGRESS] == ("NetworkPolicy:shop/p",)
    assert other.selected[Direction.INGRESS] == ()
    assert OUTSIDE in {side.id for side in other.sources}
    assert OUTSIDE not in {side.id for side in one.sources}
    assert OUTSIDE in {side.id for side in whole.sources}


def test_a_service_is_reached_on_its_ports_only_and_sends_nothing() -> None:
    matrix = of(TRIO, SERVICE, [WEB_TO_DB])
    found = around(matrix, "Service:shop/db")
    assert found is not None
    assert found.targets is None
    assert found.party == "Pod:shop/db"
    assert [(side.id, side.ports) for side in found.sources] == [("Pod:shop/web", {"TCP": [[5432, 5432]]})]
    every = around(of(TRIO, SERVICE), "Service:shop/db")
    assert every is not None
    assert all(side.ports.keys() == {"TCP"} for side in every.sources)
    assert {side.id for side in every.sources} >= {OUTSIDE, CONTROLLER, ""}


def test_what_has_no_connections_says_why_or_nothing() -> None:
    service = "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: ops}, spec: {ports: [{port: 1}]}}"
    done = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "done", "namespace": "ops"},
        "spec": {"containers": [{"name": "c"}]},
        "status": {"phase": "Succeeded"},
    }
    matrix = of(TRIO, service, [done])
    found = around(matrix, "Service:ops/s")
    assert found is not None
    assert "no pod" in found.note
    found = around(matrix, "Pod:ops/done")
    assert found is not None
    assert "completed" in found.note
    assert around(matrix, "Namespace:shop") is None
    assert around(matrix, "Pod:ops/none") is None


def test_all_of_the_cluster_is_one_side_where_nothing_tells_it_apart() -> None:
    found = around(of(TRIO), "Pod:ops/tool")
    assert found is not None
    assert found.targets is not None
    assert [(side.id, side.workloads) for side in found.targets] == [(OUTSIDE, 0), ("Namespace:shop", 2)]
    fourth = "{apiVersion: v1, kind: Pod, metadata: {name: more, namespace: ops}, spec: {containers: [{name: c}]}}"
    found = around(of(TRIO, fourth), "Pod:ops/tool")
    assert found is not None
    assert found.targets is not None
    assert [(side.id, side.workloads) for side in found.targets] == [(OUTSIDE, 0), ("", 3)]


# --- why -----------------------------------------------------------------------------------------------


def test_addresses_that_are_judged_differently_are_all_explained() -> None:
    matrix = of(TRIO, [OUT])
    found = deciding(matrix, party(matrix, "Pod:shop/web"), party(matrix, OUTSIDE))
    assert {(reason.action, reason.field) for reason in found} == {("allow", "spec.egress[0]"), ("deny", "")}
    assert deciding(matrix, party(matrix, "Namespace:shop"), party(matrix, OUTSIDE)) == []
    found = deciding(matrix, party(matrix, OUTSIDE), party(matrix, "Pod:shop/db"))
    assert [reason.detail for reason in found] == ["no policy selects it in this direction"]


# --- comparison ----------------------------------------------------------------------------------------


def test_an_overlay_differs_exactly_where_some_pair_does() -> None:
    base = view(TRIO, [WEB_TO_DB])
    before = Matrix.of(base)
    closed = decoded({**WEB_TO_DB, "spec": {"podSelector": DB, "policyTypes": ["Ingress"]}})
    after = Matrix.of(base.overlay({closed.id: closed}))
    ids = [OUTSIDE, "Namespace:ops", "Namespace:shop", "Pod:shop/web", "Pod:shop/db", "Pod:ops/tool"]
    found = {
        (source, target)
        for source in ids
        for target in ids
        if before.differs(after, party(before, source), party(before, target))
    }
    assert found == {
        ("Namespace:shop", "Namespace:shop"),
        ("Namespace:shop", "Pod:shop/db"),
        ("Pod:shop/web", "Namespace:shop"),
        ("Pod:shop/web", "Pod:shop/db"),
    }


def test_a_policy_that_is_the_first_to_name_ipv6_changes_nothing_for_others() -> None:
    base = view(TRIO)
    everywhere = [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]
    spec = {"podSelector": DB, "policyTypes": ["Egress"], "egress": [{"to": everywhere, "ports": [{"port": 443}]}]}
    added = decoded({**WEB_TO_DB, "spec": spec})
    before, after = Matrix.of(base), Matrix.of(base.overlay({added.id: added}))
    found = {
        name
        for name in ("Pod:shop/web", "Pod:shop/db", "Pod:ops/tool")
        if before.differs(after, party(before, name), party(before, OUTSIDE))
    }
    assert found == {"Pod:shop/db"}


def test_an_overlay_that_leaves_the_network_alone_shares_its_matrix() -> None:
    base = view(TRIO)
    role = decoded(
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r", "namespace": "shop"}}
    )
    assert Matrix.of(base.overlay({role.id: role})) is Matrix.of(base)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "more": "x"}},
        "spec": {"containers": [{"name": "c", "image": "other"}]},
    }
    assert Matrix.of(base.overlay({"Pod:shop/web": decoded(pod)})) is Matrix.of(base), "no policy looks at that"
    alone = base.overlay({"Pod:shop/db": None})
    assert Matrix.of(alone) is not Matrix.of(base)
    assert Matrix.of(alone).party("Pod:shop/db") is None
    assert Matrix.of(base.overlay({"NetworkPolicy:shop/deny": decoded(DENY)})) is not Matrix.of(base)


@usual
@given(cluster(network_policies, cluster_policies), network_policies)
def test_cells_differ_where_a_pair_does(objects: list[dict[str, Any]], policy: dict[str, Any]) -> None:
    base = Inventory([(decoded(each), None) for each in objects])
    added = decoded({**policy, "metadata": {**policy["metadata"], "name": "added"}})
    before, after = Matrix.of(base), Matrix.of(base.overlay({added.id: added}))

    def told(matrix: Matrix, source: str, target: str) -> object:
        cell = matrix.cell(party(matrix, source), party(matrix, target))
        return matrix.ranges(cell.allowed), matrix.ranges(cell.unknown)

    names = [workload.id for workload in before.network.workloads]
    for source in names:
        for target in names:
            differs = before.differs(after, party(before, source), party(before, target))
            assert differs == (told(before, source, target) != told(after, source, target))
