"""Servers that ask nobody who it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    blocked,
    container,
    deployment,
    edges,
    inventory,
    mount,
    obj,
    pairs,
    proof,
    service,
)
from workbench.inventory.inventory import Inventory

END = "Endpoint:default/web/80"
APP = "Container:default/web/app"
ACCOUNT = "ServiceAccount:default/default"
UNKNOWN = ("C-INGRESS", "Deployment:default/web")


def served(image: str, port: int, *args: str, command: Any = None, spec: Any = None, **fields: Any) -> Inventory:
    fields = {"args": list(args), **({"command": command} if command else {}), **fields}
    workload = deployment("web", container(image=image, **fields), **(spec or {}))
    return inventory(workload, service("web", {"port": 80, "targetPort": port}))


def env(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "value": "x"} for name in names]


DASHBOARD = "kubernetesui/dashboard:v2.7.0"
ARGO = "quay.io/argoproj/argocli:v3.5.0"
JUPYTER = "quay.io/jupyter/base-notebook:2024-01-01"
KUBEFLOW_NOTEBOOK = "ghcr.io/kubeflow/kubeflow/notebook-servers/jupyter-scipy:v1.9"
ELASTIC = "docker.elastic.co/elasticsearch/elasticsearch:{}"
SECURE = "xpack.security.enabled"


def vulnerable(image: str) -> tuple[str, str]:
    return ("C-VULN", f"Image:{image}")


@pytest.mark.parametrize(
    ("view", "target", "missing"),
    [
        pytest.param(served(DASHBOARD, 8443, "--enable-skip-login"), ACCOUNT, (), id="Dashboard"),
        pytest.param(
            served("kubernetesui/dashboard:v2.7.0@sha256:0", 9090, "--enable-skip-login=true", "--insecure-port=9090"),
            ACCOUNT,
            (),
            id="Dashboard over HTTP",
        ),
        pytest.param(served("k8s.gcr.io/kubernetes-dashboard-amd64:v1.8.3", 8443), ACCOUNT, (), id="old Dashboard"),
        pytest.param(served(ARGO, 2746, "server", "--auth-mode=server"), ACCOUNT, (), id="Argo Workflows"),
        pytest.param(
            served(ARGO, 2746, "server", "--auth-mode", "sso", "--auth-mode", "server"),
            ACCOUNT,
            (),
            id="Argo, also",
        ),
        pytest.param(served("argoproj/argocli:v2.12.0", 2746, "server"), ACCOUNT, (), id="Argo before 3.0"),
        pytest.param(served("argoproj/argocli@sha256:0", 2746, "server"), ACCOUNT, (UNKNOWN,), id="Argo by digest"),
        pytest.param(served(JUPYTER, 8888, "start-notebook.sh", "--NotebookApp.token=''"), APP, (), id="Jupyter"),
        pytest.param(
            served("registry.example/lab:1", 9999, command=["jupyter", "lab", "--port=9999", "--ServerApp.token="]),
            APP,
            (),
            id="Jupyter by its command",
        ),
        pytest.param(
            served(JUPYTER, 8888, command=["sh", "-c", "jupyter lab --ServerApp.token=''"]),
            APP,
            (UNKNOWN,),
            id="Jupyter in a script",
        ),
        pytest.param(served(KUBEFLOW_NOTEBOOK, 8888), APP, (), id="Kubeflow notebook"),
        pytest.param(
            served("docker.io/kubeflownotebookswg/jupyter-web-app:v1.8.0", 5000), ACCOUNT, (UNKNOWN,), id="Kubeflow"
        ),
        pytest.param(served("redis:5.0.3-alpine", 6379), APP, (), id="Redis 5"),
        pytest.param(served("redis:alpine", 6379), APP, (vulnerable("redis:alpine"),), id="Redis today"),
        pytest.param(served("redis:5", 6380, "redis-server", "--port", "6380"), APP, (), id="Redis on another port"),
        pytest.param(
            served("redis:5", 6379, "redis-server", "/etc/redis/redis.conf"), APP, (UNKNOWN,), id="Redis by a file"
        ),
        pytest.param(
            served("bitnami/redis:5.0", 6379, env=env("ALLOW_EMPTY_PASSWORD")), APP, (), id="Bitnami without password"
        ),
        pytest.param(
            served(ELASTIC.format("7.17.9"), 9200), APP, (vulnerable(ELASTIC.format("7.17.9")),), id="Elasticsearch 7"
        ),
        pytest.param(
            served(ELASTIC.format("8.11.0"), 9200, env=env(SECURE)),
            APP,
            (UNKNOWN, vulnerable(ELASTIC.format("8.11.0"))),
            id="Elasticsearch 8 with a setting whose value nobody read",
        ),
        pytest.param(
            served(ELASTIC.format("8.11.0"), 9200, f"-E{SECURE}=false"),
            APP,
            (vulnerable(ELASTIC.format("8.11.0")),),
            id="Elasticsearch 8 with security off",
        ),
        pytest.param(
            served("docker:24-dind", 2375, "dockerd", "--host=tcp://0.0.0.0:2375"), APP, (), id="Docker daemon"
        ),
        pytest.param(served("docker:dind", 2375, env=env("DOCKER_TLS_CERTDIR")), APP, (UNKNOWN,), id="dind"),
        pytest.param(
            served("registry.example/ci:1", 4000, command=["/usr/bin/dockerd", "-H", "tcp://0.0.0.0:4000"]),
            APP,
            (),
            id="Docker daemon by its command",
        ),
    ],
)
def test_open_servers(view: Inventory, target: str, missing: Any) -> None:
    (edge,) = edges(view, "ENDPOINT_UNAUTH")
    assert (edge.source, edge.target, edge.missing) == (END, target, missing)
    assert edge.effort == (4 if missing else 2)
    assert blocked(view, "ENDPOINT_UNAUTH") == []


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (served(DASHBOARD, 8443, "--auto-generate-certificates"), "no --enable-skip-login"),
        (served(DASHBOARD, 8443, "--enable-skip-login=false"), "no --enable-skip-login"),
        (served(ARGO, 2746, "server"), "since 3.0"),
        (served(ARGO, 2746, "server", "--auth-mode=client", "--auth-mode=sso"), "--auth-mode=client,sso"),
        (served(JUPYTER, 8888), "the server makes a token"),
        (served(JUPYTER, 8888, "start-notebook.sh", "--NotebookApp.token=s3cret"), "set --NotebookApp.token"),
        (
            served(JUPYTER, 8888, "start-notebook.sh", "--ServerApp.token=", "--ServerApp.password=argon2:x"),
            "set --ServerApp.password",
        ),
        (served("redis:5", 6379, "redis-server", "--requirepass", "s3cret"), "set --requirepass"),
        (served("redis:5", 6379, "--requirepass=s3cret"), "set --requirepass"),
        (served("redis:5", 6379, "--save", "", "--requirepass $(PASSWORD)"), "set --requirepass"),
        (served("redis:5", 6379, "--protected-mode", "yes"), "loopback"),
        (served("redis:5", 6379, "--bind", "127.0.0.1"), "loopback"),
        (served("bitnami/redis:5.0", 6379, env=env("REDIS_PASSWORD")), "env REDIS_PASSWORD"),
        (served(ELASTIC.format("8.11.0"), 9200), "on by default"),
        (served(ELASTIC.format("7.17.9"), 9200, f"-E{SECURE}=true"), "turn xpack.security on"),
        (served("docker:24-dind", 2375), "DOCKER_TLS_CERTDIR"),
        (served("docker:24-dind", 2375, "--host=tcp://0.0.0.0:2375", "--tlsverify"), "--tlsverify"),
    ],
)
def test_servers_that_ask(view: Inventory, reason: str) -> None:
    assert edges(view, "ENDPOINT_UNAUTH") == []
    (found,) = blocked(view, "ENDPOINT_UNAUTH")
    assert found.source == END
    assert reason in found.mitigation


@pytest.mark.parametrize(
    "view",
    [
        served("redis:5", 8080),
        served("redis:5", 6379, "--port", "7000"),
        served("example/redis-exporter:1", 6379),
        served("quay.io/argoproj/argocli:v3.5.0", 2746, "submit", "--auth-mode=server"),
        served(DASHBOARD, 8443, "--enable-skip-login", spec={"automountServiceAccountToken": False}),
        served("docker:24-cli", 2375),
    ],
    ids=["another port", "its own port is another", "another image", "no server", "no token", "no daemon"],
)
def test_what_says_nothing_about_a_server(view: Inventory) -> None:
    assert edges(view, "ENDPOINT_UNAUTH") == [] == blocked(view, "ENDPOINT_UNAUTH")


def test_a_mesh_may_stand_in_front_of_a_notebook() -> None:
    workload = deployment("web", container(image=KUBEFLOW_NOTEBOOK), container("istio-proxy", image="proxyv2"))
    view = inventory(workload, service("web", {"port": 80, "targetPort": 8888}))
    assert [edge.missing for edge in edges(view, "ENDPOINT_UNAUTH")] == [(UNKNOWN,)]


def test_a_file_may_turn_elasticsearchs_security_on() -> None:
    view = served(
        ELASTIC.format("7.17.9"), 9200, volumeMounts=[mount("c", "/usr/share/elasticsearch/config/elasticsearch.yml")]
    )
    assert [edge.missing[0] for edge in edges(view, "ENDPOINT_UNAUTH")] == [UNKNOWN]


def test_an_ingress_forwards_http_alone() -> None:
    def published(image: str, port: int, *args: str) -> list[tuple[str, str]]:
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        ingress = obj("Ingress", "all", spec={"defaultBackend": backend})
        workload = deployment("web", container(image=image, args=list(args)))
        return pairs(inventory(workload, service("web", {"port": 80, "targetPort": port}), ingress), "ENDPOINT_UNAUTH")

    assert ("Endpoint:default/ingress.all/80", APP) in published(JUPYTER, 8888, "--ServerApp.token=")
    assert published("redis:5", 6379) == [(END, APP)]


def test_the_api_server_has_to_be_reached() -> None:
    policy = obj("NetworkPolicy", "closed", spec={"podSelector": {}, "policyTypes": ["Egress"]})
    workload = deployment("web", container(image=DASHBOARD, args=["--enable-skip-login"]))
    view = inventory(workload, service("web", {"port": 80, "targetPort": 8443}), policy)
    (edge,) = edges(view, "ENDPOINT_UNAUTH")
    assert edge.missing == (("C-API", "Namespace:default"),)
    assert ("NetworkPolicy:default/closed", "spec.egress") in proof(view, edge)


def test_evidence() -> None:
    view = served("bitnami/redis:5.0", 6379, "--appendonly", "yes", env=env("ALLOW_EMPTY_PASSWORD", "OTHER"))
    (edge,) = edges(view, "ENDPOINT_UNAUTH")
    found = proof(view, edge)
    at = "spec.template.spec.containers[name=app]"
    assert next(iter(found)) == ("Deployment:default/web", f"{at}.image")
    assert found[("Deployment:default/web", f"{at}.args")] == ["--appendonly", "…"]
    assert found[("Service:default/web", "spec.ports[0]")] == {"port": 80, "targetPort": 6379}
    assert ("Deployment:default/web", f"{at}.env[name=ALLOW_EMPTY_PASSWORD].name") in found
    assert not any("OTHER" in field for _, field in found)


def test_values_of_tokens_are_never_kept() -> None:
    view = served(
        JUPYTER,
        8888,
        *("--ServerApp.token=s3cret", "--requirepass", "s3cret", "--password s3cret", "-H", "tcp://u:s3cret@h:1"),
    )
    assert "s3cret" not in str(next(iter(view.containers)).spec.args)
