"""Commands on a live cluster: which one, what is said of it, and the exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.kube.fake import FakeConnection, refusal
from workbench.cli import make_parser, options
from workbench.errors import Unreachable
from workbench.kube.api import ConnectOptions
from workbench.preferences import preferences_path
from workbench.sources import SourceKind, SourceRequest
from workbench.sources.snapshot import read

EVERYWHERE = "/api/v1/pods"


def request(line: str) -> SourceRequest:
    return options.needed(make_parser().parse_args(line.split()))


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("paths", SourceRequest("context")),
        ("paths --context dev", SourceRequest("context", name="dev")),
        ("open context:dev", SourceRequest("context", name="dev")),
        ("graph -n shop --namespace bank -n shop", SourceRequest("context", namespaces=("shop", "bank"))),
        ("graph -n shop -A", SourceRequest("context")),
        ("who-can get pods -n shop", SourceRequest("context")),
        (
            "fixes --kubeconfig f --as eve --as-group a --as-group b --request-timeout 1m",
            SourceRequest("context", connect=ConnectOptions("f", "", "eve", ("a", "b"), 60.0)),
        ),
    ],
)
def test_flags(line: str, expected: SourceRequest) -> None:
    assert replace(request(line), default_namespace="") == expected


def test_the_context_is_part_of_the_options() -> None:
    made = SourceRequest(SourceKind.CONTEXT, name="dev", connect=ConnectOptions(kubeconfig="f"))
    assert made.options == ConnectOptions(kubeconfig="f", context="dev")


def test_the_current_context_is_read_where_nothing_is_named(run: Run, live: FakeConnection) -> None:
    done = run("graph")
    assert done.status == 0
    assert "Pod:shop/web" in {node["id"] for node in json.loads(done.out)["nodes"]}
    assert done.err == ""
    assert live.options == ConnectOptions()


def test_collect(run: Run, live: FakeConnection, tmp_path: Path) -> None:
    path = str(tmp_path / "prod.gz")
    done = run("collect", "--context", "dev", "-o", path)
    assert (done.status, done.out) == (0, "")
    assert "workbench: 4 objects of context dev in " in done.err
    header, _, _ = read(path)
    assert (header.source, header.live, header.server_version) == ("context dev", True, "v1.34.2")
    assert header.collected is not None
    assert header.collected.endswith("Z")


def test_what_could_not_be_read_is_said_and_part_of_the_document(run: Run, live: FakeConnection) -> None:
    live.denied = lambda path: path.endswith("/nodes")
    done = run("paths", "-o", "json")
    assert done.status == 0
    assert "workbench: not read: Node: forbidden: list nodes: 403: " in done.err
    [gap] = json.loads(done.out)["coverage"]
    assert (gap["kind"], gap["problem"]) == ("Node", "forbidden")


def test_kinds_that_are_missing_for_one_reason_are_one_line(run: Run, live: FakeConnection) -> None:
    done = run("graph", "-n", "shop")
    assert done.status == 0
    lines = [line for line in done.err.splitlines() if "--namespace" in line]
    assert len(lines) == 1
    assert "Pod, ServiceAccount" in lines[0]
    assert EVERYWHERE not in live.paths()


def test_the_namespaces_of_the_preferences_are_tried(run: Run, live: FakeConnection) -> None:
    preferences = preferences_path()
    preferences.parent.mkdir(parents=True)
    preferences.write_text("namespaces: [shop, vault]\n", encoding="utf-8")
    live.denied = lambda path: "/namespaces/shop/" not in path
    done = run("paths", "-o", "json")
    assert done.status == 0
    gaps = {gap["kind"]: gap["detail"] for gap in json.loads(done.out)["coverage"]}
    assert gaps["Pod"].endswith("only these were tried: default, shop, vault; read in shop")


def test_the_namespace_of_a_question_limits_nothing(run: Run, live: FakeConnection) -> None:
    done = run("who-can", "get", "pods", "-n", "payments")
    assert done.status == 0
    assert EVERYWHERE in live.paths()


@pytest.mark.parametrize("command", ["graph", "paths", "collect -o out"])
def test_statuses_of_a_cluster_that_cannot_be_read(
    command: str, run: Run, live: FakeConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scripts = {
        "Nothing could be read from prod as jane: ": lambda r: refusal(403, "no\x1b") if "api" in r.path else None,
        "connection refused": lambda r: Unreachable("https://api.prod:6443: connection refused"),
        "Unauthorized (401)": lambda r: refusal(401, "Unauthorized"),
        "prod: https://a: cut; ": lambda r: Unreachable("https://a: cut") if r.query.get("limit") else None,
    }
    for message, script in scripts.items():
        live.script = script  # type: ignore[assignment]
        done = run(*command.split())
        assert (done.status, done.out) == (3, ""), message
        assert message in done.err
        assert "\x1b" not in done.err
        assert "Traceback" not in done.err
        assert not (tmp_path / "out").exists()


def test_ctrl_c(run: Run, live: FakeConnection) -> None:
    live.script = lambda r: KeyboardInterrupt() if r.path == "/version" else None  # type: ignore[assignment, return-value]

    def send(*arguments: object, **more: object) -> object:
        raise KeyboardInterrupt

    live.send = send  # type: ignore[assignment, method-assign]
    done = run("graph")
    assert (done.status, done.out) == (130, "")
