"""R10: whether one rule authorises one request."""

from __future__ import annotations

import pytest

from tests.rbac.builders import RBAC, rule, urls
from workbench.inventory.objects import PolicyRule
from workbench.rbac.rules import (
    NOTHING,
    allowed_names,
    allows,
    allows_url,
    granting_rules,
    impersonated_rules,
    is_cluster_admin,
)

CERTIFICATES = "certificates.k8s.io"


class TestMatching:
    @pytest.mark.parametrize(
        ("given", "request_", "expected"),
        [
            # verbs: exact or *
            (rule("get", "pods"), ("get", "", "pods"), True),
            (rule("get", "pods"), ("list", "", "pods"), False),
            (rule("*", "pods"), ("deletecollection", "", "pods"), True),
            (rule("*", "roles", RBAC), ("escalate", RBAC, "roles"), True),
            (rule("GET", "pods"), ("get", "", "pods"), False),
            (rule("g*", "pods"), ("get", "", "pods"), False),
            # API groups: exact or *, the core group is the empty string
            (rule("get", "deployments", "apps"), ("get", "apps", "deployments"), True),
            (rule("get", "deployments"), ("get", "apps", "deployments"), False),
            (rule("get", "pods", "*"), ("get", "", "pods"), True),
            (rule("get", "pods", "apps"), ("get", "", "pods"), False),
            (rule("get", "pods", "core v1"), ("get", "v1", "pods"), True),
            # resources: * matches everything, subresources too
            (rule("create", "*"), ("create", "", "pods", "exec"), True),
            (rule("create", "pods"), ("create", "", "pods", "exec"), False),
            (rule("create", "pods/exec"), ("create", "", "pods", "exec"), True),
            (rule("create", "pods/exec"), ("create", "", "pods"), False),
            (rule("create", "*/exec"), ("create", "", "pods", "exec"), True),
            (rule("create", "*/exec"), ("create", "", "pods"), False),
            (rule("create", "*/xec"), ("create", "", "pods", "exec"), False),
            (rule("create", "pods/*"), ("create", "", "pods", "exec"), False),
            (rule("create", "pods/*"), ("create", "", "pods"), False),
            (rule("create", "*/*"), ("create", "", "pods", "exec"), False),
            (rule("get", "pod"), ("get", "", "pods"), False),
        ],
    )
    def test_verbs_groups_and_resources(
        self, given: PolicyRule, request_: tuple[str, str, str], expected: bool
    ) -> None:
        assert allows(given, *request_) is expected

    @pytest.mark.parametrize(
        "given",
        [
            PolicyRule(),
            PolicyRule(verbs=("*",), api_groups=("*",)),
            PolicyRule(verbs=("*",), resources=("*",)),
            PolicyRule(api_groups=("*",), resources=("*",)),
            PolicyRule(verbs=("*",), api_groups=("*",), resources=()),
            urls("*", "*"),
        ],
    )
    def test_an_absent_list_matches_nothing(self, given: PolicyRule) -> None:
        assert not allows(given, "get", "", "pods")


class TestResourceNames:
    @pytest.mark.parametrize("names", [None, ""])
    def test_no_names_are_all_names(self, names: str | None) -> None:
        given = rule("get", "secrets", names=names)
        assert allows(given, "get", "", "secrets", name="db")
        assert allows(given, "get", "", "secrets")
        assert allowed_names(given, "get", "", "secrets") is None

    @pytest.mark.parametrize("verb", ["get", "list", "watch", "patch", "update", "delete"])
    def test_names_admit_that_object_only(self, verb: str) -> None:
        given = rule(verb, "secrets", names="a b")
        assert allows(given, verb, "", "secrets", name="a")
        assert not allows(given, verb, "", "secrets", name="c")
        assert not allows(given, verb, "", "secrets"), "a request about no object in particular"
        assert allowed_names(given, verb, "", "secrets") == frozenset({"a", "b"})

    @pytest.mark.parametrize("verb", ["create", "deletecollection"])
    @pytest.mark.parametrize("name", ["", "a"])
    def test_names_never_admit_creating_or_deleting_a_collection(self, verb: str, name: str) -> None:
        given = rule("*", "secrets", names="a")
        assert not allows(given, verb, "", "secrets", name=name)
        assert allowed_names(given, verb, "", "secrets") == NOTHING

    @pytest.mark.parametrize("resource", ["serviceaccounts/token", "pods/exec", "pods/eviction"])
    def test_names_admit_creating_a_subresource_of_that_object(self, resource: str) -> None:
        parent, subresource = resource.split("/")
        given = rule("create", resource, names="a")
        assert allows(given, "create", "", parent, subresource, "a")
        assert not allows(given, "create", "", parent, subresource, "b")
        assert allowed_names(given, "create", "", parent, subresource) == frozenset({"a"})

    @pytest.mark.parametrize("subresource", ["nodeclient", "selfnodeclient"])
    def test_the_approver_of_kubelet_certificates_asks_without_a_name(self, subresource: str) -> None:
        resource = "certificatesigningrequests"
        given = rule("create", f"{resource}/{subresource}", CERTIFICATES, "csr-1")
        assert not allows(given, "create", CERTIFICATES, resource, subresource, "csr-1")
        assert allowed_names(given, "create", CERTIFICATES, resource, subresource) == NOTHING

    @pytest.mark.parametrize("verb", ["get", "list", "watch"])
    def test_t06_a_star_is_literal(self, verb: str) -> None:
        given = rule(verb, "secrets", names="*")
        assert not allows(given, verb, "", "secrets", name="db")
        assert not allows(given, verb, "", "secrets")
        assert allowed_names(given, verb, "", "secrets") == frozenset({"*"}), "an object cannot be called so"

    def test_only_signers_have_a_wildcard_for_their_domain(self) -> None:
        given = rule("approve", "signers", CERTIFICATES, "kubernetes.io/*")
        assert allows(given, "approve", CERTIFICATES, "signers", name="kubernetes.io/kube-apiserver-client")
        assert not allows(given, "approve", CERTIFICATES, "signers", name="example.com/internal")
        assert not allows(given, "approve", CERTIFICATES, "signers", name="sub.kubernetes.io/internal")
        exact = rule("approve", "signers", CERTIFICATES, "kubernetes.io/kube-apiserver-client")
        assert allows(exact, "approve", CERTIFICATES, "signers", name="kubernetes.io/kube-apiserver-client")
        assert not allows(exact, "approve", CERTIFICATES, "signers", name="kubernetes.io/legacy-unknown")
        assert not allows(rule("get", "signers", names="d/*"), "get", "", "signers", name="d/x"), "of another group"

    def test_the_empty_name_matches_requests_without_a_name(self) -> None:
        given = PolicyRule(verbs=("*",), api_groups=("",), resources=("secrets",), resource_names=("",))
        for verb in ("create", "deletecollection", "list", "watch"):
            assert allows(given, verb, "", "secrets")
            assert allowed_names(given, verb, "", "secrets") is None
        assert not allows(given, "get", "", "secrets")
        assert not allows(given, "get", "", "secrets", name="db")
        assert allowed_names(given, "get", "", "secrets") == NOTHING

    def test_impersonating_the_own_node_is_asked_for_the_name_star(self) -> None:
        request = ("impersonate:associated-node", "authentication.k8s.io", "nodes")
        assert not allows(rule(*_swap(request), names="worker-1"), *request, name="worker-1")
        assert allows(rule(*_swap(request), names="*"), *request, name="worker-1")
        assert allowed_names(rule(*_swap(request), names="*"), *request) is None


def _swap(request: tuple[str, str, str]) -> tuple[str, str, str]:
    verb, group, resource = request
    return verb, resource, group


class TestURLs:
    @pytest.mark.parametrize(
        ("pattern", "path", "expected"),
        [
            ("/healthz", "/healthz", True),
            ("/healthz", "/healthz/etcd", False),
            ("/healthz/*", "/healthz/etcd", True),
            ("/healthz/*", "/healthz", False),
            ("/logs*", "/logs/kube.log", True),
            ("*", "/metrics", True),
            ("/api/*/pods", "/api/v1/pods", False),
        ],
    )
    def test_exact_or_a_trailing_star(self, pattern: str, path: str, expected: bool) -> None:
        assert allows_url(urls("get", pattern), "get", path) is expected

    def test_verbs_count_and_resources_do_not(self) -> None:
        assert not allows_url(urls("get", "/healthz"), "post", "/healthz")
        assert allows_url(urls("*", "/healthz"), "post", "/healthz")
        assert not allows_url(rule("*", "*", "*"), "get", "/healthz")


class TestClusterAdmin:
    def test_all_three_stars_in_one_rule(self) -> None:
        assert is_cluster_admin([rule("get", "pods"), rule("*", "*", "*")])
        assert is_cluster_admin([rule("* get", "* pods", "* apps")])

    @pytest.mark.parametrize(
        "rules",
        [
            [],
            [rule("*", "*", "core apps")],
            [rule("get list watch", "*", "*")],
            [rule("*", "pods", "*")],
            [rule("*", "*", "*", names="x")],
            [rule("*", "*", "core"), rule("get", "*", "*"), rule("*", "pods", "*")],
        ],
    )
    def test_anything_less_is_not(self, rules: list[PolicyRule]) -> None:
        assert not is_cluster_admin(rules)


def test_granting_rules_are_evidence_by_index() -> None:
    rules = [rule("get", "configmaps"), rule("get", "secrets", names="a"), rule("*", "secrets"), rule("get", "*")]
    assert granting_rules(rules, "get", "", "secrets") == (2, 3)
    assert granting_rules(rules, "get", "", "secrets", name="a") == (1, 2, 3)
    assert granting_rules(rules, "delete", "", "nodes") == ()


def test_impersonated_rules_keep_their_index() -> None:
    rules = [
        rule("get", "pods"),
        rule("impersonate-on:user-info:list impersonate-on:arbitrary-node:get", "pods"),
        rule("*", "secrets"),
    ]
    translated = impersonated_rules(rules, "user-info")
    assert [given.verbs for given in translated] == [(), ("list",), ("*",)]
    assert granting_rules(translated, "list", "", "pods") == (1,)
