"""The fixes of permissions: subjects of bindings, parts of rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import deployment, inventory, obj, pod
from workbench.inventory.changes import edited, overlay
from workbench.inventory.decode import plain
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KubernetesObject
from workbench.remediation.catalogue import all_fixes
from workbench.remediation.records import Fix
from workbench.techniques.build import build

GROUP = "rbac.authorization.k8s.io"


def rule(verbs: str, resources: str, groups: str = "core", names: str = "") -> dict[str, Any]:
    """A rule; several values are separated by blanks."""
    out: dict[str, Any] = {
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
        "verbs": verbs.split(),
    }
    return {**out, "resourceNames": names.split()} if names else out


def bound(*rules: dict[str, Any], kind: str = "Role", subjects: Any = None, **meta: Any) -> list[KubernetesObject]:
    """A role and a binding to it, and something to reach."""
    named = subjects if subjects is not None else [{"kind": "User", "apiGroup": GROUP, "name": "bob"}]
    reference = {"apiGroup": GROUP, "kind": kind, "name": "r"}
    binding = "RoleBinding" if kind == "Role" else "ClusterRoleBinding"
    return [
        obj(kind, "r", rules=list(rules), **meta),
        obj(binding, "b", subjects=named, roleRef=reference),
        deployment("web"),
        obj("Secret", "s"),
    ]


def of(view: Inventory, identifier: str) -> list[Fix]:
    """The fixes of one kind."""
    return [fix for fix in all_fixes(view) if fix.fix == identifier]


def left(view: Inventory, fix: Fix) -> list[dict[str, Any]]:
    """The rules after a fix."""
    target = view.by_id(fix.target.id)
    assert target is not None
    return list(edited(plain(target), fix.ops).get("rules") or [])


@pytest.mark.parametrize(
    ("rules", "after"),
    [
        pytest.param([rule("get list create", "pods")], [rule("get list", "pods")], id="a verb"),
        pytest.param(
            [rule("get create", "pods pods/exec services")],
            [rule("get", "pods"), rule("get create", "services")],
            id="split",
        ),
        pytest.param([rule("get", "pods"), rule("create", "pods/exec")], [rule("get", "pods")], id="a whole rule"),
        pytest.param([rule("*", "secrets")], [], id="a wildcard and nothing else"),
        pytest.param(
            [rule("get", "secrets configmaps", names="s")], [rule("get", "configmaps", names="s")], id="names stay"
        ),
        pytest.param([rule("create", "pods deployments", "core apps")], [], id="all of it"),
    ],
)
def test_rules(rules: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    view = inventory(*bound(*rules), version="1.36.0")
    (fix,) = of(view, "F-RBAC-RULE")
    assert left(view, fix) == after
    assert [op.path for op in fix.ops] == ["/rules"]
    assert fix.risk.level.value == "high"
    assert any("User:bob" in reason for reason in fix.risk.reasons)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([rule("get list", "pods services")], id="harmless"),
        pytest.param([rule("*", "secrets services")], id="granted by a wildcard beside other things"),
        pytest.param([rule("create", "*/exec pods/log")], id="a wildcard subresource beside other things"),
    ],
)
def test_rules_that_stay(rules: list[dict[str, Any]]) -> None:
    assert not of(inventory(*bound(*rules), version="1.36.0"), "F-RBAC-RULE")


def test_the_part_is_gone_from_the_graph_and_the_rest_is_not() -> None:
    view = inventory(*bound(rule("get list create", "pods"), rule("get", "secrets")))
    (fix,) = of(view, "F-RBAC-RULE")
    source = "PermissionSet:default/r@b"
    before = {edge.technique for edge in build(view).edges() if edge.source == source}
    after = {edge.technique for edge in build(overlay(view, [fix.change])).edges() if edge.source == source}
    assert {"SECRET_READ", "POD_CREATE_SA"} <= before
    assert not after


def test_cluster_admin_goes_by_its_rule() -> None:
    view = inventory(*bound(rule("*", "*", "*"), rule("get", "pods"), kind="ClusterRole"))
    (fix,) = of(view, "F-RBAC-RULE")
    assert left(view, fix) == [rule("get", "pods")]


def test_of_several_permissions_the_deciding_one_goes() -> None:
    rules = [rule("create update", "clusterrolebindings", GROUP), rule("bind get", "clusterroles", GROUP)]
    view = inventory(*bound(*rules, kind="ClusterRole"))
    (fix,) = of(view, "F-RBAC-RULE")
    assert left(view, fix) == [rules[0], rule("get", "clusterroles", GROUP)]


def test_bind_alone_is_no_technique() -> None:
    assert not of(inventory(*bound(rule("bind", "clusterroles", GROUP), kind="ClusterRole")), "F-RBAC-RULE")


def test_one_record_for_a_role_that_several_bindings_grant() -> None:
    more = obj("RoleBinding", "c", subjects=[{"kind": "Group", "apiGroup": GROUP, "name": "g"}],
               roleRef={"apiGroup": GROUP, "kind": "Role", "name": "r"})  # fmt: skip
    view = inventory(*bound(rule("create get", "pods")), more)
    (fix,) = of(view, "F-RBAC-RULE")
    assert fix.observed_on == ("PermissionSet:default/r@b", "PermissionSet:default/r@c")
    assert "Group:g, User:bob" in fix.risk.reasons[0]


def test_restored_roles_are_blocked() -> None:
    annotations = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    view = inventory(*bound(rule("create", "pods"), kind="ClusterRole", annotations=annotations, labels=labels))
    (fix,) = of(view, "F-RBAC-RULE")
    assert (fix.status.value, fix.reason.partition(":")[0]) == ("blocked", "managed")


def test_of_an_aggregated_role_the_source_is_changed() -> None:
    part = obj("ClusterRole", "part", labels={"into": "sum"}, rules=[rule("create get", "pods")])
    rest = obj("ClusterRole", "rest", labels={"into": "other"}, rules=[rule("create", "pods")])
    total = obj("ClusterRole", "sum", rules=[rule("create get", "pods")],
                aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"into": "sum"}}]})  # fmt: skip
    binding = obj("ClusterRoleBinding", "b", subjects=[{"kind": "User", "apiGroup": GROUP, "name": "bob"}],
                  roleRef={"apiGroup": GROUP, "kind": "ClusterRole", "name": "sum"})  # fmt: skip
    view = inventory(part, rest, total, binding, deployment("web"))
    found = {fix.target.id: fix for fix in of(view, "F-RBAC-RULE")}
    assert {node: fix.status.value for node, fix in found.items()} == {
        "ClusterRole:part": "ready",
        "ClusterRole:sum": "blocked",
    }
    after = build(overlay(view, [found["ClusterRole:part"].change]))
    assert not [edge for edge in after.edges() if edge.source == "PermissionSet:sum@b"]


# --- subjects -----------------------------------------------------------------------------------------

SUBJECTS = [
    {"kind": "User", "apiGroup": GROUP, "name": "bob"},
    {"kind": "ServiceAccount", "name": "a", "namespace": "one"},
    {"kind": "ServiceAccount", "name": "a", "namespace": "two"},
    {"kind": "User", "apiGroup": GROUP, "name": "bob"},
    {"kind": "User", "apiGroup": GROUP, "name": "system:serviceaccount:one:a"},
]


def test_one_record_for_each_subject_takes_all_its_entries() -> None:
    view = inventory(*bound(rule("get", "pods"), subjects=SUBJECTS))
    found = {fix.observed_on[0]: fix for fix in of(view, "F-BIND-SUBJ")}
    assert set(found) == {"User:bob", "ServiceAccount:one/a", "ServiceAccount:two/a"}
    after = {
        identity: edited(plain(view.by_id("RoleBinding:default/b")), fix.ops)["subjects"]  # type: ignore[arg-type]
        for identity, fix in found.items()
    }
    assert after["User:bob"] == [SUBJECTS[1], SUBJECTS[2], SUBJECTS[4]]
    assert after["ServiceAccount:one/a"] == [SUBJECTS[0], SUBJECTS[2], SUBJECTS[3]]
    assert after["ServiceAccount:two/a"] == [SUBJECTS[0], SUBJECTS[1], SUBJECTS[3], SUBJECTS[4]]


def test_the_last_subject_leaves_an_empty_binding() -> None:
    view = inventory(*bound(rule("get", "pods")))
    (fix,) = of(view, "F-BIND-SUBJ")
    found = overlay(view, [fix.change]).by_id("RoleBinding:default/b")
    assert found is not None
    assert plain(found)["subjects"] == []


def test_an_account_that_is_not_there_loses_nothing() -> None:
    gone = [{"kind": "ServiceAccount", "name": "gone", "namespace": "default"}]
    objects = [*bound(rule("get", "pods"), subjects=gone), pod("p"), obj("ServiceAccount", "default", uid="u")]
    assert [fix.risk.level.value for fix in of(inventory(*objects), "F-BIND-SUBJ")] == ["low"]
    assert [
        fix.risk.level.value for fix in of(inventory(*bound(rule("get", "pods"), subjects=gone)), "F-BIND-SUBJ")
    ] == ["high"]


def test_what_the_program_knows_has_no_fix() -> None:
    objects = bound(rule("create", "pods"), kind="ClusterRole")
    view = inventory(objects[2], builtins=objects[:2])
    assert not of(view, "F-BIND-SUBJ")
    assert not of(view, "F-RBAC-RULE")
