"""RBAC on workloads: what creates pods does what creating pods does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    account,
    blocked,
    cluster_role,
    container,
    deployment,
    edges,
    expanded,
    grant,
    inventory,
    namespace,
    node,
    obj,
    permission_set,
    pod,
    proof,
    rule,
    secret,
    targets,
    workload,
)

P = permission_set("p")
P_DEV = permission_set("p", "dev")
OBJECTS = [
    node("worker-1"),
    account("robot", "dev"),
    account("boss", "prod"),
    secret("db", "dev"),
    obj("ConfigMap", "settings", "dev"),
    secret("vault", "prod"),
]
DEV = ["ConfigMap:dev/settings", "Node:worker-1", "Secret:dev/db", "ServiceAccount:dev/robot"]
PROD = ["Node:worker-1", "Secret:prod/vault", "ServiceAccount:prod/boss"]
LEVEL = "metadata.labels[pod-security.kubernetes.io/enforce]"
CRD = "CustomResourceDefinition:taskruns.tekton.dev"


def in_dev(*rules: Any) -> list[Any]:
    return grant("p", *rules, namespace="dev")


def custom(plural: str, group: str) -> Any:
    spec = {"group": group, "names": {"plural": plural, "kind": "Any"}, "scope": "Namespaced"}
    return obj("CustomResourceDefinition", f"{plural}.{group}", spec=spec)


def idle(kind: str, name: str, place: str) -> Any:
    """A workload that has no pods, or for a DaemonSet one that adds no node and no account."""
    stopped = {"suspend": True} if kind in ("CronJob", "Job") else {} if kind == "DaemonSet" else {"replicas": 0}
    pods: dict[str, Any] = {"serviceAccountName": "robot" if place == "dev" else "boss", "nodeName": "worker-1"}
    return workload(kind, name, container(), namespace=place, fields=stopped, **pods)


# --- WORKLOAD_CREATE ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "group", "expected"),
    [
        pytest.param("deployments", "apps", DEV, id="deployments"),
        pytest.param("daemonsets", "apps", DEV, id="daemonsets"),
        pytest.param("statefulsets", "apps", DEV, id="statefulsets"),
        pytest.param("replicasets", "apps", DEV, id="replicasets"),
        pytest.param("jobs", "batch", DEV, id="jobs"),
        pytest.param("cronjobs", "batch", DEV, id="cronjobs"),
        pytest.param("replicationcontrollers", "core", DEV, id="replicationcontrollers"),
        pytest.param("*", "*", DEV, id="everything"),
        pytest.param("deployments", "core", [], id="T22 core group"),
        pytest.param("deployments/scale deployments/status", "apps", [], id="subresources"),
        pytest.param("podtemplates", "core", [], id="podtemplates make no pods"),
        pytest.param("taskruns", "tekton.dev", [], id="a custom resource that the cluster does not serve"),
    ],
)
def test_create(resource: str, group: str, expected: list[str]) -> None:
    view = inventory(*OBJECTS, *in_dev(rule("create", resource, group)))
    assert targets(view, "WORKLOAD_CREATE", P_DEV) == expected
    for edge in expanded(view, "WORKLOAD_CREATE").values():
        assert (edge.effort, edge.verdict) == (3, "on")
        found = proof(view, edge)
        assert list(found)[:3] == [
            ("Role:dev/p", "rules[0]"),
            ("RoleBinding:dev/p", "roleRef"),
            ("RoleBinding:dev/p", "subjects[0]"),
        ]
        assert (("Namespace:dev", LEVEL) in found) is edge.target.startswith("Node:")


@pytest.mark.parametrize("verbs", ["update", "patch", "get list watch", "delete"])
def test_other_verbs_do_not_create(verbs: str) -> None:
    assert edges(inventory(*OBJECTS, *in_dev(rule(verbs, "*", "*"))), "WORKLOAD_CREATE") == []


def test_pod_security_bounds_workloads_too() -> None:
    """T24."""
    view = inventory(*OBJECTS, namespace("dev", "restricted"), *in_dev(rule("create", "deployments", "apps")))
    assert targets(view, "WORKLOAD_CREATE", P_DEV) == [target for target in DEV if target != "Node:worker-1"]
    (why,) = blocked(view, "WORKLOAD_CREATE")
    assert (why.source, why.target) == (P_DEV, "Hub:nodes/*")


def test_everywhere() -> None:
    view = inventory(*OBJECTS, *grant("p", rule("create", "deployments", "apps")))
    assert targets(view, "WORKLOAD_CREATE", P) == sorted({*DEV, *PROD})


@pytest.mark.parametrize(
    ("verbs", "names", "expected"),
    [
        pytest.param("create", "web", False, id="names void create"),
        pytest.param("create patch", "web", True, id="server-side apply"),
    ],
)
def test_create_by_name(verbs: str, names: str, expected: bool) -> None:
    view = inventory(*OBJECTS, *in_dev(rule(verbs, "deployments", "apps", names=names)))
    assert bool(edges(view, "WORKLOAD_CREATE")) is expected


def test_custom_resources_that_make_pods() -> None:
    view = inventory(*OBJECTS, custom("taskruns", "tekton.dev"), *in_dev(rule("create", "taskruns", "tekton.dev")))
    found = expanded(view, "WORKLOAD_CREATE")
    assert sorted(target for _, target in found) == DEV
    for edge in found.values():
        # Its schema is not read, so that nothing shows that it holds a pod spec.
        assert (edge.effort, edge.missing) == (5, (("C-CR", CRD),))
        evidence = proof(view, edge)
        assert next(iter(evidence)) == ("Role:dev/p", "rules[0]")
        assert evidence[CRD, "spec.names.plural"] == "taskruns"


def test_a_custom_resource_of_another_group_makes_no_pods() -> None:
    served = custom("services", "serving.knative.dev")
    view = inventory(*OBJECTS, served, *in_dev(rule("create", "services")))
    assert edges(view, "WORKLOAD_CREATE") == []


# --- WORKLOAD_PATCH -----------------------------------------------------------------------------------

KINDS = {
    "Deployment": ("deployments", "apps", 3),
    "DaemonSet": ("daemonsets", "apps", 3),
    "StatefulSet": ("statefulsets", "apps", 3),
    "CronJob": ("cronjobs", "batch", 3),
    "ReplicaSet": ("replicasets", "apps", 5),
    "ReplicationController": ("replicationcontrollers", "core", 5),
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("verb", ["patch", "update"])
@pytest.mark.parametrize("everywhere", [False, True], ids=["namespace", "cluster"])
def test_patch(kind: str, verb: str, everywhere: bool) -> None:
    resource, group, effort = KINDS[kind]
    rules = rule(verb, resource, group)
    view = inventory(*OBJECTS, idle(kind, "web", "dev"), *(grant("p", rules) if everywhere else in_dev(rules)))
    source = P if everywhere else P_DEV
    assert targets(view, "WORKLOAD_PATCH", source) == DEV
    for edge in expanded(view, "WORKLOAD_PATCH").values():
        assert (edge.effort, edge.verdict) == (effort, "on")
        found = proof(view, edge)
        assert next(iter(found))[1] == "rules[0]"
        assert found[f"{kind}:dev/web", "metadata.name"] == "web"
        assert (("Namespace:dev", LEVEL) in found) is edge.target.startswith("Node:")


@pytest.mark.parametrize(
    ("resource", "group", "verbs", "names"),
    [
        pytest.param("jobs", "batch", "update patch", None, id="T23 the template of a Job cannot change"),
        pytest.param("deployments/scale deployments/status", "apps", "patch", None, id="scale and status"),
        pytest.param("deployments", "core", "patch", None, id="wrong group"),
        pytest.param("deployments", "apps", "create get delete", None, id="other verbs"),
        pytest.param("deployments", "apps", "patch", "api", id="another name"),
        pytest.param("statefulsets", "apps", "patch", None, id="no such workload"),
    ],
)
@pytest.mark.parametrize("everywhere", [False, True], ids=["namespace", "cluster"])
def test_no_patch(resource: str, group: str, verbs: str, names: str | None, everywhere: bool) -> None:
    rules = rule(verbs, resource, group, names)
    there = [idle("Deployment", "web", "dev"), idle("Job", "web", "dev")]
    view = inventory(*OBJECTS, *there, *(grant("p", rules) if everywhere else in_dev(rules)))
    assert edges(view, "WORKLOAD_PATCH") == []


def test_patch_reaches_the_namespaces_that_hold_such_a_workload() -> None:
    rules = rule("patch", "deployments", "apps")
    view = inventory(*OBJECTS, idle("Deployment", "web", "prod"), *grant("p", rules))
    assert targets(view, "WORKLOAD_PATCH", P) == PROD
    here = inventory(*OBJECTS, idle("Deployment", "web", "prod"), *in_dev(rules))
    assert edges(here, "WORKLOAD_PATCH") == []


def test_patch_by_name_everywhere() -> None:
    rules = rule("patch", "deployments", "apps", names="api")
    there = [idle("Deployment", "web", "dev"), idle("Deployment", "api", "prod")]
    view = inventory(*OBJECTS, *there, *grant("p", rules))
    assert targets(view, "WORKLOAD_PATCH", P) == PROD
    assert ("Deployment:prod/api", "metadata.name") in proof(
        view, next(iter(expanded(view, "WORKLOAD_PATCH").values()))
    )


def test_the_easier_kind_counts() -> None:
    rules = rule("patch", "replicasets deployments", "apps")
    there = [idle("ReplicaSet", "old", "dev"), idle("Deployment", "web", "dev"), idle("ReplicaSet", "old", "prod")]
    everywhere = expanded(inventory(*OBJECTS, *there, *grant("p", rules)), "WORKLOAD_PATCH")
    assert everywhere[P, "Secret:dev/db"].effort == 3
    assert everywhere[P, "Secret:prod/vault"].effort == 5
    view = inventory(*OBJECTS, *there, *in_dev(rules))
    assert {edge.effort for edge in edges(view, "WORKLOAD_PATCH")} == {3}


@pytest.mark.parametrize("everywhere", [False, True], ids=["namespace", "cluster"])
def test_patch_where_pod_security_forbids_a_privileged_pod(everywhere: bool) -> None:
    rules = rule("patch", "deployments", "apps")
    there = [namespace("dev", "baseline"), idle("Deployment", "web", "dev")]
    view = inventory(*OBJECTS, *there, *(grant("p", rules) if everywhere else in_dev(rules)))
    source = P if everywhere else P_DEV
    assert targets(view, "WORKLOAD_PATCH", source) == [target for target in DEV if target != "Node:worker-1"]
    assert [why.source for why in blocked(view, "WORKLOAD_PATCH")] == [source]
    more = inventory(*OBJECTS, *there, idle("Deployment", "api", "prod"), *grant("p", rules))
    edge = expanded(more, "WORKLOAD_PATCH")[P, "Node:worker-1"]
    assert ("Namespace:prod", LEVEL) in proof(more, edge)
    assert ("Deployment:prod/api", "metadata.name") in proof(more, edge)


def test_patch_everywhere_where_accounts_limit_what_is_mounted() -> None:
    limited = account("robot", "dev", annotations={"kubernetes.io/enforce-mountable-secrets": "true"})
    objects = [limited, secret("db", "dev"), secret("vault", "prod"), account("boss", "prod")]
    there = [idle("Deployment", "web", "dev"), idle("Deployment", "web", "prod")]
    view = inventory(*objects, *there, *grant("p", rule("patch", "deployments", "apps")))
    found = expanded(view, "WORKLOAD_PATCH")
    assert found[P, "Secret:dev/db"].missing == (("C-POLICY", "Namespace:dev"),)
    assert found[P, "Secret:prod/vault"].verdict == "on"


def test_patch_in_kube_system_reaches_the_accounts_of_controllers() -> None:
    controller = [
        obj(
            "ClusterRoleBinding",
            "system:controller:job-controller",
            labels={"kubernetes.io/bootstrapping": "rbac-defaults"},
            subjects=[{"kind": "ServiceAccount", "name": "job-controller", "namespace": "kube-system"}],
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "x"},
        ),
        cluster_role("x"),
    ]
    dns = idle("Deployment", "coredns", "kube-system")
    view = inventory(dns, *controller, *grant("p", rule("patch", "deployments", "apps")))
    edge = expanded(view, "WORKLOAD_PATCH")[P, "ServiceAccount:kube-system/job-controller"]
    assert edge.missing == (("C-CTRLSA", "Cluster"),)
    elsewhere = inventory(
        idle("Deployment", "web", "dev"), *controller, *grant("p", rule("patch", "deployments", "apps"))
    )
    assert "ServiceAccount:kube-system/job-controller" not in targets(elsewhere, "WORKLOAD_PATCH", P)


def test_a_live_workload_counts_as_one_of_a_manifest_does() -> None:
    live = [deployment("web", namespace="dev", uid="u1"), pod("web-1", namespace="dev", uid="u2")]
    view = inventory(*OBJECTS, *live, *in_dev(rule("patch", "deployments", "apps", names="web")))
    assert "Secret:dev/db" in targets(view, "WORKLOAD_PATCH", P_DEV)
