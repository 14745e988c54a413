"""What comes in from the edge of the cluster: Services, Ingress, Route, Gateway API; and what enforces policies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.network.worlds import TRIO, network, view
from workbench.network.connections import Network
from workbench.network.enforcement import Enforces, enforcement

SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
}
INGRESS: dict[str, Any] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "i", "namespace": "shop"},
    "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
}


def changed(obj: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """The object with some fields of its spec changed; ``None`` takes one away."""
    merged = {**obj["spec"], **spec}
    return {**obj, "spec": {key: value for key, value in merged.items() if value is not None}}


def let_in(net: Network) -> dict[str, Any]:
    """What the ingress controller reaches: ports, and ``unknown`` after the name where it is not certain."""
    out: dict[str, Any] = {}
    for name, (allowed, unknown) in net.let_in().items():
        if allowed:
            out[name] = net.reach.space.ranges(allowed)
        if unknown:
            out[f"{name} unknown"] = net.reach.space.ranges(unknown)
    return out


WEB = {"shop/web[Pod]": {"TCP": [[8080, 8080]]}}


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        pytest.param(SERVICE, WEB, id="selector"),
        pytest.param(changed(SERVICE, clusterIP="None"), WEB, id="headless"),
        pytest.param(changed(SERVICE, type="ExternalName", externalName="example.com"), {}, id="a name outside"),
        pytest.param(changed(SERVICE, selector={}), {}, id="an empty selector is none"),
        pytest.param(changed(SERVICE, selector=None), {}, id="no selector, no endpoints"),
        pytest.param(
            changed(SERVICE, ports=[{"port": 80}]), {"shop/web[Pod]": {"TCP": [[80, 80]]}}, id="no target port"
        ),
        pytest.param(changed(SERVICE, ports=[{"port": 80, "targetPort": "nope"}]), {}, id="a name that no pod has"),
        pytest.param(
            changed(SERVICE, ports=[{"port": 80, "targetPort": "http", "protocol": "UDP"}]),
            {},
            id="UDP is not forwarded",
        ),
    ],
)
def test_what_a_service_leads_to(service: dict[str, Any], expected: dict[str, Any]) -> None:
    """Kubernetes documentation, "Service": selectors, headless, ExternalName, ``targetPort``."""
    assert let_in(network(TRIO, [service, INGRESS])) == expected


def test_endpoint_slices_stand_for_a_selector() -> None:
    """ "Services without selectors": endpoints are what the slices of that name say."""
    text = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-x, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.9], targetRef: {kind: Pod, namespace: shop, name: db}}]
ports: [{port: 5432, protocol: TCP}]
"""
    found = let_in(network(TRIO, text, [changed(SERVICE, selector=None), INGRESS]))
    assert found == {"shop/db[Pod]": {"TCP": [[5432, 5432]]}}


def test_policies_decide_what_the_controller_reaches() -> None:
    policy = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: PEER}]}]}
"""
    for peer, expected in (("{}", WEB), ("{matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}", {})):
        assert let_in(network(TRIO, policy.replace("PEER", peer), [SERVICE, INGRESS])) == expected


def test_a_route_of_openshift_leads_to_its_services() -> None:
    text = """
apiVersion: route.openshift.io/v1
kind: Route
metadata: {name: r, namespace: shop}
spec: {to: {kind: Service, name: gone}, alternateBackends: [{name: web, weight: WEIGHT}], port: {targetPort: http}}
"""
    assert let_in(network(TRIO, text.replace("WEIGHT", "1"), [SERVICE])) == WEB
    assert let_in(network(TRIO, text.replace("WEIGHT", "0"), [SERVICE])) == {}


# --- Gateway API (its documentation, API reference and "Cross-Namespace routing") ---------------------------

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: NAMESPACE}
spec:
  gatewayClassName: any
  listeners: [{name: l, port: 80, protocol: PROTOCOL, hostname: HOST, allowedRoutes: {namespaces: ALLOWED}}]
"""


def gateway(namespace: str = "shop", protocol: str = "HTTP", host: str = "null", allowed: str = "{from: Same}") -> str:
    text = GATEWAY.replace("NAMESPACE", namespace).replace("PROTOCOL", protocol)
    return text.replace("HOST", host).replace("ALLOWED", allowed)


def route(
    kind: str = "HTTPRoute", *, parent: str = "{name: gw}", backend: str = "{name: web, port: 80}", **meta: str
) -> str:
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: {kind}
metadata: {{name: r, namespace: {meta.get("namespace", "shop")}}}
spec: {{parentRefs: [{parent}], hostnames: {meta.get("hosts", "null")}, rules: [{{backendRefs: [{backend}]}}]}}
"""


OTHER = "{name: gw, namespace: ops}"
UNKNOWN = {"shop/web[Pod] unknown": {"TCP": [[8080, 8080]]}}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param([gateway(), route()], WEB, id="same namespace"),
        pytest.param([gateway(), route("GRPCRoute")], WEB, id="GRPC through HTTP"),
        pytest.param([gateway(), route("TCPRoute")], {}, id="no TCP through HTTP"),
        pytest.param([gateway(protocol="TCP"), route("TCPRoute")], WEB, id="TCP"),
        pytest.param([gateway(protocol="TLS"), route("TLSRoute")], WEB, id="TLS"),
        pytest.param([route()], UNKNOWN, id="the Gateway was not read"),
        pytest.param([gateway("ops"), route(parent=OTHER)], {}, id="Same by default"),
        pytest.param([gateway("ops", allowed="{from: All}"), route(parent=OTHER)], WEB, id="All"),
        pytest.param(
            [gateway("ops", allowed="{from: Selector, selector: {matchLabels: {team: sales}}}"), route(parent=OTHER)],
            WEB,
            id="Selector",
        ),
        pytest.param(
            [gateway("ops", allowed="{from: Selector, selector: {matchLabels: {team: ops}}}"), route(parent=OTHER)],
            {},
            id="Selector of others",
        ),
        pytest.param([gateway(), route(parent="{name: gw, sectionName: other}")], {}, id="another listener"),
        pytest.param([gateway(), route(parent="{name: gw, port: 443}")], {}, id="another port"),
        pytest.param([gateway(host='"*.example.com"'), route(hosts="[a.example.com]")], WEB, id="host names overlap"),
        pytest.param([gateway(host='"*.example.com"'), route(hosts="[example.org]")], {}, id="host names do not"),
        pytest.param([gateway(), route(backend="{name: web, port: 80, weight: 0}")], {}, id="weight 0"),
        pytest.param([gateway(), route(backend="{name: web, port: 8080}")], {}, id="the number is the Service's"),
        pytest.param(
            [gateway(), route(backend="{kind: Other, group: x.io, name: web, port: 80}")], {}, id="no Service"
        ),
    ],
)
def test_what_a_gateway_lets_in(texts: list[str], expected: dict[str, Any]) -> None:
    assert let_in(network(TRIO, *texts, [SERVICE])) == expected


GRANT = """
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: shop}
spec:
  from: [{group: gateway.networking.k8s.io, kind: FROM, namespace: ops}]
  to: [{group: "", kind: Service, name: TO}]
"""


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        ("", {}),
        (GRANT.replace("FROM", "HTTPRoute").replace("TO", "web"), WEB),
        (GRANT.replace("FROM", "HTTPRoute").replace("TO", "null"), WEB),
        (GRANT.replace("FROM", "HTTPRoute").replace("TO", "db"), {}),
        (GRANT.replace("FROM", "TCPRoute").replace("TO", "web"), {}),
    ],
    ids=["no grant", "granted", "every Service", "another Service", "another kind"],
)
def test_a_backend_in_another_namespace_needs_a_grant(grant: str, expected: dict[str, Any]) -> None:
    texts = [gateway("ops"), route(namespace="ops", backend="{name: web, namespace: shop, port: 80}"), grant]
    assert let_in(network(TRIO, *texts, [SERVICE])) == expected


def test_a_udp_route_gives_udp() -> None:
    service = changed(SERVICE, ports=[{"port": 80, "targetPort": 53, "protocol": "UDP"}])
    found = let_in(network(TRIO, gateway(protocol="UDP"), route("UDPRoute"), [service]))
    assert found == {"shop/web[Pod]": {"UDP": [[53, 53]]}}


# --- enforcement ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "config", "expected", "bridge"),
    [
        ([], {}, Enforces.UNKNOWN, False),
        (["quay.io/cilium/cilium:v1.16.1"], {}, Enforces.YES, False),
        (["quay.io/cilium/cilium:v1.16.1"], {"enable-policy": "never"}, Enforces.NO, False),
        (["docker.io/calico/node:v3.28.0"], {}, Enforces.YES, False),
        (["docker.io/flannel/flannel:v0.25.1"], {}, Enforces.NO, True),
        (["docker.io/flannel/flannel:v0.25.1", "docker.io/calico/node:v3.28.0"], {}, Enforces.YES, True),
        (["602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon-k8s-cni:v1.18.1"], {}, Enforces.NO, False),
    ],
)
def test_enforcement_is_told_from_the_plugin(
    images: list[str], config: dict[str, str], expected: Enforces, bridge: bool
) -> None:
    agents = [
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": f"agent{at}", "namespace": "kube-system"},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}},
        }
        for at, image in enumerate(images)
    ]
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "data": config}
    settings["metadata"] = {"name": "cilium-config", "namespace": "kube-system"}
    found = enforcement(view(TRIO, [*agents, settings]))
    assert (found.verdict, found.bridge) == (expected, bridge)
