"""R11: whether a namespace admits a privileged pod.

Pod Security Admission checks pods by the ``enforce`` label of their namespace; ``warn`` and ``audit`` never block, and
an unrecognised value counts as restricted. Baseline and restricted both forbid what is privileged. Source: Kubernetes
documentation, "Pod Security Admission" and "Enforce Pod Security Standards with Namespace Labels"; KEP-2579.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from workbench.graph.graph import Fact
from workbench.inventory.evidence import Evidence, Problem
from workbench.inventory.fields import literal
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import (
    ClusterPolicy,
    CustomResourceDefinition,
    Labels,
    LabelSelector,
    Namespace,
    Node,
    Policy,
    SecurityContextConstraints,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
)
from workbench.rbac import selector_matches
from workbench.techniques.resolve import CLUSTER
from workbench.techniques.resolve.nodes import api_server_flag, api_server_flags

ENFORCE = "pod-security.kubernetes.io/enforce"
ENFORCE_VERSION = "pod-security.kubernetes.io/enforce-version"
LEVELS = ("privileged", "baseline", "restricted")

READS = frozenset(
    {
        "Namespace",
        "Node",
        "CustomResourceDefinition",
        "ClusterPolicy",
        "Policy",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "SecurityContextConstraints",
    }
)
"""The kinds that this resolver reads. The flags of the API server are not among them: a change of those touches
every technique (``build.touched``)."""

_CONFIGURATION = "--admission-control-config-file"
_DISABLED = "--disable-admission-plugins"
_NAME_LABEL = "kubernetes.io/metadata.name"
_ALWAYS_THERE = ("default", "kube-node-lease", "kube-public", "kube-system")
_UNREAD = (Problem.FORBIDDEN, Problem.NOT_COLLECTED)
_ENGINES = ("constraints.gatekeeper.sh", "policies.kubewarden.io")
"""API groups of engines whose policies we do not read; CustomResourceDefinitions say that there are some."""
_AUTOPILOT = "gk3-"
"""How the nodes of GKE Autopilot are called, which has an admission policy of its own."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a privileged pod is admitted somewhere."""

    allowed: bool
    """``False`` only where a label proves that it is not."""
    namespace: str
    """Where it is admitted, or where it was asked about."""
    missing: tuple[Fact, ...] = ()
    mitigation: str = ""
    policies: tuple[str, ...] = ()
    """The ids of the policies behind C-POLICY."""


def level(view: Inventory, namespace: str) -> str:
    """The enforced level of a namespace by its label: privileged, baseline or restricted."""
    value = _label(view, namespace, ENFORCE)
    if value is None:
        return "privileged"
    return value if value in LEVELS else "restricted"


def enforce_version(view: Inventory, namespace: str) -> tuple[int, int]:
    """The version of the standard that a namespace enforces; ``latest``, or none, is the server's."""
    match = re.fullmatch(r"v(\d+)\.(\d+)", _label(view, namespace, ENFORCE_VERSION) or "")
    return (int(match[1]), int(match[2])) if match is not None else view.server_version.pair


def _label(view: Inventory, namespace: str, key: str) -> str | None:
    """The value of a label, ``None`` where it is absent; one without a value has the empty one."""
    found = view.get(Namespace, namespace)
    labels = (found.metadata.labels or {}) if found is not None else {}
    return (labels[key] or "") if key in labels else None


def admission_configured(view: Inventory) -> bool:
    """Whether the API server runs with an admission configuration, which may change the default level and exempt."""
    return api_server_flag(view, _CONFIGURATION) is not None


def _disabled(view: Inventory) -> bool:
    """Whether the API server runs without Pod Security Admission, so that no label counts."""
    return "PodSecurity" in (api_server_flag(view, _DISABLED) or "").split(",")


def privileged(view: Inventory, namespace: str) -> Admission:
    """Whether a namespace admits a privileged pod (*privOK*)."""
    missing: set[Fact] = set()
    if not _disabled(view):
        value = _label(view, namespace, ENFORCE)
        if level(view, namespace) != "privileged":
            if not admission_configured(view):
                return Admission(False, namespace, mitigation=_mitigation(namespace, value or ""))
            missing.add(("C-PSAEXEMPT", f"Namespace:{namespace}"))
        elif value is None and _namespaces_unread(view):
            # There may be a label that forbids it.
            missing.add(("C-PSAEXEMPT", f"Namespace:{namespace}"))
        elif value is None and admission_configured(view):
            missing.add(("C-PSADEFAULT", CLUSTER))
    policies = policies_on_pods(view, namespace)
    if policies or _other_engine(view):
        missing.add(("C-POLICY", f"Namespace:{namespace}"))
    return Admission(True, namespace, tuple(sorted(missing)), policies=policies)


def _mitigation(namespace: str, value: str) -> str:
    if value in LEVELS:
        return f"{ENFORCE}: {value} on namespace {namespace} forbids privileged pods"
    return f"{ENFORCE} on namespace {namespace} is no level, so that the API server enforces restricted"


def privileged_anywhere(view: Inventory) -> Admission:
    """Whether any namespace admits a privileged pod: what matters for who may create pods in all of them."""
    return view.derived("privileged admission anywhere", READS | {"Pod"}, _anywhere)


def _anywhere(view: Inventory) -> Admission:
    return best_of(view, {*(namespace.name for namespace in view.all(Namespace)), *_ALWAYS_THERE})


def best_of(view: Inventory, namespaces: Iterable[str]) -> Admission:
    """The namespace, of some (at least one), that admits a privileged pod on the fewest conditions."""
    found: list[Admission] = []
    for namespace in sorted(namespaces):
        each = privileged(view, namespace)
        if each.allowed and not each.missing:
            return each
        found.append(each)
    return min(found, key=lambda each: (not each.allowed, len(each.missing)))


def new_namespace(view: Inventory) -> Admission:
    """Whether a namespace that somebody makes, with labels of its choice, admits a privileged pod."""
    policies = policies_on_pods(view, "")
    unsure = bool(policies) or _other_engine(view)
    return Admission(True, "", (("C-POLICY", CLUSTER),) if unsure else (), policies=policies)


def _namespaces_unread(view: Inventory) -> bool:
    return any(gap.kind == "Namespace" and gap.problem in _UNREAD for gap in view.coverage)


# --- policies that are not evaluated --------------------------------------------------------------------


def policies_on_pods(view: Inventory, namespace: str) -> tuple[str, ...]:
    """The policies that may refuse pods of a namespace; of any namespace, if it is empty.

    Kyverno's rules and the CEL of ValidatingAdmissionPolicies are not evaluated; where a binding's selector leaves a
    namespace out, it is.
    """
    kyverno = [policy.id for policy in view.in_namespace(Policy, namespace) if _kyverno_on_pods(policy)]
    everywhere = view.derived("policies on pods", READS, _cluster_policies)
    return (*kyverno, *(policy for policy, binding in everywhere if _applies(view, binding, namespace)))


def _cluster_policies(view: Inventory) -> list[tuple[str, ValidatingAdmissionPolicyBinding | None]]:
    found: list[tuple[str, ValidatingAdmissionPolicyBinding | None]] = [
        (policy.id, None) for policy in view.all(ClusterPolicy) if _kyverno_on_pods(policy)
    ]
    for binding in view.all(ValidatingAdmissionPolicyBinding):
        if binding.spec is None or "Deny" not in (binding.spec.validation_actions or ()):
            continue
        policy = view.get(ValidatingAdmissionPolicy, binding.spec.policy_name or "")
        if policy is not None and _validates_pods(policy):
            found.append((policy.id, binding))
    return found


def _applies(view: Inventory, binding: ValidatingAdmissionPolicyBinding | None, namespace: str) -> bool:
    """Whether a binding may apply to a namespace: not if its namespaceSelector leaves it out."""
    match = binding.spec.match_resources if binding is not None and binding.spec is not None else None
    chosen = (match or {}).get("namespaceSelector")
    if not chosen or not namespace:
        return True
    try:
        selector = msgspec.convert(chosen, LabelSelector)
    except msgspec.ValidationError:
        return True
    found = view.get(Namespace, namespace)
    labels: Labels = {_NAME_LABEL: namespace, **((found.metadata.labels or {}) if found is not None else {})}
    return selector_matches(selector, labels)


def _validates_pods(policy: ValidatingAdmissionPolicy) -> bool:
    rules = policy.spec.match_constraints.resource_rules if policy.spec and policy.spec.match_constraints else None
    return any(
        not {"pods", "*", "*/*"}.isdisjoint(rule.resources or ())
        and not {"", "*"}.isdisjoint(rule.api_groups or ("",))
        and not {"CREATE", "*"}.isdisjoint(rule.operations or ("*",))
        for rule in rules or ()
    )


def _kyverno_on_pods(policy: ClusterPolicy | Policy) -> bool:
    """Whether a Kyverno policy refuses pods: one of its rules validates them, and its failure is enforced."""
    spec = policy.spec
    for rule in (spec.rules if spec is not None else None) or ():
        validate = rule.get("validate")
        if not isinstance(validate, Mapping) or not _matches_pods(rule.get("match")):
            continue
        action = validate.get("failureAction") or (spec.validation_failure_action if spec is not None else None)
        if str(action).lower() == "enforce":
            return True
    return False


def _matches_pods(match: Any) -> bool:
    """Whether the ``match`` of a Kyverno rule may select pods; one that names no kinds may."""
    if not isinstance(match, Mapping):
        return False
    filters = [match, *(match.get("any") or ()), *(match.get("all") or ())]
    resources = [each.get("resources") for each in filters if isinstance(each, Mapping)]
    kinds = [kind for each in resources if isinstance(each, Mapping) for kind in each.get("kinds") or ("*",)]
    # Written as Kind, version/Kind or group/version/Kind.
    return any(str(kind).rpartition("/")[2] in ("Pod", "*") for kind in kinds)


def _other_engine(view: Inventory) -> bool:
    """Whether something else than these policies decides on pods: what is there can be seen, but not its rules."""
    return view.derived("other policy engines", READS, _compute_other_engine)


def _compute_other_engine(view: Inventory) -> bool:
    return (
        len(view.all(SecurityContextConstraints)) > 0
        or any(gap.kind == "SecurityContextConstraints" and gap.problem in _UNREAD for gap in view.coverage)
        or any(crd.spec is not None and crd.spec.group in _ENGINES for crd in view.all(CustomResourceDefinition))
        or any(node.name.startswith(_AUTOPILOT) for node in view.all(Node))
    )


# --- evidence -------------------------------------------------------------------------------------------


def admission_evidence(view: Inventory, admission: Admission) -> list[Evidence]:
    """What decides: the label, with what its absence means, and what stands behind a condition."""
    out: list[Evidence] = []
    if admission.namespace:
        out.append(
            view.evidence(f"Namespace:{admission.namespace}", f"metadata.labels{literal(ENFORCE)}", "privileged")
        )
    if admission_configured(view) or _disabled(view):
        server = view.pods.get(api_server_flags(view)[""])
        for container in server.containers if server is not None else ():
            for words in ("command", "args"):
                if any(_CONFIGURATION in word or _DISABLED in word for word in getattr(container.spec, words) or ()):
                    out.append(view.evidence(container.pod.obj, container.field(words)))
    out.extend(view.evidence(policy, "metadata.name") for policy in admission.policies)
    return out
