"""Connections: what is sent, who it is sent as, time limits, cancelling, and the words for what goes wrong."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.server
import json
import logging
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import certifi
import pytest
from kubernetes.config import incluster_config

from tests.kube.test_credentials import credential, echo
from workbench.errors import Cancelled, KubeconfigError, LoginError, Unreachable, UsageError
from workbench.kube import connection as connection_module
from workbench.kube import kubeconfig as loading
from workbench.kube.api import ConnectOptions
from workbench.kube.connection import KubeConnection, connect


@dataclass
class Server:
    """A web server on loopback that a test scripts."""

    port: int = 0
    seen: list[tuple[str, str, dict[str, list[str]], bytes]] = field(default_factory=list)
    reply: Callable[[Any], None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {key.lower(): self.headers.get_all(key) or [] for key in self.headers}
            found.seen.append((self.command, self.path, headers, body))
            if found.reply is not None:
                found.reply(self)
            else:
                respond(self, b"{}")

        do_GET = do_POST = do_PATCH = _answer

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    found.port = web.server_address[1]
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    web.shutdown()
    thread.join()
    web.server_close()


def respond(handler: Any, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for key, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(key.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def kubeconfig(directory: Path, server: str, user: dict[str, Any] | None = None, **cluster: Any) -> str:
    path = directory / "config"
    config = {
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "alice", "namespace": "shop"}}],
        "clusters": [{"name": "prod", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "alice", "user": user or {}}],
    }
    path.write_text(json.dumps(config), encoding="utf-8")
    return str(path)


@contextlib.contextmanager
def opened(path: str, **options: Any) -> Iterator[KubeConnection]:
    connection = connect(ConnectOptions(kubeconfig=path, **options))
    try:
        yield connection
    finally:
        connection.close()


def test_what_is_sent(server: Server, tmp_path: Path) -> None:
    with opened(kubeconfig(tmp_path, server.url + "/k8s/clusters/c-1", {"token": "abc"})) as connection:
        answer = connection.send(
            "PATCH", "/api/v1/x", query={"limit": "5", "q": "a=b,c"}, body=b"{}", accept="a/b", content_type="c/d"
        )
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"{}", "2")
    [(method, path, headers, body)] = server.seen
    assert (method, path, body) == ("PATCH", "/k8s/clusters/c-1/api/v1/x?limit=5&q=a%3Db%2Cc", b"{}")
    assert headers["authorization"] == ["Bearer abc"]
    assert headers["accept"] == ["a/b"]
    assert headers["content-type"] == ["c/d"]
    assert headers["user-agent"][0].startswith("workbench/")
    # Compressing costs more than loopback does.
    assert headers["accept-encoding"] == ["identity"]


def test_where_it_leads(tmp_path: Path) -> None:
    with opened(kubeconfig(tmp_path, "https://api.prod:6443/", {"as": "root"})) as connection:
        endpoint = connection.endpoint
    assert (endpoint.context, endpoint.server, endpoint.user) == ("prod", "https://api.prod:6443", "alice")
    assert (endpoint.namespace, endpoint.impersonates) == ("shop", "root")
    with opened(kubeconfig(tmp_path, "https://a", {"as": "root"}), as_user="jane") as connection:
        assert connection.endpoint.impersonates == "jane"


@pytest.mark.parametrize(
    ("user", "options", "expected"),
    [
        ({}, {"as_user": "jane", "as_groups": ("a", "b")}, (["jane"], ["a", "b"], None)),
        ({"as": "root", "as-groups": ["x"], "as-uid": "7"}, {}, (["root"], ["x"], ["7"])),
        ({"as": "root", "as-groups": ["x"]}, {"as_user": "jane"}, (["jane"], ["x"], None)),
        ({}, {}, (None, None, None)),
    ],
)
def test_impersonation(
    server: Server, tmp_path: Path, user: dict[str, Any], options: dict[str, Any], expected: Any
) -> None:
    with opened(kubeconfig(tmp_path, server.url, user), **options) as connection:
        connection.send("GET", "/")
    headers = server.seen[0][2]
    assert tuple(headers.get(f"impersonate-{key}") for key in ("user", "group", "uid")) == expected


def test_groups_need_a_user(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--as-group needs --as"):
        connect(ConnectOptions(kubeconfig=kubeconfig(tmp_path, "https://a"), as_groups=("a",)))


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"token": "a", "exec": {"command": "no", "apiVersion": "client.authentication.k8s.io/v1beta1"}}, "Bearer a"),
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({"tokenFile": "token"}, "Bearer of-file"),
        ({"tokenFile": "token", "token": "other"}, "Bearer of-file"),
        ({}, None),
    ],
)
def test_who_it_is_sent_as(server: Server, tmp_path: Path, user: dict[str, Any], expected: str | None) -> None:
    (tmp_path / "token").write_text("of-file\n")
    with opened(kubeconfig(tmp_path, server.url, user)) as connection:
        connection.send("GET", "/")
    assert server.seen[0][2].get("authorization") == ([expected] if expected else None)


def refuse_first(token: str) -> Callable[[Any], None]:
    def reply(handler: Any) -> None:
        respond(handler, b"{}", 401 if handler.headers["Authorization"] == f"Bearer {token}" else 200)

    return reply


def test_a_token_file_is_read_anew_when_the_server_refuses(server: Server, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    server.reply = refuse_first("old")
    with opened(kubeconfig(tmp_path, server.url, {"tokenFile": "token"})) as connection:
        assert connection.send("GET", "/").status == 401
        (tmp_path / "token").write_text("new")
        assert connection.send("GET", "/").status == 200
    assert [one[2]["authorization"] for one in server.seen][-2:] == [["Bearer old"], ["Bearer new"]]


def login(directory: Path, script: str) -> dict[str, Any]:
    path = directory / "login"
    path.write_text(f"#!/bin/sh\necho x >>{directory}/runs\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": str(path), "interactiveMode": "IfAvailable"}}


def runs(directory: Path) -> int:
    return len((directory / "runs").read_text().splitlines())


def test_a_plugin_is_asked_once_and_anew_when_the_server_refuses(server: Server, tmp_path: Path) -> None:
    count = f'n=$(wc -l <{tmp_path}/runs | tr -d " ")\n'
    script = count + credential(token="t@").join(("cat <<END\n", "\nEND")).replace("@", "$n")
    with opened(kubeconfig(tmp_path, server.url, login(tmp_path, script))) as connection:
        assert not (tmp_path / "runs").exists()
        threads = [threading.Thread(target=connection.send, args=("GET", "/")) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert runs(tmp_path) == 1
        server.reply = refuse_first("t1")
        assert connection.send("GET", "/").status == 200
        assert connection.send("GET", "/").status == 200
        assert runs(tmp_path) == 2
        server.reply = lambda handler: respond(handler, b"{}", 401)
        assert connection.send("GET", "/").status == 401
        assert runs(tmp_path) == 3


def test_an_expired_token_is_replaced_before_it_is_sent(server: Server, tmp_path: Path) -> None:
    script = echo(credential(token="t", expirationTimestamp="2020-01-01T00:00:00Z"))
    with opened(kubeconfig(tmp_path, server.url, login(tmp_path, script))) as connection:
        connection.send("GET", "/")
        connection.send("GET", "/")
    assert runs(tmp_path) == 2


def test_a_plugin_that_fails_sends_nothing(server: Server, tmp_path: Path) -> None:
    with (
        opened(kubeconfig(tmp_path, server.url, login(tmp_path, "echo no >&2; exit 1"))) as connection,
        pytest.raises(LoginError, match="failed with status 1\n  no"),
    ):
        connection.send("GET", "/")
    assert server.seen == []


def test_requests_that_wait_for_a_plugin_that_fails_do_not_each_ask_it(server: Server, tmp_path: Path) -> None:
    wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; exit 1"
    failed: list[LoginError] = []
    about_to = threading.Semaphore(0)

    def send() -> None:
        about_to.release()
        with pytest.raises(LoginError) as caught:
            connection.send("GET", "/")
        failed.append(caught.value)

    with opened(kubeconfig(tmp_path, server.url, login(tmp_path, wait))) as connection:
        threads = [threading.Thread(target=send) for _ in range(6)]
        for thread in threads:
            thread.start()
        for _ in threads:
            about_to.acquire()
        time.sleep(0.3)
        (tmp_path / "go").touch()
        for thread in threads:
            thread.join()
        assert (len(failed), runs(tmp_path)) == (6, 1)
        with pytest.raises(LoginError):
            connection.send("GET", "/")
        assert runs(tmp_path) == 2, "who asks later asks anew"


def test_an_openid_token_that_is_none_sends_nothing(server: Server, tmp_path: Path) -> None:
    provider = {"auth-provider": {"name": "oidc", "config": {"id-token": "x.y", "client-id": "a"}}}
    with pytest.raises(LoginError, match="its id-token is none"):
        connect(ConnectOptions(kubeconfig=kubeconfig(tmp_path, server.url, provider)))


def jwt(**claims: Any) -> str:
    parts = ({"alg": "none"}, claims)
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{body}.sig"


def openid(token: str, **config: str) -> dict[str, Any]:
    return {"auth-provider": {"name": "oidc", "config": {"id-token": token, "client-id": "a", **config}}}


def test_an_openid_token(server: Server, tmp_path: Path) -> None:
    token = jwt(exp=4_000_000_000, sub="a")
    with opened(kubeconfig(tmp_path, server.url, openid(token))) as connection:
        connection.send("GET", "/")
    assert server.seen[0][2]["authorization"] == [f"Bearer {token}"]


def test_an_openid_provider_that_is_not_there(server: Server, tmp_path: Path) -> None:
    old = openid(jwt(exp=1_000_000_000), **{"idp-issuer-url": "http://127.0.0.1:1", "refresh-token": "r"})
    with pytest.raises(LoginError, match="the login failed: MaxRetryError"):
        connect(ConnectOptions(kubeconfig=kubeconfig(tmp_path, server.url, old)))
    assert server.seen == []


def test_in_a_pod(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("of-the-pod\n")
    (account / "namespace").write_text("shop")
    shutil.copy(certifi.where(), account / "ca.crt")
    for module in (loading, connection_module):
        monkeypatch.setattr(module, "ACCOUNT", str(account))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(account / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(account / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    connection = connect(ConnectOptions())
    endpoint = connection.endpoint
    assert (endpoint.context, endpoint.namespace, endpoint.user) == ("", "shop", "the pod's service account")
    assert endpoint.server == f"https://127.0.0.1:{server.port}"
    assert connection._login(None)[1] == "Bearer of-the-pod"
    connection.close()
    # A kubeconfig that is named goes before it.
    with pytest.raises(KubeconfigError):
        connect(ConnectOptions(kubeconfig=str(tmp_path / "absent")))
    with pytest.raises(KubeconfigError):
        connect(ConnectOptions(context="prod"))


def test_no_token_is_logged(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with opened(kubeconfig(tmp_path, server.url, {"token": "a-secret-token"})) as connection:
        connection.send("GET", "/")
    logging.getLogger("requests_oauthlib.oauth2_session").debug("a-secret-token")
    assert "a-secret-token" not in caplog.text


def test_a_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("no certificate")
    path = kubeconfig(tmp_path, "https://a", None, **{"certificate-authority": "ca.crt"})
    with pytest.raises(KubeconfigError, match=r"config:1, name=prod: certificate-authority cannot be used"):
        connect(ConnectOptions(kubeconfig=path))


def test_compressed_answers(server: Server, tmp_path: Path) -> None:
    server.reply = lambda handler: respond(handler, gzip.compress(b"x" * 100_000), Content_Encoding="gzip")
    with opened(kubeconfig(tmp_path, server.url)) as connection:
        assert connection.send("GET", "/").body == b"x" * 100_000


def test_a_proxy_of_the_environment_is_not_asked_about_loopback(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with opened(kubeconfig(tmp_path, server.url)) as connection:
        assert connection.send("GET", "/").status == 200


def test_a_proxy_of_the_kubeconfig(server: Server, tmp_path: Path) -> None:
    proxy = f"http://me:pass%20word@127.0.0.1:{server.port}"
    with opened(kubeconfig(tmp_path, "http://api.prod", None, **{"proxy-url": proxy})) as connection:
        connection.send("GET", "/version")
    [(_, path, headers, _)] = server.seen
    assert path == "http://api.prod/version"
    assert headers["proxy-authorization"] == ["Basic bWU6cGFzcyB3b3Jk"]


def test_a_header_that_comes_several_times(server: Server, tmp_path: Path) -> None:
    def twice(handler: Any) -> None:
        handler.send_response(200)
        for value in ('299 - "one"', '299 - "two"'):
            handler.send_header("Warning", value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.reply = twice
    with opened(kubeconfig(tmp_path, server.url)) as connection:
        assert connection.send("GET", "/").headers["warning"] == '299 - "one", 299 - "two"'


def test_redirects_are_not_followed(server: Server, tmp_path: Path) -> None:
    server.reply = lambda handler: respond(handler, b"", 302, Location="/login")
    with opened(kubeconfig(tmp_path, server.url, {"token": "t"})) as connection:
        assert connection.send("GET", "/").status == 302
    assert len(server.seen) == 1


# --- what goes wrong ----------------------------------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_server_that_never_answers(silent: str, tmp_path: Path) -> None:
    with (
        opened(kubeconfig(tmp_path, silent), request_timeout=0.2) as connection,
        pytest.raises(Unreachable, match=r"127.0.0.1:\d+: no answer within 0.2 s"),
    ):
        connection.send("GET", "/")


def test_a_server_that_sends_a_byte_now_and_then(server: Server, tmp_path: Path) -> None:
    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(200):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.05)

    server.reply = drip
    with (
        opened(kubeconfig(tmp_path, server.url), request_timeout=0.4) as connection,
        pytest.raises(Unreachable, match=r"no answer within 0.4 s"),
    ):
        connection.send("GET", "/")


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with (
        opened(kubeconfig(tmp_path, f"https://127.0.0.1:{port}")) as connection,
        pytest.raises(Unreachable, match=rf"https://127.0.0.1:{port}: connection refused"),
    ):
        connection.send("GET", "/")


def test_an_unknown_name(tmp_path: Path) -> None:
    with (
        opened(kubeconfig(tmp_path, "https://no.such.invalid")) as connection,
        pytest.raises(Unreachable, match="its name is not known"),
    ):
        connection.send("GET", "/")


def test_a_server_without_tls(server: Server, tmp_path: Path) -> None:
    with (
        opened(kubeconfig(tmp_path, server.url.replace("http", "https"))) as connection,
        pytest.raises(Unreachable, match=r"TLS failed: wrong version number|TLS failed: record layer failure"),
    ):
        connection.send("GET", "/")


def test_a_connection_that_is_cut(server: Server, tmp_path: Path) -> None:
    def cut(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"x")
        handler.close_connection = True

    server.reply = cut
    with (
        opened(kubeconfig(tmp_path, server.url)) as connection,
        pytest.raises(Unreachable, match="the connection was cut in the middle of an answer"),
    ):
        connection.send("GET", "/")


@pytest.mark.parametrize("where", ["waiting", "reading"])
def test_cancel_ends_what_is_under_way_and_refuses_what_follows(server: Server, tmp_path: Path, where: str) -> None:
    begun = threading.Event()
    go_on = threading.Event()

    def hang(handler: Any) -> None:
        if where == "reading":
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b"x")
            handler.wfile.flush()
        begun.set()
        go_on.wait(30)
        handler.close_connection = True

    server.reply = hang
    failed: list[Exception] = []

    def ask(connection: KubeConnection) -> None:
        try:
            connection.send("GET", "/")
        except Exception as error:
            failed.append(error)

    with opened(kubeconfig(tmp_path, server.url)) as connection:
        thread = threading.Thread(target=ask, args=(connection,))
        thread.start()
        assert begun.wait(10)
        connection.cancel()
        thread.join(5)
        assert not thread.is_alive()
        assert isinstance(failed[0], Cancelled)
        with pytest.raises(Cancelled):
            connection.send("GET", "/")
        with pytest.raises(Cancelled):
            connection.wait(60)
    go_on.set()


def test_cancel_ends_connecting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_: Any, **__: Any) -> Any:
        begun.set()
        go_on.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "slow")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with opened(kubeconfig(tmp_path, "https://api.prod")) as connection:
        threading.Thread(target=lambda: (begun.wait(10), connection.cancel())).start()
        with pytest.raises(Cancelled):
            connection.send("GET", "/")
    go_on.set()
