"""C-API: whether the policies of a pod let it reach the API server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import container, edges, inventory, mount, obj, owner, pod, proof, technique, token_volume
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.inventory import Inventory
from workbench.techniques.build import build
from workbench.techniques.recompute import recompute
from workbench.techniques.resolve.egress import reaches_api_server

SHUT = (("C-API", "Namespace:shop"),)
SERVER = "10.20.0.10"
ANYWHERE = {"podSelector": {}, "policyTypes": ["Egress"]}


def policy(name: str = "p", namespace: str = "shop", **spec: Any) -> Any:
    return obj("NetworkPolicy", name, namespace, spec=spec)


def block(cidr: str, *, without: tuple[str, ...] = (), port: Any = 6443, **more: Any) -> dict[str, Any]:
    peer = {"ipBlock": {"cidr": cidr, **({"except": list(without)} if without else {})}}
    return {"to": [peer], "ports": [{"port": port, **more}]}


def web(**spec: Any) -> Any:
    mounts = [mount("kube-api-access-x", "/var/run/secrets/kubernetes.io/serviceaccount")]
    return pod(
        "web",
        container(volumeMounts=mounts),
        namespace="shop",
        labels={"app": "web"},
        volumes=[token_volume()],
        **spec,
    )


def api_server() -> Any:
    return pod(
        "kube-apiserver-cp",
        container("kube-apiserver"),
        namespace="kube-system",
        node="cp",
        annotations={"kubernetes.io/config.mirror": "x"},
        owners=[owner("Node", "cp")],
        status={"podIP": SERVER, "hostIP": SERVER},
        hostNetwork=True,
    )


def answer(*objects: Any) -> Any:
    view = inventory(*objects)
    found = view.pods.get("Pod:shop/web")
    assert found is not None
    return reaches_api_server(view, found)


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ([], ()),
        ([policy(**ANYWHERE)], SHUT),
        ([policy(podSelector={}, policyTypes=["Ingress"])], ()),
        ([policy(podSelector={})], ()),
        ([policy(podSelector={}, egress=[block("10.9.0.0/16")])], SHUT),
        ([policy(namespace="other", **ANYWHERE)], ()),
        ([policy(podSelector={"matchLabels": {"app": "web"}}, policyTypes=["Egress"])], SHUT),
        ([policy(podSelector={"matchLabels": {"app": "cart"}}, policyTypes=["Egress"])], ()),
        ([policy(**ANYWHERE, egress=[{}])], ()),
        ([policy(**ANYWHERE, egress=[{"to": [{"namespaceSelector": {}}]}])], SHUT),
        ([policy(**ANYWHERE, egress=[block(f"{SERVER}/32")])], ()),
        ([policy(**ANYWHERE, egress=[block(f"{SERVER}/32", port=53)])], SHUT),
        ([policy(**ANYWHERE, egress=[block(f"{SERVER}/32", port=6000, endPort=7000)])], ()),
        ([policy(**ANYWHERE, egress=[block(f"{SERVER}/32", protocol="UDP")])], SHUT),
        ([policy(**ANYWHERE, egress=[block("10.20.0.0/16", without=("10.20.0.0/24",))])], SHUT),
        ([policy(**ANYWHERE, egress=[block("10.20.0.0/16", without=("10.20.1.0/24",))])], ()),
        # Policies only add: one that lets it through is enough.
        ([policy("deny", **ANYWHERE), policy("api", **ANYWHERE, egress=[block("0.0.0.0/0")])], ()),
    ],
)
def test_policies(policies: list[Any], expected: Any) -> None:
    assert answer(web(), api_server(), *policies) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (block("0.0.0.0/0", port=443), ()),
        (block("0.0.0.0/0", port=443, without=("10.0.0.0/8",)), SHUT),
        (block("10.0.0.0/8", port=443), SHUT),
    ],
)
def test_an_api_server_whose_address_is_not_known(rule: dict[str, Any], expected: Any) -> None:
    assert answer(web(), policy(**ANYWHERE, egress=[rule])) == expected


def test_the_endpoints_of_the_kubernetes_service_are_the_api_server() -> None:
    piece = obj(
        "EndpointSlice",
        "kubernetes",
        "default",
        labels={"kubernetes.io/service-name": "kubernetes"},
        endpoints=[{"addresses": ["192.0.2.7"]}],
        ports=[{"port": 8443}],
    )
    assert answer(web(), piece, policy(**ANYWHERE, egress=[block("192.0.2.0/24", port=8443)])) == ()
    assert answer(web(), piece, policy(**ANYWHERE, egress=[block("192.0.2.0/24", port=6443)])) == SHUT


def test_pods_on_the_network_of_the_host_are_not_selected() -> None:
    assert answer(web(hostNetwork=True), policy(**ANYWHERE)) == ()


def test_the_token_and_its_volume_are_both_conditional_and_show_the_policy() -> None:
    view: Inventory = inventory(web(), api_server(), policy(**ANYWHERE))
    token = next(edge for edge in edges(view, "IDENTITY_ASSUME") if edge.source == "Container:shop/web/app")
    volume = next(edge for edge in edges(view, "VOLUME_DISCOVER") if edge.source == "Container:shop/web/app")
    for edge in (token, volume):
        assert (edge.missing, edge.effort) == (SHUT, 3)
        shown = proof(view, edge)
        assert shown["NetworkPolicy:shop/p", "spec.podSelector"] == {}
        assert ("NetworkPolicy:shop/p", "spec.egress") in shown


def test_without_a_policy_the_evidence_names_none() -> None:
    view = inventory(web(), api_server())
    token = next(edge for edge in edges(view, "IDENTITY_ASSUME") if edge.source == "Container:shop/web/app")
    assert (token.missing, token.effort) == ((), 1)
    assert not any(name.startswith("NetworkPolicy") for name, _ in proof(view, token))


def admin(action: str = "Deny", **subject: Any) -> Any:
    rule = {"action": action, "to": [{"networks": ["10.0.0.0/8"]}]}
    spec = {"priority": 5, "subject": {"namespaces": subject}, "egress": [rule]}
    return obj("AdminNetworkPolicy", "wall", "", spec=spec)


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        pytest.param([admin()], SHUT, id="an admin denies it"),
        pytest.param([admin(matchLabels={"kubernetes.io/metadata.name": "other"})], (), id="of another namespace"),
        pytest.param([admin("Allow"), policy(**ANYWHERE)], (), id="an admin's Allow is final"),
        pytest.param([admin("Pass"), policy(**ANYWHERE)], SHUT, id="Pass leaves it to the namespace"),
    ],
)
def test_policies_of_administrators(policies: list[Any], expected: Any) -> None:
    """network-policy-api, AdminNetworkPolicy v1alpha1: they are asked before the policies of namespaces."""
    assert answer(web(), api_server(), *policies) == expected


def test_policies_that_could_not_be_read_are_a_gap_and_no_doubt() -> None:
    gap = Gap("NetworkPolicy", None, Problem.FORBIDDEN, 1, "networkpolicies is forbidden")
    view = inventory(web(), api_server(), coverage=[gap])
    found = view.pods.get("Pod:shop/web")
    assert found is not None
    assert reaches_api_server(view, found) == ()


TEAM = {"matchLabels": {"team": "shop"}}


@pytest.mark.parametrize(
    ("base", "change"),
    [
        pytest.param([], policy(**ANYWHERE), id="a policy comes"),
        pytest.param([], policy(namespace="other", **ANYWHERE), id="a policy of another namespace comes"),
        pytest.param([policy(**ANYWHERE)], policy(**ANYWHERE, egress=[{}]), id="a policy opens"),
        pytest.param([], admin(), id="an admin's comes"),
        pytest.param([admin(**TEAM)], obj("Namespace", "shop", labels={"team": "shop"}), id="a namespace joins"),
    ],
)
def test_a_change_touches_the_steps_that_it_decides(base: list[Any], change: Any) -> None:
    chosen = [technique("IDENTITY_ASSUME"), technique("VOLUME_DISCOVER")]
    below = inventory(web(), api_server(), *base)
    graph = build(below, chosen)
    view = below.overlay({change.id: change})
    buckets = list(recompute(graph, view, chosen))
    gone = {place for bucket in buckets for place in graph.bucket(bucket.technique, bucket.subject)}
    told = [graph.edge(place) for place in range(len(graph.source)) if place not in gone]
    told += [edge for bucket in buckets for edge in bucket.edges]
    assert sorted(told, key=str) == sorted(build(view, chosen).edges(), key=str)
