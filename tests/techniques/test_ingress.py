"""How the internet reaches the backends of Ingresses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    blocked,
    container,
    deployment,
    edges,
    inventory,
    node,
    obj,
    pairs,
    pod,
    proof,
    service,
)
from workbench.inventory.inventory import Inventory

PUBLIC = {"type": "ExternalIP", "address": "203.0.113.7"}
PRIVATE = {"type": "InternalIP", "address": "10.0.0.4"}
APP = "Container:default/web/app"
FIREWALL = (("C-FW", "Node:*"),)

NGINX = "registry.k8s.io/ingress-nginx/controller:v1.12.1"


def web(*containers: Any, **options: Any) -> Any:
    return deployment("web", *containers, **options)


def targets(view: Inventory, endpoint: str) -> list[str]:
    return sorted({edge.target for edge in edges(view, "ENDPOINT_EXPLOIT") if edge.source == endpoint})


def ingress(*ports: Any, name: str = "shop", **options: Any) -> Any:
    paths = [
        {"path": "/", "backend": {"service": {"name": "web", "port": port}}} for port in (ports or ({"number": 80},))
    ]
    spec = {"ingressClassName": "nginx", "rules": [{"http": {"paths": paths}}], **options.pop("spec", {})}
    return obj("Ingress", name, spec={key: value for key, value in spec.items() if value is not None}, **options)


def ingress_class(name: str = "nginx", controller: str = "k8s.io/ingress-nginx", **options: Any) -> Any:
    return obj("IngressClass", name, spec={"controller": controller}, **options)


def controller(*arguments: str, image: str = NGINX, **options: Any) -> Any:
    return deployment(
        "controller", container("controller", image=image, args=list(arguments)), namespace="ingress", **options
    )


def controller_service(**options: Any) -> Any:
    return service(
        "front",
        {"port": 443},
        namespace="ingress",
        selector={"app": "controller"},
        **{"type": "LoadBalancer", "address": "203.0.113.7", **options},
    )


def shop(*objects: Any, **options: Any) -> Inventory:
    return inventory(web(), service(), ingress_class(), *objects, **options)


END = "Endpoint:default/ingress.shop/80"
GUARDED = ("C-INGRESS", "Ingress:default/shop")


@pytest.mark.parametrize(
    ("objects", "missing"),
    [
        pytest.param([ingress(), controller(), controller_service()], (), id="by image"),
        pytest.param(
            [
                ingress(),
                controller("--controller-class=k8s.io/ingress-nginx", image="mirror.example/proxy:1"),
                controller_service(),
            ],
            (),
            id="by argument",
        ),
        pytest.param(
            [ingress(), controller("--controller-class=k8s.io/other"), controller_service()],
            (GUARDED,),
            id="controller of another class",
        ),
        pytest.param([ingress()], (GUARDED,), id="no controller in the source"),
        pytest.param(
            [ingress(), controller(), controller_service(address=None)],
            (("C-LB", "Service:ingress/front"),),
            id="controller without an address yet",
        ),
        pytest.param(
            [ingress(), controller(), controller_service(type="NodePort", address=None)],
            FIREWALL,
            id="controller on node ports",
        ),
        pytest.param(
            [
                ingress(annotations={"nginx.ingress.kubernetes.io/auth-url": "https://auth"}),
                controller(),
                controller_service(),
            ],
            (GUARDED,),
            id="authentication",
        ),
        pytest.param(
            [
                ingress(annotations={"nginx.ingress.kubernetes.io/whitelist-source-range": "198.51.100.0/24"}),
                controller(),
                controller_service(),
            ],
            (GUARDED,),
            id="allow-list",
        ),
        pytest.param(
            [
                ingress(annotations={"nginx.ingress.kubernetes.io/whitelist-source-range": "0.0.0.0/0"}),
                controller(),
                controller_service(),
            ],
            (),
            id="allow-list of everything",
        ),
        pytest.param(
            [
                ingress(spec={"ingressClassName": None}, annotations={"kubernetes.io/ingress.class": "nginx"}),
                controller(),
                controller_service(),
            ],
            (),
            id="class by annotation",
        ),
        pytest.param(
            [ingress(spec={"ingressClassName": None}), controller(), controller_service()],
            (GUARDED,),
            id="no class",
        ),
    ],
)
def test_ingresses(objects: list[Any], missing: tuple[Any, ...]) -> None:
    view = shop(*objects)
    assert blocked(view, "EXPOSE_INGRESS") == []
    (edge,) = edges(view, "EXPOSE_INGRESS")
    assert (edge.source, edge.target, edge.missing) == ("Internet", END, missing)
    assert edge.effort == (3 if missing else 1)
    assert targets(view, END) == [APP]


def test_the_default_class() -> None:
    annotations = {"ingressclass.kubernetes.io/is-default-class": "true"}
    view = inventory(
        web(),
        service(),
        ingress_class("other", "example.org/other"),
        ingress_class(annotations=annotations),
        ingress(spec={"ingressClassName": None}),
        controller(),
        controller_service(),
    )
    (edge,) = edges(view, "EXPOSE_INGRESS")
    assert edge.verdict == "on"


def test_a_controller_on_host_ports() -> None:
    ports = [{"containerPort": 80, "hostPort": 80}]
    front = pod("controller", container("controller", image=NGINX, ports=ports), namespace="ingress")
    (edge,) = edges(shop(ingress(), front, node(addresses=[PUBLIC])), "EXPOSE_INGRESS")
    assert edge.verdict == "on"
    (edge,) = edges(shop(ingress(), front, node(addresses=[PRIVATE])), "EXPOSE_INGRESS")
    assert edge.missing == (("C-FW", "Node:worker-1"),)


@pytest.mark.parametrize(
    ("objects", "endpoint", "mitigation"),
    [
        pytest.param([ingress(), controller()], END, "is not exposed", id="controller without a service"),
        pytest.param(
            [ingress(), controller(), controller_service(type="ClusterIP", address=None)],
            END,
            "is not exposed",
            id="controller inside",
        ),
        pytest.param(
            [ingress(), controller(), controller_service(address="10.0.0.9")],
            END,
            "is not exposed",
            id="controller on a private balancer",
        ),
        pytest.param(
            [ingress({"number": 81}), controller(), controller_service()],
            "Endpoint:default/ingress.shop/81",
            "has no Service port",
            id="no such port",
        ),
    ],
)
def test_ingresses_that_lead_nowhere(objects: list[Any], endpoint: str, mitigation: str) -> None:
    view = shop(*objects)
    assert edges(view, "EXPOSE_INGRESS") == []
    (found,) = blocked(view, "EXPOSE_INGRESS")
    assert (found.target, mitigation in found.mitigation) == (endpoint, True)


@pytest.mark.parametrize(
    "backend",
    [[], [service()], [service(), pod("web", labels={"app": "web"}, phase="Failed")]],
    ids=["no service", "no pod", "pod failed"],
)
def test_dangling_backends(backend: list[Any]) -> None:
    view = inventory(ingress_class(), ingress(), controller(), controller_service(), *backend)
    assert edges(view, "EXPOSE_INGRESS") == []
    assert [found.target for found in blocked(view, "EXPOSE_INGRESS")] == [END]


def test_backends_with_one_port_share_an_endpoint() -> None:
    spec = {
        "defaultBackend": {"service": {"name": "api", "port": {"name": "http"}}},
        "rules": [
            {"http": {"paths": [{"backend": {"service": {"name": name, "port": {"number": number}}}}]}}
            for name, number in (("web", 80), ("api", 8443), ("gone", 80))
        ],
    }
    view = shop(
        deployment("api"),
        service("api", {"port": 80, "name": "http"}, {"port": 8443}, selector={"app": "api"}),
        ingress(spec=spec),
        controller(),
        controller_service(),
    )
    secure = "Endpoint:default/ingress.shop/8443"
    assert pairs(view, "EXPOSE_INGRESS") == [("Internet", END), ("Internet", secure)]
    assert blocked(view, "EXPOSE_INGRESS") == []
    assert targets(view, END) == ["Container:default/api/app", APP]
    assert targets(view, secure) == ["Container:default/api/app"]


def test_old_backends() -> None:
    spec = {"rules": [{"http": {"paths": [{"backend": {"serviceName": "web", "servicePort": 80}}]}}]}
    (edge,) = edges(shop(ingress(spec=spec), controller(), controller_service()), "EXPOSE_INGRESS")
    assert edge.target == END


@pytest.mark.parametrize(
    ("class_name", "controller_name", "annotations", "address", "verdict"),
    [
        ("alb", "ingress.k8s.aws/alb", {"alb.ingress.kubernetes.io/scheme": "internet-facing"}, "x.elb.com", "on"),
        ("alb", "ingress.k8s.aws/alb", {"alb.ingress.kubernetes.io/scheme": "internet-facing"}, None, "C-LB"),
        ("alb", "ingress.k8s.aws/alb", {"alb.ingress.kubernetes.io/scheme": "internal"}, "x.elb.com", "off"),
        ("alb", "ingress.k8s.aws/alb", {}, "x.elb.com", "C-INGRESS"),
        ("gce", None, {}, "203.0.113.9", "on"),
        ("gce", None, {}, "10.0.0.9", "off"),
        ("gce-internal", None, {}, None, "off"),
    ],
)
def test_controllers_that_have_a_cloud_send_the_traffic(
    class_name: str, controller_name: str | None, annotations: dict[str, str], address: str | None, verdict: str
) -> None:
    status = {"loadBalancer": {"ingress": [{"ip" if address[0].isdigit() else "hostname": address}]}} if address else {}
    view = inventory(
        web(),
        service(),
        *([ingress_class(class_name, controller_name)] if controller_name else []),
        ingress(spec={"ingressClassName": class_name}, annotations=annotations, status=status),
    )
    found = edges(view, "EXPOSE_INGRESS")
    if verdict == "off":
        assert (found, len(blocked(view, "EXPOSE_INGRESS"))) == ([], 1)
    else:
        (edge,) = found
        assert list(edge.conditions) == ([] if verdict == "on" else [verdict])


def test_evidence_of_an_ingress() -> None:
    view = shop(ingress(), controller("--controller-class=k8s.io/ingress-nginx"), controller_service())
    (edge,) = edges(view, "EXPOSE_INGRESS")
    assert proof(view, edge) == {
        ("Ingress:default/shop", "spec.rules[0].http.paths[0].backend"): {
            "service": {"name": "web", "port": {"number": 80}}
        },
        ("Ingress:default/shop", "spec.ingressClassName"): "nginx",
        ("IngressClass:nginx", "spec.controller"): "k8s.io/ingress-nginx",
        ("Deployment:ingress/controller", "spec.template.spec.containers[name=controller].image"): NGINX,
        ("Deployment:ingress/controller", "spec.template.spec.containers[name=controller].args"): [
            "--controller-class=k8s.io/ingress-nginx"
        ],
        ("Service:ingress/front", "spec.type"): "LoadBalancer",
        ("Service:ingress/front", "status.loadBalancer.ingress"): [{"ip": "203.0.113.7"}],
        ("Ingress:default/shop", "status.loadBalancer.ingress"): None,
        ("Service:default/web", "spec.selector"): {"app": "web"},
    }


def test_evidence_of_what_stands_behind_an_ingress() -> None:
    view = shop(ingress(), controller(), controller_service())
    edge = next(edge for edge in edges(view, "ENDPOINT_EXPLOIT") if edge.source == END)
    shown = proof(view, edge)
    assert shown[("Ingress:default/shop", "spec.rules[0].http.paths[0].backend")] == {
        "service": {"name": "web", "port": {"number": 80}}
    }
    assert shown[("Service:default/web", "spec.selector")] == {"app": "web"}
    assert shown[("Deployment:default/web", "spec.template.metadata.labels[app]")] == "web"
