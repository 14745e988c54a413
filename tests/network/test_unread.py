"""Policies that could not be read are unknown, never taken for absent."""

from __future__ import annotations

import pytest

from tests.network.worlds import PROBES, TRIO, asked, decoded, documents
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.inventory import Inventory
from workbench.network.connections import Network
from workbench.network.explain import why

SHOP_ALLOWS = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}
"""
ADMIN = """
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: a}
spec:
  priority: 1
  subject: {namespaces: {}}
  ingress: [{action: ACTION, from: [{namespaces: {}}], ports: [{portNumber: {port: 80}}]}]
"""


def network(gaps: list[Gap], *texts: str) -> Network:
    objects = [(decoded(each), None) for each in documents(TRIO, *texts)]
    return Network(Inventory(objects, coverage=gaps), ports=PROBES)


def gap(kind: str, namespace: str | None = None, problem: Problem = Problem.FORBIDDEN, *read: str) -> Gap:
    """What a live cluster leaves open."""
    return Gap(kind, namespace, problem, 1, "refused", read)


REFUSED_BUT_OPS = gap("NetworkPolicy", None, Problem.FORBIDDEN, "ops")
LIMITED = gap("NetworkPolicy", None, Problem.NOT_COLLECTED, "ops", "shop")
PAIRS = (("shop/web", "shop/db"), ("ops/tool", "shop/db"), ("shop/db", "ops/tool"), ("ops/tool", "8.8.8.8"))


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        pytest.param([], "yes yes yes yes", id="none"),
        pytest.param([gap("NetworkPolicy")], "unknown unknown unknown unknown", id="anywhere"),
        pytest.param([gap("NetworkPolicy", "shop")], "unknown unknown unknown yes", id="one namespace"),
        pytest.param([gap("NetworkPolicy", "ops")], "yes unknown unknown unknown", id="the other"),
        pytest.param(
            [gap("NetworkPolicy", None, Problem.FORBIDDEN, "ops")], "unknown unknown unknown yes", id="but one"
        ),
        pytest.param([gap("NetworkPolicy", None, Problem.INVALID)], "unknown unknown unknown unknown", id="one object"),
        pytest.param([LIMITED], "yes yes yes yes", id="limited"),
        pytest.param([gap("NetworkPolicy", None, Problem.MISSING_API)], "yes yes yes yes", id="not served"),
        pytest.param([gap("NetworkPolicy", None, Problem.NOT_COLLECTED)], "unknown unknown unknown unknown", id="lost"),
        pytest.param([Gap("NetworkPolicy", None, Problem.NOT_COLLECTED)], "yes yes yes yes", id="a dump"),
        pytest.param([gap("Service")], "yes yes yes yes", id="no policy"),
        *(
            pytest.param([gap(kind)], "unknown unknown unknown unknown", id=kind)
            for kind in (
                "AdminNetworkPolicy",
                "BaselineAdminNetworkPolicy",
                "ClusterNetworkPolicy",
                "CiliumNetworkPolicy",
                "CiliumClusterwideNetworkPolicy",
                "CalicoNetworkPolicy",
                "CalicoGlobalNetworkPolicy",
            )
        ),
    ],
)
def test_pods_of_unread_policies_are_unknown(gaps: list[Gap], expected: str) -> None:
    net = network(gaps)
    assert [asked(net, source, target) for source, target in PAIRS] == expected.split()


def test_what_a_tier_above_decides_is_known() -> None:
    """KEP 2091: what an AdminNetworkPolicy allows or denies is final, so NetworkPolicies need not be known for it."""
    gaps = [gap("NetworkPolicy", "shop")]
    assert asked(network(gaps, ADMIN.replace("ACTION", "Allow")), "ops/tool", "shop/db", "80/TCP") == "yes"
    assert asked(network(gaps, ADMIN.replace("ACTION", "Deny")), "ops/tool", "shop/db", "80/TCP") == "no"
    assert asked(network(gaps, ADMIN.replace("ACTION", "Pass")), "ops/tool", "shop/db", "80/TCP") == "unknown"


def test_a_baseline_that_was_not_read_counts_only_where_no_network_policy_selects() -> None:
    net = network([gap("BaselineAdminNetworkPolicy")], SHOP_ALLOWS)
    assert asked(net, "shop/web", "ops/tool") == "unknown"
    assert asked(net, "8.8.8.8", "shop/db") == "no", "the policy decides, and denies what it does not allow"


def test_why_names_what_could_not_be_read() -> None:
    net = network([gap("NetworkPolicy", "shop")])
    web, db = (next(each for each in net.workloads if each.name.startswith(name)) for name in ("shop/web", "shop/db"))
    details = {reason.detail for reason in why(net, web, db) if reason.action.startswith("may")}
    assert details == {"NetworkPolicy of shop could not be read: it is forbidden"}
