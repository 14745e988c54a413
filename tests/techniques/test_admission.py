"""R11: whether a namespace admits a privileged pod."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import api_server, inventory, namespace, node, obj, pod
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.inventory import Inventory
from workbench.techniques.resolve import admission

LABEL = "pod-security.kubernetes.io/enforce"
FIELD = f"metadata.labels[{LABEL}]"
NO_VALUE: dict[str, Any] = {LABEL: None}
CONFIGURED = api_server("--admission-control-config-file=/etc/kubernetes/admission.yaml")
EXEMPT = ("C-PSAEXEMPT", "Namespace:dev")
DEFAULT = ("C-PSADEFAULT", "Cluster")
POLICY = ("C-POLICY", "Namespace:dev")


@pytest.mark.parametrize(
    ("objects", "allowed", "missing"),
    [
        pytest.param([], True, (), id="namespace that is not in the source"),
        pytest.param([namespace("dev")], True, (), id="unlabelled"),
        pytest.param([namespace("dev", "privileged")], True, (), id="privileged"),
        pytest.param([namespace("dev", "baseline")], False, (), id="baseline"),
        pytest.param([namespace("dev", "restricted")], False, (), id="restricted"),
        pytest.param([namespace("dev", "Baseline")], False, (), id="T26 wrong case"),
        pytest.param([namespace("dev", "Privileged")], False, (), id="T26 wrong case of privileged"),
        pytest.param([namespace("dev", "")], False, (), id="empty"),
        pytest.param([obj("Namespace", "dev", labels=NO_VALUE)], False, (), id="null, which is empty"),
        pytest.param([obj("Namespace", "dev", labels={"x": "y"})], True, (), id="other labels"),
        pytest.param(
            [obj("Namespace", "dev", labels={"pod-security.kubernetes.io/warn": "restricted"})], True, (), id="T25 warn"
        ),
        pytest.param(
            [obj("Namespace", "dev", labels={"pod-security.kubernetes.io/audit": "restricted"})], True, (), id="audit"
        ),
        pytest.param([CONFIGURED], True, (DEFAULT,), id="configured: unlabelled"),
        pytest.param([CONFIGURED, namespace("dev", "privileged")], True, (), id="configured: privileged"),
        pytest.param([CONFIGURED, namespace("dev", "baseline")], True, (EXEMPT,), id="configured: baseline"),
        pytest.param([CONFIGURED, namespace("dev", "nonsense")], True, (EXEMPT,), id="configured: no level"),
        pytest.param([api_server("--v=2"), namespace("dev")], True, (), id="an API server without a configuration"),
        pytest.param(
            [api_server("--disable-admission-plugins=PodSecurity"), namespace("dev", "restricted")],
            True,
            (),
            id="no pod security admission",
        ),
        pytest.param(
            [api_server("--disable-admission-plugins=NodeRestriction"), namespace("dev", "restricted")],
            False,
            (),
            id="another plugin is off",
        ),
    ],
)
def test_by_level(objects: list[Any], allowed: bool, missing: tuple[Any, ...]) -> None:
    found = admission.privileged(inventory(*objects), "dev")
    assert (found.allowed, found.missing) == (allowed, missing)
    assert bool(found.mitigation) is not allowed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("baseline", f"{LABEL}: baseline on namespace dev forbids privileged pods"),
        ("Baseline", f"{LABEL} on namespace dev is no level, so that the API server enforces restricted"),
    ],
)
def test_the_mitigation_names_the_label(value: str, text: str) -> None:
    assert admission.privileged(inventory(namespace("dev", value)), "dev").mitigation == text


def test_a_configuration_of_something_that_is_no_api_server() -> None:
    other = pod("kube-apiserver-x", namespace="dev")
    assert not admission.admission_configured(inventory(other))
    assert admission.admission_configured(inventory(CONFIGURED))


@pytest.mark.parametrize(
    ("problem", "missing"),
    [(Problem.FORBIDDEN, (EXEMPT,)), (Problem.NOT_COLLECTED, (EXEMPT,)), (Problem.SKIPPED, ())],
)
def test_namespaces_that_could_not_be_read(problem: Problem, missing: Any) -> None:
    gaps = [Gap("Namespace", None, problem)]
    assert admission.privileged(inventory(coverage=gaps), "dev").missing == missing
    assert admission.privileged(inventory(namespace("dev", "privileged"), coverage=gaps), "dev").missing == ()


# --- levels and versions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"), [("v1.34", (1, 34)), ("latest", (1, 33)), (None, (1, 33)), ("1.34", (1, 33))]
)
def test_the_version_of_the_standard(value: str | None, expected: tuple[int, int]) -> None:
    labels = {} if value is None else {"pod-security.kubernetes.io/enforce-version": value}
    view = inventory(obj("Namespace", "dev", labels=labels), version="1.33.0")
    assert admission.enforce_version(view, "dev") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "privileged"), ("privileged", "privileged"), ("baseline", "baseline"), ("BASELINE", "restricted")],
)
def test_levels(value: str | None, expected: str) -> None:
    assert admission.level(inventory(namespace("dev", value)), "dev") == expected


# --- any namespace --------------------------------------------------------------------------------------

SYSTEM = ("default", "kube-node-lease", "kube-public", "kube-system")


def labelled(level: str) -> list[Any]:
    return [namespace(name, level) for name in SYSTEM]


@pytest.mark.parametrize(
    ("objects", "allowed", "where", "missing"),
    [
        pytest.param([namespace("dev", "restricted")], True, "default", (), id="T27 the system's are unlabelled"),
        pytest.param([*labelled("baseline"), namespace("dev")], True, "dev", (), id="one that is unlabelled"),
        pytest.param([*labelled("baseline"), namespace("dev", "restricted")], False, "default", (), id="none"),
        pytest.param(
            [CONFIGURED, *labelled("restricted"), namespace("dev")],
            True,
            "default",
            (("C-PSAEXEMPT", "Namespace:default"),),
            id="configured",
        ),
        pytest.param(
            [CONFIGURED, *labelled("restricted"), namespace("dev", "privileged")], True, "dev", (), id="the surest"
        ),
    ],
)
def test_anywhere(objects: list[Any], allowed: bool, where: str, missing: Any) -> None:
    found = admission.privileged_anywhere(inventory(*objects))
    assert (found.allowed, found.namespace, found.missing) == (allowed, where, missing)


# --- policies -------------------------------------------------------------------------------------------


def kyverno(kind: str, *rules: Any, place: str = "", **spec: Any) -> Any:
    return obj(kind, "no-root", place, spec={"rules": list(rules), **spec})


def validating(kinds: list[str] | None = None, **validate: Any) -> dict[str, Any]:
    resources = {} if kinds is None else {"kinds": kinds}
    return {"name": "r", "match": {"any": [{"resources": resources}]}, "validate": {"pattern": {}, **validate}}


ENFORCED = {"validationFailureAction": "Enforce"}
PODS = validating(["Pod"])


@pytest.mark.parametrize(
    ("objects", "conditional"),
    [
        pytest.param([kyverno("ClusterPolicy", PODS, **ENFORCED)], True, id="enforced"),
        pytest.param([kyverno("ClusterPolicy", PODS, validationFailureAction="enforce")], True, id="in lower case"),
        pytest.param([kyverno("ClusterPolicy", PODS, validationFailureAction="Audit")], False, id="audited"),
        pytest.param([kyverno("ClusterPolicy", PODS)], False, id="audited by default"),
        pytest.param([kyverno("ClusterPolicy", validating(["Pod"], failureAction="Enforce"))], True, id="by the rule"),
        pytest.param(
            [kyverno("ClusterPolicy", validating(["Pod"], failureAction="Audit"), **ENFORCED)],
            False,
            id="rule over policy",
        ),
        pytest.param([kyverno("ClusterPolicy", validating(["v1/Pod"]), **ENFORCED)], True, id="with a version"),
        pytest.param([kyverno("ClusterPolicy", validating(["*"]), **ENFORCED)], True, id="every kind"),
        pytest.param([kyverno("ClusterPolicy", validating(), **ENFORCED)], True, id="no kinds"),
        pytest.param([kyverno("ClusterPolicy", validating(["Service"]), **ENFORCED)], False, id="another kind"),
        pytest.param([kyverno("ClusterPolicy", validating(["PodDisruptionBudget"]), **ENFORCED)], False, id="nearly"),
        pytest.param(
            [kyverno("ClusterPolicy", {"match": {"resources": {"kinds": ["Pod"]}}, "validate": {}}, **ENFORCED)],
            True,
            id="the older form of match",
        ),
        pytest.param(
            [kyverno("ClusterPolicy", {"match": {"resources": {"kinds": ["Pod"]}}, "mutate": {}}, **ENFORCED)],
            False,
            id="a mutation refuses nothing",
        ),
        pytest.param([kyverno("Policy", PODS, place="dev", **ENFORCED)], True, id="policy of the namespace"),
        pytest.param([kyverno("Policy", PODS, place="prod", **ENFORCED)], False, id="policy of another namespace"),
    ],
)
def test_kyverno(objects: list[Any], conditional: bool) -> None:
    found = admission.privileged(inventory(*objects), "dev")
    assert found.allowed
    assert found.missing == ((POLICY,) if conditional else ())
    assert found.policies == ((objects[0].id,) if conditional else ())


def policy(resources: list[str], operations: list[str] | None = None, groups: list[str] | None = None) -> Any:
    rule = {"apiGroups": groups or [""], "operations": operations or ["CREATE"], "resources": resources}
    return obj("ValidatingAdmissionPolicy", "guard", spec={"matchConstraints": {"resourceRules": [rule]}})


def bound(actions: list[str], selector: Any = None, name: str = "guard") -> Any:
    match = {} if selector is None else {"matchResources": {"namespaceSelector": selector}}
    return obj(
        "ValidatingAdmissionPolicyBinding", "b", spec={"policyName": name, "validationActions": actions, **match}
    )


DENY = bound(["Deny"])
GUARD = policy(["pods"])


@pytest.mark.parametrize(
    ("objects", "conditional"),
    [
        pytest.param([GUARD, DENY], True, id="denies"),
        pytest.param([GUARD, bound(["Warn", "Audit"])], False, id="warns"),
        pytest.param([GUARD], False, id="bound by nothing"),
        pytest.param([GUARD, bound(["Deny"], name="other")], False, id="another policy is bound"),
        pytest.param([policy(["deployments"], groups=["apps"]), DENY], False, id="another resource"),
        pytest.param([policy(["pods"], groups=["metrics.k8s.io"]), DENY], False, id="another group"),
        pytest.param([policy(["pods"], ["DELETE"]), DENY], False, id="another operation"),
        pytest.param([policy(["pods/exec"]), DENY], False, id="a subresource"),
        pytest.param([policy(["*"], ["*"], ["*"]), DENY], True, id="everything"),
        pytest.param([GUARD, bound(["Deny"], {"matchLabels": {"tier": "web"}})], False, id="another namespace"),
        pytest.param(
            [GUARD, bound(["Deny"], {"matchLabels": {"tier": "web"}}), namespace("dev", tier="web")],
            True,
            id="labelled",
        ),
        pytest.param(
            [GUARD, bound(["Deny"], {"matchLabels": {"kubernetes.io/metadata.name": "dev"}})], True, id="by its name"
        ),
        pytest.param(
            [
                GUARD,
                bound(
                    ["Deny"],
                    {
                        "matchExpressions": [
                            {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["dev"]}
                        ]
                    },
                ),
            ],
            False,
            id="left out by its name",
        ),
        pytest.param([GUARD, bound(["Deny"], {"matchLabels": 3})], True, id="a selector that cannot be read"),
    ],
)
def test_validating_admission_policies(objects: list[Any], conditional: bool) -> None:
    found = admission.privileged(inventory(*objects), "dev")
    assert found.missing == ((POLICY,) if conditional else ())


def crd(group: str) -> Any:
    return obj("CustomResourceDefinition", f"x.{group}", spec={"group": group, "names": {"plural": "x", "kind": "X"}})


@pytest.mark.parametrize(
    ("objects", "coverage", "conditional"),
    [
        pytest.param([obj("SecurityContextConstraints", "restricted-v2")], (), True, id="OpenShift"),
        pytest.param([], [Gap("SecurityContextConstraints", None, Problem.FORBIDDEN)], True, id="OpenShift, unread"),
        pytest.param([], [Gap("SecurityContextConstraints", None, Problem.MISSING_API)], False, id="no OpenShift"),
        pytest.param([crd("constraints.gatekeeper.sh")], (), True, id="Gatekeeper"),
        pytest.param([crd("tekton.dev")], (), False, id="another custom resource"),
        pytest.param([node("gk3-cluster-pool-1")], (), True, id="GKE Autopilot"),
        pytest.param([node("gke-cluster-pool-1")], (), False, id="GKE"),
    ],
)
def test_other_engines(objects: list[Any], coverage: Any, conditional: bool) -> None:
    view = inventory(*objects, coverage=coverage)
    assert admission.privileged(view, "dev").missing == ((POLICY,) if conditional else ())
    assert admission.new_namespace(view).missing == ((("C-POLICY", "Cluster"),) if conditional else ())


def test_a_level_that_forbids_needs_no_policy() -> None:
    view = inventory(namespace("dev", "restricted"), kyverno("ClusterPolicy", PODS, **ENFORCED))
    assert not admission.privileged(view, "dev").allowed


def test_conditions_come_together() -> None:
    view = inventory(CONFIGURED, namespace("dev", "baseline"), kyverno("ClusterPolicy", PODS, **ENFORCED))
    assert admission.privileged(view, "dev").missing == (POLICY, EXEMPT)


# --- evidence -------------------------------------------------------------------------------------------


def proof_of(view: Inventory) -> dict[tuple[str, str], Any]:
    found = admission.admission_evidence(view, admission.privileged(view, "dev"))
    return {(item.object, item.field): item.value if item.value is not None else item.default for item in found}


def test_evidence() -> None:
    assert proof_of(inventory(namespace("dev"))) == {("Namespace:dev", FIELD): "privileged"}
    assert proof_of(inventory(namespace("dev", "privileged"))) == {("Namespace:dev", FIELD): "privileged"}
    assert proof_of(inventory(CONFIGURED, namespace("dev", "baseline"))) == {
        ("Namespace:dev", FIELD): "baseline",
        ("Pod:kube-system/kube-apiserver-cp-1", "spec.containers[name=kube-apiserver].command"): [
            "kube-apiserver",
            "--admission-control-config-file=/etc/kubernetes/admission.yaml",
        ],
    }
    assert (
        proof_of(inventory(namespace("dev"), GUARD, DENY))["ValidatingAdmissionPolicy:guard", "metadata.name"]
        == "guard"
    )
