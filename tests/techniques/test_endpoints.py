"""What listens in a namespace, and which containers stand behind it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    container,
    container_status,
    deployment,
    edges,
    inventory,
    obj,
    pairs,
    pod,
    proof,
    service,
)
from workbench.inventory.changes import Change, Op, Target, overlay
from workbench.inventory.inventory import Inventory
from workbench.techniques.endpoints import endpoints_of

APP = "Container:default/web/app"


def web(*containers: Any, **options: Any) -> Any:
    return deployment("web", *containers, **options)


def targets(view: Inventory, endpoint: str) -> list[str]:
    return sorted({edge.target for edge in edges(view, "ENDPOINT_EXPLOIT") if edge.source == endpoint})


def endpoint_ids(view: Inventory, namespace: str = "default") -> list[str]:
    return sorted(endpoint.id for endpoint in endpoints_of(view, namespace))


@pytest.mark.parametrize(
    ("ports", "port", "expected"),
    [
        pytest.param([{"containerPort": 8080}], {"port": 80, "targetPort": 8080}, [APP], id="declared"),
        pytest.param([], {"port": 80, "targetPort": 8080}, [APP], id="T48 undeclared"),
        pytest.param([{"containerPort": 9}], {"port": 80, "targetPort": 8080}, [APP], id="T48 another declared"),
        pytest.param([{"containerPort": 8080, "name": "http"}], {"port": 80, "targetPort": "http"}, [APP], id="named"),
        pytest.param(
            [{"containerPort": 8080, "name": "http"}], {"port": 80, "targetPort": "grpc"}, [], id="no such name"
        ),
        pytest.param(
            [{"containerPort": 8080, "name": "http", "protocol": "UDP"}],
            {"port": 80, "targetPort": "http"},
            [],
            id="name of another protocol",
        ),
        pytest.param([], {"port": 80}, [APP], id="no targetPort"),
    ],
)
def test_t48_services_resolve_to_containers(
    ports: list[dict[str, Any]], port: dict[str, Any], expected: list[str]
) -> None:
    view = inventory(web(container(ports=ports)), service("web", port))
    assert targets(view, "Endpoint:default/web/80") == expected
    for edge in edges(view, "ENDPOINT_EXPLOIT"):
        assert (edge.effort, edge.missing) == (8, (("C-VULN", "Image:registry.example/app:1"),))


@pytest.mark.parametrize(
    ("item", "ready"),
    [
        (pod("web", labels={"app": "web"}), True),
        (pod("web", labels={"app": "other"}), False),
        (pod("web", labels={"app": "web"}, namespace="other"), False),
        (pod("web", labels={"app": "web"}, status={"conditions": [{"type": "Ready", "status": "True"}]}), True),
        (pod("web", labels={"app": "web"}, status={"conditions": [{"type": "Ready", "status": "False"}]}), False),
        (pod("web", labels={"app": "web"}, phase="Succeeded"), False),
    ],
    ids=["no conditions", "other label", "other namespace", "ready", "not ready", "ended"],
)
def test_only_ready_pods_of_the_selector(item: Any, ready: bool) -> None:
    assert bool(targets(inventory(item, service()), "Endpoint:default/web/80")) is ready


def test_all_labels_of_the_selector_count() -> None:
    view = inventory(
        pod("a", labels={"app": "web", "tier": "front"}),
        pod("b", labels={"app": "web", "tier": "back"}),
        service(selector={"app": "web", "tier": "front"}),
    )
    assert targets(view, "Endpoint:default/web/80") == ["Container:default/a/app"]


def test_services_may_publish_pods_that_are_not_ready() -> None:
    item = pod("web", labels={"app": "web"}, status={"conditions": [{"type": "Ready", "status": "False"}]})
    view = inventory(item, service(publishNotReadyAddresses=True))
    assert targets(view, "Endpoint:default/web/80") == [APP]


def test_the_container_that_declares_the_port_is_meant_else_all() -> None:
    view = inventory(
        web(container("app", ports=[{"containerPort": 8080}]), container("proxy", ports=[{"containerPort": 15001}])),
        service("web", {"port": 80, "targetPort": 8080}, {"port": 81, "targetPort": 9999}),
    )
    assert targets(view, "Endpoint:default/web/80") == [APP]
    assert targets(view, "Endpoint:default/web/81") == [APP, "Container:default/web/proxy"]


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param(
            [web(container(ports=[{"containerPort": 8080}])), service()], ["Endpoint:default/web/80"], id="covered"
        ),
        pytest.param(
            [web(container(ports=[{"containerPort": 8080}, {"containerPort": 9090}])), service()],
            ["Endpoint:default/pod.web/9090", "Endpoint:default/web/80"],
            id="one port covered",
        ),
        pytest.param(
            [web(container(ports=[{"containerPort": 53, "protocol": "UDP"}]))],
            ["Endpoint:default/pod.web/53-udp"],
            id="no service",
        ),
        pytest.param([web()], ["Endpoint:default/pod.web/any"], id="declares none"),
        pytest.param([web(), service()], ["Endpoint:default/web/80"], id="declares none, covered"),
        pytest.param(
            [web(container(ports=[{"containerPort": 8080, "hostPort": 80}]))],
            ["Endpoint:default/pod.web/8080", "Endpoint:node.*/80"],
            id="host port",
        ),
        pytest.param(
            [web(container(ports=[{"containerPort": 9100}]), hostNetwork=True)],
            ["Endpoint:node.*/9100"],
            id="host network",
        ),
        pytest.param(
            [service("web", {"port": 9000, "protocol": "SCTP"})], ["Endpoint:default/web/9000-sctp"], id="no pod"
        ),
        pytest.param([service(type="ExternalName", externalName="example.org")], [], id="external name"),
    ],
)
def test_endpoints_of_a_namespace(objects: list[Any], expected: list[str]) -> None:
    assert endpoint_ids(inventory(*objects)) == expected


@pytest.mark.parametrize(
    ("item", "endpoint"),
    [
        (pod("web", container(ports=[{"containerPort": 80, "hostPort": 8080}])), "Endpoint:node.worker-1/8080"),
        (web(container(ports=[{"containerPort": 9100}]), hostNetwork=True), "Endpoint:node.*/9100"),
        (web(container(ports=[{"containerPort": 9100}])), "Endpoint:default/pod.web/9100"),
        (web(), "Endpoint:default/pod.web/any"),
    ],
    ids=["host port", "host network", "container port", "any port"],
)
def test_ports_of_pods_lead_to_their_container(item: Any, endpoint: str) -> None:
    assert targets(inventory(item), endpoint) == [APP]


def test_services_without_selector_resolve_by_their_slices() -> None:
    ends = [
        {"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "web"}},
        {
            "addresses": ["10.0.0.2"],
            "targetRef": {"kind": "Pod", "name": "late"},
            "conditions": {"ready": False},
        },
    ]
    labels = {"kubernetes.io/service-name": "web"}
    view = inventory(
        pod("web"),
        pod("late"),
        service(selector=None),
        obj("EndpointSlice", "web-x", labels=labels, endpoints=ends),
    )
    assert targets(view, "Endpoint:default/web/80") == [APP]
    (alone,) = endpoints_of(inventory(service(selector=None)), "default")
    assert (alone.targets, alone.resolved) == ([], False)


def test_t60_a_deployment_with_live_pods_has_no_representative() -> None:
    owner = {"kind": "ReplicaSet", "name": "web-1", "controller": True, "uid": "rs"}
    view = inventory(
        obj(
            "ReplicaSet",
            "web-1",
            uid="rs",
            owners=[{"kind": "Deployment", "name": "web", "controller": True, "uid": "d"}],
            spec={"replicas": 1, "template": {"spec": {"containers": [container()]}}},
        ),
        deployment("web", uid="d"),
        pod("web-1-x", labels={"app": "web"}, owners=[owner]),
        service(),
    )
    assert targets(view, "Endpoint:default/web/80") == ["Container:default/web-1-x/app"]
    assert pairs(view, "POD_ATTACH") == [("Node:worker-1", "Pod:default/web-1-x")]


def test_evidence_of_an_endpoint() -> None:
    view = inventory(
        pod(
            "web",
            container(ports=[{"containerPort": 8080}]),
            labels={"app": "web"},
            status={"containerStatuses": [container_status("app", imageID="app@sha256:1")]},
        ),
        service(),
    )
    (edge,) = edges(view, "ENDPOINT_EXPLOIT")
    assert proof(view, edge) == {
        ("Pod:default/web", "spec.containers[name=app].image"): "registry.example/app:1",
        ("Pod:default/web", "status.containerStatuses[name=app].imageID"): "app@sha256:1",
        ("Service:default/web", "spec.ports[0]"): {"port": 80, "targetPort": 8080},
        ("Service:default/web", "spec.selector"): {"app": "web"},
        ("Pod:default/web", "metadata.labels[app]"): "web",
        ("Pod:default/web", "spec.containers[name=app].ports"): [{"containerPort": 8080}],
    }


@pytest.mark.parametrize(
    ("item", "spec", "shown"),
    [
        ("True", {}, {("Pod:default/web", "status.conditions[type=Ready].status"): "True"}),
        ("False", {"publishNotReadyAddresses": True}, {("Service:default/web", "spec.publishNotReadyAddresses"): True}),
        (None, {}, {}),
    ],
    ids=["ready", "not ready, and published all the same", "no conditions"],
)
def test_evidence_shows_what_says_that_a_pod_is_ready(item: str | None, spec: dict[str, Any], shown: object) -> None:
    status = {"conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": item}]}
    view = inventory(pod("web", labels={"app": "web"}, status=status if item else {}), service(**spec))
    (edge,) = edges(view, "ENDPOINT_EXPLOIT")
    fields = ("status.conditions[type=Ready].status", "spec.publishNotReadyAddresses")
    assert {key: value for key, value in proof(view, edge).items() if key[1] in fields} == shown


def test_evidence_of_a_pod_that_an_endpoint_slice_names() -> None:
    ends = [
        {"addresses": ["10.0.0.2"], "targetRef": {"kind": "Pod", "name": "other"}},
        {"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "web"}, "conditions": {"ready": True}},
    ]
    labels = {"kubernetes.io/service-name": "web"}
    view = inventory(pod("web"), service(selector=None), obj("EndpointSlice", "web-x", labels=labels, endpoints=ends))
    (edge,) = (edge for edge in edges(view, "ENDPOINT_EXPLOIT") if edge.source == "Endpoint:default/web/80")
    shown = proof(view, edge)
    assert shown["EndpointSlice:default/web-x", "endpoints[1].targetRef.name"] == "web"
    assert shown["EndpointSlice:default/web-x", "endpoints[1].conditions.ready"] is True
    assert ("Service:default/web", "spec.selector") not in shown


def test_an_overlay_computes_only_what_changes() -> None:
    web_pod, other = web(), deployment("other", namespace="quiet")
    base = inventory(web_pod, other, service())
    assert targets(base, "Endpoint:default/web/80") == [APP]
    change = Change(Target.of(web_pod), (Op("set", "/spec/template/metadata/labels", {"app": "moved"}),))
    view = overlay(base, [change])
    assert targets(view, "Endpoint:default/web/80") == []
    assert endpoints_of(view, "quiet") is endpoints_of(base, "quiet")
    assert targets(base, "Endpoint:default/web/80") == [APP]
