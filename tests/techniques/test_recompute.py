"""What an overlay recomputes of the position, node, secret, exposure and image families: all that changes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    container,
    daemon_set,
    deployment,
    inventory,
    mount,
    node,
    obj,
    pod,
    service,
    token_mount,
    token_volume,
)
from workbench.inventory.changes import Change, Op, Target, overlay
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KubernetesObject
from workbench.techniques import exposure, images, position, secrets
from workbench.techniques import node as node_family
from workbench.techniques.api import Blocked
from workbench.techniques.build import build, key_of, recompute

TECHNIQUES = [
    technique for family in (position, node_family, secrets, exposure, images) for technique in family.TECHNIQUES
]
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


def check(base: Inventory, view: Inventory) -> None:
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
    assert wanted != buckets(base), "the change has no effect, so that the test shows nothing"


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
