"""Network policies on a real API server: it takes every one that is made, and an undo takes them away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness.cluster import Cluster
from workbench.cli import main
from workbench.kube.api import ConnectOptions
from workbench.remediation.catalogue import all_fixes
from workbench.remediation.records import Fix
from workbench.sources import SourceRequest, load

Data = dict[str, Any]
Run = Callable[..., tuple[int, str]]


def deployment(name: str, namespace: str, container: Data, replicas: int = 1) -> Data:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i", **container}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def service(name: str, namespace: str, **spec: Any) -> Data:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {"app": name}, **spec}}


OBJECTS: list[Data] = [
    deployment("web", "shop", {"env": [{"name": "DB", "value": "postgres://app:geheim@db.data.svc:5432/shop"}]}),
    deployment("db", "data", {"ports": [{"name": "pg", "containerPort": 5433}]}),
    service("web", "shop", type="NodePort", ports=[{"port": 80, "targetPort": 8080}]),
    service("db", "data", ports=[{"port": 5432, "targetPort": "pg"}]),
]
POLICIES = {"data": "wb-deployment-db", "shop": "wb-deployment-web"}


@pytest.fixture
def run(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    cluster.create_namespaces("shop", "data")
    cluster.create(*OBJECTS)

    def command(name: str, *arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main([name, "--kubeconfig", str(cluster.kubeconfig(context="test")), *arguments])
        out, err = capsys.readouterr()
        assert "geheim" not in out + err
        return status, out + err

    return command


def fixes(cluster: Cluster) -> list[Fix]:
    """The policies that the live cluster is to get."""
    request = SourceRequest("context", connect=ConnectOptions(kubeconfig=str(cluster.kubeconfig())))
    found = [fix for fix in all_fixes(load(request)) if fix.target.kind == "NetworkPolicy" and fix.status == "ready"]
    return [fix for fix in found if fix.target.name in POLICIES.values()]


def policies(cluster: Cluster) -> dict[str, Data]:
    """The policies of both namespaces by name."""
    out: dict[str, Data] = {}
    for namespace in POLICIES:
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
        out |= {each["metadata"]["name"]: each for each in cluster.admin.do("GET", path)["items"]}
    return out


def test_policies_are_made_as_shown_and_taken_back(cluster: Cluster, run: Run, tmp_path: Path) -> None:
    chosen = fixes(cluster)
    assert {fix.target.namespace: fix.target.name for fix in chosen} == POLICIES
    mark = cluster.audit.mark()
    status, told = run("apply", "--fix", *(fix.id for fix in chosen), "--yes")
    assert status == 0, told
    assert "verified" in told
    found = policies(cluster)
    for fix in chosen:
        (op,) = [op for op in fix.ops if op.path == "/spec"]
        assert found[fix.target.name]["spec"] == op.value
    (rule,) = found["wb-deployment-db"]["spec"]["ingress"]
    assert rule == {
        "from": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
                "podSelector": {"matchLabels": {"app": "web"}},
            }
        ],
        "ports": [{"protocol": "TCP", "port": 5433}],
    }
    events = [
        event for event in cluster.audit.since(mark) if event.verb == "create" and "reviews" not in event.resource
    ]
    assert [event.resource for event in events] == ["networkpolicies"] * 4
    assert [event.query.get("dryRun") for event in events] == ["All", "All", None, None]
    assert not fixes(cluster)

    status, told = run("apply", "--fix", chosen[0].id, "--yes")
    assert (status, told.count("already applied")) == (0, 1)
    status, told = run("undo", "--yes")
    assert status == 0, told
    assert not policies(cluster)
    assert {fix.id for fix in fixes(cluster)} == {fix.id for fix in chosen}


def test_the_address_of_the_api_server_is_that_of_its_endpoints(cluster: Cluster, run: Run) -> None:
    cluster.create({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}], "endpoints": [{"addresses": ["10.0.0.7"]}],
    })  # fmt: skip
    (web,) = [fix for fix in fixes(cluster) if fix.target.namespace == "shop"]
    spec = web.ops[-1].value
    assert {"to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}], "ports": [{"protocol": "TCP", "port": 6443}]} in spec[
        "egress"
    ]
    assert any(note.startswith("volatile: the addresses 10.0.0.7/32") for note in web.notes)
    status, told = run("apply", "--fix", web.id, "--yes")
    assert status == 0, told


def test_without_the_right_to_create_nothing_is_sent(cluster: Cluster, run: Run) -> None:
    from tests.cluster.harness.rights import READ_ALL

    jane = cluster.user("jane")
    cluster.grant(jane, READ_ALL)
    (web,) = [fix for fix in fixes(cluster) if fix.target.namespace == "shop"]
    mark = cluster.audit.mark()
    status = main(["apply", "--kubeconfig", str(cluster.kubeconfig(jane, context="test")), "--fix", web.id, "--yes"])
    assert status == 1
    assert not [
        event for event in cluster.audit.since(mark) if event.resource == "networkpolicies" and event.verb == "create"
    ]
