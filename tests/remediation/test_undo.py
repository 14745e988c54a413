"""Undo and the journal: what is taken back, what is left alone, and what is kept where."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from tests.remediation.live import (
    ADMIN,
    BINDING,
    CANARY,
    DAEMON,
    DEPLOYMENT,
    WEB,
    applied,
    as_text,
    fixes,
    server,
    states,
    texts,
    undone,
)
from workbench.errors import UsageError
from workbench.inventory.changes import Op
from workbench.remediation.apply import apply, dry_run
from workbench.remediation.differences import change_lines
from workbench.remediation.journal import Journal
from workbench.remediation.live import State
from workbench.remediation.steps import fix_steps


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(server().endpoint, tmp_path / "state" / "journal")


# --- undo ---------------------------------------------------------------------------------------------


def test_an_undo_refuses_what_others_changed_since(journal: Journal) -> None:
    made = server()
    applied(made, journal, fixes(made, "F-PRIV", "F-BIND-SUBJ"))
    made.edit(BINDING, lambda data: data.update(subjects=[{"kind": "User", "name": "eve"}]))
    outcome = undone(made, journal)
    assert states(outcome) == ["stale", "not started", "not started"]
    assert outcome.rows[0].message == "subjects was changed by others since"
    assert made.objects[BINDING]["subjects"] == [{"kind": "User", "name": "eve"}]


def test_an_undo_keeps_what_others_changed_elsewhere(journal: Journal) -> None:
    made = server(WEB)
    applied(made, journal, fixes(made, "F-PRIV"))
    made.edit(DEPLOYMENT, lambda data: data["spec"].update(replicas=9))
    assert states(undone(made, journal)) == ["applied"]
    assert made.objects[DEPLOYMENT]["spec"]["replicas"] == 9
    assert fixes(made, "F-PRIV")


def test_an_undo_of_another_object_of_the_same_name_is_refused(journal: Journal) -> None:
    made = server(WEB)
    applied(made, journal, fixes(made, "F-PRIV"))
    made.edit(DEPLOYMENT, lambda data: data["metadata"].update(uid="other"))
    assert states(undone(made, journal)) == ["stale"]


def test_what_was_undone_can_be_applied_and_undone_again(journal: Journal) -> None:
    made = server(WEB)
    for _ in range(2):
        assert states(applied(made, journal, fixes(made, "F-PRIV"))) == ["applied"]
        assert states(undone(made, journal)) == ["applied"]
    assert journal.last() is None
    assert [entry.begun.action for entry in journal.entries()] == ["apply", "undo"] * 2


def test_an_environment_value_is_not_kept_and_so_not_reversible(journal: Journal, tmp_path: Path) -> None:
    made = server(WEB)
    (fix,) = fixes(made, "F-HOSTNS")
    path = "/spec/template/spec/containers[name=web]/env[name=PASSWORD]/value"
    (row,) = dry_run(made, fix_steps([replace(fix, ops=(*fix.ops, Op("remove", path)))])[0]).rows
    assert row.state is State.STALE or not row.reversible
    run = journal.begin("apply", "alice")
    apply(made, [row], run)
    run.close()
    assert CANARY not in texts(tmp_path)
    assert CANARY not in as_text(change_lines(row.changes))


# --- the journal --------------------------------------------------------------------------------------


def test_the_journal_says_who_did_what_where(journal: Journal, tmp_path: Path) -> None:
    made = server(DAEMON, ADMIN)
    outcome = applied(made, journal, fixes(made, "F-PRIV"))
    (entry,) = journal.entries()
    assert entry.id == outcome.run
    assert (entry.begun.user, entry.begun.context, entry.begun.server) == ("alice", "prod", "https://k8s.example:6443")
    (item,) = entry.items
    assert item.state is State.APPLIED
    assert item.sent.uid == "uid-DaemonSet-agent"
    assert item.sent.forward != item.sent.reverse
    assert item.done is not None
    assert item.sent.before != item.done.after
    assert [(field.path, field.before, field.after) for field in item.sent.fields] == [
        ("/spec/template/spec/containers[name=agent]/securityContext/privileged", True, False)
    ]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.joinpath("state").rglob("*") if path.is_file()}
    assert modes == {0o600}
    directories = [tmp_path / "state", *(path for path in tmp_path.joinpath("state").rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in directories} == {0o700}


def test_finding_what_to_undo(journal: Journal) -> None:
    made = server()
    outcome = applied(made, journal, fixes(made, "F-PRIV"))
    (entry,) = journal.entries()
    fix = next(fix for fix in entry.items[1].sent.fixes)
    assert [item.id for item in journal.find(outcome.run)[1]] == ["DaemonSet:shop/agent", "Deployment:shop/web"]
    assert journal.find(outcome.run[:-1])[0].id == outcome.run
    assert [item.id for item in journal.find(fix)[1]] == ["Deployment:shop/web"]
    assert [item.id for item in journal.applied("f-priv")] == ["DaemonSet:shop/agent", "Deployment:shop/web"]
    assert [item.id for item in journal.applied(fix[:8])] == ["Deployment:shop/web"]
    for unknown in ("nope", ""):
        with pytest.raises(UsageError, match="is not known in context prod"):
            journal.find(unknown)
    undone(made, journal)
    assert journal.applied("F-PRIV") == []
    for identifier in (outcome.run, fix):
        with pytest.raises(UsageError, match="not in force"):
            journal.find(identifier)


def test_a_journal_of_another_server_is_another_one(journal: Journal, tmp_path: Path) -> None:
    made = server()
    applied(made, journal, fixes(made, "F-PRIV"))
    root = tmp_path / "state" / "journal"
    assert len(Journal(made.endpoint, root).entries()) == 1
    assert Journal(replace(made.endpoint, server="https://other:6443"), root).entries() == []
    arn = replace(made.endpoint, context="arn:aws:eks:eu-west-1:1:cluster/Live/../x")
    assert Journal(arn, root).directory.parent == root
    assert Journal(arn, root).directory.name.startswith("arn-aws-eks-eu-west-1-1-cluster-live-x-")


def test_lines_that_were_cut_off_and_files_that_are_none(journal: Journal) -> None:
    made = server()
    outcome = applied(made, journal, fixes(made, "F-PRIV"))
    path = journal.directory / f"{outcome.run}.jsonl"
    text = path.read_text(encoding="utf-8")
    (journal.directory / "x.jsonl").write_text("{", encoding="utf-8")
    (journal.directory / "empty.jsonl").write_text("", encoding="utf-8")
    # Killed before the last answer was noted.
    path.write_text(text[:-20], encoding="utf-8")
    (entry,) = journal.entries()
    assert [item.state for item in entry.items] == [State.APPLIED, State.UNKNOWN]


def test_without_a_journal_nothing_is_sent(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be written"):
        Journal(server().endpoint, tmp_path / "journal").begin("apply", "alice")
