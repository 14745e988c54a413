"""Kubernetes' own roles and bindings."""

from __future__ import annotations

import pytest

from tests.rbac.builders import cluster_role, cluster_role_binding, role_binding, rule
from workbench.inventory.objects import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from workbench.rbac import (
    LATEST_MINOR,
    OLDEST_MINOR,
    Ability,
    RoleIndex,
    builtin_policy,
    effective_of,
    grant_of,
    grants_by_subject,
    grants_of,
    virtual_grant,
    with_builtin,
)
from workbench.rbac.builtin import BOOTSTRAP_LABEL, WithBuiltin
from workbench.rbac.effective import Effective

MINORS = range(OLDEST_MINOR, LATEST_MINOR + 1)


def assumed(minor: int = LATEST_MINOR) -> WithBuiltin:
    return with_builtin([], [], [], [], minor=minor)


def index_of(given: WithBuiltin) -> RoleIndex:
    return RoleIndex(given.roles, given.cluster_roles)


def rights(identity: str, given: WithBuiltin) -> Effective:
    bindings: list[RoleBinding | ClusterRoleBinding] = [*given.role_bindings, *given.cluster_role_bindings]
    return effective_of(identity, grants_by_subject(grants_of(bindings, index_of(given))))


class TestData:
    @pytest.mark.parametrize("minor", MINORS)
    def test_every_binding_finds_its_role_and_its_subjects(self, minor: int) -> None:
        given = assumed(minor)
        grants = grants_of([*given.role_bindings, *given.cluster_role_bindings], index_of(given))
        assert len(grants) >= 50
        for grant in grants:
            assert not grant.problem
            assert not grant.faults
            assert grant.sources
            assert grant.identities or grant.role_name == "system:node"

    @pytest.mark.parametrize("minor", MINORS)
    def test_every_object_is_marked_as_in_a_cluster(self, minor: int) -> None:
        policy = builtin_policy(minor)
        for objects in (policy.cluster_roles, policy.roles, policy.cluster_role_bindings, policy.role_bindings):
            for item in objects:
                assert (item.metadata.labels or {})[BOOTSTRAP_LABEL] == "rbac-defaults"
                assert item.id in policy.ids
                assert item.api_version == "rbac.authorization.k8s.io/v1"

    @pytest.mark.parametrize("minor", MINORS)
    def test_every_rule_is_well_formed(self, minor: int) -> None:
        policy = builtin_policy(minor)
        every: list[ClusterRole | Role] = [*policy.cluster_roles, *policy.roles]
        for item in every:
            for given in item.rules or ():
                assert given.verbs
                assert bool(given.resources) is bool(given.api_groups)
                assert bool(given.resources) is not bool(given.non_resource_urls)

    def test_versions_outside_are_the_nearest(self) -> None:
        assert builtin_policy(20) is builtin_policy(OLDEST_MINOR)
        assert builtin_policy(99).minor == LATEST_MINOR
        assert builtin_policy() is builtin_policy(LATEST_MINOR)

    def test_version_gates(self) -> None:
        role_id = "ClusterRole:system:controller:storage-version-migrator-controller"
        assert [role_id in builtin_policy(minor).ids for minor in (36, 37)] == [False, True]
        index = {minor: RoleIndex([], builtin_policy(minor).cluster_roles) for minor in MINORS}
        reads_secrets = [
            virtual_grant(index[minor], "ClusterRole", "system:controller:expand-controller").has(Ability.GET_SECRETS)
            for minor in (31, 32)
        ]
        assert reads_secrets == [True, False]


class TestAggregation:
    def test_admin_edit_and_view_grow_from_what_feeds_them(self) -> None:
        index = index_of(assumed())
        view = virtual_grant(index, "ClusterRole", "view", "dev").compiled
        edit = virtual_grant(index, "ClusterRole", "edit", "dev").compiled
        admin = virtual_grant(index, "ClusterRole", "admin", "dev").compiled
        assert not view.has(Ability.GET_SECRETS)
        assert view.has(Ability.GET_PODS_LOG)
        assert edit.mask & view.mask == view.mask
        assert admin.mask & edit.mask == edit.mask
        for ability in (
            Ability.GET_SECRETS,
            Ability.CREATE_PODS_EXEC,
            Ability.CREATE_SERVICEACCOUNTS_TOKEN,
            Ability.IMPERSONATE_SERVICEACCOUNTS,
        ):
            assert edit.has(ability)
        assert not edit.has(Ability.CREATE_ROLEBINDINGS)
        assert admin.has(Ability.CREATE_ROLEBINDINGS)
        assert not admin.has(Ability.BIND_CLUSTERROLES)

    def test_a_role_of_the_user_counts(self) -> None:
        extra = cluster_role(
            "cert-view", rule("get", "secrets"), labels={"rbac.authorization.k8s.io/aggregate-to-view": "true"}
        )
        index = index_of(with_builtin([], [extra], [], []))
        for name in ("view", "edit", "admin"):
            grant = virtual_grant(index, "ClusterRole", name, "dev")
            assert grant.has(Ability.GET_SECRETS)
            assert "ClusterRole:cert-view" in {source.object for source in grant.evidence(Ability.GET_SECRETS)}


class TestRights:
    @pytest.mark.parametrize("minor", MINORS)
    def test_who_is_cluster_admin(self, minor: int) -> None:
        given = assumed(minor)
        grants = grants_of(given.cluster_role_bindings, index_of(given))
        assert [grant.identities for grant in grants if grant.cluster_admin] == [("Group:system:masters",)]

    @pytest.mark.parametrize("minor", MINORS)
    def test_the_aggregation_controller_escalates(self, minor: int) -> None:
        held = rights("ServiceAccount:kube-system/clusterrole-aggregation-controller", assumed(minor)).cluster
        assert held.has(Ability.ESCALATE_CLUSTERROLES)
        assert held.has(Ability.MODIFY_CLUSTERROLES)

    @pytest.mark.parametrize("minor", MINORS)
    def test_an_ordinary_account_has_no_ability(self, minor: int) -> None:
        assert not rights("ServiceAccount:dev/default", assumed(minor)).cluster

    def test_kubelets_have_nothing_by_rbac(self) -> None:
        assert not rights("User:system:node:w1", assumed()).cluster

    def test_leader_locking_is_in_kube_system_only(self) -> None:
        given = assumed()
        binding = next(b for b in given.role_bindings if b.name == "system::extension-apiserver-authentication-reader")
        grant = grant_of(binding, index_of(given))
        assert grant.namespace == "kube-system"
        assert grant.id == (
            "PermissionSet:kube-system/extension-apiserver-authentication-reader"
            "@system::extension-apiserver-authentication-reader"
        )


class TestWithBuiltin:
    def test_the_source_wins(self) -> None:
        mine = cluster_role("view", rule("get", "secrets"))
        binding = cluster_role_binding("system:discovery", "view", "User:x")
        other = role_binding("b", "ClusterRole:view", "User:y")
        given = with_builtin([], [mine], [other], [binding])
        assert next(item for item in given.cluster_roles if item.name == "view") is mine
        assert next(item for item in given.cluster_role_bindings if item.name == "system:discovery") is binding
        assert other in given.role_bindings
        assert mine.id not in given.assumed
        assert binding.id not in given.assumed
        assert "ClusterRole:edit" in given.assumed
        assert given.assumed < builtin_policy().ids

    def test_lists_are_sorted_by_id(self) -> None:
        given = assumed()
        for objects in (given.roles, given.cluster_roles, given.role_bindings, given.cluster_role_bindings):
            ids = [item.id for item in objects]
            assert ids == sorted(set(ids))
