"""What ends a command on a real API server, and what goes wrong while it is read."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness.certificates import Authority
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.identity import exec_plugin
from tests.cluster.harness.objects import namespace, pod
from tests.cluster.harness.proxy import Proxy
from tests.cluster.harness.rights import READ_ALL
from tests.cluster.live.reading import PODS, Run, gap, read
from workbench.errors import Cancelled
from workbench.inventory.objects import Pod
from workbench.kube.api import ConnectOptions
from workbench.kube.connection import connect
from workbench.sources import Live, SourceRequest, load
from workbench.sources.cluster import KindProgress, State

# --- what ends a command ------------------------------------------------------------------------------


def test_nothing_may_be_read(cluster: Cluster, run: Run) -> None:
    done = run("graph", "--kubeconfig", str(cluster.kubeconfig(cluster.user("nobody"), context="prod")))
    assert (done.status, done.out) == (3, "")
    first, second = done.err.splitlines()
    assert first.startswith("workbench: Nothing could be read from prod as ")
    counted = first.partition(": ")[2].rpartition(": ")[2].split()
    assert counted[0] == counted[2]
    assert counted[3:] == ["requests", "refused."]
    assert 'User "nobody" cannot list resource' in second


def test_an_expired_token(cluster: Cluster, run: Run) -> None:
    done = run("graph", "--kubeconfig", str(cluster.kubeconfig(cluster.expired_account("default"))))
    assert (done.status, done.out) == (3, "")
    assert "Unauthorized (401)" in done.err


def test_a_wrong_authority(cluster: Cluster, tmp_path: Path, run: Run) -> None:
    other = Authority.create(tmp_path / "other").pair.certificate
    mark = cluster.audit.mark()
    done = run("graph", "--kubeconfig", str(cluster.kubeconfig(ca=other)))
    assert (done.status, done.out) == (3, "")
    assert "its certificate is not trusted: " in done.err
    assert cluster.audit.since(mark, user="admin") == []


def test_a_name_that_the_certificate_lacks(cluster: Cluster, run: Run) -> None:
    path = str(cluster.kubeconfig(cluster={"tls-server-name": "other.example"}))
    done = run("graph", "--kubeconfig", path)
    assert done.status == 3
    assert "its certificate is not trusted: hostname mismatch" in done.err.lower()
    assert run("graph", "--kubeconfig", str(cluster.kubeconfig(cluster={"tls-server-name": "localhost"}))).status == 0


def test_a_server_that_is_not_there(cluster: Cluster, run: Run) -> None:
    done = run("graph", "--kubeconfig", str(cluster.kubeconfig(server="https://127.0.0.1:1")))
    assert (done.status, done.out) == (3, "")
    assert done.err == "workbench: https://127.0.0.1:1: connection refused\n"


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo no card >&2; exit 3", "no card"), ("echo half-a-token", "printed no ExecCredential"), (None, "installed")],
)
def test_a_plugin_that_gives_nothing_sends_nothing(
    cluster: Cluster, tmp_path: Path, run: Run, script: str | None, message: str
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


class _Tunnel(http.server.BaseHTTPRequestHandler):
    """A proxy that takes CONNECT."""

    def do_CONNECT(self) -> None:
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as target:
            self.send_response(200)
            self.end_headers()
            self.server.passed.append(self.headers["Proxy-Authorization"])  # type: ignore[attr-defined]
            pump = threading.Thread(target=_pump, args=(target, self.connection), daemon=True)
            pump.start()
            _pump(self.connection, target)
            pump.join(5)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def test_through_a_proxy(cluster: Cluster) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Tunnel) as web:
        web.daemon_threads = True
        web.passed = []  # type: ignore[attr-defined]
        threading.Thread(target=web.serve_forever, daemon=True).start()
        path = cluster.kubeconfig(cluster={"proxy-url": f"http://me:word@127.0.0.1:{web.server_port}"})
        assert read(path).coverage == []
        web.shutdown()
        assert set(web.passed) == {"Basic bWU6d29yZA=="}  # type: ignore[attr-defined]


# --- while it is read ---------------------------------------------------------------------------------


def test_a_continue_token_that_expires_makes_the_list_begin_anew(populated: Cluster) -> None:
    reader = populated.user("jane")
    populated.grant(reader, READ_ALL)
    times: list[int] = []

    def observe(news: KindProgress) -> None:
        if news.kind == "Pod" and news.state is State.READING and not times:
            times.append(news.done)
            populated.create(
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "w", "namespace": "team-0"}}
            )
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
                threading.Timer(0.2, proxy.mend).start()

        request = SourceRequest("context", connect=ConnectOptions(kubeconfig=str(path)))
        view = load(request, live=Live(observer=observe))
    assert cut.is_set()
    assert (len(view.all(Pod)), view.coverage) == (PODS, [])


def test_a_server_that_is_killed_in_the_middle(
    start_cluster: Callable[..., Cluster], run: Run, monkeypatch: pytest.MonkeyPatch
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


def test_a_server_that_takes_connections_and_never_answers(start_cluster: Callable[..., Cluster], run: Run) -> None:
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


def test_ctrl_c_while_the_server_is_silent(populated: Cluster) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    # Enough for the version and what is served, and for some of the lists.
    with Proxy(populated.server, hold_after=200_000) as proxy:
        path = str(populated.kubeconfig(server=proxy.url))
        # A shell that starts the tests in the background has them ignore the signal.
        code = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from workbench.cli import main; sys.exit(main(sys.argv[1:]))"
        )
        program = [sys.executable, "-c", code, "graph", "--kubeconfig", path]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(program, env=environment, **pipes) as running:  # type: ignore[call-overload]
            while proxy.passed < 200_000:
                time.sleep(0.02)
            time.sleep(0.2)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=10)
        proxy.release()
    assert (running.returncode, out) == (130, b"")
    assert b"Traceback" not in err
