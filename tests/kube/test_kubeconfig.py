"""Kubeconfigs: merged as kubectl does, and every fault with its file, line and entry."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from workbench.errors import ExitStatus, KubeconfigError
from workbench.kube.kubeconfig import default_paths, in_cluster, is_absent, read

GOOD = """\
apiVersion: v1
kind: Config
current-context: prod
clusters:
- name: prod
  cluster: {server: "https://api.prod:6443"}
- name: dev
  cluster: {server: "http://127.0.0.1:8001"}
contexts:
- name: prod
  context: {cluster: prod, user: alice, namespace: shop}
- name: dev
  context: {cluster: dev, user: ""}
users:
- name: alice
  user: {token: abc, as: root}
"""


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_current_context(tmp_path: Path) -> None:
    found = read(write(tmp_path / "config", GOOD))
    assert (found.current, list(found.contexts)) == ("prod", ["prod", "dev"])
    endpoint = found.select().endpoint
    assert (endpoint.context, endpoint.server, endpoint.user) == ("prod", "https://api.prod:6443", "alice")
    assert (endpoint.namespace, endpoint.impersonates, endpoint.verified) == ("shop", "root", True)
    assert found.select("dev").user is None


def test_of_a_list_the_first_entry_counts_and_missing_files_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = write(tmp_path / "one" / "config", GOOD.replace("current-context: prod\n", "").replace("token: abc, ", ""))
    two = write(tmp_path / "two", GOOD.replace("api.prod", "other").replace("alice", "bob"))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "absent"), one, "", two]))
    found = read()
    assert found.files == (one, two)
    # Only the second names a current context, only it has the user bob.
    chosen = found.select()
    assert (chosen.endpoint.server, chosen.endpoint.user) == ("https://api.prod:6443", "alice")
    assert found.users["bob"].file == two


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(os.environ["HOME"])
    assert default_paths() == [str(home / ".kube" / "config")]
    assert is_absent()
    assert not is_absent(str(tmp_path / "named"))
    write(home / ".kube" / "config", GOOD)
    assert not is_absent()
    assert read().current == "prod"
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    assert is_absent()


def test_a_pod_without_a_token_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert not in_cluster()


def test_paths_start_at_the_file_that_names_them(tmp_path: Path) -> None:
    write(tmp_path / "pki" / "ca.crt", "x")
    text = GOOD.replace('{server: "https://api.prod:6443"}', '{server: "https://a", certificate-authority: pki/ca.crt}')
    chosen = read(write(tmp_path / "config", text)).select()
    assert chosen.cluster.path("pki/ca.crt") == str(tmp_path / "pki" / "ca.crt")


def test_dates_and_numbers_in_texts_are_told_as_kubectl_takes_them(tmp_path: Path) -> None:
    text = GOOD.replace("token: abc", "auth-provider: {name: oidc, config: {expiry: 2024-01-01T00:00:00Z}}")
    provider = read(write(tmp_path / "config", text)).select().user
    assert provider is not None
    assert provider.value.auth_provider is not None
    assert provider.value.auth_provider.config == {"expiry": "2024-01-01T00:00:00Z"}


def user(text: str) -> str:
    return GOOD.replace("{token: abc, as: root}", text)


def cluster(text: str) -> str:
    return GOOD.replace('{server: "https://api.prod:6443"}', text)


EXEC = "{exec: {command: c, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}}"

FAULTS: dict[str, tuple[str | bytes, str, str, str]] = {
    # what: text, context, place, problem
    "empty": ("", "", ": ", "the file is empty"),
    "only comments": ("# nothing\n", "", ": ", "no contexts in it"),
    "not YAML": ("a: 1\nb: [}\n", "", ":2: ", "not YAML"),
    "not text": (b"\xff\xfe\x00", "", ": ", "not UTF-8 text"),
    "a list": ("- a\n", "", ":1: ", "no kubeconfig: its content is no mapping"),
    "another kind": ("apiVersion: v1\nkind: Pod\n", "", ":2, kind: ", "its kind is 'Pod'"),
    "contexts no list": ("contexts: {a: b}\n", "", ":1, contexts: ", "expected `array"),
    "an entry without a name": ("contexts:\n- context: {}\n", "", ":2, contexts[0]: ", "missing required field `name`"),
    "a wrong type": (
        GOOD.replace("user: alice,", "user: [alice],"), "", ":11, contexts[0].context.user: ", "expected `str"
    ),
    "no current-context": (
        GOOD.replace("current-context: prod\n", ""), "", ", current-context: ", "name one with --context (prod, dev)"
    ),
    "current-context of nothing": (
        GOOD.replace("current-context: prod", "current-context: prd"), "", ":3, current-context: ",
        "there is no context 'prd'; did you mean prod?",
    ),
    "unknown context": (GOOD, "prodd", ": ", "there is no context 'prodd'; did you mean prod?"),
    "unknown context far from any": (GOOD, "qq\x1b", ": ", r"there is no context 'qq\x1b'; there are prod, dev"),
    "unknown cluster": (
        GOOD.replace("cluster: prod, user", "cluster: nope, user"), "", ":10, contexts[name=prod].context.cluster: ",
        "there is no cluster 'nope'; there are prod, dev",
    ),
    "context without a cluster": (
        GOOD.replace("cluster: prod, user", "user"), "", ":10, contexts[name=prod].context.cluster: ", "no cluster"
    ),
    "unknown user": (
        GOOD.replace("user: alice,", "user: bob,"), "", ":10, contexts[name=prod].context.user: ", "no user 'bob'"
    ),
    "no server": (cluster("{}"), "", ":5, clusters[name=prod].cluster.server: ", "names no server"),
    "server of another scheme": (cluster('{server: "ftp://a"}'), "", ":5, ", "'ftp://a' is no address"),
    "authority and insecure": (
        cluster('{server: "https://a", insecure-skip-tls-verify: true, certificate-authority-data: QQ==}'),
        "", ":5, ", "exclude each other",
    ),
    "absent authority": (
        cluster('{server: "https://a", certificate-authority: no/ca.crt}'),
        "", ":5, clusters[name=prod].cluster.certificate-authority: ", "no/ca.crt: no such file or directory",
    ),
    "authority no base64": (
        cluster('{server: "https://a", certificate-authority-data: "-"}'), "", ":5, ", "not base64"
    ),
    "proxy": (cluster('{server: "https://a", proxy-url: "a:1"}'), "", ":5, ", "no address of a proxy"),
    "certificate without key": (
        user("{client-certificate-data: QQ==}"), "", ":15, users[name=alice].user.client-key: ", "without client-key"
    ),
    "absent certificate": (
        user("{client-certificate: no.crt, client-key: no.key}"),
        "", ":15, users[name=alice].user.client-certificate: ", "no.crt: no such file or directory",
    ),
    "absent token": (user("{tokenFile: no/token}"), "", ":15, ", "no/token: no such file or directory"),
    "groups without a user": (user("{as-groups: [a]}"), "", ":15, ", "groups to impersonate without a user"),
    "token and password": (user("{token: a, username: b}"), "", ":15, ", "exclude each other"),
    "provider of the past": (user("{auth-provider: {name: gcp}}"), "", ":15, ", "kubectl dropped it in 1.26"),
    "plugin without a command": (user(EXEC.replace("command: c, ", "")), "", ":15, ", "names no command"),
    "plugin of the past": (user(EXEC.replace("/v1,", "/v1alpha1,")), "", ":15, ", "v1alpha1' is none of"),
    "plugin without a mode": (user(EXEC.replace(", interactiveMode: Never", "")), "", ":15, ", "is none of Never"),
    "insecure as text": (
        cluster('{server: "https://a", insecure-skip-tls-verify: "yes"}'), "",
        ":6, clusters[0].cluster.insecure-skip-tls-verify: ", "expected `bool",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "context", "place", "problem"), FAULTS.values(), ids=FAULTS.keys())
def test_faults(tmp_path: Path, text: str | bytes, context: str, place: str, problem: str) -> None:
    path = tmp_path / "config"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(KubeconfigError) as caught:
        read(str(path)).select(context)
    said = str(caught.value)
    assert said.startswith(f"{path}{place}"), said
    assert problem in said
    assert "\x1b" not in said
    assert caught.value.status == ExitStatus.USAGE


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KubeconfigError, match=r"/named: no such file"):
        read(str(tmp_path / "named"))
    with pytest.raises(KubeconfigError, match=r"\.kube/config: no kubeconfig: .*--kubeconfig or KUBECONFIG"):
        read()
    with pytest.raises(KubeconfigError, match="is a directory"):
        read(str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")]))
    with pytest.raises(KubeconfigError) as caught:
        read()
    assert [fault.file for fault in caught.value.faults] == [str(tmp_path / "a"), str(tmp_path / "b")]


def test_a_bomb_of_aliases_is_not_expanded(tmp_path: Path) -> None:
    levels = "\n".join(f"l{at}: &l{at} [{', '.join([f'*l{at - 1}'] * 9)}]" for at in range(1, 30))
    text = f"l0: &l0 [x]\n{levels}\n" + GOOD
    assert read(write(tmp_path / "config", text)).select().endpoint.context == "prod"


def test_data_goes_before_files_and_may_be_folded(tmp_path: Path) -> None:
    data = base64.encodebytes(b"x" * 100).decode()
    text = GOOD.replace(
        '  cluster: {server: "https://api.prod:6443"}',
        "  cluster:\n    server: https://a\n    certificate-authority: absent\n    certificate-authority-data: |\n"
        + "".join(f"      {line}\n" for line in data.splitlines()),
    )
    assert read(write(tmp_path / "config", text)).select().endpoint.server == "https://a"
