"""What gaps mean, and the rights that close them."""

from __future__ import annotations

import random

import pytest
import yaml

from tests import builders as b
from workbench.analysis.coverage import closing_roles, weaknesses
from workbench.inventory.decode import from_data
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.objects import GROUPS, KINDS
from workbench.rbac import parse_resource, who_can
from workbench.techniques import access
from workbench.techniques.registry import all_techniques


def refused(kind: str, namespace: str | None = None, user: str = "jane") -> Gap:
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    detail = f'list {kind}: 403: it is forbidden: User "{user}" cannot list resource "x" in API group "" {where}'
    return Gap(kind, namespace, Problem.FORBIDDEN, 1, detail)


@pytest.mark.parametrize(
    ("gap", "resource", "status"),
    [
        (refused("Secret"), "secrets", 403),
        (refused("Deployment", "shop"), "deployments.apps", 403),
        (refused("ClusterPolicy"), "clusterpolicies.kyverno.io", 403),
        (Gap("Pod", None, Problem.NOT_COLLECTED, 1, "500: the server is ill"), "pods", 500),
        (Gap("Pod", None, Problem.NOT_COLLECTED, 1, "cancelled"), "pods", None),
        (Gap("Secret", None, Problem.FORBIDDEN), "secrets", 403),
        (Gap("Pod", None, Problem.SKIPPED, 500, "500 of them"), "pods", None),
        (Gap("web.yaml", None, Problem.INVALID), "", None),
    ],
)
def test_what_was_asked_and_answered(gap: Gap, resource: str, status: int | None) -> None:
    (found,) = weaknesses([gap], all_techniques())
    assert (found.resource, found.status) == (resource, status)


def test_conclusions_that_are_weakened() -> None:
    secret, policy, other, elsewhere = weaknesses(
        [
            refused("Secret", "shop"),
            refused("NetworkPolicy"),
            refused("EndpointSlice"),
            Gap("x", None, Problem.INVALID),
        ],
        all_techniques(),
    )
    assert "paths in shop that need such an object may be missing" in secret.conclusion
    assert "SECRET_LIST" in " ".join(secret.techniques) or secret.techniques
    assert list(secret.techniques) == sorted(set(secret.techniques))
    assert "that such an object blocks" in policy.conclusion
    assert other.conclusion
    assert elsewhere.conclusion == "no path rests on it"
    assert elsewhere.techniques == ()


def test_the_role_names_what_was_refused_and_nothing_else() -> None:
    gaps = [refused("Secret"), refused("Deployment"), refused("Pod"), Gap("Node", None, Problem.NOT_COLLECTED)]
    role, binding = yaml.safe_load_all(closing_roles(gaps))
    assert role == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "workbench-reader"},
        "rules": [
            {"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["list"]},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]},
        ],
    }
    assert binding["kind"] == "ClusterRoleBinding"
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "workbench-reader",
    }
    assert binding["subjects"] == [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]


def test_a_namespace_that_is_refused_on_its_own_gets_a_role() -> None:
    gaps = [refused("Secret", "shop"), refused("Pod", "shop"), refused("Pod", "ci"), refused("Node")]
    found = [(one["kind"], one["metadata"].get("namespace")) for one in yaml.safe_load_all(closing_roles(gaps))]
    assert found == [
        ("ClusterRole", None),
        ("ClusterRoleBinding", None),
        ("Role", "ci"),
        ("RoleBinding", "ci"),
        ("Role", "shop"),
        ("RoleBinding", "shop"),
    ]


def test_what_is_closed_everywhere_needs_no_role_in_a_namespace() -> None:
    kinds = [one["kind"] for one in yaml.safe_load_all(closing_roles([refused("Pod"), refused("Pod", "shop")]))]
    assert kinds == ["ClusterRole", "ClusterRoleBinding"]


def test_a_service_account_is_bound_as_one_and_an_unknown_user_not_at_all() -> None:
    (_, binding) = yaml.safe_load_all(closing_roles([refused("Pod", user="system:serviceaccount:ops:audit")]))
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "audit", "namespace": "ops"}]
    for gaps in ([Gap("Pod", None, Problem.FORBIDDEN)], [refused("Pod"), refused("Node", user="eve")]):
        assert [one["kind"] for one in yaml.safe_load_all(closing_roles(gaps))] == ["ClusterRole"]


def test_without_a_refusal_there_is_nothing_to_apply() -> None:
    assert closing_roles([]) == ""
    assert closing_roles([Gap("Pod", None, Problem.NOT_COLLECTED), Gap("x", None, Problem.FORBIDDEN)]) == ""


def test_the_same_gaps_in_any_order_give_the_same_text() -> None:
    gaps = [refused(kind, namespace) for kind in ("Pod", "Secret", "Role", "Ingress") for namespace in (None, "a", "b")]
    expected = closing_roles(gaps)
    shuffled = list(gaps)
    random.Random(4).shuffle(shuffled)
    assert closing_roles(shuffled) == expected


@pytest.mark.parametrize("user", ["jane", "system:serviceaccount:ops:audit", "a: b\n- c # x", "'"])
def test_applying_it_closes_every_gap(user: str) -> None:
    kinds = sorted({kind.__name__ for group, kinds in GROUPS.items() if group != "extensions" for kind in kinds})
    gaps = [refused(kind, user=user) for kind in kinds]
    objects = [from_data(KINDS[one["kind"]], one) for one in yaml.safe_load_all(closing_roles(gaps))]
    view = b.inventory(*objects)
    identity = "ServiceAccount:ops/audit" if user.startswith("system:") else f"User:{user}"
    for found in weaknesses(gaps, all_techniques()):
        holders = who_can(access.real_grants(view), "list", parse_resource(found.resource))
        assert [one for holder in holders for one in holder.identities] == [identity], found.resource


def test_the_role_names_the_kinds_of_network_policies_too() -> None:
    kinds = ("AdminNetworkPolicy", "CiliumNetworkPolicy", "HTTPRoute", "CalicoGlobalNetworkPolicy")
    [role] = yaml.safe_load_all(closing_roles([Gap(kind, None, Problem.FORBIDDEN) for kind in kinds]))
    granted = {(rule["apiGroups"][0], plural) for rule in role["rules"] for plural in rule["resources"]}
    assert granted == {
        ("policy.networking.k8s.io", "adminnetworkpolicies"),
        ("cilium.io", "ciliumnetworkpolicies"),
        ("gateway.networking.k8s.io", "httproutes"),
        ("projectcalico.org", "globalnetworkpolicies"),
        ("crd.projectcalico.org", "globalnetworkpolicies"),
    }


def test_of_two_groups_the_one_that_was_asked_is_named() -> None:
    refused = "list networkpolicies.crd.projectcalico.org: 403: no"
    [weakness] = weaknesses([Gap("CalicoNetworkPolicy", None, Problem.FORBIDDEN, 1, refused)], all_techniques())
    assert weakness.resource == "networkpolicies.crd.projectcalico.org"
