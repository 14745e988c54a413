"""New objects: created after a dry run, taken back by deleting what was made and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.remediation.apiserver import Data, FakeServer
from tests.remediation.live import applied, fixes, server, states, undone
from workbench.inventory.changes import overlay
from workbench.inventory.decode import plain
from workbench.remediation.apply import dry_run
from workbench.remediation.journal import Journal
from workbench.remediation.records import Fix, as_dict
from workbench.remediation.steps import fix_steps, undo_steps
from workbench.remediation.verify import Verdict, verify_live

POLICIES = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
POLICY = f"{POLICIES}/wb-deployment-db"


def workload(name: str, *ports: int, **container: object) -> Data:
    made = {"name": "c", "image": "i", "ports": [{"containerPort": port} for port in ports], **container}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [made]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
    }


SERVICE: Data = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "db", "namespace": "shop"},
    "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432}]},
}


@pytest.fixture
def made() -> FakeServer:
    return server(workload("db", 5432), workload("web", env=[{"name": "DB", "value": "db:5432"}]), SERVICE)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(server().endpoint, tmp_path / "state" / "journal")


def chosen(made: FakeServer) -> list[Fix]:
    (fix,) = [fix for fix in fixes(made, "F-NP-IN") if fix.target.name == "wb-deployment-db"]
    return [fix]


def test_a_dry_run_creates_nothing(made: FakeServer) -> None:
    (row,) = dry_run(made, fix_steps(chosen(made))[0]).rows
    assert str(row.state) == "accepted"
    assert row.reversible
    assert {change.path.split("/")[1] for change in row.changes} == {"metadata", "spec"}
    assert all(change.before is None and change.ours for change in row.changes)
    assert POLICY not in made.objects
    assert not made.writes


def test_what_is_created_is_what_was_shown(made: FakeServer, journal: Journal) -> None:
    fix = chosen(made)
    assert states(applied(made, journal, fix)) == ["applied"]
    (op,) = [op for op in fix[0].ops if op.path == "/spec"]
    assert made.objects[POLICY]["spec"] == op.value
    assert as_dict(fix[0])["creates"] == [
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "namespace": "shop", "name": "wb-deployment-db"}
    ]
    assert [one.verdict for one in verify_live(made, fix)] == [Verdict.VERIFIED]
    assert not chosen_again(made)


def chosen_again(made: FakeServer) -> list[Fix]:
    return [fix for fix in fixes(made, "F-NP-IN") if fix.target.name == "wb-deployment-db" and fix.status == "ready"]


def test_a_second_time_nothing_is_sent(made: FakeServer, journal: Journal) -> None:
    fix = chosen(made)
    applied(made, journal, fix)
    before = len(made.writes)
    assert states(applied(made, journal, fix)) == ["already applied"]
    assert len(made.writes) == before


def test_an_undo_deletes_what_was_made(made: FakeServer, journal: Journal) -> None:
    applied(made, journal, chosen(made))
    assert states(undone(made, journal)) == ["applied"]
    assert POLICY not in made.objects
    assert chosen(made)
    assert journal.last() is None


def test_an_undo_of_what_is_gone_already_has_nothing_to_do(made: FakeServer, journal: Journal) -> None:
    applied(made, journal, chosen(made))
    del made.objects[POLICY]
    assert states(undone(made, journal)) == ["already applied"]
    assert journal.last() is None


def test_an_undo_leaves_what_others_changed(made: FakeServer, journal: Journal) -> None:
    applied(made, journal, chosen(made))
    made.edit(POLICY, lambda data: data["spec"].update(ingress=[{}]))
    assert states(undone(made, journal)) == ["stale"]
    assert POLICY in made.objects


def test_an_undo_leaves_another_object_of_the_same_name(made: FakeServer, journal: Journal) -> None:
    applied(made, journal, chosen(made))
    made.edit(POLICY, lambda data: data["metadata"].update(uid="other"))
    assert states(undone(made, journal)) == ["stale"]
    assert POLICY in made.objects


def test_a_name_that_was_taken_meanwhile_is_stale(made: FakeServer, journal: Journal) -> None:
    fix = chosen(made)
    made.add({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "wb-deployment-db", "namespace": "shop"}, "spec": {"podSelector": {}},
    })  # fmt: skip
    assert [str(row.state) for row in dry_run(made, fix_steps(fix)[0]).rows] == ["stale"]


def test_who_may_not_create_is_told_before_anything_is_sent(made: FakeServer) -> None:
    made.forbidden.add(POLICIES)
    (row,) = dry_run(made, fix_steps(chosen(made))[0]).rows
    assert str(row.state) == "refused"
    assert "no permission to create networkpolicies" in row.message
    assert not [request for request in made.requests if request.path == POLICIES]


def test_the_run_before_the_answer_is_kept_and_can_be_taken_back(made: FakeServer, journal: Journal) -> None:
    applied(made, journal, chosen(made))
    (item,) = journal.entries()[-1].in_force
    assert item.sent.patch_type == "create"
    assert item.done is not None
    assert item.done.uid == made.objects[POLICY]["metadata"]["uid"]
    (step,) = undo_steps([item])
    assert step.reversible


def test_an_overlay_holds_what_a_fix_creates(made: FakeServer) -> None:
    from tests.remediation.live import inventory_of

    (fix,) = chosen(made)
    view = inventory_of(made)
    over = overlay(view, [fix.change])
    found = over.by_id(fix.target.id)
    assert found is not None
    assert plain(found)["spec"]["podSelector"] == {"matchLabels": {"app": "db"}}
    assert view.by_id(fix.target.id) is None
