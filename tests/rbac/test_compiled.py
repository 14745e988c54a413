"""Rules compiled to abilities; the traps of the catalogue at this level."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rbac.builders import RBAC, rule
from workbench.inventory.objects import PolicyRule
from workbench.rbac.abilities import CREATE_WORKLOADS, MODIFY_WORKLOADS, POD_LIKE, Ability, Request, mask_of
from workbench.rbac.compiled import EMPTY, Compiled, compile_rules, rules_granting, unite
from workbench.rbac.resources import Scope, scope_of
from workbench.rbac.rules import NOTHING, allows, request_has_name

CERTIFICATES = "certificates.k8s.io"


def held(*rules: PolicyRule, namespace: str = "") -> set[Ability]:
    """The abilities held for any object."""
    compiled = compile_rules(rules, namespace)
    return {ability for ability in Ability if compiled.has(ability)}


class TestDeclarations:
    def test_every_ability_has_a_bit_of_its_own(self) -> None:
        assert mask_of(Ability).bit_count() == len(Ability)
        assert all(ability.bit == 1 << ability for ability in Ability)

    def test_no_two_abilities_are_the_same_requests(self) -> None:
        assert len({ability.requests for ability in Ability}) == len(Ability)

    def test_names_say_what_is_requested(self) -> None:
        for ability in Ability:
            for request in ability.requests:
                if ability is not Ability.CREATE_POD_LIKE and request.subresource:
                    assert ability.name.endswith(f"_{request.resource}_{request.subresource}".upper())

    def test_workloads(self) -> None:
        assert not any("JOBS" in ability.name and "CRON" not in ability.name for ability in MODIFY_WORKLOADS)
        assert len(CREATE_WORKLOADS) == 7
        assert len(Ability.CREATE_POD_LIKE.requests) == len(POD_LIKE)


class TestMasksAndNames:
    def test_unrestricted_is_in_the_mask_and_not_in_the_names(self) -> None:
        compiled = compile_rules([rule("get", "secrets", names="a"), rule("get", "secrets")])
        assert compiled.mask == Ability.GET_SECRETS.bit
        assert not compiled.names
        assert compiled.names_for(Ability.GET_SECRETS) is None

    def test_restricted_is_in_the_names_and_not_in_the_mask(self) -> None:
        compiled = compile_rules([rule("get", "secrets", names="a"), rule("get list", "secrets", names="b")])
        assert compiled.mask == 0
        assert compiled.names == {Ability.GET_SECRETS: {"a", "b"}, Ability.LIST_SECRETS: {"b"}}
        assert compiled.has(Ability.GET_SECRETS)
        assert compiled.has(Ability.GET_SECRETS, "a")
        assert not compiled.has(Ability.LIST_SECRETS, "a")
        assert compiled.names_for(Ability.WATCH_SECRETS) == NOTHING

    def test_equal_rules_share_one_object(self) -> None:
        one = compile_rules([rule("get list", "secrets"), rule("create", "pods")])
        assert compile_rules([rule("get list", "secrets"), rule("create", "pods")]) is one
        assert compile_rules([rule("create", "pods"), rule("list get", "secrets")]) is one, "equal sets, too"
        assert compile_rules([rule("get", "limitranges")]) is EMPTY
        assert compile_rules([]) is EMPTY
        assert not EMPTY

    def test_in_any_namespace_alike_unless_it_is_about_that_namespace(self) -> None:
        rules = [rule("get", "secrets")]
        assert compile_rules(rules, "a") is compile_rules(rules, "b")
        admin = [rule("*", "*", "*")]
        assert compile_rules(admin, "a") is not compile_rules(admin, "b")
        assert compile_rules(admin, "a") is compile_rules(admin, "a")

    def test_everything(self) -> None:
        compiled = compile_rules([rule("*", "*", "*")])
        assert compiled.everything
        assert compiled.mask == mask_of(Ability)

    def test_signer_names_may_be_a_domain(self) -> None:
        compiled = compile_rules([rule("approve", "signers", CERTIFICATES, "kubernetes.io/*")])
        assert compiled.has(Ability.APPROVE_SIGNERS, "kubernetes.io/kube-apiserver-client")
        assert not compiled.has(Ability.APPROVE_SIGNERS, "example.com/x")

    def test_evidence_names_unrestricted_rules_first(self) -> None:
        rules = [rule("get", "secrets", names="a"), rule("get", "pods"), rule("*", "*"), rule("get", "secrets")]
        assert rules_granting(rules, Ability.GET_SECRETS) == (2, 3, 0)
        assert rules_granting(rules, Ability.GET_SECRETS, name="z") == (2, 3)
        assert rules_granting(rules, Ability.GET_SECRETS, name="a") == (2, 3, 0)
        assert rules_granting(rules, Ability.CREATE_DEPLOYMENTS) == ()


class TestCreatingByApplying:
    """Server-side apply names the object, so `create` and `patch` of that name make it."""

    def test_both_in_one_rule(self) -> None:
        compiled = compile_rules([rule("create patch", "secrets", names="x y")])
        assert compiled.names[Ability.CREATE_SECRETS] == {"x", "y"}
        assert not compiled.mask

    def test_in_two_rules_with_both_as_evidence(self) -> None:
        rules = [rule("create", "secrets", names="x y"), rule("get", "pods"), rule("patch", "secrets", names="y z")]
        assert compile_rules(rules).names[Ability.CREATE_SECRETS] == {"y"}
        assert rules_granting(rules, Ability.CREATE_SECRETS) == (0, 2)
        assert rules_granting(rules, Ability.CREATE_SECRETS, name="y") == (0, 2)
        assert rules_granting(rules, Ability.CREATE_SECRETS, name="x") == ()

    def test_unrestricted_patch(self) -> None:
        rules = [rule("create", "secrets", names="x"), rule("patch", "*")]
        assert compile_rules(rules).names[Ability.CREATE_SECRETS] == {"x"}
        assert rules_granting(rules, Ability.CREATE_SECRETS) == (0, 1)

    def test_put_creates_few_kinds(self) -> None:
        assert Ability.CREATE_SECRETS not in held(rule("create update", "secrets", names="x"))
        assert Ability.CREATE_DEPLOYMENTS not in held(rule("create update", "deployments", "apps", names="x"))
        for resource in ("roles", "clusterroles", "rolebindings", "clusterrolebindings"):
            assert Ability[f"CREATE_{resource.upper()}"] in held(rule("create update", resource, RBAC, names="x"))

    def test_from_two_grants(self) -> None:
        create = compile_rules([rule("create", "secrets", names="x")])
        patch = compile_rules([rule("patch", "secrets")])
        assert not create.has(Ability.CREATE_SECRETS)
        assert unite([create, patch]).names[Ability.CREATE_SECRETS] == {"x"}
        twice = unite([unite([create, EMPTY]), compile_rules([rule("get", "pods/log")])])
        assert unite([twice, patch]).has(Ability.CREATE_SECRETS, "x"), "a union of unions keeps the halves"

    def test_in_a_role_binding(self) -> None:
        rules = [rule("create patch", "pods persistentvolumes namespaces", names="x")]
        compiled = compile_rules(rules, "dev")
        assert compiled.names[Ability.CREATE_PODS] == {"x"}
        assert not compiled.has(Ability.CREATE_PERSISTENTVOLUMES)
        assert not compiled.has(Ability.CREATE_NAMESPACES)
        assert compile_rules(rules).has(Ability.CREATE_NAMESPACES, "x")


class TestRoleBindingScope:
    @pytest.mark.parametrize(
        "ability",
        [
            Ability.GET_NODES_PROXY,
            Ability.CREATE_PERSISTENTVOLUMES,
            Ability.ESCALATE_CLUSTERROLES,
            Ability.MODIFY_CLUSTERROLES,
            Ability.CREATE_CLUSTERROLEBINDINGS,
            Ability.IMPERSONATE_USERS,
            Ability.IMPERSONATE_GROUPS,
            Ability.IMPERSONATE_UIDS,
            Ability.APPROVE_SIGNERS,
            Ability.CREATE_MUTATINGWEBHOOKCONFIGURATIONS,
            Ability.CREATE_NAMESPACES,
            Ability.MODIFY_NODES,
        ],
    )
    def test_cluster_scoped_is_void(self, ability: Ability) -> None:
        rules = [rule("*", "*", "*")]
        assert compile_rules(rules).has(ability)
        assert not compile_rules(rules, "dev").has(ability)
        assert rules_granting(rules, ability, "dev") == ()

    def test_its_own_namespace_object(self) -> None:
        for given_names, expected in ((None, {"dev"}), ("dev other", {"dev"}), ("other", NOTHING)):
            rules = [rule("patch", "namespaces", names=given_names)]
            assert compile_rules(rules, "dev").names_for(Ability.MODIFY_NAMESPACES) == expected
            assert rules_granting(rules, Ability.MODIFY_NAMESPACES, "dev") == ((0,) if expected else ())
        assert compile_rules([rule("*", "*", "*")], "dev").names == {Ability.MODIFY_NAMESPACES: {"dev"}}

    @pytest.mark.parametrize("verb", ["get", "patch", "update", "delete"])
    def test_verbs_on_its_own_namespace(self, verb: str) -> None:
        assert scope_of(verb, "", "namespaces") is Scope.OWN_NAMESPACE

    @pytest.mark.parametrize("verb", ["list", "watch", "create", "deletecollection", "*"])
    def test_other_verbs_on_namespaces(self, verb: str) -> None:
        assert scope_of(verb, "", "namespaces") is Scope.CLUSTER

    def test_bind_on_clusterroles_counts(self) -> None:
        compiled = compile_rules([rule("bind escalate", "clusterroles", RBAC)], "dev")
        assert compiled.mask == Ability.BIND_CLUSTERROLES.bit

    def test_service_accounts_may_be_impersonated_by_a_role(self) -> None:
        assert compile_rules([rule("impersonate", "serviceaccounts")], "dev").has(Ability.IMPERSONATE_SERVICEACCOUNTS)


class TestTraps:
    def test_t01_all_subresources_of_pods_is_nothing(self) -> None:
        assert held(rule("*", "pods/*")) == set()

    def test_t02_exec_of_any_resource(self) -> None:
        assert held(rule("create", "*/exec")) == {Ability.CREATE_PODS_EXEC}

    def test_t03_pods_without_subresources(self) -> None:
        assert held(rule("*", "pods")) == {Ability.CREATE_PODS, Ability.MODIFY_PODS, Ability.DELETE_PODS}

    def test_t04_get_and_create_exec_are_told_apart(self) -> None:
        assert held(rule("get", "pods/exec")) == {Ability.GET_PODS_EXEC}

    def test_t05_nodes_proxy_needs_a_cluster_role_binding(self) -> None:
        rules = rule("get", "nodes/proxy")
        assert held(rules) == {Ability.GET_NODES_PROXY}
        assert held(rules, namespace="dev") == set()
        assert held(rule("*", "nodes/pods nodes/healthz nodes/metrics nodes/stats nodes/configz")) == set()

    def test_t06_the_name_star_is_no_secret(self) -> None:
        compiled = compile_rules([rule("get", "secrets", names="*")])
        assert not compiled.mask
        assert not compiled.has(Ability.GET_SECRETS, "db")

    def test_t07_listing_one_name(self) -> None:
        compiled = compile_rules([rule("list", "secrets", names="a")])
        assert compiled.names == {Ability.LIST_SECRETS: {"a"}}

    def test_t08_creating_under_a_name_is_nothing(self) -> None:
        rules = [rule("create", "secrets", names="x"), rule("get", "secrets")]
        assert held(*rules) == {Ability.GET_SECRETS}

    def test_t11_cluster_admin_in_a_role_binding(self) -> None:
        compiled = compile_rules([rule("*", "*", "*")], "dev")
        assert compiled.everything
        assert compiled.has(Ability.CREATE_ROLEBINDINGS)
        assert not compiled.has(Ability.CREATE_CLUSTERROLEBINDINGS)

    def test_t12_groups_alone(self) -> None:
        assert held(rule("impersonate", "groups")) == {Ability.IMPERSONATE_GROUPS}
        compiled = compile_rules([rule("impersonate", "groups"), rule("impersonate", "users", names="nobody")])
        assert compiled.names == {Ability.IMPERSONATE_USERS: {"nobody"}}

    def test_t13_users_are_no_service_accounts(self) -> None:
        assert held(rule("impersonate", "users")) == {Ability.IMPERSONATE_USERS}

    def test_t14_service_accounts(self) -> None:
        assert held(rule("impersonate", "serviceaccounts"), namespace="dev") == {Ability.IMPERSONATE_SERVICEACCOUNTS}

    def test_t15_bind_is_on_roles_not_on_bindings(self) -> None:
        assert held(rule("bind", "rolebindings clusterrolebindings", RBAC)) == set()

    def test_t16_bind_of_one_cluster_role(self) -> None:
        rules = [rule("create", "rolebindings", RBAC), rule("bind", "clusterroles", RBAC, "admin")]
        compiled = compile_rules(rules, "dev")
        assert compiled.mask == Ability.CREATE_ROLEBINDINGS.bit
        assert compiled.names == {Ability.BIND_CLUSTERROLES: {"admin"}}

    def test_t17_escalate_alone(self) -> None:
        assert held(rule("escalate", "clusterroles", RBAC)) == {Ability.ESCALATE_CLUSTERROLES}

    def test_t18_patch_without_bind(self) -> None:
        assert held(rule("patch", "rolebindings", RBAC)) == {Ability.MODIFY_ROLEBINDINGS}

    def test_t20_approving_takes_signers(self) -> None:
        csr = "certificatesigningrequests"
        rules = [rule("create get", csr, CERTIFICATES), rule("update", f"{csr}/approval", CERTIFICATES)]
        assert held(*rules) == {
            Ability.CREATE_CERTIFICATESIGNINGREQUESTS,
            Ability.READ_CERTIFICATESIGNINGREQUESTS,
            Ability.MODIFY_CERTIFICATESIGNINGREQUESTS_APPROVAL,
        }

    def test_t21_deletecollection(self) -> None:
        assert held(rule("deletecollection", "secrets")) == {Ability.DELETECOLLECTION_SECRETS}
        assert held(rule("deletecollection", "secrets", names="a")) == set()

    def test_t22_deployments_are_not_in_the_core_group(self) -> None:
        assert held(rule("create", "deployments")) == set()
        assert held(rule("create", "deployments", "apps")) == {Ability.CREATE_DEPLOYMENTS}

    def test_t23_the_template_of_a_job_cannot_be_changed(self) -> None:
        assert held(rule("update patch", "jobs", "batch")) == set()
        assert held(rule("patch", "cronjobs", "batch")) == {Ability.MODIFY_CRONJOBS}

    def test_scale_and_status_are_no_template(self) -> None:
        assert held(rule("*", "deployments/scale deployments/status", "apps")) == set()

    def test_constrained_impersonation_is_in_another_group(self) -> None:
        assert held(rule("impersonate:user-info", "users")) == set()
        assert held(rule("impersonate:user-info", "users groups", "authentication.k8s.io")) == {
            Ability.IMPERSONATE_USER_INFO_USERS,
            Ability.IMPERSONATE_USER_INFO_GROUPS,
        }


# --- properties -------------------------------------------------------------------------------------

VERBS = sorted({verb for ability in Ability for request in ability.requests for verb in request.verbs} | {"*"})
GROUPS = sorted({request.group for ability in Ability for request in ability.requests} | {"*", "other"})
RESOURCES = sorted(
    {
        entry
        for ability in Ability
        for request in ability.requests
        for entry in (
            [f"{request.resource}/{request.subresource}", f"*/{request.subresource}"]
            if request.subresource
            else [request.resource, f"{request.resource}/*"]
        )
    }
    | {"*", "widgets", "pods/status"}
)
NAMES = ["", "*", "a", "b", "dev", "kubernetes.io/*", "kubernetes.io/x", "example.com/x"]
PROBES = ["a", "b", "dev", "kubernetes.io/x", "example.com/x", "never-named"]


def some(values: list[str], size: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=size, unique=True).map(tuple)


policy_rules = st.builds(
    PolicyRule,
    verbs=some(VERBS, 4) | st.just(("create", "patch")) | st.none(),
    api_groups=some(GROUPS, 3) | st.just(("*",)) | st.none(),
    resources=some(RESOURCES, 5) | st.just(("*",)) | st.none(),
    resource_names=st.none() | st.just(()) | some(NAMES, 3),
)
# Rules that are about one ability are the interesting ones, and random lists rarely hit one.
aimed_rules = st.sampled_from(
    [(verb, request) for ability in Ability for request in ability.requests for verb in request.verbs]
).flatmap(
    lambda use: st.builds(
        PolicyRule,
        verbs=st.just((use[0],)),
        api_groups=st.just((use[1].group,)),
        resources=st.just((f"{use[1].resource}/{use[1].subresource}" if use[1].subresource else use[1].resource,)),
        resource_names=st.none() | some(NAMES, 3),
    )
)
rule_lists = st.lists(policy_rules | aimed_rules, max_size=4)


def naive(rules: list[PolicyRule], request: Request, verb: str, name: str, namespace: str) -> bool:
    """Whether a request for that object, or one without a name, is authorised, by asking every rule."""
    if namespace:
        scope = request.scope(verb)
        if scope is Scope.CLUSTER or (scope is Scope.OWN_NAMESPACE and name != namespace):
            return False
    return any(allows(given, verb, request.group, request.resource, request.subresource, name) for given in rules)


def naive_all(rules: list[PolicyRule], request: Request, verb: str, namespace: str) -> bool:
    """Whether it is authorised for all objects: a rule admits a name that no rule can mention, or no name at all."""
    if namespace and request.scope(verb) is not Scope.NAMESPACE:
        return False
    where = (verb, request.group, request.resource, request.subresource)
    if not request_has_name(*where) or verb in ("list", "watch"):
        return any(allows(given, *where) for given in rules)
    return any(allows(given, *where, "never-named") for given in rules)


def naive_applied(rules: list[PolicyRule], ability: Ability, name: str, namespace: str) -> bool:
    """Whether an object of that name can be created by applying it."""
    for request in ability.requests:
        if not request.creates or (namespace and request.scope("create") is not Scope.NAMESPACE):
            continue
        puts = request.group == RBAC or request.resource in ("services", "endpoints")
        puts = puts and request.group in ("", RBAC)
        named = any(
            allows(
                PolicyRule(
                    verbs=("get",) if {"create", "*"} & set(given.verbs or ()) else (),
                    api_groups=given.api_groups,
                    resources=given.resources,
                    resource_names=given.resource_names,
                ),
                "get",
                request.group,
                request.resource,
                name=name,
            )
            for given in rules
        )
        applied = naive(rules, request, "patch", name, "") or (puts and naive(rules, request, "update", name, ""))
        if named and applied:
            return True
    return False


class TestProperties:
    @settings(max_examples=120, deadline=None)
    @given(rules=rule_lists, namespace=st.sampled_from(["", "dev", "prod"]))
    def test_compiled_equals_a_scan_of_every_rule(self, rules: list[PolicyRule], namespace: str) -> None:
        compiled = compile_rules(rules, namespace)
        for ability in Ability:
            if ability is Ability.CREATE_POD_LIKE:
                continue
            pairs = [(request, verb) for request in ability.requests for verb in request.verbs]
            everything = any(naive_all(rules, request, verb, namespace) for request, verb in pairs)
            assert bool(compiled.mask & ability.bit) is everything, ability
            assert (ability in compiled.names) <= (not everything)
            for name in PROBES:
                expected = (
                    everything
                    or any(naive(rules, request, verb, name, namespace) for request, verb in pairs)
                    or naive_applied(rules, ability, name, namespace)
                )
                assert compiled.has(ability, name) is expected, (ability, name)
                assert bool(rules_granting(rules, ability, namespace, name)) is expected, (ability, name)
            assert bool(rules_granting(rules, ability, namespace)) is compiled.has(ability), ability

    @settings(max_examples=80, deadline=None)
    @given(parts=st.lists(rule_lists, min_size=1, max_size=3), namespace=st.sampled_from(["", "dev"]))
    def test_a_union_equals_all_rules_in_one_role(self, parts: list[list[PolicyRule]], namespace: str) -> None:
        united = unite(compile_rules(part, namespace) for part in parts)
        at_once = compile_rules(list(itertools.chain(*parts)), namespace)
        assert _content(united) == _content(at_once)

    @settings(max_examples=60, deadline=None)
    @given(rules=rule_lists)
    def test_a_role_binding_never_gives_more(self, rules: list[PolicyRule]) -> None:
        cluster, local = compile_rules(rules), compile_rules(rules, "dev")
        assert local.mask & ~cluster.mask == 0
        for ability, names in local.names.items():
            assert all(cluster.has(ability, name) for name in names)


def _content(compiled: Compiled) -> tuple[object, ...]:
    return compiled.mask, dict(compiled.names), compiled.everything
