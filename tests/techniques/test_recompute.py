"""What an overlay recomputes: all that changes, of every technique."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    account,
    api_server,
    claim,
    cluster_role,
    cluster_role_binding,
    container,
    daemon_set,
    deployment,
    grant,
    host_path,
    inventory,
    mount,
    namespace,
    node,
    obj,
    pod,
    role,
    role_binding,
    rule,
    secret,
    service,
    token_mount,
    token_volume,
    workload,
)
from workbench.inventory.changes import Change, Op, Target, overlay
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KubernetesObject
from workbench.techniques.api import Blocked
from workbench.techniques.build import build
from workbench.techniques.recompute import recompute
from workbench.techniques.registry import all_techniques
from workbench.techniques.touched import key_of

TECHNIQUES = all_techniques()
SPEC = "/spec/template/spec"
GROUP = "rbac.authorization.k8s.io"

WEB = deployment(
    "web",
    container(
        image="nginx:1",
        ports=[{"containerPort": 8080, "hostPort": 80}],
        volumeMounts=[mount("keys", "/keys")],
        env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "maybe", "key": "k", "optional": True}}}],
    ),
    volumes=[{"name": "keys", "secret": {"secretName": "token"}}],
    initContainers=[container("init", image="busybox:1")],
)
LIVE = pod(
    "live",
    container(volumeMounts=[token_mount()], image="app:2"),
    volumes=[token_volume()],
    labels={"app": "api"},
    node="n0",
)
AGENT = daemon_set("agent", container(ports=[{"containerPort": 9100}]), namespace="ops")
FRONT = deployment("front", container(image="registry.k8s.io/ingress-nginx/controller:v1"), namespace="ing")
FRONT_SERVICE = service(
    "front", {"port": 80}, namespace="ing", selector={"app": "front"}, type="LoadBalancer", address="203.0.113.4"
)
WEB_SERVICE = service("web", type="LoadBalancer")
API_SERVICE = service("api", {"port": 443, "targetPort": 8080}, selector={"app": "api"}, type="NodePort")
BACKENDS = [
    {"backend": {"service": {"name": name, "port": {"number": number}}}} for name, number in (("web", 80), ("api", 443))
]
INGRESS = obj("Ingress", "shop", spec={"ingressClassName": "nginx", "rules": [{"http": {"paths": BACKENDS}}]})
CLASS = obj("IngressClass", "nginx", spec={"controller": "k8s.io/ingress-nginx"})
NODE = node("n0", addresses=[{"type": "ExternalIP", "address": "203.0.113.9"}])
TOKEN = obj(
    "Secret",
    "token",
    type="kubernetes.io/service-account-token",
    annotations={"kubernetes.io/service-account.name": "robot"},
)
MAYBE = obj("Secret", "maybe")
ROBOT = obj("ServiceAccount", "robot")
DEFAULT = obj("ServiceAccount", "default")
ROLE = obj("ClusterRole", "boss", rules=[{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])
BINDING = obj(
    "ClusterRoleBinding",
    "b",
    subjects=[{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}],
    roleRef={"kind": "ClusterRole", "name": "boss", "apiGroup": GROUP},
)
OBJECTS = (
    WEB,
    LIVE,
    AGENT,
    FRONT,
    FRONT_SERVICE,
    WEB_SERVICE,
    API_SERVICE,
    INGRESS,
    CLASS,
    NODE,
    TOKEN,
    MAYBE,
    ROBOT,
    DEFAULT,
    ROLE,
    BINDING,
)


def buckets(view: Inventory) -> dict[tuple[str, str], list[str]]:
    """All records of a view, computed from the start."""
    found: dict[tuple[str, str], list[str]] = {}
    for technique in TECHNIQUES:
        for subject in technique.subjects(view):
            for record in technique.detect(view, subject):
                if isinstance(record, Blocked):
                    text = repr((record.source, record.target, record.mitigation))
                else:
                    effort = record.effort + (2 if record.missing else 0)
                    text = repr((record.source, record.target, effort, record.missing, record.cause))
                found.setdefault((technique.id, key_of(subject)), []).append(text)
    return found


def check(base: Inventory, view: Inventory, *, effect: bool = True) -> None:
    have = buckets(base)
    for bucket in recompute(build(base, TECHNIQUES), view, TECHNIQUES):
        records = [repr((e.source, e.target, e.effort, e.missing, e.cause)) for e in bucket.edges]
        records += [repr((b.source, b.target, b.mitigation)) for b in bucket.blocked]
        key = (TECHNIQUES[bucket.technique].id, bucket.subject)
        have.pop(key, None)
        if records:
            have[key] = records
    wanted = buckets(view)
    assert {key: sorted(records) for key, records in have.items()} == {
        key: sorted(records) for key, records in wanted.items()
    }
    assert not effect or wanted != buckets(base), "the change has no effect, so that the test shows nothing"


@pytest.mark.parametrize(
    ("target", "path", "value"),
    [
        pytest.param(WEB, f"{SPEC}/initContainers[name=init]/image", "busybox:2", id="image of an init container"),
        pytest.param(WEB, f"{SPEC}/containers[name=app]/image", "nginx:2", id="image"),
        pytest.param(WEB, f"{SPEC}/automountServiceAccountToken", False, id="automount"),
        pytest.param(WEB, f"{SPEC}/containers[name=app]/ports", [{"containerPort": 8080}], id="host port"),
        pytest.param(AGENT, f"{SPEC}/hostNetwork", True, id="host network"),
        pytest.param(WEB, f"{SPEC}/serviceAccountName", "robot", id="account"),
        pytest.param(WEB, "/spec/template/metadata/labels", {"app": "other"}, id="labels"),
        pytest.param(LIVE, "/metadata/labels", {"app": "other"}, id="labels of a pod"),
        pytest.param(AGENT, f"{SPEC}/nodeSelector", {"gpu": "yes"}, id="node selector"),
        pytest.param(FRONT, f"{SPEC}/containers[name=app]/image", "other:1", id="ingress controller"),
        pytest.param(FRONT_SERVICE, "/spec/type", "ClusterIP", id="service of the controller"),
        pytest.param(WEB_SERVICE, "/spec/type", "ClusterIP", id="service type"),
        pytest.param(API_SERVICE, "/spec/selector", {"app": "web"}, id="service selector"),
        pytest.param(INGRESS, "/spec/ingressClassName", "other", id="class of an ingress"),
        pytest.param(CLASS, "/spec/controller", "example.org/other", id="controller of a class"),
        pytest.param(NODE, "/status/addresses", [], id="addresses of a node"),
        pytest.param(NODE, "/metadata/labels", {"node-role.kubernetes.io/control-plane": ""}, id="role of a node"),
        pytest.param(TOKEN, "/type", "Opaque", id="secret type"),
        pytest.param(DEFAULT, "/automountServiceAccountToken", False, id="automount of an account"),
        pytest.param(ROLE, "/rules[0]/verbs", ["get"], id="rule"),
        pytest.param(BINDING, "/subjects", [], id="subjects"),
    ],
)
def test_a_change(target: KubernetesObject, path: str, value: Any) -> None:
    base = inventory(*OBJECTS)
    check(base, overlay(base, [Change(Target.of(target), (Op("set", path, value),))]))


@pytest.mark.parametrize(
    # Without the class its name still tells the controller, and accounts need not be in manifests.
    "gone",
    [item for item in OBJECTS if item not in (CLASS, ROBOT, DEFAULT)],
    ids=lambda item: item.id,
)
def test_an_object_that_goes(gone: KubernetesObject) -> None:
    base = inventory(*OBJECTS)
    check(base, base.overlay({gone.id: None}))


# --- permissions ----------------------------------------------------------------------------------------

LEVEL = "/metadata/labels[pod-security.kubernetes.io/enforce]"
MAY_BIND = (rule("create", "rolebindings", GROUP), rule("bind", "clusterroles", GROUP))
SERVER = api_server("--v=2")
DEV = namespace("dev", "privileged")
READS_ALL = grant(
    "reader", rule("get list watch", "secrets"), rule("create get", "pods/exec"), to=["Group:team", "User:ann"]
)
NAMED = grant(
    "named",
    rule("create", "pods/exec", names="web-0 live"),
    rule("get list", "secrets", names="token ghost"),
    rule("create", "serviceaccounts/token", names="robot bound"),
    rule("get", "nodes/proxy", names="n0"),
    to=["ServiceAccount:dev/bot"],
)
CREATES = grant(
    "creates", rule("create patch", "pods deployments jobs", "core apps batch"), to=["ServiceAccount:dev/bound"]
)
CREATES_IN_DEV = grant(
    "creates",
    rule("create patch", "pods deployments", "core apps"),
    rule("create", "taskruns", "tekton.dev"),
    to=["Group:system:serviceaccounts:dev"],
    namespace="dev",
)
TASKS = grant("tasks", rule("create", "taskruns", "tekton.dev"), to=["User:ann"], namespace="dev")
BINDS_IN_DEV = grant("binds", *MAY_BIND, to=["User:eve"], namespace="dev")
BINDS_NAMED = grant(
    "names", rule("create", "rolebindings", GROUP), rule("bind", "clusterroles", GROUP, "boss view"), to=["User:eve"]
)
BINDS_LOCAL = grant("local", rule("create", "rolebindings", GROUP), rule("bind", "roles", GROUP), to=["User:eve"])
HALVES = [
    *grant(
        "makes", rule("create", "clusterrolebindings", GROUP), to=["Group:team", "Group:system:serviceaccounts:dev"]
    ),
    *grant("half", rule("bind", "clusterroles", GROUP), to=["User:ann", "Group:system:authenticated"]),
]
ESCALATES = grant("escalates", rule("escalate patch", "clusterroles", GROUP, names="feeder"), to=["User:fay"])
GATHERS = cluster_role("gathers", gathers="own")
FEEDER = cluster_role("feeder", rule("list", "secrets"), feeds="own")
GATHERED = cluster_role_binding("gathered", "gathers", "User:fay")
DANGLING = role_binding("dangling", "Role:later", "User:eve", namespace="dev")
ACTS = grant(
    "acts", rule("impersonate", "users", names="ann nobody"), rule("impersonate", "serviceaccounts"), to=["User:gil"]
)
ACTS_AS_GROUP = grant("groups", rule("impersonate", "groups"), to=["User:gil"])
# Mounts a token of another account, whose rights decide what the node's logs give away.
LOGS = pod(
    "logs",
    container(securityContext={"runAsUser": 0}, volumeMounts=[mount("logs", "/logs"), mount("token", "/token")]),
    namespace="dev",
    node="n0",
    serviceAccountName="plain",
    volumes=[host_path("logs", "/var/log"), {"name": "token", "secret": {"secretName": "bot-token"}}],
)
LINES = pod(
    "lines",
    container(securityContext={"runAsUser": 0}, volumeMounts=[mount("logs", "/logs"), token_mount()]),
    namespace="dev",
    serviceAccountName="plain",
    volumes=[host_path("logs", "/var/log"), token_volume()],
)
READS_LOGS = grant("logs", rule("get", "nodes/log"), to=["ServiceAccount:dev/bot"])
TEAM_LOGS = grant("pod-logs", rule("get", "pods/log"), to=["Group:system:serviceaccounts:dev"], namespace="dev")
BOT = account("bot", "dev", uid="bot-1", annotations={"kubernetes.io/enforce-mountable-secrets": "true"})
BOT_TOKEN = obj(
    "Secret",
    "bot-token",
    "dev",
    type="kubernetes.io/service-account-token",
    annotations={"kubernetes.io/service-account.name": "bot", "kubernetes.io/service-account.uid": "bot-1"},
)
STATEFUL = workload("StatefulSet", "web", container(), namespace="dev", serviceAccountName="bot")
OTHER_CLAIM = claim("data", "pv-data", "dev")
CUSTOM = obj(
    "CustomResourceDefinition",
    "taskruns.tekton.dev",
    spec={"group": "tekton.dev", "names": {"plural": "taskruns", "kind": "TaskRun"}, "scope": "Namespaced"},
)
GUARD = obj(
    "ClusterPolicy",
    "guard",
    spec={
        "validationFailureAction": "Enforce",
        "rules": [{"match": {"resources": {"kinds": ["Pod"]}}, "validate": {"pattern": {}}}],
    },
)
VISITS = role_binding("visits", "Role:later", "ServiceAccount:dev/visitor")
NAMED_IN_DEV = grant(
    "named", rule("create", "serviceaccounts/token", names="visitor"), to=["User:hal"], namespace="dev"
)
RIGHTS = (
    SERVER,
    DEV,
    *READS_ALL,
    *NAMED,
    *CREATES,
    *CREATES_IN_DEV,
    *TASKS,
    *BINDS_IN_DEV,
    *BINDS_NAMED,
    *BINDS_LOCAL,
    *HALVES,
    *ESCALATES,
    GATHERS,
    FEEDER,
    GATHERED,
    DANGLING,
    VISITS,
    *NAMED_IN_DEV,
    *ACTS,
    *ACTS_AS_GROUP,
    LOGS,
    LINES,
    *READS_LOGS,
    *TEAM_LOGS,
    BOT,
    BOT_TOKEN,
    STATEFUL,
    OTHER_CLAIM,
    CUSTOM,
    *OBJECTS,
)
USERS = {"ann": ("team", "ops")}


@pytest.mark.parametrize(
    ("target", "path", "value"),
    [
        pytest.param(READS_ALL[1], "/subjects[kind=Group,name=team]", None, id="a subject out of a binding"),
        pytest.param(NAMED[1], "/subjects", [], id="the last subject out of a binding"),
        pytest.param(CREATES_IN_DEV[1], "/subjects", [], id="a group out of a RoleBinding"),
        pytest.param(CREATES[1], "/subjects", [], id="the only mention of an account"),
        pytest.param(VISITS, "/subjects", [], id="the only mention, in another namespace than the account's"),
        pytest.param(READS_ALL[0], "/rules[1]", None, id="a rule of a ClusterRole"),
        pytest.param(CREATES_IN_DEV[0], "/rules[0]", None, id="a rule of a Role"),
        pytest.param(NAMED[0], "/rules[0]/resourceNames", ["web-1"], id="resourceNames"),
        pytest.param(NAMED[0], "/rules[0]/resourceNames", None, id="no resourceNames"),
        pytest.param(BINDS_IN_DEV[0], "/rules[1]", None, id="bind"),
        pytest.param(BINDS_NAMED[0], "/rules[1]/resourceNames", ["view"], id="what may be bound"),
        pytest.param(BINDS_LOCAL[0], "/rules[1]", None, id="bind on Roles"),
        pytest.param(HALVES[1], "/subjects", [], id="half of what a member needs"),
        pytest.param(HALVES[3], "/subjects[name=ann]", None, id="the other half"),
        pytest.param(ESCALATES[0], "/rules[0]/verbs", ["patch"], id="escalate"),
        pytest.param(FEEDER, "/rules", [], id="a role that is gathered"),
        pytest.param(FEEDER, "/metadata/labels", {}, id="it is gathered no more"),
        pytest.param(ACTS[0], "/rules[0]", None, id="impersonate"),
        pytest.param(DEV, LEVEL, "restricted", id="a namespace's label"),
        pytest.param(BOT, "/metadata/annotations", {}, id="an account's annotation"),
        pytest.param(BOT, "/metadata/uid", "bot-2", id="an account that was made anew: its token is void"),
        pytest.param(READS_LOGS[1], "/subjects", [], id="a subject whose token another pod mounts"),
        pytest.param(READS_LOGS[0], "/rules", [], id="rules of such a subject"),
        pytest.param(TEAM_LOGS[0], "/rules", [], id="rules of a group of accounts"),
        pytest.param(BOT, "/automountServiceAccountToken", False, id="an account's automount"),
        pytest.param(STATEFUL, f"{SPEC}/serviceAccountName", "other", id="account of a StatefulSet"),
        pytest.param(STATEFUL, f"{SPEC}/containers[name=app]/image", "gcr.io/distroless/x", id="no shell"),
        pytest.param(
            SERVER, "/spec/containers[name=kube-apiserver]/command", ["--admission-control-config-file=x"], id="flag"
        ),
        pytest.param(
            SERVER,
            "/spec/containers[name=kube-apiserver]/command",
            ["--api-audiences=vault"],
            id="a flag that rules nothing",
        ),
        pytest.param(OTHER_CLAIM, "/spec/volumeName", "pv-other", id="volume of a claim"),
        pytest.param(CUSTOM, "/spec/group", "example.org", id="a custom resource"),
    ],
)
def test_a_change_of_permissions(target: KubernetesObject, path: str, value: Any) -> None:
    base = inventory(*RIGHTS, users=USERS)
    op = Op("remove", path) if value is None else Op("set", path, value)
    check(base, overlay(base, [Change(Target.of(target), (op,))]), effect=value != ["--api-audiences=vault"])


@pytest.mark.parametrize("gone", RIGHTS, ids=lambda item: item.id)
def test_an_object_of_permissions_that_goes(gone: KubernetesObject) -> None:
    base = inventory(*RIGHTS, users=USERS)
    check(base, base.overlay({gone.id: None}), effect=False)


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(role_binding("x", "ClusterRole:cluster-admin", "User:eve", namespace="dev"), id="a RoleBinding"),
        pytest.param(
            role_binding("x", "ClusterRole:boss", "ServiceAccount:new/x", namespace="lab"), id="in a new namespace"
        ),
        pytest.param(cluster_role_binding("x", "boss", "User:gil"), id="a ClusterRoleBinding"),
        pytest.param(cluster_role_binding("x", "boss", "ServiceAccount:other/x"), id="one that names an account"),
        pytest.param(cluster_role_binding("x", "logs", "Group:system:serviceaccounts"), id="one for all accounts"),
        pytest.param(role("later", rule("create", "pods/exec"), namespace="dev"), id="the role of a dangling binding"),
        pytest.param(cluster_role("view", rule("get", "secrets")), id="a role that may be bound"),
        pytest.param(cluster_role("more", rule("create", "pods"), feeds="own"), id="a role that is gathered"),
        pytest.param(namespace("lab", "restricted"), id="a namespace"),
        pytest.param(account("bound", "dev"), id="an account that was only bound"),
        pytest.param(secret("ghost", "dev"), id="a Secret that was only named"),
        pytest.param(secret("x", "lab", token_of="robot"), id="a token of nobody"),
        pytest.param(pod("web-0", namespace="dev", serviceAccountName="fresh"), id="a pod under the name"),
        pytest.param(pod("x", namespace="lab"), id="a pod in a new namespace"),
        pytest.param(GUARD, id="a policy"),
        pytest.param(node("n9"), id="a node"),
        pytest.param(obj("ConfigMap", "c", "lab"), id="a ConfigMap in a new namespace"),
    ],
)
def test_a_new_object_of_permissions(new: KubernetesObject) -> None:
    base = inventory(*RIGHTS, users=USERS)
    check(base, base.overlay({new.id: new}), effect=new.kind != "Secret")


def test_changes_together() -> None:
    base = inventory(*RIGHTS, users=USERS)
    replaced = {
        READS_ALL[1].id: None,
        DEV.id: namespace("dev", "baseline"),
        STATEFUL.id: None,
        "Role:dev/later": role("later", rule("create", "pods"), namespace="dev"),
    }
    check(base, base.overlay(replaced))
