"""R11: whether a namespace admits a privileged pod.

Pod Security Admission checks pods by the namespace's ``enforce`` label; ``warn`` and ``audit`` never block, and
an unrecognised value counts as restricted. Source: Kubernetes documentation, "Pod Security Admission"; the
catalogue's R11 for the exemptions and for other policy engines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workbench.graph.graph import Fact
from workbench.inventory.evidence import Evidence, Problem
from workbench.inventory.fields import literal
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import (
    ClusterPolicy,
    Namespace,
    Policy,
    SecurityContextConstraints,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
)

ENFORCE = "pod-security.kubernetes.io/enforce"
ENFORCE_VERSION = "pod-security.kubernetes.io/enforce-version"
LEVELS = ("privileged", "baseline", "restricted")
READS = frozenset(
    {
        "Namespace",
        "Pod",
        "ClusterPolicy",
        "Policy",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "SecurityContextConstraints",
    }
)
"""The kinds that this resolver reads."""

_ALWAYS_THERE = ("default", "kube-system", "kube-public", "kube-node-lease")


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a privileged pod is admitted somewhere."""

    allowed: bool
    """``False`` only where a label or a policy proves that it is not."""
    namespace: str
    """Where it is admitted, or where it was asked about."""
    missing: tuple[Fact, ...] = ()
    mitigation: str = ""


def level(view: Inventory, namespace: str) -> str:
    """The enforced level of a namespace by its label: privileged, baseline or restricted."""
    found = view.get(Namespace, namespace)
    value = (found.metadata.labels or {}).get(ENFORCE) if found is not None else None
    if value is None:
        return "privileged"
    return value if value in LEVELS else "restricted"


def enforce_version(view: Inventory, namespace: str) -> tuple[int, int]:
    """The version of the policy that a namespace enforces, ``latest`` being the server's."""
    found = view.get(Namespace, namespace)
    value = (found.metadata.labels or {}).get(ENFORCE_VERSION) if found is not None else None
    match = re.fullmatch(r"v(\d+)\.(\d+)", value or "")
    if match is None:
        return view.server_version.pair
    return (int(match[1]), int(match[2]))


def privileged(view: Inventory, namespace: str) -> Admission:
    """Whether a namespace admits a privileged pod (*privOK*)."""
    return view.derived(f"privileged admission {namespace}", READS, lambda seen: _privileged(seen, namespace))


def privileged_anywhere(view: Inventory) -> Admission:
    """Whether any namespace admits a privileged pod: what matters for who may create pods in all of them."""
    return view.derived("privileged admission anywhere", READS, _anywhere)


def _anywhere(view: Inventory) -> Admission:
    best: Admission | None = None
    for namespace in sorted({*view.namespaces(), *_ALWAYS_THERE}):
        found = privileged(view, namespace)
        if found.allowed and not found.missing:
            return found
        if best is None or (found.allowed and (not best.allowed or len(found.missing) < len(best.missing))):
            best = found
    return best or Admission(True, "default")


def _privileged(view: Inventory, namespace: str) -> Admission:
    missing: list[Fact] = []
    enforced = level(view, namespace)
    configured = admission_configured(view)
    found = view.get(Namespace, namespace)
    labelled = found is not None and ENFORCE in (found.metadata.labels or {})
    if enforced != "privileged":
        if not configured:
            return Admission(
                False, namespace, mitigation=f"namespace {namespace} enforces the {enforced} pod security level"
            )
        missing.append(("C-PSAEXEMPT", f"Namespace:{namespace}"))
    elif not labelled and (configured or (found is None and _namespaces_unread(view))):
        missing.append(("C-PSADEFAULT", "Cluster"))
    if _policies(view, namespace) or _openshift(view):
        missing.append(("C-POLICY", f"Namespace:{namespace}"))
    return Admission(True, namespace, tuple(sorted(missing)))


def _namespaces_unread(view: Inventory) -> bool:
    return any(
        gap.kind == "Namespace" and gap.problem in (Problem.FORBIDDEN, Problem.NOT_COLLECTED) for gap in view.coverage
    )


def admission_configured(view: Inventory) -> bool:
    """Whether the API server runs with an admission configuration file, which may change defaults and exempt."""
    return view.derived("admission configured", frozenset({"Pod"}), _configured)


def _configured(view: Inventory) -> bool:
    return any(
        pod.mirror and pod.name.startswith("kube-apiserver") and _argument(pod.spec.containers, "--admission-control-config-file")
        for pod in view.pods
        if pod.namespace == "kube-system"
    )


def _argument(containers: Iterable[Any] | None, flag: str) -> bool:
    return any(
        argument == flag or argument.startswith(flag + "=")
        for container in containers or ()
        for argument in (*(container.command or ()), *(container.args or ()))
    )


def _policies(view: Inventory, namespace: str) -> bool:
    """Whether a policy that we cannot evaluate may refuse pods in the namespace."""
    return view.derived("policies on pods everywhere", READS, _cluster_policies) or any(
        _kyverno_on_pods(policy) for policy in view.in_namespace(Policy, namespace)
    )


def _cluster_policies(view: Inventory) -> bool:
    if any(_kyverno_on_pods(policy) for policy in view.all(ClusterPolicy)):
        return True
    enforced = {
        binding.spec.policy_name
        for binding in view.all(ValidatingAdmissionPolicyBinding)
        if binding.spec and "Deny" in (binding.spec.validation_actions or ())
    }
    return any(
        policy.name in enforced and _vap_on_pods(policy) for policy in view.all(ValidatingAdmissionPolicy)
    )


def _vap_on_pods(policy: ValidatingAdmissionPolicy) -> bool:
    rules = policy.spec.match_constraints.resource_rules if policy.spec and policy.spec.match_constraints else None
    return any("pods" in (rule.resources or ()) or "*" in (rule.resources or ()) for rule in rules or ())


def _kyverno_on_pods(policy: ClusterPolicy | Policy) -> bool:
    spec = policy.spec
    if spec is None:
        return False
    enforcing = (spec.validation_failure_action or "").lower() == "enforce" or "'failureAction': 'Enforce'" in str(spec.rules)
    return enforcing and any("validate" in rule and "Pod" in str(rule.get("match")) for rule in spec.rules or ())


def _openshift(view: Inventory) -> bool:
    return len(view.all(SecurityContextConstraints)) > 0


def admission_evidence(view: Inventory, namespace: str) -> list[Evidence]:
    """The label that decides, with what its absence means."""
    return [view.evidence(f"Namespace:{namespace}", f"metadata.labels{literal(ENFORCE)}", "privileged")]

