"""What an identity may do, who is the smallest holder, and who-can."""

from __future__ import annotations

import pytest

from tests.rbac.builders import RBAC, cluster_role, cluster_role_binding, role, role_binding, rule, urls
from workbench.inventory.objects import ClusterRoleBinding, PolicyRule, RoleBinding
from workbench.rbac import (
    Ability,
    Effective,
    Grant,
    HolderKind,
    Need,
    RoleIndex,
    effective_of,
    grants_by_subject,
    grants_of,
    parse_resource,
    who_can,
)
from workbench.rbac.compiled import EMPTY

CI = "ServiceAccount:dev/ci"
SECRETS = rule("get", "secrets")
ADMIN = rule("*", "*", "*")


def grants(roles: dict[str, list[PolicyRule]], *bindings: RoleBinding | ClusterRoleBinding) -> list[Grant]:
    """Grants over ClusterRoles of these names."""
    return grants_of(bindings, RoleIndex([], [cluster_role(name, *rules) for name, rules in roles.items()]))


def effective(
    identity: str, roles: dict[str, list[PolicyRule]], *bindings: RoleBinding | ClusterRoleBinding
) -> Effective:
    return effective_of(identity, grants_by_subject(grants(roles, *bindings)))


class TestUnion:
    def test_own_and_group_grants_join_by_scope(self) -> None:
        held = effective(
            CI,
            {"s": [SECRETS], "p": [rule("create", "pods")], "n": [rule("get", "nodes/proxy")]},
            cluster_role_binding("own", "n", CI),
            role_binding("dev", "ClusterRole:s", CI),
            role_binding("prod", "ClusterRole:p", "Group:system:serviceaccounts:dev", namespace="prod"),
        )
        assert held.namespaces == ("dev", "prod")
        assert held.cluster.mask == Ability.GET_NODES_PROXY.bit
        assert held.in_namespace("dev").mask == Ability.GET_NODES_PROXY.bit | Ability.GET_SECRETS.bit
        assert held.in_namespace("prod").mask == Ability.GET_NODES_PROXY.bit | Ability.CREATE_PODS.bit
        assert held.in_namespace("elsewhere") is held.cluster
        assert [grant.id for grant in held.grants] == [
            "PermissionSet:dev/s@dev",
            "PermissionSet:n@own",
            "PermissionSet:prod/p@prod",
        ]

    def test_equal_rights_are_one_object(self) -> None:
        roles = {"a": [SECRETS], "b": [rule("list", "secrets")], "both": [rule("get list", "secrets")]}
        one = effective(CI, roles, cluster_role_binding("1", "a", CI), cluster_role_binding("2", "b", CI))
        two = effective(CI, roles, cluster_role_binding("1", "both", CI), cluster_role_binding("2", "a", CI))
        assert one.cluster is two.cluster

    def test_nobody(self) -> None:
        held = effective("User:nobody", {})
        assert held.cluster is EMPTY
        assert held.holds(Ability.GET_SECRETS) is None
        assert held.holders([Need((Ability.GET_SECRETS,))]) == ()

    def test_t10_every_account_of_a_namespace(self) -> None:
        given = grants({"s": [SECRETS]}, cluster_role_binding("b", "s", "Group:system:serviceaccounts:dev"))
        by_subject = grants_by_subject(given)
        for account in ("ServiceAccount:dev/default", CI):
            assert effective_of(account, by_subject).holds(Ability.GET_SECRETS)
        assert not effective_of("ServiceAccount:prod/default", by_subject).holds(Ability.GET_SECRETS)

    def test_t59_rights_stay_in_their_namespace(self) -> None:
        roles = {"exec": [rule("create", "pods/exec")]}
        held = effective(
            "User:a",
            roles,
            role_binding("one", "ClusterRole:exec", "User:a", namespace="a"),
            role_binding("two", "ClusterRole:exec", "User:b", namespace="b"),
        )
        assert held.holds(Ability.CREATE_PODS_EXEC, "a")
        assert not held.holds(Ability.CREATE_PODS_EXEC, "b")
        assert not held.holds(Ability.CREATE_PODS_EXEC)

    def test_cluster_admin(self) -> None:
        assert effective("User:a", {"c": [ADMIN]}, cluster_role_binding("b", "c", "User:a")).cluster_admin
        assert effective(
            "User:a", {"c": [ADMIN]}, cluster_role_binding("b", "c", "Group:system:authenticated")
        ).cluster_admin
        assert not effective("User:a", {"c": [ADMIN]}, role_binding("b", "ClusterRole:c", "User:a")).cluster_admin
        assert not effective(
            "User:a",
            {"c": [rule("*", "*", "core")], "d": [rule("get list watch", "*", "*")]},
            cluster_role_binding("b", "c", "User:a"),
            cluster_role_binding("e", "d", "User:a"),
        ).cluster_admin

    def test_masters_need_no_binding(self) -> None:
        held = effective_of("User:alice", {}, {"alice": ["system:masters"]})
        assert held.cluster_admin
        assert held.masters
        assert effective_of("Group:system:masters", {}).masters
        assert not effective_of("User:bob", {}, {"alice": ["system:masters"]}).masters


class TestHolding:
    def test_names_and_where_they_come_from(self) -> None:
        held = effective(
            CI,
            {"a": [rule("get", "secrets", names="a")], "b": [rule("get", "secrets", names="b c")]},
            role_binding("one", "ClusterRole:a", CI),
            cluster_role_binding("two", "b", CI),
        )
        holding = held.holds(Ability.GET_SECRETS, "dev")
        assert holding is not None
        assert not holding.unrestricted
        assert holding.names == frozenset({"a", "b", "c"})
        assert [grant.id for grant in holding.grants] == ["PermissionSet:b@two", "PermissionSet:dev/a@one"]
        assert [grant.id for grant in holding.grants_for("a")] == ["PermissionSet:dev/a@one"]
        assert holding.covers("c")
        assert not holding.covers("d")
        everywhere = held.holds(Ability.GET_SECRETS)
        assert everywhere is not None
        assert everywhere.names == frozenset({"b", "c"})

    def test_unrestricted_grants_come_first(self) -> None:
        held = effective(
            CI,
            {"a": [rule("get", "secrets", names="a")], "z": [SECRETS]},
            cluster_role_binding("one", "a", CI),
            cluster_role_binding("two", "z", CI),
        )
        holding = held.holds(Ability.GET_SECRETS, "dev")
        assert holding is not None
        assert holding.unrestricted
        assert [grant.id for grant in holding.grants] == ["PermissionSet:z@two", "PermissionSet:a@one"]
        assert [grant.id for grant in holding.grants_for("q")] == ["PermissionSet:z@two"]

    def test_creating_by_applying_from_two_grants(self) -> None:
        held = effective(
            CI,
            {
                "c": [rule("create", "secrets", names="x")],
                "p": [rule("patch", "secrets")],
                "l": [rule("list", "secrets")],
            },
            cluster_role_binding("1", "c", CI),
            role_binding("2", "ClusterRole:p", CI),
            cluster_role_binding("3", "l", CI),
        )
        assert held.holds(Ability.CREATE_SECRETS) is None
        holding = held.holds(Ability.CREATE_SECRETS, "dev")
        assert holding is not None
        assert holding.names == frozenset({"x"})
        assert [grant.id for grant in holding.grants] == ["PermissionSet:c@1", "PermissionSet:dev/p@2"]
        assert holding.grants_for("x") == (), "neither suffices alone"


class TestSmallestHolder:
    CREATE = Need((Ability.CREATE_SECRETS,), "dev")
    READ = Need((Ability.GET_SECRETS, Ability.LIST_SECRETS), "dev")

    def holders(self, held: Effective) -> list[tuple[HolderKind, str, list[str]]]:
        return [
            (holder.kind, holder.id, [grant.id for grant in holder.grants])
            for holder in held.holders([self.CREATE, self.READ])
        ]

    def test_each_grant_that_is_enough_alone(self) -> None:
        held = effective(
            CI,
            {"both": [rule("create get", "secrets")], "one": [rule("create", "secrets")], "all": [ADMIN]},
            role_binding("1", "ClusterRole:both", CI),
            cluster_role_binding("2", "one", CI),
            cluster_role_binding("3", "all", "Group:system:serviceaccounts"),
            role_binding("4", "ClusterRole:both", CI, namespace="prod"),
        )
        assert self.holders(held) == [
            (HolderKind.GRANT, "PermissionSet:all@3", ["PermissionSet:all@3"]),
            (HolderKind.GRANT, "PermissionSet:dev/both@1", ["PermissionSet:dev/both@1"]),
        ]

    def test_t19_two_grants_of_one_account(self) -> None:
        held = effective(
            CI,
            {"c": [rule("create", "secrets")], "r": [rule("list", "secrets")], "x": [rule("create", "pods")]},
            role_binding("1", "ClusterRole:c", CI),
            cluster_role_binding("2", "r", CI),
            cluster_role_binding("3", "x", CI),
        )
        assert self.holders(held) == [(HolderKind.IDENTITY, CI, ["PermissionSet:dev/c@1", "PermissionSet:r@2"])]

    def test_the_group_if_its_grants_are_enough(self) -> None:
        roles = {"c": [rule("create", "secrets")], "r": [rule("list", "secrets")]}
        group = "Group:system:serviceaccounts:dev"
        bindings = (role_binding("1", "ClusterRole:c", group), role_binding("2", "ClusterRole:r", group, CI))
        expected = [(HolderKind.GROUP, group, ["PermissionSet:dev/c@1", "PermissionSet:dev/r@2"])]
        assert self.holders(effective(CI, roles, *bindings)) == expected
        assert self.holders(effective(group, roles, *bindings)) == expected, "the same for the group itself"

    def test_the_member_if_its_own_right_is_needed(self) -> None:
        roles = {"c": [rule("create", "secrets")], "r": [rule("list", "secrets")]}
        bindings = (
            role_binding("1", "ClusterRole:c", "Group:system:authenticated"),
            role_binding("2", "ClusterRole:r", CI),
        )
        assert self.holders(effective(CI, roles, *bindings))[0][:2] == (HolderKind.IDENTITY, CI)
        assert self.holders(effective("Group:system:authenticated", roles, *bindings)) == []

    def test_needs_for_one_object_and_for_all(self) -> None:
        held = effective(CI, {"a": [rule("get", "secrets", names="a")]}, role_binding("1", "ClusterRole:a", CI))
        get = (Ability.GET_SECRETS,)
        assert held.holders([Need(get, "dev")])
        assert held.holders([Need(get, "dev", name="a")])
        assert not held.holders([Need(get, "dev", name="b")])
        assert not held.holders([Need(get, "dev", unrestricted=True)])
        assert not held.holders([Need(get)])

    def test_a_cluster_scoped_need_beside_a_namespaced_one(self) -> None:
        held = effective(
            CI,
            {"pv": [rule("create", "persistentvolumes")], "ns": [rule("create", "persistentvolumeclaims pods")]},
            cluster_role_binding("1", "pv", CI),
            role_binding("2", "ClusterRole:ns", CI),
        )
        needs = [
            Need((Ability.CREATE_PERSISTENTVOLUMES,)),
            Need((Ability.CREATE_PERSISTENTVOLUMECLAIMS,), "dev"),
            Need((Ability.CREATE_PODS,), "dev"),
        ]
        assert [holder.id for holder in held.holders(needs)] == [CI]


class TestWhoCan:
    GIVEN = grants(
        {
            "s": [rule("get", "pods"), rule("get list", "secrets")],
            "named": [rule("get", "secrets", names="db")],
            "exec": [rule("create", "*/exec")],
            "all": [ADMIN, urls("get", "/logs*")],
        },
        cluster_role_binding("admin", "all", "Group:ops"),
        role_binding("a", "ClusterRole:s", CI, "User:alice"),
        role_binding("b", "ClusterRole:named", "User:bob", namespace="prod"),
        role_binding("c", "ClusterRole:exec", "User:carol"),
        role_binding("local", "ClusterRole:all", "User:dave", namespace="prod"),
    )

    @pytest.mark.parametrize(
        ("verb", "resource", "namespace", "expected"),
        [
            ("get", "secrets", None, ["admin", "a", "b", "local"]),
            ("get", "secrets", "dev", ["admin", "a"]),
            ("get", "secrets", "prod", ["admin", "b", "local"]),
            ("get", "secrets", "", ["admin"]),
            ("get", "secrets/db", "prod", ["admin", "b", "local"]),
            ("get", "secrets/other", "prod", ["admin", "local"]),
            ("create", "pods/exec", "dev", ["admin", "c"]),
            ("create", "po/exec", "dev", ["admin", "c"]),
            ("get", "nodes", None, ["admin"]),
            ("patch", "namespaces/prod", None, ["admin", "local"]),
            ("patch", "namespaces/dev", None, ["admin"]),
            ("*", "*", None, ["admin", "local"]),
            ("get", "/logs/kube.log", None, ["admin"]),
            ("bind", "clusterroles", None, ["admin", "local"]),
        ],
    )
    def test_finds_the_bindings(self, verb: str, resource: str, namespace: str | None, expected: list[str]) -> None:
        found = who_can(self.GIVEN, verb, parse_resource(resource), namespace=namespace)
        assert sorted(access.grant.binding.name for access in found) == sorted(expected)

    def test_says_who_by_which_rule_and_for_which_objects(self) -> None:
        found = {
            access.grant.id: (access.identities, access.rules, access.names)
            for access in who_can(self.GIVEN, "get", parse_resource("secrets"))
        }
        assert found["PermissionSet:dev/s@a"] == ((CI, "User:alice"), (1,), None)
        assert found["PermissionSet:prod/named@b"] == (("User:bob",), (0,), frozenset({"db"}))

    def test_custom_resources_of_the_cluster(self) -> None:
        query = parse_resource("gadgets.example.com")
        assert len(who_can(self.GIVEN, "get", query)) == 2
        assert len(who_can(self.GIVEN, "get", query, cluster_scoped=[("example.com", "gadgets")])) == 1


class TestParseResource:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("pods", ("", "pods", "", "")),
            ("pod", ("", "pods", "", "")),
            ("po", ("", "pods", "", "")),
            ("Pods", ("", "pods", "", "")),
            ("deploy", ("apps", "deployments", "", "")),
            ("deployments.apps", ("apps", "deployments", "", "")),
            ("deployment.v1.apps", ("apps", "deployments", "", "")),
            ("secrets/db", ("", "secrets", "", "db")),
            ("pods/exec", ("", "pods", "exec", "")),
            ("pods/web-0", ("", "pods", "", "web-0")),
            ("pods/web-0/exec", ("", "pods", "exec", "web-0")),
            ("serviceaccounts/token", ("", "serviceaccounts", "token", "")),
            ("configmaps/status", ("", "configmaps", "status", "")),
            ("networkpolicies", ("networking.k8s.io", "networkpolicies", "", "")),
            ("ingress", ("networking.k8s.io", "ingresses", "", "")),
            ("clusterroles", (RBAC, "clusterroles", "", "")),
            ("policies.kyverno.io", ("kyverno.io", "policies", "", "")),
            ("*", ("*", "*", "", "")),
            ("*/exec", ("*", "*", "exec", "")),
        ],
    )
    def test_as_kubectl_writes_it(self, text: str, expected: tuple[str, str, str, str]) -> None:
        query = parse_resource(text)
        assert (query.group, query.resource, query.subresource, query.name) == expected
        assert query.known

    def test_paths(self) -> None:
        assert parse_resource("/healthz/etcd").url == "/healthz/etcd"

    def test_custom_resources(self) -> None:
        assert not parse_resource("widgets").known
        query = parse_resource("widgets/w1", {"widgets": "example.com"})
        assert (query.group, query.resource, query.name, query.known) == ("example.com", "widgets", "w1", True)


def test_a_role_of_a_namespace() -> None:
    index = RoleIndex([role("r", SECRETS), role("r", rule("list", "secrets"), namespace="prod")], [])
    given = grants_of([role_binding("b", "Role:r", CI), role_binding("b", "Role:r", CI, namespace="prod")], index)
    held = Effective(CI, given)
    assert held.in_namespace("dev").mask == Ability.GET_SECRETS.bit
    assert held.in_namespace("prod").mask == Ability.LIST_SECRETS.bit
    assert [found.name for found in index.roles_in("prod")] == ["r"]
