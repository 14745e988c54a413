"""Roles resolved, and the permission sets of bindings."""

from __future__ import annotations

import pytest

from tests.rbac.builders import RBAC, cluster_role, cluster_role_binding, role, role_binding, rule, urls
from workbench.inventory.objects import (
    ClusterRole,
    ClusterRoleBinding,
    Labels,
    LabelSelector,
    ObjectMeta,
    RoleBinding,
    RoleRef,
    SelectorRequirement,
    Subject,
)
from workbench.rbac import NOTHING, Ability, Grant, RoleIndex, grant_of, grants_by_subject, grants_of, virtual_grant
from workbench.rbac.compiled import EMPTY
from workbench.rbac.roles import selector_matches

READ = rule("get list watch", "pods")
SECRETS = rule("get", "secrets")
ADMIN = rule("*", "*", "*")


class TestIds:
    def test_of_the_four_ways_to_bind(self) -> None:
        index = RoleIndex([role("view", READ)], [cluster_role("view", READ)])
        ids = {
            grant_of(role_binding("b", "Role:view"), index).id: "Role",
            grant_of(role_binding("c", "ClusterRole:view"), index).id: "ClusterRole",
            grant_of(cluster_role_binding("d", "view"), index).id: "ClusterRole",
        }
        assert ids == {
            "PermissionSet:dev/view@b": "Role",
            "PermissionSet:dev/view@c": "ClusterRole",
            "PermissionSet:view@d": "ClusterRole",
        }

    def test_virtual(self) -> None:
        index = RoleIndex([], [cluster_role("cluster-admin", ADMIN)])
        local = virtual_grant(index, "ClusterRole", "cluster-admin", "dev")
        everywhere = virtual_grant(index, "ClusterRole", "cluster-admin")
        assert local.id == "PermissionSet:dev/cluster-admin@"
        assert everywhere.id == "PermissionSet:cluster-admin@"
        assert local.virtual
        assert local.subjects == ()
        assert (local.cluster_admin, everywhere.cluster_admin) == (False, True)
        assert not local.has(Ability.CREATE_CLUSTERROLEBINDINGS)
        assert everywhere.has(Ability.CREATE_CLUSTERROLEBINDINGS)


class TestMissing:
    @pytest.mark.parametrize(
        ("binding", "problem"),
        [
            (role_binding("b", "Role:gone", "User:a"), "there is no Role 'gone'"),
            (role_binding("b", "Role:reader", "User:a", namespace="prod"), "there is no Role 'reader'"),
            (role_binding("b", "ClusterRole:gone", "User:a"), "there is no ClusterRole 'gone'"),
            (role_binding("b", "Pod:x", "User:a"), "cannot refer to kind 'Pod'"),
            (cluster_role_binding("b", "gone", "User:a"), "there is no ClusterRole 'gone'"),
            (
                ClusterRoleBinding(metadata=ObjectMeta(name="b"), role_ref=RoleRef(kind="Role", name="reader")),
                "cannot refer to kind 'Role'",
            ),
            (
                RoleBinding(
                    metadata=ObjectMeta(name="b", namespace="dev"),
                    role_ref=RoleRef(api_group="apps", kind="Role", name="reader"),
                ),
                "roleRef.apiGroup",
            ),
            (RoleBinding(metadata=ObjectMeta(name="b", namespace="dev")), "cannot refer to kind ''"),
            (RoleBinding(metadata=ObjectMeta(name="b"), role_ref=RoleRef(kind="ClusterRole", name="r")), "namespace"),
        ],
    )
    def test_no_rights_and_a_reason(self, binding: RoleBinding | ClusterRoleBinding, problem: str) -> None:
        grant = grant_of(binding, RoleIndex([role("reader", READ)], [cluster_role("r", ADMIN)]))
        assert grant.role is None
        assert grant.compiled is EMPTY
        assert grant.rules == ()
        assert problem in grant.problem
        assert not grant.cluster_admin

    def test_the_default_api_group(self) -> None:
        binding = RoleBinding(
            metadata=ObjectMeta(name="b", namespace="dev"), role_ref=RoleRef(kind="Role", name="reader")
        )
        assert grant_of(binding, RoleIndex([role("reader", SECRETS)], [])).has(Ability.GET_SECRETS)

    def test_malformed_subjects_are_told(self) -> None:
        binding = role_binding("b", "Role:reader", "User:alice", "ServiceAccount:ci")
        assert binding.subjects is not None
        binding.subjects.insert(1, Subject(kind="Robot", name="r2"))
        grant = grant_of(binding, RoleIndex([role("reader", READ)], []))
        assert grant.subjects == ((0, "User:alice"), (2, "ServiceAccount:dev/ci"))
        assert [index for index, _ in grant.faults] == [1]
        assert grant.identities == ("User:alice", "ServiceAccount:dev/ci")


class TestScope:
    def test_t09_an_account_of_another_namespace_gets_rights_in_the_binding_s(self) -> None:
        index = RoleIndex([role("reader", SECRETS, namespace="a")], [])
        grant = grant_of(role_binding("b", "Role:reader", "ServiceAccount:b/ci", namespace="a"), index)
        assert grant.identities == ("ServiceAccount:b/ci",)
        assert grant.counts_in("a")
        assert not grant.counts_in("b")
        assert not grant.counts_in("")

    def test_t11_cluster_admin_bound_in_a_namespace(self) -> None:
        index = RoleIndex([], [cluster_role("cluster-admin", ADMIN)])
        local = grant_of(role_binding("b", "ClusterRole:cluster-admin"), index)
        everywhere = grant_of(cluster_role_binding("b", "cluster-admin"), index)
        assert (local.cluster_admin, everywhere.cluster_admin) == (False, True)
        assert everywhere.counts_in("")
        assert everywhere.counts_in("dev")

    @pytest.mark.parametrize(
        ("verb", "group", "resource", "subresource", "expected"),
        [
            ("get", "", "secrets", "", None),
            ("create", "", "pods", "exec", None),
            ("get", "", "nodes", "", NOTHING),
            ("get", "", "nodes", "proxy", NOTHING),
            ("list", "", "namespaces", "", NOTHING),
            ("get", "", "namespaces", "", frozenset({"dev"})),
            ("update", "", "namespaces", "finalize", frozenset({"dev"})),
            ("bind", RBAC, "clusterroles", "", None),
            ("escalate", RBAC, "clusterroles", "", NOTHING),
            ("get", RBAC, "clusterroles", "", NOTHING),
            ("get", "example.com", "widgets", "", None),
            ("get", "example.com", "gadgets", "", NOTHING),
        ],
    )
    def test_any_request_by_a_role_binding(
        self, verb: str, group: str, resource: str, subresource: str, expected: frozenset[str] | None
    ) -> None:
        index = RoleIndex([], [cluster_role("cluster-admin", ADMIN)])
        local = grant_of(role_binding("b", "ClusterRole:cluster-admin"), index)
        everywhere = grant_of(cluster_role_binding("b", "cluster-admin"), index)
        custom = {("example.com", "gadgets")}
        assert local.allowed_names(verb, group, resource, subresource, cluster_scoped=custom) == expected
        assert bool(local.granting(verb, group, resource, subresource, cluster_scoped=custom)) is (
            expected is None or bool(expected)
        )
        assert everywhere.allowed_names(verb, group, resource, subresource, cluster_scoped=custom) is None

    def test_paths_outside_the_resources_count_by_a_cluster_role_binding_only(self) -> None:
        index = RoleIndex([], [cluster_role("m", READ, urls("get", "/metrics /logs/*"))])
        assert grant_of(cluster_role_binding("b", "m"), index).granting_url("get", "/logs/x") == (1,)
        assert grant_of(role_binding("b", "ClusterRole:m"), index).granting_url("get", "/logs/x") == ()

    def test_which_of_the_custom_resources_makes_pods(self) -> None:
        index = RoleIndex([role("flows", rule("create", "workflows", "argoproj.io"))], [])
        grant = grant_of(role_binding("b", "Role:flows"), index)
        assert grant.has(Ability.CREATE_POD_LIKE)
        assert grant.granting("create", "argoproj.io", "workflows") == (0,)
        assert grant.granting("create", "tekton.dev", "taskruns") == ()


class TestEvidence:
    def test_the_rule_s_place_in_its_role(self) -> None:
        index = RoleIndex([role("r", READ, rule("get", "secrets", names="a"), SECRETS)], [])
        grant = grant_of(role_binding("b", "Role:r"), index)
        assert [(source.object, source.index) for source in grant.evidence(Ability.GET_SECRETS)] == [
            ("Role:dev/r", 2),
            ("Role:dev/r", 1),
        ]
        assert [source.index for source in grant.evidence(Ability.GET_SECRETS, "z")] == [2]
        assert grant.granting("get", "", "secrets", name="a") == (1, 2)
        assert grant.granting("get", "", "secrets") == (1, 2)

    def test_of_an_aggregated_role_the_role_that_has_the_rule(self) -> None:
        index = RoleIndex(
            [],
            [
                cluster_role("top", gathers=[LabelSelector(match_labels={"feeds": "top"})]),
                cluster_role("part", READ, SECRETS, labels={"feeds": "top"}),
            ],
        )
        grant = grant_of(cluster_role_binding("b", "top"), index)
        assert [(source.object, source.index) for source in grant.evidence(Ability.GET_SECRETS)] == [
            ("ClusterRole:part", 1)
        ]


class TestAggregation:
    FEEDS = LabelSelector(match_labels={"feeds": "top"})

    def rules_of(self, *cluster_roles: ClusterRole, name: str = "top", recompute: tuple[str, ...] = ()) -> list[str]:
        resolved = RoleIndex([], cluster_roles, recompute=recompute).resolve("ClusterRole", name)
        assert resolved is not None
        return [",".join(given.resources or ()) for given in resolved.rules]

    def test_union_of_what_is_selected_by_name_each_rule_once(self) -> None:
        assert self.rules_of(
            cluster_role("z", rule("get", "z"), rule("get", "both"), labels={"feeds": "top"}),
            cluster_role("a", rule("get", "both"), rule("get", "a"), labels={"feeds": "top"}),
            cluster_role("other", rule("get", "other"), labels={"feeds": "else"}),
            cluster_role("plain", rule("get", "plain")),
            cluster_role("top", gathers=[self.FEEDS]),
        ) == ["both", "a", "z"]

    def test_live_rules_count_as_they_stand(self) -> None:
        given = (
            cluster_role("top", rule("get", "live"), gathers=[self.FEEDS]),
            cluster_role("a", rule("get", "a"), labels={"feeds": "top"}),
        )
        assert self.rules_of(*given) == ["live"]
        assert self.rules_of(*given, recompute=("top",)) == ["a"]

    def test_gathering_what_gathers(self) -> None:
        assert self.rules_of(
            cluster_role("top", gathers=[self.FEEDS]),
            cluster_role("middle", gathers=[LabelSelector(match_labels={"feeds": "middle"})], labels={"feeds": "top"}),
            cluster_role("low", rule("get", "low"), labels={"feeds": "middle"}),
        ) == ["low"]

    def test_a_circle_ends(self) -> None:
        given = (
            cluster_role("top", gathers=[self.FEEDS], labels={"feeds": "side"}),
            cluster_role("side", gathers=[LabelSelector(match_labels={"feeds": "side"})], labels={"feeds": "top"}),
            cluster_role("a", rule("get", "a"), labels={"feeds": "top"}),
            cluster_role("b", rule("get", "b"), labels={"feeds": "side"}),
        )
        assert self.rules_of(*given) == ["a", "b"]
        assert sorted(self.rules_of(*given, name="side")) == ["a", "b"]

    def test_any_of_several_selectors(self) -> None:
        assert self.rules_of(
            cluster_role(
                "top",
                gathers=[
                    self.FEEDS,
                    LabelSelector(match_expressions=[SelectorRequirement(key="extra", operator="Exists")]),
                ],
            ),
            cluster_role("a", rule("get", "a"), labels={"extra": ""}),
            cluster_role("b", rule("get", "b"), labels={"feeds": "top"}),
        ) == ["a", "b"]

    def test_without_selectors_nothing(self) -> None:
        assert self.rules_of(cluster_role("top", gathers=[]), cluster_role("a", rule("get", "a"))) == []

    def test_dependents(self) -> None:
        index = RoleIndex(
            [],
            [
                cluster_role("top", rule("get", "live"), gathers=[self.FEEDS]),
                cluster_role("middle", gathers=[LabelSelector(match_labels={"m": "1"})], labels={"feeds": "top"}),
                cluster_role("low", rule("get", "low"), labels={"m": "1"}),
                cluster_role("alone", READ),
            ],
        )
        assert index.dependents({"low"}) == {"middle", "top"}
        assert index.dependents({"top", "alone"}) == frozenset()

    @pytest.mark.parametrize(
        ("labels", "selector", "expected"),
        [
            ({"a": "1"}, LabelSelector(), True),
            ({"a": "1"}, LabelSelector(match_labels={"a": "1"}), True),
            ({"a": "1"}, LabelSelector(match_labels={"a": "1", "b": "2"}), False),
            ({}, LabelSelector(match_labels={"a": ""}), False),
            ({"a": None}, LabelSelector(match_labels={"a": ""}), True),
        ],
    )
    def test_match_labels(self, labels: Labels, selector: LabelSelector, expected: bool) -> None:
        assert selector_matches(selector, labels) is expected

    @pytest.mark.parametrize(
        ("operator", "values", "present", "other", "absent"),
        [
            ("In", ["1", "2"], True, False, False),
            ("NotIn", ["1", "2"], False, True, True),
            ("Exists", None, True, True, False),
            ("DoesNotExist", None, False, False, True),
            ("Unknown", None, False, False, False),
        ],
    )
    def test_match_expressions(
        self, operator: str, values: list[str] | None, present: bool, other: bool, absent: bool
    ) -> None:
        requirement = SelectorRequirement(key="a", operator=operator, values=values)
        selector = LabelSelector(match_expressions=[requirement])
        sets: list[Labels] = [{"a": "1"}, {"a": "9"}, {"b": "1"}]
        found = [selector_matches(selector, labels) for labels in sets]
        assert found == [present, other, absent]


def test_grants_by_subject() -> None:
    index = RoleIndex([role("r", READ)], [cluster_role("c", READ)])
    grants = grants_of(
        [
            role_binding("one", "Role:r", "ServiceAccount:ci", "Group:devs", "User:system:serviceaccount:dev:ci"),
            cluster_role_binding("two", "c", "ServiceAccount:dev/ci"),
        ],
        index,
    )
    found = {identity: [grant.id for grant in held] for identity, held in grants_by_subject(grants).items()}
    assert found == {
        "ServiceAccount:dev/ci": ["PermissionSet:dev/r@one", "PermissionSet:c@two"],
        "Group:devs": ["PermissionSet:dev/r@one"],
    }


def test_bindings_of_equal_roles_share_their_abilities() -> None:
    index = RoleIndex([role("a", SECRETS), role("b", SECRETS)], [])
    one: Grant = grant_of(role_binding("one", "Role:a"), index)
    assert grant_of(role_binding("two", "Role:b"), index).compiled is one.compiled
