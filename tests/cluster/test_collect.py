"""Reading a real API server: as several identities, in pages, and while things go wrong."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness.certificates import Authority
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.identity import exec_plugin
from tests.cluster.harness.objects import namespace, node, pod, secret
from tests.cluster.harness.proxy import Proxy
from tests.cluster.harness.rights import READ_ALL, rule
from workbench.cli import main
from workbench.errors import Cancelled
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KubernetesObject, Namespace, Node, Pod, Secret
from workbench.kube.api import ConnectOptions
from workbench.kube.connection import connect
from workbench.sources import Live, SourceRequest, load
from workbench.sources.cluster import KindProgress, State

PODS = 2_100
CANARY = "canary-value-that-nobody-may-see"


@dataclass(frozen=True)
class Result:
    """What a run of the program left."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run the program with some arguments."""

    def runner(*arguments: str) -> Result:
        capsys.readouterr()
        status = main(list(arguments))
        return Result(int(status), *capsys.readouterr())

    return runner


@pytest.fixture(scope="module")
def full(shared_cluster: Cluster) -> Iterator[Cluster]:
    """Five namespaces with 2,100 pods on three nodes, and a secret in each."""
    names = [f"team-{at}" for at in range(5)]
    with shared_cluster.restored():
        shared_cluster.create_namespaces(*names)
        shared_cluster.create(*(secret("keys", name, password=CANARY) for name in names))
        shared_cluster.seed(
            [
                *(node(f"node-{at}") for at in range(3)),
                *(pod(f"web-{at:04}", names[at % 5], node=f"node-{at % 3}") for at in range(PODS)),
            ]
        )
        yield shared_cluster


@pytest.fixture
def populated(full: Cluster) -> Iterator[Cluster]:
    """The full cluster; what a test adds is undone."""
    with full.restored():
        yield full


def read(path: Path, **more: Any) -> Inventory:
    return load(SourceRequest("context", connect=ConnectOptions(kubeconfig=str(path)), **more))


def names(view: Inventory, kind: type[KubernetesObject]) -> list[str]:
    return sorted(obj.id for obj in view.all(kind) if not view.is_builtin(obj.id))


def gap(view: Inventory, kind: str) -> str:
    [found] = [found for found in view.coverage if found.kind == kind]
    return f"{found.problem} {found.namespace or '*'} {found.detail}"


# --- identities ---------------------------------------------------------------------------------------


def test_who_may_read_all_reads_all_and_sends_nothing_but_reads(populated: Cluster) -> None:
    reader = populated.user("jane")
    populated.grant(reader, READ_ALL)
    mark = populated.audit.mark()
    view = read(populated.kubeconfig(reader))
    events = populated.audit.since(mark, user="jane")
    assert (len(view.all(Pod)), len(view.all(Node)), view.coverage) == (PODS, 3, [])
    assert str(view.server_version) == "v1.37.2"
    assert {event.verb for event in events} <= {"list", "get"}
    assert not any("dryRun" in event.uri for event in events)
    pages = [event for event in events if event.resource == "pods"]
    assert len(pages) == 5


def test_no_value_of_a_secret_leaves_the_server(populated: Cluster, tmp_path: Path, run: Callable[..., Result]) -> None:
    written = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "applied", "namespace": "team-0"},
               "stringData": {"password": CANARY, "user": "eve"}, "type": "kubernetes.io/basic-auth"}  # fmt: skip
    populated.kubectl("apply", "-f", "-", data=json.dumps(written))
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own", "namespace": "team-0"},
                "data": {"a": CANARY}}  # fmt: skip
    populated.create(settings)
    reader = populated.user("jane")
    populated.grant(reader, READ_ALL)
    path = populated.kubeconfig(reader)
    mark = populated.audit.mark()
    snapshot = tmp_path / "snapshot"
    assert run("collect", "--kubeconfig", str(path), "-o", str(snapshot)).status == 0
    events = populated.audit.since(mark, user="jane")
    encoded = base64.b64encode(CANARY.encode()).decode()
    asked = [event for event in events if event.resource in ("secrets", "configmaps")]
    assert asked
    for event in asked:
        items = (event.response or {}).get("items") or []
        assert not any(set(item) - {"kind", "apiVersion", "metadata"} for item in items)
        assert encoded not in event.line
    assert not any(event.verb == "get" and event.resource == "secrets" for event in events)
    view = load(SourceRequest("snapshot", (str(snapshot),)))
    applied = view.get(Secret, "applied", "team-0")
    assert applied is not None
    assert (applied.type, applied.data_keys) == ("kubernetes.io/basic-auth", ["password", "user"])
    assert CANARY not in repr(list(view.all(Secret)))
    assert len([one for one in view.all(Secret) if one.name == "keys"]) == 5


def test_in_two_namespaces_only(populated: Cluster) -> None:
    reader = populated.user("jane")
    for name in ("team-1", "team-3"):
        populated.grant(reader, READ_ALL, namespace=name)
    view = read(populated.kubeconfig(reader, namespace="team-1"), also=("team-3", "team-9"))
    assert {one.namespace for one in view.all(Pod)} == {"team-1", "team-3"}
    assert len(view.all(Pod)) == PODS // 5 * 2
    assert gap(view, "Pod").startswith("forbidden * list pods: 403: ")
    assert gap(view, "Pod").endswith("only these were tried: team-1, team-3, team-9; read in team-1, team-3")
    assert 'User "jane" cannot list resource "nodes"' in gap(view, "Node")


def test_where_namespaces_can_be_listed_all_are_tried(populated: Cluster) -> None:
    reader = populated.user("jane")
    populated.grant(reader, rule("namespaces"))
    populated.grant(reader, rule("pods"), namespace="team-2")
    view = read(populated.kubeconfig(reader))
    assert len(names(view, Namespace)) >= 9
    assert {one.namespace for one in view.all(Pod)} == {"team-2"}
    refused = {one.namespace for one in view.coverage if one.kind == "Pod"}
    assert {"team-0", "team-1", "default", "kube-system"} <= refused
    assert "team-2" not in refused


def test_without_secrets(populated: Cluster) -> None:
    reader = populated.user("jane")
    populated.grant(reader, rule("pods,nodes,namespaces,serviceaccounts,configmaps,services"))
    view = read(populated.kubeconfig(reader))
    assert len(view.all(Pod)) == PODS
    assert names(view, Secret) == []
    assert 'cannot list resource "secrets" in API group "" at the cluster scope' in gap(view, "Secret")


def test_without_nodes(populated: Cluster) -> None:
    reader = populated.user("jane")
    populated.grant(reader, rule("pods,namespaces,secrets"))
    view = read(populated.kubeconfig(reader))
    assert (len(view.all(Pod)), names(view, Node)) == (PODS, [])
    assert gap(view, "Node").startswith("forbidden * list nodes: 403: ")


def test_the_operators_namespaces_limit_what_is_read(populated: Cluster) -> None:
    reader = populated.user("jane")
    populated.grant(reader, READ_ALL)
    mark = populated.audit.mark()
    view = read(populated.kubeconfig(reader), namespaces=("team-4",))
    assert {one.namespace for one in view.all(Pod)} == {"team-4"}
    assert len(view.all(Node)) == 3
    assert gap(view, "Pod") == "not-collected * only namespace team-4 (--namespace)"
    asked = [event for event in populated.audit.since(mark, user="jane") if event.resource == "pods"]
    assert {event.namespace for event in asked} == {"team-4"}


def test_impersonation(populated: Cluster) -> None:
    populated.grant(populated.user("jane"), READ_ALL)
    options = ConnectOptions(kubeconfig=str(populated.kubeconfig()), as_user="jane", as_groups=("auditors",))
    mark = populated.audit.mark()
    assert len(load(SourceRequest("context", connect=options)).all(Pod)) == PODS
    events = populated.audit.since(mark)
    assert any('"impersonatedUser":{"username":"jane","groups":["auditors"' in event.line for event in events)


# --- what ends a command ------------------------------------------------------------------------------


def test_nothing_may_be_read(cluster: Cluster, run: Callable[..., Result]) -> None:
    done = run("graph", "--kubeconfig", str(cluster.kubeconfig(cluster.user("nobody"), context="prod")))
    assert (done.status, done.out) == (3, "")
    first, second = done.err.splitlines()
    assert first.startswith("workbench: Nothing could be read from prod as ")
    counted = first.partition(": ")[2].rpartition(": ")[2].split()
    assert counted[0] == counted[2]
    assert counted[3:] == ["requests", "refused."]
    assert 'User "nobody" cannot list resource' in second


def test_an_expired_token(cluster: Cluster, run: Callable[..., Result]) -> None:
    done = run("graph", "--kubeconfig", str(cluster.kubeconfig(cluster.expired_account("default"))))
    assert (done.status, done.out) == (3, "")
    assert "Unauthorized (401)" in done.err


def test_a_wrong_authority(cluster: Cluster, tmp_path: Path, run: Callable[..., Result]) -> None:
    other = Authority.create(tmp_path / "other").pair.certificate
    mark = cluster.audit.mark()
    done = run("graph", "--kubeconfig", str(cluster.kubeconfig(ca=other)))
    assert (done.status, done.out) == (3, "")
    assert "its certificate is not trusted: " in done.err
    assert cluster.audit.since(mark, user="admin") == []


def test_a_name_that_the_certificate_lacks(cluster: Cluster, run: Callable[..., Result]) -> None:
    path = str(cluster.kubeconfig(cluster={"tls-server-name": "other.example"}))
    done = run("graph", "--kubeconfig", path)
    assert done.status == 3
    assert "its certificate is not trusted: hostname mismatch" in done.err.lower()
    assert run("graph", "--kubeconfig", str(cluster.kubeconfig(cluster={"tls-server-name": "localhost"}))).status == 0


def test_a_server_that_is_not_there(cluster: Cluster, run: Callable[..., Result]) -> None:
    done = run("graph", "--kubeconfig", str(cluster.kubeconfig(server="https://127.0.0.1:1")))
    assert (done.status, done.out) == (3, "")
    assert done.err == "workbench: https://127.0.0.1:1: connection refused\n"


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo no card >&2; exit 3", "no card"), ("echo half-a-token", "printed no ExecCredential"), (None, "installed")],
)
def test_a_plugin_that_gives_nothing_sends_nothing(
    cluster: Cluster, tmp_path: Path, run: Callable[..., Result], script: str | None, message: str
) -> None:
    path = tmp_path / "plugin"
    if script is not None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    mark = cluster.audit.mark()
    done = run("graph", "--kubeconfig", str(cluster.kubeconfig(exec_plugin(str(path)))))
    assert (done.status, done.out) == (3, "")
    assert message in done.err
    assert cluster.audit.since(mark, user="system:anonymous") == []


def test_a_plugin_that_gives_a_token(cluster: Cluster, tmp_path: Path) -> None:
    account = cluster.service_account("default", "reader")
    cluster.grant(account, READ_ALL)
    token = json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                        "status": {"token": account.token}})  # fmt: skip
    path = tmp_path / "plugin"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{token}\nEND\n")
    path.chmod(0o755)
    assert read(cluster.kubeconfig(exec_plugin(str(path)))).coverage == []


# --- while it is read ---------------------------------------------------------------------------------


def test_a_continue_token_that_expires_makes_the_list_begin_anew(populated: Cluster) -> None:
    reader = populated.user("jane")
    populated.grant(reader, READ_ALL)
    times: list[int] = []

    def observe(news: KindProgress) -> None:
        if news.kind == "Pod" and news.state is State.READING and not times:
            times.append(news.done)
            populated.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "w", "namespace": "team-0"}})
            populated.etcd.compact()

    mark = populated.audit.mark()
    request = SourceRequest("context", connect=ConnectOptions(kubeconfig=str(populated.kubeconfig(reader))))
    view = load(request, live=Live(observer=observe))
    assert len(view.all(Pod)) == PODS
    answered = [event.status for event in populated.audit.since(mark, user="jane") if event.resource == "pods"]
    assert 410 in answered or len(answered) == 5


def test_cancelled(populated: Cluster) -> None:
    connection = connect(ConnectOptions(kubeconfig=str(populated.kubeconfig())))

    def observe(news: KindProgress) -> None:
        if news.kind == "Pod" and news.state is State.READING:
            connection.cancel()

    request = SourceRequest("context")
    view = load(request, live=Live(connection=connection, observer=observe, keep_partial=True))
    assert 0 < len(view.all(Pod)) <= PODS
    assert gap(view, "Pod") == "not-collected * cancelled"
    with pytest.raises(Cancelled):
        load(request, live=Live(connection=connection))
    connection.close()


def test_a_connection_that_is_cut_is_made_anew(populated: Cluster) -> None:
    with Proxy(populated.server) as proxy:
        path = populated.kubeconfig(server=proxy.url)
        cut = threading.Event()

        def observe(news: KindProgress) -> None:
            if news.kind == "Pod" and news.state is State.READING and not cut.is_set():
                cut.set()
                proxy.cut()

        request = SourceRequest("context", connect=ConnectOptions(kubeconfig=str(path)))
        view = load(request, live=Live(observer=observe))
    assert cut.is_set()
    assert (len(view.all(Pod)), view.coverage) == (PODS, [])


def test_a_server_that_is_killed_in_the_middle(
    start_cluster: Callable[..., Cluster], run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = start_cluster()
    cluster.seed([namespace("shop"), *(pod(f"web-{at:04}", "shop") for at in range(PODS))])
    path = str(cluster.kubeconfig(context="prod"))
    started = threading.Event()

    def kill() -> None:
        started.wait(60)
        cluster.plane.api_server.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    from workbench.sources import cluster as module

    def observe(self: Any, kind: str, state: State, remaining: int = 0) -> None:
        if kind == "Pod" and state is State.READING:
            started.set()
            killer.join()

    monkeypatch.setattr(module._Collector, "_tell", observe)
    done = run("graph", "--kubeconfig", path)
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith("workbench: prod: https://127.0.0.1:")
    assert done.err.endswith("objects had been read\n")


def test_a_server_that_takes_connections_and_never_answers(
    start_cluster: Callable[..., Cluster], run: Callable[..., Result]
) -> None:
    cluster = start_cluster()
    path = str(cluster.kubeconfig())
    cluster.plane.api_server.suspend()
    began = time.monotonic()
    done = run("graph", "--kubeconfig", path, "--request-timeout", "1s")
    took = time.monotonic() - began
    cluster.plane.api_server.resume()
    assert (done.status, done.out) == (3, "")
    assert "no answer within 1 s" in done.err
    # It is asked once, and not for each kind.
    assert took < 15
