"""How the internet reaches the backends of Gateways (Gateway API)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    blocked,
    container,
    daemon_set,
    deployment,
    edges,
    inventory,
    namespace,
    node,
    obj,
    pairs,
    pod,
    proof,
)
from tests.builders import service as plain_service
from workbench.inventory.inventory import Inventory

GROUP = "gateway.networking.k8s.io"
END = "Endpoint:infra/gateway.front/80"
GATEWAY = "Gateway:infra/front"
ROUTE = "HTTPRoute:shop/web"
UNKNOWN = (("C-INGRESS", GATEWAY),)
GUARDED = (("C-INGRESS", ROUTE),)
MADE = {"gateway.networking.k8s.io/gateway-name": "front"}
LISTENER = {"name": "web", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}


def gateway(*listeners: Any, class_name: str = "proxy", addresses: Any = (), wanted: Any = ()) -> Any:
    status = {"addresses": [{"type": "IPAddress", "value": value} for value in addresses]}
    data = {
        "gatewayClassName": class_name,
        "listeners": list(listeners) or [LISTENER],
        "addresses": list(wanted),
    }
    return obj("Gateway", "front", "infra", spec=data, status=status)


def gateway_class(controller: str, name: str = "proxy") -> Any:
    return obj("GatewayClass", name, spec={"controllerName": controller})


def route(
    *backends: Any,
    kind: str = "HTTPRoute",
    name: str = "web",
    parents: Any = None,
    filters: Any = (),
    accepted: str | None = None,
    **spec: Any,
) -> Any:
    rule = {"backendRefs": list(backends) or [{"name": "web", "port": 80}], "filters": list(filters)}
    parent = {"name": "front", "namespace": "infra"}
    fields: dict[str, Any] = {"spec": {"parentRefs": parents or [parent], "rules": [rule], **spec}}
    if accepted is not None:
        said = {"type": "Accepted", "status": accepted, "reason": "NotAllowedByListeners"}
        fields["status"] = {"parents": [{"parentRef": parent, "conditions": [said]}]}
    return obj(kind, name, "shop", **fields)


def web(name: str = "web", place: str = "shop") -> Any:
    return deployment(name, container(), namespace=place, labels={"app": "web"})


def service(*ports: Any, place: str = "shop", **options: Any) -> Any:
    return plain_service("web", *ports, namespace=place, **options)


def proxy(labels: Any = None, *, name: str = "front-proxy", **options: Any) -> Any:
    """The Service of a Gateway's proxy, which its controller has made."""
    chosen = {"type": "LoadBalancer", "address": "203.0.113.7", **options}
    address = chosen.pop("address")
    status = {"loadBalancer": {"ingress": [{"ip": address}]}} if address else {}
    spec = {"selector": {"app": "proxy"}, "ports": [{"port": 80}], **chosen}
    return obj("Service", name, "infra", labels=MADE if labels is None else labels, spec=spec, status=status)


def shop(*objects: Any) -> Inventory:
    return inventory(web(), service(), *objects)


# --- whether the Gateway is exposed ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "missing"),
    [
        pytest.param([gateway(), proxy()], (), id="its Service has a public address"),
        pytest.param(
            [gateway(), proxy(address=None)], (("C-LB", "Service:infra/front-proxy"),), id="Service without an address"
        ),
        pytest.param(
            [gateway(), proxy(type="NodePort", address=None)], (("C-FW", "Node:*"),), id="Service on node ports"
        ),
        pytest.param(
            [
                gateway(),
                proxy({}, type="ClusterIP", address=None),
                proxy(
                    {
                        "gateway.envoyproxy.io/owning-gateway-name": "front",
                        "gateway.envoyproxy.io/owning-gateway-namespace": "infra",
                    },
                    name="envoy",
                ),
            ],
            (),
            id="labels of Envoy Gateway",
        ),
        pytest.param(
            [
                gateway(addresses=["10.0.0.9"]),
                obj(
                    "Service",
                    "cilium-gateway-front",
                    "infra",
                    owners=[{"apiVersion": f"{GROUP}/v1", "kind": "Gateway", "name": "front", "controller": True}],
                    spec={"type": "LoadBalancer", "ports": [{"port": 80}]},
                    status={"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}},
                ),
            ],
            (),
            id="Service that the Gateway owns",
        ),
        pytest.param(
            [
                gateway(wanted=[{"type": "Hostname", "value": "in.mesh.svc.cluster.local"}]),
                plain_service("in", namespace="mesh", type="LoadBalancer", address="203.0.113.7"),
            ],
            (),
            id="Service that the Gateway names",
        ),
        pytest.param([gateway(addresses=["203.0.113.7"])], (), id="public address in the status"),
        pytest.param(
            [gateway(addresses=["10.0.0.4"]), node(addresses=[{"type": "InternalIP", "address": "10.0.0.4"}])],
            (("C-FW", "Node:worker-1"),),
            id="address of a node",
        ),
        pytest.param([gateway()], UNKNOWN, id="no controller in the source"),
        pytest.param([gateway(), gateway_class("example.org/proxy")], UNKNOWN, id="a class nobody knows"),
        pytest.param(
            [gateway(), gateway_class("networking.gke.io/gateway")], (("C-LB", GATEWAY),), id="GKE, no address"
        ),
        pytest.param([gateway(class_name="gke-l7-gxlb", addresses=["203.0.113.7"])], (), id="GKE by the class's name"),
        pytest.param([], UNKNOWN, id="Gateway not read"),
        pytest.param(
            [
                gateway(),
                gateway_class("traefik.io/gateway-controller"),
                deployment("traefik", container(image="traefik:v3"), namespace="edge"),
                plain_service(
                    "traefik", namespace="edge", selector={"app": "traefik"}, type="LoadBalancer", address="203.0.113.7"
                ),
            ],
            (),
            id="Traefik forwards with its own pods",
        ),
        pytest.param(
            [
                gateway(),
                gateway_class("gateway.nginx.org/nginx-gateway-controller"),
                deployment("ngf", container(image="ghcr.io/nginx/nginx-gateway-fabric:2.1"), namespace="edge"),
            ],
            UNKNOWN,
            id="NGINX Gateway Fabric: the proxy may be another pod",
        ),
    ],
)
def test_exposed_gateways(objects: list[Any], missing: Any) -> None:
    view = shop(route(), *objects)
    (edge,) = edges(view, "EXPOSE_GATEWAY")
    assert (edge.source, edge.target, edge.missing) == ("Internet", END, missing)
    assert edge.effort == (3 if missing else 1)
    assert (END, "Container:shop/web/app") in pairs(view, "ENDPOINT_EXPLOIT")


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([gateway(), proxy(type="ClusterIP", address=None)], "Service:infra/front-proxy is not exposed"),
        ([gateway(), proxy(address="10.0.0.9")], "private addresses only"),
        ([gateway(addresses=["203.0.113.7"]), proxy(type="ClusterIP", address=None)], "is not exposed"),
        ([gateway(addresses=["10.0.0.9"])], "status.addresses holds private addresses only (10.0.0.9)"),
        ([gateway(class_name="gke-l7-rilb", addresses=["203.0.113.7"])], "internal load balancer"),
        (
            [gateway(), gateway_class("application-networking.k8s.aws/gateway-api-controller")],
            "VPC Lattice",
        ),
        (
            [
                gateway(),
                gateway_class("traefik.io/gateway-controller"),
                deployment("traefik", container(image="traefik:v3"), namespace="edge"),
            ],
            "the controller Pod:edge/traefik is not exposed",
        ),
    ],
    ids=["cluster address", "private address", "Service before status", "private status", "GKE", "Lattice", "Traefik"],
)
def test_gateways_that_are_not_exposed(objects: list[Any], reason: str) -> None:
    view = shop(route(), *objects)
    assert edges(view, "EXPOSE_GATEWAY") == []
    (found,) = blocked(view, "EXPOSE_GATEWAY")
    assert (found.source, found.target) == ("Internet", END)
    assert reason in found.mitigation


# --- policies of the backends ---------------------------------------------------------------------------

CALICO = daemon_set("calico-node", container(image="quay.io/calico/node:v3.28.0"), namespace="kube-system")
PROXY = pod("proxy", namespace="infra", labels={"app": "proxy"})


def admits(*peers: dict[str, Any]) -> Any:
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [peer]} for peer in peers]}
    return obj("NetworkPolicy", "limits", "shop", spec=spec)


OF_INFRA = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "infra"}}}


@pytest.mark.parametrize(
    ("objects", "missing"),
    [
        ([CALICO, admits(OF_INFRA)], ()),
        ([admits({"podSelector": {}})], (("C-CNI", "Cluster"),)),
    ],
    ids=["the proxy's namespace", "nobody knows who enforces"],
)
def test_policies_that_let_the_proxy_in(objects: list[Any], missing: Any) -> None:
    view = shop(gateway(), proxy(), PROXY, route(), *objects)
    (edge,) = edges(view, "EXPOSE_GATEWAY")
    assert edge.missing == missing
    rules = [field for owner, field in proof(view, edge) if owner == "NetworkPolicy:shop/limits"]
    assert rules


def test_policies_that_keep_the_proxy_out() -> None:
    view = shop(gateway(), proxy(), PROXY, route(), CALICO, admits({"podSelector": {}}))
    assert edges(view, "EXPOSE_GATEWAY") == []
    assert "NetworkPolicy:shop/limits selects" in blocked(view, "EXPOSE_GATEWAY")[0].mitigation


# --- which routes count ---------------------------------------------------------------------------------

SAME = {"name": "web", "port": 80, "protocol": "HTTP"}


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([route(), gateway(SAME)], f"no listener of {GATEWAY} admits {ROUTE}"),
        ([route(kind="TCPRoute"), gateway()], "admits TCPRoute:shop/web"),
        ([route(hostnames=["a.example"]), gateway({**LISTENER, "hostname": "b.example"})], "admits"),
        ([route(accepted="False"), gateway()], "says that it is not accepted (NotAllowedByListeners)"),
        ([route({"name": "gone", "port": 80}), gateway()], "the backend shop/gone:80 has no Service port"),
        ([route({"name": "web", "port": 81}), gateway()], "the backend shop/web:81 has no Service port"),
    ],
    ids=["namespace", "kind", "hostname", "status", "no Service", "no such port"],
)
def test_routes_that_do_not_count(objects: list[Any], reason: str) -> None:
    view = shop(proxy(), *objects)
    assert edges(view, "EXPOSE_GATEWAY") == []
    (found,) = blocked(view, "EXPOSE_GATEWAY")
    assert reason in found.mitigation


def test_a_backend_needs_a_ready_pod() -> None:
    view = inventory(service(), gateway(), proxy(), route())
    assert [each.mitigation for each in blocked(view, "EXPOSE_GATEWAY")] == ["the backend shop/web:80 has no ready pod"]
    assert edges(view, "EXPOSE_GATEWAY") == []


def test_an_accepted_route_counts() -> None:
    assert pairs(shop(gateway(), proxy(), route(accepted="True")), "EXPOSE_GATEWAY") == [("Internet", END)]


def test_what_stands_in_front_of_a_backend_counts_for_that_backend_alone() -> None:
    view = inventory(
        *(web(name, name) for name in ("shop", "pay")),
        *(service(place=name) for name in ("shop", "pay")),
        gateway(),
        proxy(),
        route(filters=[{"type": "ExtensionRef", "extensionRef": {"kind": "Middleware", "name": "login"}}]),
        obj(
            "HTTPRoute",
            "pay",
            "pay",
            spec={
                "parentRefs": [{"name": "front", "namespace": "infra"}],
                "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
            },
        ),
    )
    assert {edge.missing for edge in edges(view, "EXPOSE_GATEWAY")} == {()}
    found = {edge.target: edge.missing for edge in edges(view, "ENDPOINT_EXPLOIT") if edge.source == END}
    vulnerable = ("C-VULN", "Image:registry.example/app:1")
    assert found == {"Container:shop/shop/app": (vulnerable, *GUARDED), "Container:pay/pay/app": (vulnerable,)}


# --- namespaces -----------------------------------------------------------------------------------------


def reference_grant(name: str = "web", *, origin: str = "shop") -> Any:
    return obj(
        "ReferenceGrant",
        "ours",
        "vault",
        spec={
            "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": origin}],
            "to": [{"group": "", "kind": "Service", "name": name}],
        },
    )


@pytest.mark.parametrize(
    ("grant", "found"),
    [
        ([], False),
        ([reference_grant()], True),
        ([reference_grant("other")], False),
        ([reference_grant(origin="elsewhere")], False),
    ],
    ids=["no grant", "granted", "another Service", "another namespace"],
)
def test_foreign_backends_need_a_grant(grant: list[Any], found: bool) -> None:
    view = inventory(
        web("vault", "vault"),
        service(place="vault"),
        gateway(),
        proxy(),
        route({"name": "web", "namespace": "vault", "port": 80}),
        *grant,
    )
    into = [pair for pair in pairs(view, "ENDPOINT_EXPLOIT") if pair[0] == END]
    if found:
        assert pairs(view, "EXPOSE_GATEWAY") == [("Internet", END)]
        assert into == [(END, "Container:vault/vault/app")]
        (edge,) = edges(view, "EXPOSE_GATEWAY")
        assert ("ReferenceGrant:vault/ours", "spec") in proof(view, edge)
    else:
        assert edges(view, "EXPOSE_GATEWAY") == [] == into
        assert "no ReferenceGrant in vault" in blocked(view, "EXPOSE_GATEWAY")[0].mitigation


def test_listeners_may_choose_namespaces_by_label() -> None:
    chosen = {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"edge": "yes"}}}}
    objects = [gateway({**LISTENER, "allowedRoutes": chosen}), proxy(), route()]
    assert pairs(shop(namespace("shop", edge="yes"), *objects), "EXPOSE_GATEWAY") == [("Internet", END)]
    assert pairs(shop(namespace("shop"), *objects), "EXPOSE_GATEWAY") == []


def test_backends_of_one_port_share_an_endpoint_and_others_do_not() -> None:
    view = inventory(
        web(),
        service({"port": 80}, {"port": 9000, "name": "admin"}, {"port": 53, "protocol": "UDP", "name": "dns"}),
        gateway(LISTENER, {**LISTENER, "name": "dns", "port": 53, "protocol": "UDP"}),
        proxy(),
        route({"name": "web", "port": 80}, {"name": "web", "port": 9000}),
        route(name="other"),
        route({"name": "web", "port": 53}, kind="UDPRoute", name="dns"),
    )
    assert {target for _, target in pairs(view, "EXPOSE_GATEWAY")} == {
        END,
        "Endpoint:infra/gateway.front/53-udp",
        "Endpoint:infra/gateway.front/9000",
    }


def test_evidence() -> None:
    view = shop(route(accepted="True"), gateway(), gateway_class("example.org/proxy"), proxy())
    (edge,) = edges(view, "EXPOSE_GATEWAY")
    found = proof(view, edge)
    assert next(iter(found)) == (ROUTE, "spec.rules[0].backendRefs[0]")
    assert found[(GATEWAY, "spec.listeners[name=web]")] == LISTENER
    assert found[("GatewayClass:proxy", "spec.controllerName")] == "example.org/proxy"
    assert found[("Service:infra/front-proxy", "status.loadBalancer.ingress")] == [{"ip": "203.0.113.7"}]
    assert found[("Service:shop/web", "spec.selector")] == {"app": "web"}
    (exploit,) = [each for each in edges(view, "ENDPOINT_EXPLOIT") if each.source == END]
    assert {
        (ROUTE, "spec.rules[0].backendRefs[0]"): {"name": "web", "port": 80},
        ("Service:shop/web", "spec.selector"): {"app": "web"},
    }.items() <= proof(view, exploit).items()


# --- Routes of OpenShift --------------------------------------------------------------------------------

ROUTER = {"ingresscontroller.operator.openshift.io/deployment-ingresscontroller": "default"}
ROUTED = "Endpoint:shop/route.web/80"
PORTS = ({"port": 80, "name": "http", "targetPort": 8080}, {"port": 53, "protocol": "UDP", "name": "dns"})


def openshift(*, admitted: str | None = None, annotations: Any = None, **spec: Any) -> Any:
    status: dict[str, Any] = {}
    if admitted is not None:
        condition = {"type": "Admitted", "status": admitted}
        status = {"ingress": [{"routerName": "default", "conditions": [condition]}]}
    data = {"to": {"kind": "Service", "name": "web"}, **spec}
    return obj("Route", "web", "shop", annotations=annotations, spec=data, status=status)


def router(name: str = "default", address: str | None = "203.0.113.9") -> list[Any]:
    labels = dict.fromkeys(ROUTER, name)
    return [
        pod(f"router-{name}", namespace="openshift-ingress", labels=labels),
        plain_service(
            f"router-{name}",
            {"port": 443},
            namespace="openshift-ingress",
            selector=labels,
            type="LoadBalancer" if address else "ClusterIP",
            address=address,
        ),
    ]


@pytest.mark.parametrize(
    ("objects", "missing"),
    [
        ([openshift(), *router()], ()),
        ([openshift(admitted="True"), *router(), *router("private", None)], ()),
        ([openshift(port={"targetPort": "http"}), *router()], ()),
        ([openshift(port={"targetPort": 8080}), *router()], ()),
        ([openshift()], (("C-INGRESS", "Route:shop/web"),)),
        (
            [openshift(annotations={"haproxy.router.openshift.io/ip_whitelist": "198.51.100.7"}), *router()],
            (("C-INGRESS", "Route:shop/web"),),
        ),
    ],
    ids=["all ports", "by its router", "named port", "target port", "no router", "allow-list"],
)
def test_routes_of_openshift(objects: list[Any], missing: Any) -> None:
    view = inventory(web(), service(*PORTS), *objects)
    (edge,) = edges(view, "EXPOSE_INGRESS")
    assert (edge.source, edge.target, edge.missing) == ("Internet", ROUTED, missing)
    assert (ROUTED, "Container:shop/web/app") in pairs(view, "ENDPOINT_EXPLOIT")
    assert ("Route:shop/web", "spec.to") in proof(view, edge)


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([openshift(), *router(address=None)], "the router Pod:openshift-ingress/router-default is not exposed"),
        ([openshift(admitted="False"), *router()], "no router admits"),
        ([openshift(admitted="True"), *router(address=None), *router("public")], "router-default is not exposed"),
    ],
    ids=["router not exposed", "refused", "admitted by the private router alone"],
)
def test_routes_of_openshift_that_are_not_exposed(objects: list[Any], reason: str) -> None:
    view = inventory(web(), service(*PORTS), *objects)
    assert edges(view, "EXPOSE_INGRESS") == []
    assert reason in blocked(view, "EXPOSE_INGRESS")[0].mitigation
