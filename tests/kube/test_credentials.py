"""Login plugins: real small scripts that work, fail, hang, print nonsense, or want a terminal."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import Cancelled, LoginError
from workbench.kube import credentials
from workbench.kube.credentials import Credentials, Plugin, Terminal, direct
from workbench.kube.kubeconfig import read

V1 = "client.authentication.k8s.io/v1"
BETA = "client.authentication.k8s.io/v1beta1"


def credential(version: str = V1, kind: str = "ExecCredential", **status: Any) -> str:
    return json.dumps({"apiVersion": version, "kind": kind, "status": status})


def plugin(
    directory: Path, script: str, terminal: Terminal | None = None, stop: threading.Event | None = None, **more: Any
) -> Plugin:
    """A plugin whose command is a shell script beside the kubeconfig."""
    path = directory / "bin" / "login"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    (directory / "ca.crt").write_text("the authority", encoding="utf-8")
    cluster = {
        "server": "https://api:6443", "certificate-authority": "ca.crt", "tls-server-name": "api",
        "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}],
    }  # fmt: skip
    described = {"apiVersion": V1, "command": "./bin/login", "interactiveMode": "IfAvailable", **more}
    config = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "alice"}}],
        "clusters": [{"name": "a", "cluster": cluster}],
        "users": [{"name": "alice", "user": {"exec": described}}],
    }
    (directory / "config").write_text(json.dumps(config), encoding="utf-8")
    return Plugin(read(str(directory / "config")).select(), terminal, stop or threading.Event())


def echo(text: str) -> str:
    return f"cat <<'END'\n{text}\nEND"


def test_a_token(tmp_path: Path) -> None:
    found = plugin(tmp_path, echo(credential(token="abc", expirationTimestamp="2020-01-01T00:00:00Z"))).run()
    assert found.token == "abc"
    assert found.expired
    assert not Credentials("abc").expired


def test_a_certificate_of_the_older_version(tmp_path: Path) -> None:
    script = echo(credential(BETA, clientCertificateData="PEM", clientKeyData="KEY"))
    found = plugin(tmp_path, script, apiVersion=BETA, interactiveMode=None).run()
    assert (found.certificate, found.key, found.token, found.expires) == ("PEM", "KEY", "", None)


def test_what_a_plugin_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERITED", "yes")
    script = (
        f'printf "%s|" "$1" "$2" "$INHERITED" "$OWN" "$KUBERNETES_EXEC_INFO" >{tmp_path}/given\n'
        f"cat >{tmp_path}/stdin\n" + echo(credential(token="t"))
    )
    plugin(tmp_path, script, args=["get", "a b"], env=[{"name": "OWN", "value": "v"}], provideClusterInfo=True).run()
    first, second, inherited, own, info, _ = (tmp_path / "given").read_text().split("|")
    assert (first, second, inherited, own) == ("get", "a b", "yes", "v")
    assert (tmp_path / "stdin").read_text() == ""
    assert json.loads(info) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            "cluster": {
                "server": "https://api:6443", "tls-server-name": "api", "config": {"audience": "x"},
                "certificate-authority-data": "dGhlIGF1dGhvcml0eQ==",
            },
        },
    }  # fmt: skip


def test_without_being_asked_nothing_is_said_of_the_cluster(tmp_path: Path) -> None:
    plugin(tmp_path, f'printf "%s" "$KUBERNETES_EXEC_INFO" >{tmp_path}/given\n' + echo(credential(token="t"))).run()
    assert json.loads((tmp_path / "given").read_text())["spec"] == {"interactive": False}


def test_a_bare_name_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plugin(tmp_path, echo(credential(token="t")), command="our-login")
    (tmp_path / "bin" / "login").rename(tmp_path / "bin" / "our-login")
    with pytest.raises(LoginError, match="is not installed"):
        made.run()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    assert made.run().token == "t"


BAD = {
    "fails": (
        "echo 'no \x1b[31mcard' >&2; echo second >&2; exit 7",
        "failed with status 7\n  no \\x1b[31mcard\n  second",
    ),
    "fails in silence": ("exit 1", "failed with status 1"),
    "prints nonsense": ("echo secret-half; echo why >&2", "printed no ExecCredential\n  why"),
    "prints nothing": ("true", "printed no ExecCredential"),
    "prints another kind": (echo(credential(kind="Pod", token="t")), "printed no ExecCredential"),
    "speaks another version": (echo(credential(BETA, token="t")), f"speaks {BETA}, and the kubeconfig says {V1}"),
    "no status": (echo(json.dumps({"apiVersion": V1, "kind": "ExecCredential"})), "the status is missing"),
    "nothing in it": (echo(credential()), "neither a token nor a certificate"),
    "a certificate without a key": (echo(credential(clientCertificateData="x")), "a certificate without a key"),
    "prints without end": ("yes", "printed more than 1,048,576 bytes"),
    "prints errors without end": ("yes >&2", "printed more than 1,048,576 bytes"),
    "is killed": ("kill -9 $$", "failed with status -9"),
}


@pytest.mark.parametrize(("script", "message"), BAD.values(), ids=BAD.keys())
def test_what_goes_wrong(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(LoginError) as caught:
        plugin(tmp_path, script).run()
    said = str(caught.value)
    assert said.startswith("the login plugin ./bin/login of the user alice ")
    assert message in said
    assert "secret-half" not in said
    assert "\x1b" not in said
    assert caught.value.status == 3


def test_not_installed_with_the_hint(tmp_path: Path) -> None:
    with pytest.raises(LoginError) as caught:
        plugin(tmp_path, "", command="./no/such", installHint="get it at\nhttps://example.com\x1b").run()
    assert str(caught.value).endswith("is not installed\n  get it at\n  https://example.com\\x1b")


def test_not_executable(tmp_path: Path) -> None:
    made = plugin(tmp_path, "")
    (tmp_path / "bin" / "login").chmod(0o644)
    with pytest.raises(LoginError, match="cannot be run: permission denied"):
        made.run()


def test_a_plugin_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "LIMIT", 0.3)
    with pytest.raises(LoginError, match=r"gave no answer within 0.3 seconds\n  waiting for the card"):
        plugin(tmp_path, f"echo waiting for the card >&2; sleep 100 & echo $! >{tmp_path}/child; wait").run()
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not _runs(child):
            break
        time.sleep(0.02)
    assert not _runs(child)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_login_can_be_cancelled(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(Cancelled):
        plugin(tmp_path, "sleep 100", stop=stop).run()


def test_always_wants_a_terminal(tmp_path: Path) -> None:
    with pytest.raises(LoginError, match="wants a terminal"):
        plugin(tmp_path, f"touch {tmp_path}/ran", interactiveMode="Always").run()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("mode", "lent"), [("Always", 1), ("IfAvailable", 1), ("Never", 0)])
def test_the_terminal_is_lent_unless_the_plugin_never_asks(tmp_path: Path, mode: str, lent: int) -> None:
    times: list[str] = []

    def lend(action: Callable[[], None]) -> None:
        times.append("lent")
        action()
        times.append("back")

    script = f'printf "%s" "$KUBERNETES_EXEC_INFO" >{tmp_path}/given\n' + echo(credential(token="t"))
    assert plugin(tmp_path, script, lend, interactiveMode=mode).run().token == "t"
    assert times == ["lent", "back"] * lent
    assert json.loads((tmp_path / "given").read_text())["spec"] == {"interactive": bool(lent)}


def test_a_plugin_that_fails_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LoginError, match="failed with status 3"):
        plugin(tmp_path, "echo password? >&2; exit 3", direct).run()
    # What it asks is for the person at the terminal.
    assert capfd.readouterr().err == "password?\n"
