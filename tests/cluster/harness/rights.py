"""RBAC objects for an identity, and whether the API server knows of them yet: it learns of a binding a moment later.

Source: Kubernetes documentation, "Using RBAC Authorization".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from tests.cluster.harness.client import Client
from tests.cluster.harness.identity import Identity
from tests.cluster.harness.waiting import wait_until

RBAC = "rbac.authorization.k8s.io/v1"
READ = ("get", "list", "watch")

Rule: TypeAlias = Mapping[str, Any]
Review: TypeAlias = Mapping[str, Any]
"""The ``spec`` of a SubjectAccessReview."""


def rule(
    resources: str, *, verbs: Sequence[str] = READ, groups: Sequence[str] = ("",), names: Sequence[str] = ()
) -> Rule:
    """A rule on resources, written with commas: ``rule("pods,pods/log")``, ``rule("*", groups=["*"])``."""
    found = {"apiGroups": list(groups), "resources": resources.split(","), "verbs": list(verbs)}
    return {**found, **({"resourceNames": list(names)} if names else {})}


READ_ALL: Rule = rule("*", groups=("*",))
"""Get, list and watch everything."""


def role(name: str, rules: Iterable[Rule], namespace: str = "") -> dict[str, Any]:
    """A Role, or without a namespace a ClusterRole."""
    return {**_head("Role" if namespace else "ClusterRole", name, namespace), "rules": [dict(one) for one in rules]}


def binding(identity: Identity, role_kind: str, role_name: str, namespace: str, name: str) -> dict[str, Any]:
    """A RoleBinding, or without a namespace a ClusterRoleBinding, of one user or service account."""
    account = identity.account
    subject = (
        {"kind": "ServiceAccount", "namespace": account[0], "name": account[1]}
        if account
        else {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": identity.user}
    )
    return {
        **_head("RoleBinding" if namespace else "ClusterRoleBinding", name, namespace),
        "subjects": [subject],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role_name},
    }


def reviews(identity: Identity, rules: Iterable[Rule], namespace: str) -> list[Review]:
    """One question for each rule whose answer tells whether it holds: the first thing that it allows."""
    who = {"user": identity.user, "groups": list(identity.groups)}
    return [{**who, **_first(one, namespace)} for one in rules]


def allowed(admin: Client, review: Review) -> bool:
    """The server's answer."""
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": review}
    answer = admin.do("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    return bool(answer["status"]["allowed"])


def wait_until_known(admin: Client, asked: Iterable[Review], *, granted: bool) -> None:
    """Return when the server answers all of them so."""
    for review in asked:
        wait_until(partial(_answers, admin, review, granted), f"granted={granted}: {review}")


def _answers(admin: Client, review: Review, granted: bool) -> bool:
    return allowed(admin, review) == granted


def aggregated(admin: Client) -> dict[str, list[Any]]:
    """The rules of Kubernetes' aggregated ClusterRoles, which its controller would fill in, by name."""
    roles = {one["metadata"]["name"]: one for one in admin.get(f"/apis/{RBAC}/clusterroles")["items"]}
    found: dict[str, list[Any]] = {}
    # Each takes in the one before it.
    for name in ("view", "edit", "admin"):
        wanted = [entry["matchLabels"] for entry in roles[name]["aggregationRule"]["clusterRoleSelectors"]]
        found[name] = [
            one
            for other, candidate in sorted(roles.items())
            if other != name and any(labels.items() <= _labels(candidate).items() for labels in wanted)
            for one in (found.get(other) or candidate.get("rules") or [])
        ]
    return found


def _first(one: Rule, namespace: str) -> dict[str, Any]:
    verb = one["verbs"][0]
    if one.get("nonResourceURLs"):
        return {"nonResourceAttributes": {"path": one["nonResourceURLs"][0], "verb": verb}}
    resource, _, subresource = one["resources"][0].partition("/")
    attributes = {"namespace": namespace, "verb": verb, "group": one["apiGroups"][0], "resource": resource}
    attributes["subresource"] = subresource
    attributes["name"] = next(iter(one.get("resourceNames", ())), "")
    return {"resourceAttributes": {name: value for name, value in attributes.items() if value}}


def _labels(one: Mapping[str, Any]) -> dict[str, str]:
    return one["metadata"].get("labels") or {}


def _head(kind: str, name: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": RBAC,
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
    }
