"""RBAC on pods: exec, create, patch, and the kubelet's API by way of nodes/proxy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    account,
    blocked,
    claim,
    cluster_role,
    cluster_role_binding,
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
    persistent_volume,
    pod,
    proof,
    role,
    role_binding,
    rule,
    secret,
    targets,
    workload,
)
from workbench.inventory.objects import Namespace
from workbench.rbac import builtin_policy

MIRROR = {"kubernetes.io/config.mirror": "x"}
WEB = pod("web", container("app"), container("side"), namespace="dev")
OTHER = pod("other", namespace="prod", node="worker-2")
DEV = ["Container:dev/web/app", "Container:dev/web/side"]
ALL = [*DEV, "Container:prod/other/app"]
P = permission_set("p")
P_DEV = permission_set("p", "dev")
BOUND = "roleRef"


def in_cluster(*rules: Any) -> list[Any]:
    return grant("p", *rules)


def in_dev(*rules: Any) -> list[Any]:
    return grant("p", *rules, namespace="dev")


def evidence_of_grant(role_id: str, found: dict[tuple[str, str], Any], index: int = 0) -> None:
    """The rule, the binding and the subject are all there, the rule first."""
    kind, _, rest = role_id.partition(":")
    binding = f"{kind}Binding:{rest.rpartition('/')[0]}/p" if kind == "Role" else "ClusterRoleBinding:p"
    fields = list(found)
    assert fields[:3] == [(role_id, f"rules[{index}]"), (binding, BOUND), (binding, "subjects[0]")]
    assert found[fields[1]]["name"] == "p"
    assert found[fields[2]]["name"] == "eve"


# --- POD_EXEC -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "source", "expected"),
    [
        pytest.param(in_cluster(rule("create", "pods/exec")), P, ALL, id="all namespaces"),
        pytest.param(in_dev(rule("create", "pods/exec")), P_DEV, DEV, id="RoleBinding: its namespace"),
        pytest.param(in_cluster(rule("*", "pods/*")), P, [], id="T01 pods/* matches nothing"),
        pytest.param(in_cluster(rule("create", "*/exec")), P, ALL, id="T02 */exec"),
        pytest.param(in_cluster(rule("*", "pods")), P, [], id="T03 pods without subresources"),
        pytest.param(in_cluster(rule("create", "*")), P, ALL, id="* has the subresources"),
        pytest.param(in_cluster(rule("create", "pods/exec", "apps")), P, [], id="another API group"),
        pytest.param(in_cluster(rule("create", "pods/exec", names="web")), P, DEV, id="resourceNames"),
        pytest.param(in_cluster(rule("create", "pods/exec", names="we")), P, [], id="resourceNames: no such pod"),
        pytest.param(in_cluster(rule("create", "pods/exec", names="*")), P, [], id="resourceNames are literal"),
        pytest.param(in_dev(rule("create", "pods/exec", names="other")), P_DEV, [], id="name of another namespace"),
        pytest.param(in_cluster(rule("update patch delete", "pods/exec")), P, [], id="other verbs"),
        pytest.param(in_cluster(rule("get", "pods/exec")), P, ALL, id="get before 1.35"),
    ],
)
def test_exec(objects: list[Any], source: str, expected: list[str]) -> None:
    assert targets(inventory(WEB, OTHER, *objects, version="1.34.2"), "POD_EXEC", source) == expected


def test_exec_needs_nothing_else_and_says_why() -> None:
    view = inventory(WEB, *in_dev(rule("get", "pods"), rule("create", "pods/exec")))
    edge = expanded(view, "POD_EXEC")[P_DEV, DEV[0]]
    assert (edge.effort, edge.verdict) == (2, "on")
    found = proof(view, edge)
    evidence_of_grant("Role:dev/p", found, index=1)
    assert found["Role:dev/p", "rules[1]"] == {"verbs": ["create"], "apiGroups": [""], "resources": ["pods/exec"]}


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        pytest.param("1.34.9", "on", id="T04 before 1.35"),
        pytest.param("1.35.0", None, id="T04 from 1.35 on"),
        pytest.param("1.36.1", None, id="later"),
        pytest.param(None, "cond", id="assumed"),
    ],
)
def test_get_alone_by_version(version: str | None, verdict: str | None) -> None:
    view = inventory(WEB, *in_dev(rule("get", "pods/exec")), version=version)
    edge = expanded(view, "POD_EXEC").get((P_DEV, DEV[0]))
    assert (edge.verdict if edge else None) == verdict
    if edge is None:
        (why,) = blocked(view, "POD_EXEC")
        assert (why.source, why.target) == (P_DEV, "Hub:containers/dev")
        assert "create" in why.mitigation
    else:
        assert edge.missing == ((("C-GATE", "Cluster"),) if version is None else ())
        assert edge.effort == (4 if version is None else 2)
        evidence_of_grant("Role:dev/p", proof(view, edge))
        assert blocked(view, "POD_EXEC") == []


@pytest.mark.parametrize("version", ["1.34.0", "1.36.0", None])
def test_create_does_not_depend_on_the_version(version: str | None) -> None:
    view = inventory(WEB, *in_dev(rule("get create", "pods/exec")), version=version)
    assert expanded(view, "POD_EXEC")[P_DEV, DEV[0]].verdict == "on"
    assert blocked(view, "POD_EXEC") == []


def test_each_named_pod_has_the_evidence_of_its_own_rule() -> None:
    rules = (rule("create", "pods/exec", names="other"), rule("create", "pods/exec", names="web"))
    view = inventory(WEB, OTHER, *in_cluster(*rules))
    found = expanded(view, "POD_EXEC")
    assert ("ClusterRole:p", "rules[1]") in proof(view, found[P, DEV[0]])
    assert ("ClusterRole:p", "rules[0]") not in proof(view, found[P, DEV[0]])
    assert ("ClusterRole:p", "rules[0]") in proof(view, found[P, ALL[2]])


def test_a_distroless_image_has_no_shell() -> None:
    bare = pod("bare", container(image="gcr.io/distroless/static:nonroot"), namespace="dev")
    named = grant("n", rule("create", "pods/exec", names="bare web"), namespace="dev")
    view = inventory(WEB, bare, *in_dev(rule("create", "pods/exec")), *named)
    found = {(source[:21], target): edge.effort for (source, target), edge in expanded(view, "POD_EXEC").items()}
    for source in ("PermissionSet:dev/p@p", "PermissionSet:dev/n@n"):
        assert found[source, "Container:dev/bare/app"] == 3
        assert found[source, DEV[0]] == 2


def test_mirror_pods_can_be_entered_and_not_changed() -> None:
    """T56."""
    static = pod("etcd-cp", namespace="kube-system", annotations=MIRROR)
    view = inventory(static, *in_cluster(rule("create", "pods/exec"), rule("patch", "pods")))
    assert targets(view, "POD_EXEC", P) == ["Container:kube-system/etcd-cp/app"]
    assert targets(view, "POD_PATCH", P) == []
    named = inventory(static, *in_cluster(rule("patch", "pods", names="etcd-cp")))
    assert edges(named, "POD_PATCH") == []


@pytest.mark.parametrize(
    ("item", "name", "expected"),
    [
        pytest.param(pod("web", live=False, namespace="dev"), "web", True, id="pod of a manifest"),
        pytest.param(workload("StatefulSet", "db", namespace="dev"), "db-0", True, id="pod of a StatefulSet"),
        pytest.param(workload("StatefulSet", "db", namespace="dev"), "db", False, id="name of the StatefulSet"),
        pytest.param(workload("StatefulSet", "db", namespace="dev"), "db-x", False, id="no ordinal"),
        pytest.param(deployment("web", namespace="dev"), "web", False, id="pods of a Deployment have other names"),
    ],
)
@pytest.mark.parametrize(("resource", "identifier"), [("pods/exec", "POD_EXEC"), ("pods", "POD_PATCH")])
def test_names_of_pods_in_manifests(item: Any, name: str, expected: bool, resource: str, identifier: str) -> None:
    view = inventory(item, *in_dev(rule("create patch", resource, names=name)))
    found = expanded(view, identifier)
    assert bool(found) is expected
    for edge in found.values():
        evidence_of_grant("Role:dev/p", proof(view, edge))


# --- NODE_PROXY ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "source", "expected"),
    [
        pytest.param(in_cluster(rule("get", "nodes/proxy")), P, ALL, id="T05 get"),
        pytest.param(in_cluster(rule("create", "nodes/proxy")), P, ALL, id="create"),
        pytest.param(in_dev(rule("get create", "nodes/proxy")), P_DEV, [], id="T05 RoleBinding"),
        pytest.param(
            [
                cluster_role("p", rule("*", "nodes/proxy")),
                role_binding("p", "ClusterRole:p", "User:eve", namespace="dev"),
            ],
            P_DEV,
            [],
            id="T05 ClusterRole by a RoleBinding",
        ),
        pytest.param(in_cluster(rule("*", "nodes/pods nodes/metrics nodes/stats nodes")), P, [], id="fine-grained"),
        pytest.param(in_cluster(rule("update patch delete", "nodes/proxy")), P, [], id="other verbs"),
        pytest.param(in_cluster(rule("get", "nodes/proxy", names="worker-2")), P, [ALL[2]], id="one node"),
        pytest.param(in_cluster(rule("get", "nodes/proxy", names="worker-9")), P, [], id="no such node"),
    ],
)
@pytest.mark.parametrize("version", ["1.36.0", "1.33.0"])
def test_node_proxy(objects: list[Any], source: str, expected: list[str], version: str) -> None:
    assert targets(inventory(WEB, OTHER, *objects, version=version), "NODE_PROXY", source) == expected


def test_evidence_of_node_proxy() -> None:
    view = inventory(WEB, OTHER, *in_cluster(rule("get", "nodes/proxy", names="worker-2")))
    (edge,) = expanded(view, "NODE_PROXY").values()
    assert (edge.effort, edge.verdict) == (2, "on")
    found = proof(view, edge)
    evidence_of_grant("ClusterRole:p", found)
    assert found["Pod:prod/other", "spec.nodeName"] == "worker-2"


# --- POD_CREATE ---------------------------------------------------------------------------------------

NODES = [node("worker-1"), node("worker-2")]
BOTH = ["Node:worker-1", "Node:worker-2"]
LEVEL = "metadata.labels[pod-security.kubernetes.io/enforce]"
SYSTEM = ("default", "kube-system", "kube-public", "kube-node-lease")


@pytest.mark.parametrize(
    ("objects", "source", "expected"),
    [
        pytest.param(in_dev(rule("create", "pods")), P_DEV, BOTH, id="one namespace, all nodes"),
        pytest.param(in_dev(rule("*", "pods")), P_DEV, BOTH, id="T03 * on pods"),
        pytest.param([namespace("dev", "privileged"), *in_dev(rule("create", "pods"))], P_DEV, BOTH, id="privileged"),
        pytest.param([namespace("dev", "baseline"), *in_dev(rule("create", "pods"))], P_DEV, [], id="baseline"),
        pytest.param([namespace("dev", "restricted"), *in_dev(rule("create", "pods"))], P_DEV, [], id="restricted"),
        pytest.param([namespace("dev", "Baseline"), *in_dev(rule("create", "pods"))], P_DEV, [], id="T26 wrong case"),
        pytest.param(
            [
                obj("Namespace", "dev", labels={"pod-security.kubernetes.io/warn": "restricted"}),
                *in_dev(rule("create", "pods")),
            ],
            P_DEV,
            BOTH,
            id="T25 warn",
        ),
        pytest.param(
            [namespace("dev", "restricted"), namespace("prod", "restricted"), *in_cluster(rule("create", "pods"))],
            P,
            BOTH,
            id="T27 kube-system is unlabelled",
        ),
        pytest.param(
            [*(namespace(name, "baseline") for name in SYSTEM), *in_cluster(rule("create", "pods"))],
            P,
            [],
            id="no namespace admits it",
        ),
        pytest.param(
            [*(namespace(name, "baseline") for name in SYSTEM), *in_cluster(rule("create", "pods namespaces"))],
            P,
            BOTH,
            id="a new namespace",
        ),
        pytest.param(in_dev(rule("update patch get list", "pods")), P_DEV, [], id="no create"),
        pytest.param(in_dev(rule("create", "pods", names="x")), P_DEV, [], id="names void create"),
        pytest.param(in_dev(rule("create patch", "pods", names="x")), P_DEV, BOTH, id="server-side apply by name"),
    ],
)
def test_create(objects: list[Any], source: str, expected: list[str]) -> None:
    view = inventory(*NODES, *objects)
    assert targets(view, "POD_CREATE", source) == expected
    # Only pod security is a mitigation: whoever may not create pods is not kept from it.
    assert bool(blocked(view, "POD_CREATE")) is (
        not expected and view.get(Namespace, "default" if source == P else "dev") is not None
    )


def test_what_forbids_a_privileged_pod_is_said() -> None:
    view = inventory(*NODES, namespace("dev", "restricted"), *in_dev(rule("create", "pods")))
    (why,) = blocked(view, "POD_CREATE")
    assert (why.source, why.target) == (P_DEV, "Hub:nodes/*")
    assert "pod-security.kubernetes.io/enforce: restricted on namespace dev" in why.mitigation


def test_evidence_of_create() -> None:
    view = inventory(*NODES, namespace("dev"), *in_dev(rule("create", "pods")))
    edge = expanded(view, "POD_CREATE")[P_DEV, BOTH[0]]
    assert (edge.effort, edge.verdict) == (3, "on")
    found = proof(view, edge)
    evidence_of_grant("Role:dev/p", found)
    assert found["Namespace:dev", LEVEL] == "privileged"


def test_evidence_of_create_everywhere_names_the_namespace_that_admits_it() -> None:
    view = inventory(*NODES, namespace("default", "restricted"), *in_cluster(rule("create", "pods")))
    edge = expanded(view, "POD_CREATE")[P, BOTH[0]]
    assert ("Namespace:kube-node-lease", LEVEL) in proof(view, edge)
    labelled = [namespace(name, "baseline") for name in SYSTEM]
    view = inventory(*NODES, *labelled, *in_cluster(rule("create", "pods"), rule("create", "namespaces")))
    found = proof(view, expanded(view, "POD_CREATE")[P, BOTH[0]])
    assert {("ClusterRole:p", "rules[0]"), ("ClusterRole:p", "rules[1]")} <= set(found)


def test_where_no_node_is_known_there_is_one_all_the_same() -> None:
    view = inventory(*in_dev(rule("create", "pods")))
    assert targets(view, "POD_CREATE", P_DEV) == ["Node:*"]


def test_applying_by_name_has_both_rules_as_evidence() -> None:
    view = inventory(*in_dev(rule("create", "pods", names="x"), rule("patch", "pods")))
    edge = expanded(view, "POD_CREATE")[P_DEV, "Node:*"]
    assert {("Role:dev/p", "rules[0]"), ("Role:dev/p", "rules[1]")} <= set(proof(view, edge))


# --- POD_CREATE_SA ------------------------------------------------------------------------------------


def test_every_account_of_the_namespace() -> None:
    objects = [account("robot", "dev"), account("boss", "prod"), pod("web", namespace="dev", serviceAccountName="shop")]
    view = inventory(*objects, *in_dev(rule("create", "pods")))
    assert targets(view, "POD_CREATE_SA", P_DEV) == ["ServiceAccount:dev/robot", "ServiceAccount:dev/shop"]
    edge = expanded(view, "POD_CREATE_SA")[P_DEV, "ServiceAccount:dev/robot"]
    assert (edge.effort, edge.verdict) == (3, "on")
    evidence_of_grant("Role:dev/p", proof(view, edge))
    view = inventory(*objects, *in_cluster(rule("create", "pods")))
    assert "ServiceAccount:prod/boss" in targets(view, "POD_CREATE_SA", P)


@pytest.mark.parametrize(
    ("rules", "identifier"),
    [
        pytest.param(rule("create", "pods"), "POD_CREATE_SA", id="pods"),
        pytest.param(rule("create", "serviceaccounts/token"), "SA_TOKEN_CREATE", id="tokens"),
        pytest.param(rule("create", "jobs", "batch"), "WORKLOAD_CREATE", id="workloads"),
    ],
)
def test_accounts_of_controllers(rules: Any, identifier: str) -> None:
    """T57: pods or tokens in kube-system of an otherwise bare cluster."""
    policy = builtin_policy(33)
    builtins = (*policy.cluster_roles, *policy.roles, *policy.cluster_role_bindings, *policy.role_bindings)
    source = permission_set("p", "kube-system")
    aggregator = "ServiceAccount:kube-system/clusterrole-aggregation-controller"
    view = inventory(*grant("p", rules, namespace="kube-system"), builtins=builtins)
    edge = expanded(view, identifier)[source, aggregator]
    assert edge.missing == (("C-CTRLSA", "Cluster"),)
    assert "ServiceAccount:kube-system/kube-dns" not in targets(view, identifier, source)
    seen = inventory(
        *grant("p", rules, namespace="kube-system"),
        account("clusterrole-aggregation-controller", "kube-system"),
        builtins=builtins,
    )
    assert expanded(seen, identifier)[source, aggregator].verdict == "on"
    elsewhere = inventory(*grant("p", rules, namespace="dev"), builtins=builtins)
    assert targets(elsewhere, identifier, permission_set("p", "dev")) == (
        ["Node:*"] if identifier == "WORKLOAD_CREATE" else []
    )


# --- POD_CREATE_SECRET --------------------------------------------------------------------------------

LIMIT = {"kubernetes.io/enforce-mountable-secrets": "true"}


def test_everything_that_a_pod_may_mount() -> None:
    uses = pod(
        "web",
        container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "unread", "key": "k"}}}]),
        namespace="dev",
        volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    )
    objects = [
        uses,
        secret("db", "dev"),
        secret("other", "prod"),
        obj("ConfigMap", "settings", "dev"),
        claim("data", "pv-1", "dev"),
        persistent_volume("pv-1"),
    ]
    view = inventory(*objects, *in_dev(rule("create", "pods")))
    assert targets(view, "POD_CREATE_SECRET", P_DEV) == [
        "ConfigMap:dev/settings",
        "Secret:dev/db",
        "Secret:dev/unread",
        "Volume:dev/web/data",
        "Volume:pv-1",
    ]
    edge = expanded(view, "POD_CREATE_SECRET")[P_DEV, "Secret:dev/db"]
    assert (edge.effort, edge.verdict) == (3, "on")
    evidence_of_grant("Role:dev/p", proof(view, edge))


@pytest.mark.parametrize(
    ("accounts", "conditional"),
    [
        pytest.param([account("a", "dev", annotations=LIMIT), account("b", "dev", annotations=LIMIT)], True, id="all"),
        pytest.param([account("a", "dev", annotations=LIMIT), account("b", "dev")], False, id="one is free"),
        pytest.param(
            [account("a", "dev", annotations={next(iter(LIMIT)): "false"})], False, id="the annotation says false"
        ),
        pytest.param([account("a", "prod", annotations=LIMIT)], False, id="another namespace"),
    ],
)
@pytest.mark.parametrize("everywhere", [False, True])
def test_accounts_that_limit_what_is_mounted(accounts: list[Any], conditional: bool, everywhere: bool) -> None:
    objects = in_cluster(rule("create", "pods")) if everywhere else in_dev(rule("create", "pods"))
    view = inventory(secret("db", "dev"), obj("ConfigMap", "c", "dev"), secret("free", "lab"), *accounts, *objects)
    found = expanded(view, "POD_CREATE_SECRET")
    source = P if everywhere else P_DEV
    edge = found[source, "Secret:dev/db"]
    assert edge.missing == ((("C-POLICY", "Namespace:dev"),) if conditional else ())
    assert found[source, "ConfigMap:dev/c"].verdict == "on"
    if everywhere:
        assert found[source, "Secret:lab/free"].verdict == "on"
    if conditional:
        assert (
            proof(view, edge)["ServiceAccount:dev/a", "metadata.annotations[kubernetes.io/enforce-mountable-secrets]"]
            == "true"
        )


# --- POD_PATCH ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "source", "expected"),
    [
        pytest.param(in_dev(rule("patch", "pods")), P_DEV, DEV, id="patch"),
        pytest.param(in_dev(rule("update", "pods")), P_DEV, DEV, id="update"),
        pytest.param(in_cluster(rule("*", "pods")), P, ALL, id="T03"),
        pytest.param(in_cluster(rule("patch", "pods", names="web")), P, DEV, id="one pod"),
        pytest.param(in_dev(rule("patch", "pods/status pods/ephemeralcontainers")), P_DEV, [], id="subresources"),
        pytest.param(in_dev(rule("create get delete", "pods")), P_DEV, [], id="other verbs"),
    ],
)
def test_patch(objects: list[Any], source: str, expected: list[str]) -> None:
    view = inventory(WEB, OTHER, *objects)
    assert targets(view, "POD_PATCH", source) == expected
    for edge in expanded(view, "POD_PATCH").values():
        # Whether nodes can pull the attacker's image is nowhere in the API.
        assert (edge.effort, edge.missing) == (6, (("C-PULL", "Cluster"),))
        assert next(iter(proof(view, edge)))[1] == "rules[0]"


# --- scopes -------------------------------------------------------------------------------------------


def test_a_cluster_role_bound_in_two_namespaces_does_not_join_them() -> None:
    """T59."""
    view = inventory(
        WEB,
        OTHER,
        cluster_role("exec", rule("create", "pods/exec")),
        role_binding("b", "ClusterRole:exec", "User:a", namespace="dev"),
        role_binding("b", "ClusterRole:exec", "User:b", namespace="prod"),
    )
    assert targets(view, "POD_EXEC", "PermissionSet:dev/exec@b") == DEV
    assert targets(view, "POD_EXEC", "PermissionSet:prod/exec@b") == [ALL[2]]


def test_a_subject_of_another_namespace() -> None:
    """T09: the rights are those of the binding's namespace, and so is the evidence."""
    view = inventory(
        WEB,
        OTHER,
        role("p", rule("create", "pods/exec"), namespace="dev"),
        role_binding("p", "Role:p", "ServiceAccount:prod/bot", "Group:ops", namespace="dev"),
    )
    found = expanded(view, "POD_EXEC")
    assert sorted(target for _, target in found) == DEV
    subjects = proof(view, found[P_DEV, DEV[0]])["RoleBinding:dev/p", "subjects"]
    assert [each["name"] for each in subjects] == ["bot", "ops"]


def test_a_role_that_does_not_exist_gives_no_rights() -> None:
    view = inventory(
        WEB, role_binding("p", "Role:gone", "User:eve", namespace="dev"), cluster_role_binding("q", "gone")
    )
    assert edges(view, "POD_EXEC") == []
