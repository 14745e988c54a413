"""``workbench apply`` and ``workbench undo``: consent, read-only, statuses, and what goes to which stream."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Result, Run
from tests.remediation.apiserver import FakeServer, lost
from tests.remediation.live import ADMIN, AGENT, BINDING, CANARY, DEPLOYMENT, fixes, server
from workbench.cli import make_parser, subparsers
from workbench.errors import Unreachable
from workbench.kube.api import Endpoint
from workbench.preferences import preferences_path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeServer:
    """A cluster in memory, which the commands read and write; state and preferences of its own."""
    cluster = server()
    monkeypatch.setattr("workbench.kube.connection.connect", lambda options, terminal=None: cluster)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("WORKBENCH_READ_ONLY", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    return cluster


@pytest.fixture
def live(made: FakeServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command with a context, answering its question."""

    def runner(*arguments: str, answer: str = "") -> Result:
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        command, *rest = arguments
        return run(command, "--context", "prod", *rest)

    return runner


def preferences(text: str) -> None:
    path = preferences_path()
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")


def run_id(done: Result) -> str:
    """The id that a run says is to be undone."""
    found = re.search(r"workbench undo (\S+)", done.err)
    assert found is not None
    return found[1]


def test_apply_and_undo(live: Run, made: FakeServer) -> None:
    done = live("apply", "--fix", "F-PRIV", "F-HOSTNS", "--yes")
    assert done.status == 0, done.err
    assert done.out == (
        "applied          DaemonSet:shop/agent  verified\n"
        "applied          Deployment:shop/web  verified\n"
        "done 2, failed 0, unknown 0, not started 0\n"
    )
    assert "context prod, server https://k8s.example:6443, as alice@example.com: 2 objects" in done.err
    # The API keeps no `false` here: the field goes.
    assert "   - spec.template.spec.hostPID: true\n" in done.err
    privileged = "spec.template.spec.containers[name=web].securityContext.privileged"
    assert f"   - {privileged}: true\n   + {privileged}: false\n" in done.err
    assert "   risk medium: " in done.err
    assert "   effect: its pods are replaced\n" in done.err
    assert "hostPID" not in made.objects[DEPLOYMENT]["spec"]["template"]["spec"]

    listed = live("undo", "--list")
    assert listed.status == 0
    assert run_id(done) in listed.out
    assert "2 of 2" in listed.out

    undone = live("undo", "--yes")
    assert undone.status == 0, undone.err
    assert undone.out.endswith("done 2, failed 0, unknown 0, not started 0\n")
    assert made.objects[DEPLOYMENT]["spec"]["template"]["spec"]["hostPID"] is True
    assert live("undo", "--yes").status == 2
    assert "0 of 2" in live("undo", "--list").out
    assert CANARY not in done.out + done.err + undone.out + undone.err


def test_a_second_run_says_that_it_is_done(live: Run, made: FakeServer) -> None:
    fix = next(fix for fix in fixes(made, "F-PRIV") if fix.target.kind == "Deployment")
    assert live("apply", "--fix", fix.id, "--yes").status == 0
    count = len(made.patches)
    for identifier in (fix.id, fix.id[:8]):
        done = live("apply", "--fix", identifier, "--yes")
        assert (done.status, done.out) == (0, "already applied  Deployment:shop/web  F-PRIV\n"), done.err
    assert len(made.patches) == count
    assert live("apply", "--fix", "F-PRIV", "--yes").out.startswith("applied          DaemonSet:shop/agent")
    assert live("undo", fix.id, "--yes").status == 0
    assert fix.id in {fix.id for fix in fixes(made, "F-PRIV")}


def test_what_a_fix_asks_for_is_answered(live: Run, made: FakeServer) -> None:
    fix = next(fix for fix in fixes(made, "F-IMG-PIN") if fix.needs and fix.target.kind == "Deployment")
    asks = live("apply", "--fix", fix.id, "--yes")
    assert asks.status == 1
    assert "needs-input" in asks.out
    assert made.writes == []
    digest = f"sha256:{'a' * 64}"
    given = ("--set", *(f"{need.name}={digest}" for need in fix.needs), "--yes")
    done = live("apply", "--fix", fix.id, *given)
    assert done.out.startswith("applied          Deployment:shop/web  verified\n"), done.err
    assert any(digest in str(one) for one in made.objects[DEPLOYMENT]["spec"]["template"]["spec"]["containers"])
    again = live("apply", "--fix", fix.id, *given)
    assert (again.status, again.out) == (0, "already applied  Deployment:shop/web  F-IMG-PIN\n"), again.err
    assert live("undo", "--yes").status == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("apply", "--fix", "F-PRIV", "--set", "digest"), "'digest' is no answer"),
        (("apply", "--fix", "F-PRIV", "--set", "digest=x"), "no chosen fix asks for 'digest'"),
        (("apply", "--fix", "0123"), "no fix '0123'"),
        (("apply", "--fix", "F-NOPE"), "no fix F-NOPE applies here"),
        (("apply", "--fix", ""), "--fix is empty"),
        (("apply",), "--fix"),
        (("undo",), "nothing that was applied in context prod is in force"),
        (("undo", "nope"), "'nope' is not known in context prod (workbench undo --list)"),
        (("undo", ""), "the id is empty"),
        (("undo", "--list", "x"), "--list takes no id"),
    ],
)
def test_ids_that_mean_nothing(arguments: tuple[str, ...], says: str, live: Run, made: FakeServer) -> None:
    done = live(*arguments)
    assert (done.status, done.out) == (2, "")
    assert says in done.err
    assert made.patches == []


EXAMPLES = [
    line
    for command in ("apply", "undo")
    for line in re.findall(r"^  workbench (.*)$", subparsers(make_parser())[command].epilog or "", re.MULTILINE)
]


@pytest.mark.parametrize("line", EXAMPLES)
def test_the_examples_of_the_help(line: str, run: Run, made: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    words = line.split()
    context = words[words.index("--context") + 1]
    made.endpoint = replace(made.endpoint, context=context)
    fix = next(fix.id for fix in fixes(made, "F-PRIV") if fix.target.kind == "Deployment")
    image = next(fix.id for fix in fixes(made, "F-IMG-PIN") if [need.name for need in fix.needs] == ["digest"])
    known = {"3f1c9a": fix[:8], "8a2e4c": image, "digest=sha256:...": f"digest=sha256:{'a' * 64}"}
    if words[0] == "undo":
        done = run("apply", "--context", context, "--fix", fix, "--yes")
        known["20260510T101112Z-3f9a"] = run_id(done)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    done = run(*(known.get(word, word) for word in words))
    assert done.status == 0, done.err
    assert done.out


# --- consent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status"), [("y\n", 0), ("Y\n", 0), ("\n", 1), ("n\n", 1), ("", 1), ("prod\n", 1), ("yy\n", 1)]
)
def test_y_and_enter(answer: str, status: int, live: Run, made: FakeServer) -> None:
    done = live("apply", "--fix", "F-PRIV", answer=answer)
    assert done.status == status
    assert "change this in prod? (y and enter)" in done.err
    assert bool(made.writes) == (status == 0)
    assert (done.out == "") == (status == 1)


NAMED = [
    pytest.param(("--yes",), "", 1, id="yes does not cover it"),
    pytest.param((), "y\n", 1, id="y is not the name"),
    pytest.param((), "", 1, id="nobody answers"),
    pytest.param((), "prod\n", 0, id="the name is typed"),
    pytest.param(("--confirm-context", "prod"), "", 0, id="the flag"),
    pytest.param(("--confirm-context", "prod", "--yes"), "", 0, id="both flags"),
    pytest.param(("--confirm-context", "staging", "--yes"), "", 1, id="another name"),
]


@pytest.mark.parametrize(("flags", "answer", "status"), NAMED)
def test_a_cluster_scoped_object_takes_the_name_of_the_context(
    flags: tuple[str, ...], answer: str, status: int, live: Run, made: FakeServer
) -> None:
    done = live("apply", "--fix", "F-BIND-SUBJ", *flags, answer=answer)
    _check_consent(done, status, made)


@pytest.mark.parametrize(("flags", "answer", "status"), NAMED)
def test_a_protected_context_takes_its_name(
    flags: tuple[str, ...], answer: str, status: int, live: Run, made: FakeServer
) -> None:
    preferences("protected: ['pr*']\n")
    done = live("apply", "--fix", "F-PRIV", *flags, answer=answer)
    _check_consent(done, status, made)


def _check_consent(done: Result, status: int, made: FakeServer) -> None:
    assert done.status == status, done.err
    if status:
        assert "--confirm-context" in done.err
        assert made.writes == []
    else:
        assert made.writes


def test_an_undo_asks_as_apply_does(live: Run, made: FakeServer) -> None:
    assert live("apply", "--fix", "F-BIND-SUBJ", "--confirm-context", "prod").status == 0
    for flags in (["--yes"], ["--confirm-context", "other"], []):
        done = live("undo", *flags, answer="y\n")
        assert done.status == 1
        assert "--confirm-context" in done.err
    assert len(made.writes) == 1
    assert live("undo", "--confirm-context", "prod").status == 0
    assert made.objects[BINDING]["subjects"] == ADMIN["subjects"]


def test_another_name_is_refused_before_anything_is_sent(live: Run, made: FakeServer) -> None:
    done = live("apply", "--fix", "F-PRIV", "--confirm-context", "staging")
    assert (done.status, done.out, made.requests) == (1, "", [])
    assert "--confirm-context says 'staging', the context is 'prod'" in done.err


def test_in_a_pod_of_the_cluster_there_is_no_context(live: Run, made: FakeServer) -> None:
    made.endpoint = Endpoint("", "https://10.0.0.1", "system:serviceaccount:a:b")
    assert live("apply", "--fix", "F-BIND-SUBJ", "--confirm-context", "in-cluster").status == 0


# --- where nothing may be changed ---------------------------------------------------------------------


@pytest.mark.parametrize("command", [("apply", "--fix", "F-PRIV", "--yes"), ("undo", "--yes")])
@pytest.mark.parametrize("by", ["environment", "preferences"])
def test_read_only(
    by: str, command: tuple[str, ...], live: Run, made: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "environment":
        monkeypatch.setenv("WORKBENCH_READ_ONLY", "1")
    else:
        preferences("readOnly: [prod]\n")
    done = live(*command)
    assert (done.status, done.out, made.requests) == (2, "", [])
    assert "nothing is changed" in done.err
    assert live("undo", "--list").status == 0


def test_preferences_that_are_wrong_change_nothing(live: Run, made: FakeServer) -> None:
    preferences("protectd: [prod]\n")
    done = live("apply", "--fix", "F-PRIV", "--yes")
    assert (done.status, made.requests) == (2, [])
    assert "config.yaml:1, protectd: unknown key" in done.err


@pytest.mark.parametrize("command", [("apply", "--fix", "F-PRIV"), ("undo",), ("undo", "--list")])
def test_a_file_cannot_be_changed(command: tuple[str, ...], run: Run, deploy: Path) -> None:
    for source in (("--manifests", "deploy"), ("--sample", "shop")):
        done = run(*command, *source)
        assert (done.status, done.out) == (2, "")
        assert "is a file: changes are made in a live cluster (--context NAME)" in done.err
        assert "workbench export" in done.err


# --- statuses -----------------------------------------------------------------------------------------


def test_a_dry_run_alone(live: Run, made: FakeServer) -> None:
    done = live("apply", "--fix", "F-BIND-SUBJ", "F-PRIV", "--dry-run")
    assert done.status == 0
    assert "Deployment:shop/web: accepted" in done.out
    assert "- subjects: " in done.out
    assert made.writes == []
    made.forbidden.add(DEPLOYMENT)
    done = live("apply", "--fix", "F-PRIV", "--dry-run")
    assert done.status == 1
    assert "Deployment:shop/web: refused: forbidden: no permission to patch deployments.apps in shop" in done.out


def test_what_the_dry_run_refuses_holds_the_batch_back(live: Run, made: FakeServer) -> None:
    made.forbidden.add(DEPLOYMENT)
    done = live("apply", "--fix", "F-PRIV", "--yes")
    assert done.status == 1
    assert "refused          Deployment:shop/web  forbidden" in done.out
    assert "nothing was applied" in done.err
    assert made.writes == []


def test_a_failure_in_the_middle(live: Run, made: FakeServer) -> None:
    made.on_patch = lambda cluster, request: (
        cluster.forbidden.add(DEPLOYMENT) if request.writes and request.path == AGENT else None
    )
    done = live("apply", "--fix", "F-PRIV", "F-BIND-SUBJ", "--confirm-context", "prod")
    assert done.status == 1
    assert [line.split("  ")[0] for line in done.out.splitlines()] == [
        "applied",
        "refused",
        "not started",
        "done 1, failed 1, unknown 0, not started 1",
    ]


@pytest.mark.parametrize(("after", "status"), [(0, 3), (1, 1)])
def test_a_lost_connection(after: int, status: int, live: Run, made: FakeServer) -> None:
    made.on_patch = lost(after)
    done = live("apply", "--fix", "F-PRIV", "F-BIND-SUBJ", "--confirm-context", "prod")
    assert done.status == status
    assert done.out.splitlines()[-1] == f"done {after}, failed 0, unknown 1, not started {2 - after}"
    assert "the connection was lost: connection reset by peer" in done.err
    assert "workbench undo" in done.err


def test_a_connection_that_is_lost_before_anything_is_sent(live: Run, made: FakeServer) -> None:
    def cut(*_: object) -> None:
        raise Unreachable("no route to host")

    made.on_patch = cut
    done = live("apply", "--fix", "F-PRIV", "--yes")
    assert (done.status, done.out) == (3, "")
    assert "no route to host" in done.err


def test_stale(live: Run, made: FakeServer) -> None:
    made.on_patch = lambda cluster, request: (
        cluster.edit(DEPLOYMENT, lambda data: data["spec"]["template"]["spec"]["containers"].pop(0))
        if request.path == DEPLOYMENT and not cluster.writes and "dryRun" in request.query and request.body
        else None
    )
    done = live("apply", "--fix", "F-PRIV", "--yes")
    assert done.status == 1
    assert "stale            Deployment:shop/web" in done.out


def test_a_blocked_fix_is_refused_with_its_reason(live: Run, made: FakeServer) -> None:
    made.edit(AGENT, lambda data: data["metadata"].update(labels={"addonmanager.kubernetes.io/mode": "Reconcile"}))
    done = live("apply", "--fix", "F-PRIV", "--yes")
    assert done.status == 1
    assert "applied          Deployment:shop/web" in done.out
    assert "refused          DaemonSet:shop/agent  F-PRIV" in done.out
    assert "managed: the add-on manager restores the object" in done.out


def test_interrupted(live: Run, made: FakeServer) -> None:
    def interrupt(cluster: FakeServer, request: object) -> None:
        if len(cluster.writes) == 2:
            raise KeyboardInterrupt

    made.on_patch = interrupt
    done = live("apply", "--fix", "F-PRIV", "F-BIND-SUBJ", "--confirm-context", "prod")
    assert done.status == 130
    assert [line.split("  ")[0] for line in done.out.splitlines()] == [
        "applied",
        "unknown",
        "not started",
        "done 1, failed 0, unknown 1, not started 1",
    ]


def test_hostile_text_is_shown_and_not_interpreted(live: Run, made: FakeServer) -> None:
    made.admission = lambda data: "denied \x1b[31mred\x1b[0m\nsecond line"
    done = live("apply", "--fix", "F-PRIV", "--yes")
    assert done.status == 1
    assert "\x1b" not in done.out + done.err
    assert r"denied \x1b[31mred\x1b[0m\x0asecond line" in done.out


def test_the_connection_is_closed(live: Run, made: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(FakeServer, "close", lambda cluster: closed.append(True))
    live("apply", "--fix", "F-PRIV", "--dry-run")
    live("undo", "--list")
    live("undo", "nope")
    assert closed == [True] * 3


def test_nothing_is_ready(live: Run, made: FakeServer) -> None:
    made.objects.clear()
    done = live("apply", "--fix", "all-ready", "--yes")
    assert (done.status, done.out) == (0, "")
    assert "nothing to apply" in done.err
