"""What an overlay recomputes of what the internet reaches: Gateways, Routes, servers that ask nobody, anonymity."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    api_server,
    container,
    deployment,
    edges,
    evidence,
    grant,
    inventory,
    namespace,
    node,
    obj,
    pod,
    role,
    role_binding,
    rule,
    service,
)
from tests.techniques.test_recompute import check
from workbench.inventory.changes import Change, Op, Target, overlay
from workbench.inventory.objects import KubernetesObject

GROUP = "gateway.networking.k8s.io"
SPEC = "/spec/template/spec"
ANYBODY = "Group:system:unauthenticated"

LISTENERS = [
    {"name": "all", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}},
    {
        "name": "some",
        "port": 81,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"edge": "yes"}}}},
    },
]
GATEWAY = obj("Gateway", "front", "infra", spec={"gatewayClassName": "proxy", "listeners": LISTENERS})
CLASS = obj("GatewayClass", "proxy", spec={"controllerName": "traefik.io/gateway-controller"})
TRAEFIK = deployment("traefik", container(image="traefik:v3", ports=[{"containerPort": 80}]), namespace="edge")
TRAEFIK_SERVICE = service(
    "traefik", namespace="edge", selector={"app": "traefik"}, type="LoadBalancer", address="203.0.113.4"
)


def route(name: str, section: str, *backends: dict[str, Any]) -> KubernetesObject:
    parent = {"name": "front", "namespace": "infra", "sectionName": section}
    return obj("HTTPRoute", name, name, spec={"parentRefs": [parent], "rules": [{"backendRefs": list(backends)}]})


SHOP = deployment("web", container(image="redis:5"), namespace="shop")
SHOP_SERVICE = service("web", {"port": 80, "targetPort": 6379}, namespace="shop")
TO_SHOP = route("shop", "some", {"name": "web", "port": 80})
SHOP_SPACE = namespace("shop", edge="yes")
VAULT = deployment(
    "board", container(image="kubernetesui/dashboard:v2.7.0", args=["--enable-skip-login"]), namespace="vault"
)
VAULT_SERVICE = service("board", {"port": 443, "targetPort": 8443}, namespace="vault", selector={"app": "board"})
TO_VAULT = route("apps", "all", {"name": "board", "namespace": "vault", "port": 443})
GRANT = obj(
    "ReferenceGrant",
    "apps",
    "vault",
    spec={
        "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "apps"}],
        "to": [{"group": "", "kind": "Service"}],
    },
)
POLICY = obj(
    "NetworkPolicy",
    "closed",
    "vault",
    spec={"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]}]},
)
TO_WEB = obj(
    "NetworkPolicy",
    "to-web",
    "shop",
    spec={
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}]}
            for name in ("edge", "router")
        ],
    },
)
PLUGIN = pod("calico", container(image="quay.io/calico/node:v3.28.0"), namespace="kube-system", node="n0")
API_SLICE = obj(
    "EndpointSlice",
    "kubernetes",
    labels={"kubernetes.io/service-name": "kubernetes"},
    endpoints=[{"addresses": ["10.8.0.1"]}],
    ports=[{"port": 6443}],
)
OPENSHIFT = obj("Route", "web", "shop", spec={"to": {"kind": "Service", "name": "web"}})
ROUTER = pod(
    "router",
    container(image="quay.io/openshift/origin-haproxy-router:4.18"),
    namespace="router",
    labels={"app": "router"},
    node="n0",
)
ROUTER_SERVICE = service(
    "router", namespace="router", selector={"app": "router"}, type="LoadBalancer", address="203.0.113.5"
)
ANONYMOUS = grant("anybody", rule("get", "pods"), to=[ANYBODY])
IN_SHOP = [
    role("some", rule("get", "configmaps"), namespace="shop"),
    role_binding("some", "Role:some", "User:system:anonymous", namespace="shop"),
]
SERVER = api_server("--v=2", node="cp")
CONTROL = node("cp", addresses=[{"type": "ExternalIP", "address": "203.0.113.9"}])
ETCD = pod(
    "etcd-cp",
    container("etcd", image="etcd:3.5", command=["etcd", "--listen-client-urls=http://0.0.0.0:2379"]),
    namespace="kube-system",
    node="cp",
    annotations={"kubernetes.io/config.mirror": "x"},
    hostNetwork=True,
)


def kubelet_config(mode: str) -> KubernetesObject:
    text = f"authentication:\n  anonymous:\n    enabled: true\nauthorization:\n  mode: {mode}\n"
    return obj("ConfigMap", "kubelet-config", "kube-system", data={"kubelet": text})


KUBELETS = kubelet_config("AlwaysAllow")
OBJECTS = (
    GATEWAY,
    CLASS,
    TRAEFIK,
    TRAEFIK_SERVICE,
    SHOP,
    SHOP_SERVICE,
    TO_SHOP,
    SHOP_SPACE,
    VAULT,
    VAULT_SERVICE,
    TO_VAULT,
    GRANT,
    POLICY,
    TO_WEB,
    PLUGIN,
    API_SLICE,
    OPENSHIFT,
    ROUTER,
    ROUTER_SERVICE,
    *ANONYMOUS,
    *IN_SHOP,
    SERVER,
    CONTROL,
    ETCD,
    KUBELETS,
)


@pytest.mark.parametrize(
    ("target", "path", "value"),
    [
        pytest.param(GATEWAY, "/spec/listeners", LISTENERS[:1], id="a listener"),
        pytest.param(GATEWAY, "/spec/gatewayClassName", "other", id="class of a Gateway"),
        pytest.param(GATEWAY, "/status", {"addresses": [{"value": "10.0.0.1"}]}, id="addresses of a Gateway"),
        pytest.param(CLASS, "/spec/controllerName", "example.org/other", id="controller of a class"),
        pytest.param(TO_SHOP, "/spec/rules", [], id="backends of a route"),
        pytest.param(TO_SHOP, "/spec/parentRefs", [{"name": "front"}], id="parent of a route"),
        pytest.param(TO_VAULT, "/spec/rules[0]/filters", [{"type": "ExternalAuth"}], id="a filter"),
        pytest.param(SHOP_SPACE, "/metadata/labels", {}, id="label of a namespace that a listener asks for"),
        pytest.param(GRANT, "/spec/from[0]/namespace", "others", id="whom a grant is for"),
        pytest.param(TRAEFIK, f"{SPEC}/containers[name=app]/image", "nginx:1", id="image of what serves Gateways"),
        pytest.param(TRAEFIK, "/spec/template/metadata/labels", {"app": "x"}, id="labels of what serves Gateways"),
        pytest.param(TRAEFIK_SERVICE, "/spec/type", "ClusterIP", id="Service of what serves Gateways"),
        pytest.param(SHOP, "/spec/template/metadata/labels", {"app": "x"}, id="labels of a backend"),
        pytest.param(SHOP, f"{SPEC}/containers[name=app]/args", ["--requirepass", "x"], id="a password"),
        pytest.param(SHOP, f"{SPEC}/containers[name=app]/image", "bitnami/redis:5", id="image of a server"),
        pytest.param(SHOP_SERVICE, "/spec/ports[0]/port", 81, id="port of a Service"),
        pytest.param(VAULT, f"{SPEC}/containers[name=app]/args", [], id="no skip-login"),
        pytest.param(VAULT, f"{SPEC}/automountServiceAccountToken", False, id="no token"),
        pytest.param(VAULT, f"{SPEC}/serviceAccountName", "robot", id="account"),
        pytest.param(VAULT_SERVICE, "/spec/selector", {"app": "web"}, id="what a Service selects"),
        pytest.param(POLICY, "/spec/egress", [{}], id="what a policy lets out"),
        pytest.param(TO_WEB, "/spec/ingress", [], id="what a policy lets in"),
        pytest.param(TO_WEB, "/spec/podSelector", {"matchLabels": {"app": "x"}}, id="whom a policy is about"),
        pytest.param(PLUGIN, "/spec/containers[name=app]/image", "flannel/flannel:1", id="the network plugin"),
        pytest.param(API_SLICE, "/endpoints", [{"addresses": ["10.9.0.1"]}], id="where the API server is"),
        pytest.param(OPENSHIFT, "/spec/to/name", "gone", id="backend of a Route"),
        pytest.param(ROUTER, "/metadata/labels", {"app": "x"}, id="labels of a router"),
        pytest.param(ROUTER_SERVICE, "/spec/type", "ClusterIP", id="Service of a router"),
        pytest.param(ANONYMOUS[1], "/subjects", [], id="anonymous subjects"),
        pytest.param(ANONYMOUS[0], "/rules", [], id="anonymous rules"),
        pytest.param(IN_SHOP[0], "/rules[0]/verbs", ["list"], id="rules in a namespace, of the same effect"),
        pytest.param(
            SERVER, "/spec/containers[name=kube-apiserver]/command", ["--anonymous-auth=false"], id="anonymous off"
        ),
        pytest.param(CONTROL, "/status/addresses", [], id="address of a control-plane node"),
        pytest.param(ETCD, "/spec/containers[name=etcd]/command", ["etcd"], id="arguments of etcd"),
        pytest.param(ETCD, "/spec/hostNetwork", False, id="network of etcd"),
    ],
)
def test_a_change(target: KubernetesObject, path: str, value: Any) -> None:
    base = inventory(*OBJECTS)
    effect = target is not IN_SHOP[0]
    check(base, overlay(base, [Change(Target.of(target), (Op("set", path, value),))]), effect=effect)


@pytest.mark.parametrize("gone", OBJECTS, ids=lambda item: item.id)
def test_an_object_that_goes(gone: KubernetesObject) -> None:
    base = inventory(*OBJECTS)
    # Where the API server is that the policy keeps out makes no difference to it.
    check(base, base.overlay({gone.id: None}), effect=gone is not API_SLICE)


@pytest.mark.parametrize(
    "new",
    [
        kubelet_config("Webhook"),
        route("other", "all", {"name": "web", "namespace": "shop", "port": 80}),
        obj(
            "ReferenceGrant",
            "all",
            "shop",
            spec={"from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "shop"}], "to": [{"kind": "Service"}]},
        ),
        pod("more", container(image="redis:5"), namespace="shop", labels={"app": "web"}),
        pod("first", container(image="redis:5"), namespace="lab"),
        role_binding("more", "ClusterRole:anybody", ANYBODY, namespace="shop"),
        node("n9"),
    ],
    ids=lambda item: item.id,
)
def test_a_new_object(new: KubernetesObject) -> None:
    base = inventory(*OBJECTS)
    check(base, base.overlay({new.id: new}), effect=new.kind not in ("ReferenceGrant",))


def closed(where: str, *blocks: str) -> KubernetesObject:
    """A policy that lets only some blocks into a namespace."""
    rules = [{"from": [{"ipBlock": {"cidr": block}}]} for block in blocks]
    return obj("NetworkPolicy", f"into-{where}", where, spec={"podSelector": {}, "ingress": rules})


FRONT = [
    pod(
        "front",
        container(image="registry.k8s.io/ingress-nginx/controller:v1.12.0"),
        namespace="front",
        labels={"app": "front"},
        node="cp",
    ),
    service("front", namespace="front", selector={"app": "front"}, type="LoadBalancer", address="203.0.113.6"),
    obj("IngressClass", "nginx", spec={"controller": "k8s.io/ingress-nginx"}),
]
PORT = container("c", ports=[{"containerPort": 8080, "hostPort": 9000}])
APPS = [
    PLUGIN,
    CONTROL,
    *FRONT,
    *(
        item
        for where in ("one", "two")
        for item in (
            pod("web", PORT, namespace=where, labels={"app": "web"}, node="cp"),
            service("web", namespace=where, type="LoadBalancer", address="203.0.113.7", externalTrafficPolicy="Local"),
            service("ports", namespace=where, type="NodePort"),
            obj(
                "Ingress",
                "web",
                where,
                spec={
                    "ingressClassName": "nginx",
                    "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
                },
            ),
        )
    ),
    service("aside", namespace="three", selector={}, type="LoadBalancer", address="203.0.113.8"),
    obj(
        "EndpointSlice",
        "aside",
        "three",
        labels={"kubernetes.io/service-name": "aside"},
        endpoints=[
            {"addresses": ["10.7.0.1"], "targetRef": {"kind": "Pod", "namespace": "two", "name": "web"}},
        ],
        ports=[{"port": 8080}],
    ),
]


@pytest.mark.parametrize("known", [(), ("10.0.0.0/7",), ("203.0.113.0/24", "2001:db8::/32")])
@pytest.mark.parametrize("where", ["two", "front"])
@pytest.mark.parametrize("blocks", [(), ("10.0.0.0/8",), ("0.0.0.0/0", "::/0")])
def test_a_new_policy(known: tuple[str, ...], where: str, blocks: tuple[str, ...]) -> None:
    new = closed(where, *blocks)
    base = inventory(*APPS, *([closed("one", *known)] if known else []))
    check(base, base.overlay({new.id: new}))
    gone = inventory(*APPS, *([closed("one", *known)] if known else []), new)
    check(gone, gone.overlay({new.id: None}))


@pytest.mark.parametrize("gone", [True, False])
def test_a_pod_behind_a_service_of_another_namespace(gone: bool) -> None:
    # Two pods of one node cannot have the same port of it.
    base = inventory(*(each for each in APPS if each.metadata.namespace != "one"), closed("two"))
    web = base.by_id("Pod:two/web")
    assert web is not None
    if gone:
        check(base, base.overlay({web.id: None}))
        return
    moved = pod("web", PORT, namespace="two", labels={"app": "web"}, node="cp", hostNetwork=True)
    check(base, base.overlay({web.id: moved}))


def test_what_leads_to_a_pod_of_another_namespace_says_why() -> None:
    view = inventory(*APPS)
    [edge] = [each for each in edges(view, "ENDPOINT_EXPLOIT") if each.source.startswith("Endpoint:three/")]
    assert edge.target == "Container:two/web/c"
    assert any(item.object == "EndpointSlice:three/aside" for item in evidence(view, edge))
