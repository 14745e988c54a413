"""Dry run and apply against a server in memory: states, order, conflicts, lost connections."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.remediation.apiserver import FakeServer, Request, lost
from tests.remediation.live import (
    AGENT,
    BINDING,
    CANARY,
    DEPLOYMENT,
    WEB,
    applied,
    as_text,
    comparable,
    fixes,
    inventory_of,
    server,
    states,
    texts,
    undone,
)
from workbench.errors import Cancelled, Conflict
from workbench.kube.api import Answer
from workbench.remediation.apply import Outcome, Row, apply, check, dry_run
from workbench.remediation.differences import change_lines
from workbench.remediation.journal import Journal
from workbench.remediation.live import State
from workbench.remediation.records import Status
from workbench.remediation.steps import fix_steps
from workbench.remediation.verify import Verdict, verify, verify_live


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(server().endpoint, tmp_path / "state" / "journal")


ALL = ("F-PRIV", "F-HOSTNS", "F-HP-DEL", "F-CAPS", "F-AUTOMOUNT", "F-BIND-SUBJ")


# --- dry run ------------------------------------------------------------------------------------------


def test_a_dry_run_shows_what_the_server_makes_of_it_and_changes_nothing() -> None:
    made = server()
    before = copy.deepcopy(made.objects)
    rows = dry_run(made, fix_steps(fixes(made, *ALL))[0]).rows
    assert [(row.id, row.state) for row in rows] == [
        ("DaemonSet:shop/agent", State.ACCEPTED),
        ("Deployment:shop/web", State.ACCEPTED),
        ("ClusterRoleBinding:web", State.ACCEPTED),
    ]
    assert made.objects == before
    assert made.writes == []
    assert [request.query.get("dryRun") for request in made.patches] == ["All"] * 3
    paths = {change.dotted for change in rows[1].changes}
    assert "spec.template.spec.containers[name=web].securityContext.privileged" in paths
    assert "spec.template.spec.volumes[name=etc]" in paths
    assert all(change.ours for row in rows for change in row.changes)
    assert [row.cluster_scoped for row in rows] == [False, False, True]
    assert all(row.reversible and row.is_fresh() for row in rows)


def test_a_patch_holds_only_what_changes() -> None:
    made = server()
    check(made, fix_steps(fixes(made, "F-PRIV"))[0][1])
    (patch,) = made.patches
    containers = patch.body["spec"]["template"]["spec"]["containers"]
    assert containers == [{"name": "web", "securityContext": {"privileged": False}}]
    assert patch.body["metadata"] == {"resourceVersion": made.objects[DEPLOYMENT]["metadata"]["resourceVersion"]}


def test_what_admission_changes_beside_ours_is_marked() -> None:
    made = server(WEB)

    def inject(data: dict[str, Any]) -> dict[str, Any]:
        data["metadata"]["labels"] = {"seen": "yes"}
        spec = data["spec"]["template"]["spec"]
        spec["containers"].append({"name": "mesh", "image": "mesh:1", "env": [{"name": "K", "value": CANARY}]})
        return data

    made.admission = inject
    made.warning = f'would violate \\"baseline\\" {CANARY}'
    row = check(made, fix_steps(fixes(made, "F-PRIV"))[0][0])
    assert row.state is State.ACCEPTED
    assert {change.dotted: change.ours for change in row.changes} == {
        "metadata.labels.seen": False,
        "spec.template.spec.containers[name=mesh]": False,
        "spec.template.spec.containers[name=web].securityContext.privileged": True,
    }
    lines = change_lines(row.changes)
    assert ("-", "spec.template.spec.containers[name=web].securityContext.privileged: true") in lines
    assert ("+", "spec.template.spec.containers[name=web].securityContext.privileged: false") in lines
    assert any(sign == "~" and "mesh" in line for sign, line in lines)
    assert CANARY not in as_text(lines)
    assert row.warnings == ('would violate "baseline" (masked)',)


def revert(data: dict[str, Any]) -> dict[str, Any]:
    data["spec"]["template"]["spec"]["containers"][0]["securityContext"]["privileged"] = True
    return data


REFUSALS: list[tuple[str, Callable[[FakeServer], None], State, str]] = [
    (
        "review",
        lambda made: made.forbidden.add(DEPLOYMENT),
        State.REFUSED,
        "forbidden: no permission to patch deployments.apps in shop: no rule",
    ),
    ("gone", lambda made: made.objects.clear(), State.NOT_FOUND, "not found"),
    (
        "admission",
        lambda made: setattr(made, "admission", lambda data: f"denied: {CANARY} is not allowed"),
        State.REFUSED,
        "denied: (masked) is not allowed",
    ),
    ("undone by admission", lambda made: setattr(made, "admission", revert), State.REFUSED, "undoes the change of"),
    (
        "another object",
        lambda made: made.edit(DEPLOYMENT, lambda data: data["metadata"].update(uid="other")),
        State.STALE,
        "another object has its name now",
    ),
    (
        "being deleted",
        lambda made: made.edit(
            DEPLOYMENT, lambda data: data["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z")
        ),
        State.STALE,
        "being deleted",
    ),
    (
        "other value",
        lambda made: made.edit(DEPLOYMENT, lambda data: data["spec"]["template"]["spec"]["containers"].pop(0)),
        State.STALE,
        "not any more what it was",
    ),
    (
        "an operator's",
        lambda made: made.edit(
            DEPLOYMENT,
            lambda data: data["metadata"].update(
                ownerReferences=[{"apiVersion": "x.example/v1", "kind": "App", "name": "a", "controller": True}]
            ),
        ),
        State.REFUSED,
        "App:shop/a makes it: change that instead",
    ),
    (
        "an add-on's",
        lambda made: made.edit(
            DEPLOYMENT, lambda data: data["metadata"].update(labels={"addonmanager.kubernetes.io/mode": "Reconcile"})
        ),
        State.REFUSED,
        "the add-on manager restores the object",
    ),
    (
        "always newer",
        lambda made: setattr(made, "on_patch", touch),
        State.CONFLICT,
        "has been modified",
    ),
]


def touch(made: FakeServer, request: Request) -> Answer | None:
    made.edit(request.path, lambda data: data["metadata"].setdefault("labels", {}).update(n=str(len(made.requests))))
    return None


@pytest.mark.parametrize(("name", "prepare", "state", "says"), REFUSALS, ids=[case[0] for case in REFUSALS])
def test_why_an_object_goes_no_further(
    name: str, prepare: Callable[[FakeServer], None], state: State, says: str
) -> None:
    made = server(WEB)
    (step,), _ = fix_steps(fixes(made, "F-PRIV"))
    prepare(made)
    row = check(made, step)
    assert (row.state, says in row.message) == (state, True), row.message
    assert CANARY not in row.message
    assert made.writes == []


def test_a_conflict_in_the_dry_run_is_tried_once_more() -> None:
    made = server(WEB)
    (step,), _ = fix_steps(fixes(made, "F-PRIV"))

    def once(made: FakeServer, request: Request) -> Answer | None:
        return touch(made, request) if len(made.patches) == 1 else None

    made.on_patch = once
    assert check(made, step).state is State.ACCEPTED
    assert len(made.patches) == 2


@pytest.mark.parametrize(("times", "state"), [(2, State.ACCEPTED), (9, State.REFUSED)])
def test_a_server_with_too_much_to_do_is_waited_for(times: int, state: State) -> None:
    made = server(WEB)

    def busy(made: FakeServer, request: Request) -> Answer | None:
        return Answer(429, b"too many requests", {"retry-after": "7"}) if len(made.patches) <= times else None

    made.on_patch = busy
    row = check(made, fix_steps(fixes(made, "F-PRIV"))[0][0])
    assert row.state is state
    assert made.waited == [7.0] * min(times, 3)


def test_a_server_without_reviews_is_asked_by_the_dry_run() -> None:
    made = server(WEB)
    made.unreviewed = True
    assert check(made, fix_steps(fixes(made, "F-PRIV"))[0][0]).state is State.ACCEPTED


MANAGED = [
    ("git", {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux reverts a live patch"),
    (
        "helm",
        {
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "web"},
        },
        "the next upgrade undoes the change",
    ),
    (
        "kubectl apply",
        {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": CANARY}},
        "the next kubectl apply",
    ),
]


@pytest.mark.parametrize(("name", "meta", "says"), MANAGED, ids=[case[0] for case in MANAGED])
def test_what_somebody_may_undo_is_warned_of(name: str, meta: dict[str, Any], says: str) -> None:
    made = server({**WEB, "metadata": {**WEB["metadata"], **meta}})
    row = check(made, fix_steps(fixes(made, "F-PRIV"))[0][0])
    assert row.state is State.ACCEPTED
    assert any(says in warning for warning in row.warnings)


def test_a_dry_run_ends_when_it_is_asked_to_and_when_the_connection_is_lost() -> None:
    made = server()
    steps, _ = fix_steps(fixes(made, "F-PRIV", "F-BIND-SUBJ"))
    seen: list[tuple[int, State]] = []
    outcome = dry_run(made, steps, lambda place, row: seen.append((place, row.state)), lambda: len(seen) == 1)
    assert states(outcome) == ["accepted", "not started", "not started"]
    assert seen == [(0, State.ACCEPTED)]

    def cut(made: FakeServer, request: Request) -> Answer | None:
        raise Cancelled("ended")

    made.on_patch = cut
    outcome = dry_run(made, steps)
    assert states(outcome) == ["not started"] * 3
    assert isinstance(outcome.lost, Cancelled)


# --- choosing -----------------------------------------------------------------------------------------


def test_what_is_not_ready_is_no_step() -> None:
    made = server()
    chosen = fixes(made, "F-PRIV")
    blocked = replace(chosen[0], status=Status.BLOCKED, reason="managed: by somebody")
    steps, left = fix_steps([blocked, chosen[1]])
    assert [step.target.id for step in steps] == [chosen[1].target.id]
    assert left == [(blocked, "managed: by somebody")]


def test_two_fixes_that_contradict_each_other_are_no_batch() -> None:
    made = server()
    (one,) = fixes(made, "F-PRIV")[:1]
    other = replace(one, id="ffffffffffff", ops=(replace(one.ops[0], value=True),))
    with pytest.raises(Conflict):
        fix_steps([one, other])


# --- apply --------------------------------------------------------------------------------------------


def test_apply_and_undo_give_the_object_back(journal: Journal, tmp_path: Path) -> None:
    made = server()
    before = copy.deepcopy(made.objects)
    chosen = [fix for fix in fixes(made, *ALL) if fix.status is Status.READY]
    outcome = applied(made, journal, chosen)
    assert states(outcome) == ["applied"] * 3
    assert outcome.summary == "done 3, failed 0, unknown 0, not started 0"
    assert [request.path for request in made.writes] == [AGENT, DEPLOYMENT, BINDING]
    spec = made.objects[DEPLOYMENT]["spec"]["template"]["spec"]
    assert "hostPID" not in spec
    assert spec["automountServiceAccountToken"] is False
    assert [volume["name"] for volume in spec["volumes"]] == ["tmp"]
    assert made.objects[BINDING].get("subjects") is None
    # What is no longer privileged may still drop capabilities.
    assert {fix.fix for fix in fixes(made, *ALL)} == {"F-CAPS"}
    assert {one.verdict for one in verify(inventory_of(made), chosen)} == {Verdict.VERIFIED}
    assert {one.verdict for one in verify_live(made, chosen)} == {Verdict.VERIFIED}

    outcome = undone(made, journal)
    assert states(outcome) == ["applied"] * 3
    assert [request.path for request in made.writes[3:]] == [BINDING, DEPLOYMENT, AGENT]
    assert {path: comparable(data) for path, data in made.objects.items()} == {
        path: comparable(data) for path, data in before.items()
    }
    assert {one.verdict for one in verify(inventory_of(made), chosen)} == {Verdict.STILL_OPEN}
    assert {one.verdict for one in verify_live(made, chosen)} == {Verdict.STILL_OPEN}
    assert journal.last() is None
    assert CANARY not in texts(tmp_path)


def test_a_list_with_two_items_of_one_key_goes_by_json_patch_and_back(journal: Journal) -> None:
    web = copy.deepcopy(WEB)
    mounts = web["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    mounts.append({"name": "tmp", "mountPath": "/tmp", "subPath": "x"})
    made = server(web)
    before = comparable(made.objects[DEPLOYMENT])
    outcome = applied(made, journal, fixes(made, "F-HP-DEL"))
    assert states(outcome) == ["applied"]
    assert isinstance(made.writes[0].body, list)
    assert made.writes[0].body[0]["path"] == "/metadata/resourceVersion"
    assert [mount["name"] for mount in made.objects[DEPLOYMENT]["spec"]["template"]["spec"]["volumes"]] == ["tmp"]
    assert states(undone(made, journal)) == ["applied"]
    assert comparable(made.objects[DEPLOYMENT]) == before


def test_a_second_run_writes_nothing(journal: Journal) -> None:
    made = server()
    chosen = fixes(made, "F-PRIV", "F-BIND-SUBJ")
    applied(made, journal, chosen)
    count = len(made.patches)
    outcome = applied(made, journal, chosen)
    assert states(outcome) == ["already applied"] * 3
    assert len(made.patches) == count
    # A run in which nothing was sent leaves no file.
    assert len(journal.entries()) == 1


def test_of_two_fixes_the_one_that_is_left_is_made_and_journaled(journal: Journal) -> None:
    made = server(WEB)
    chosen = fixes(made, "F-PRIV", "F-HOSTNS")
    made.edit(DEPLOYMENT, lambda data: data["spec"]["template"]["spec"].pop("hostPID"))
    assert states(applied(made, journal, chosen)) == ["applied"]
    entry = journal.last()
    assert entry is not None
    assert entry.items[0].sent.rules == ("F-PRIV",)
    undone(made, journal)
    assert "hostPID" not in made.objects[DEPLOYMENT]["spec"]["template"]["spec"]


def test_the_first_failure_ends_the_batch(journal: Journal) -> None:
    made = server()
    rows = dry_run(made, fix_steps(fixes(made, "F-PRIV", "F-BIND-SUBJ"))[0]).rows
    made.forbidden.add(DEPLOYMENT)
    seen: list[tuple[int, State]] = []
    run = journal.begin("apply", "alice")
    outcome = apply(made, rows, run, lambda place, row: seen.append((place, row.state)))
    run.close()
    assert states(outcome) == ["applied", "refused", "not started"]
    assert seen == [(0, State.APPLIED), (1, State.REFUSED)]
    assert outcome.summary == "done 1, failed 1, unknown 0, not started 1"
    assert BINDING not in [request.path for request in made.writes]
    entry = journal.last()
    assert entry is not None
    assert [item.id for item in entry.in_force] == ["DaemonSet:shop/agent"]


def test_what_the_dry_run_refused_is_not_sent(journal: Journal) -> None:
    made = server()
    made.forbidden.add(AGENT)
    outcome = applied(made, journal, fixes(made, "F-PRIV"))
    assert states(outcome) == ["refused", "not started"]
    assert made.writes == []


def test_a_batch_ends_between_two_objects_when_it_is_asked_to(journal: Journal) -> None:
    made = server()
    rows = dry_run(made, fix_steps(fixes(made, "F-PRIV"))[0]).rows
    run = journal.begin("apply", "alice")
    outcome = apply(made, rows, run, stop=lambda: bool(made.writes))
    run.close()
    assert states(outcome) == ["applied", "not started"]


def test_a_lost_connection_leaves_done_unknown_and_not_started(journal: Journal) -> None:
    made = server()
    made.on_patch = lost(1)
    outcome = applied(made, journal, fixes(made, "F-PRIV", "F-BIND-SUBJ"))
    assert states(outcome) == ["applied", "unknown", "not started"]
    assert outcome.summary == "done 1, failed 0, unknown 1, not started 1"
    assert str(outcome.lost) == "connection reset by peer"
    # What is unknown may be in force: an undo looks, and passes over what was not done.
    made.on_patch = lambda server, request: None
    assert states(undone(made, journal)) == ["already applied", "applied"]
    assert journal.last() is None


def test_a_gateway_that_gives_up_leaves_the_patch_unknown(journal: Journal) -> None:
    made = server(WEB)
    made.on_patch = lambda server, request: Answer(504, b"gateway timeout") if request.writes else None
    outcome = applied(made, journal, fixes(made, "F-PRIV"))
    assert states(outcome) == ["unknown"]
    assert outcome.rows[0].message == "gateway timeout"


def test_interrupted_while_the_answer_is_awaited(journal: Journal) -> None:
    made = server(WEB)
    rows = dry_run(made, fix_steps(fixes(made, "F-PRIV"))[0]).rows

    def interrupt(made: FakeServer, request: Request) -> Answer | None:
        raise KeyboardInterrupt

    made.on_patch = interrupt
    seen: list[Row] = []
    run = journal.begin("apply", "alice")
    with pytest.raises(KeyboardInterrupt):
        apply(made, rows, run, lambda place, row: seen.append(row))
    run.close()
    assert [row.state for row in seen] == [State.UNKNOWN]
    entry = journal.last()
    assert entry is not None
    assert entry.items[0].state is State.UNKNOWN


def between(made: FakeServer, journal: Journal, change: Callable[[dict[str, Any]], None]) -> Outcome:
    """What comes of an apply when somebody changed the Deployment after the dry run."""
    rows = dry_run(made, fix_steps(fixes(made, "F-PRIV"))[0]).rows
    made.edit(DEPLOYMENT, change)
    made.requests.clear()
    run = journal.begin("apply", "alice")
    try:
        return apply(made, rows, run)
    finally:
        run.close()


def test_an_object_that_changed_elsewhere_is_planned_and_dry_run_anew(journal: Journal) -> None:
    made = server(WEB)
    outcome = between(made, journal, lambda data: data["spec"].update(replicas=5))
    assert states(outcome) == ["applied"]
    assert ["dryRun" in request.query for request in made.patches] == [True, False]
    assert made.objects[DEPLOYMENT]["spec"]["replicas"] == 5


def test_an_old_dry_run_is_made_anew(journal: Journal) -> None:
    made = server(WEB)
    rows = dry_run(made, fix_steps(fixes(made, "F-PRIV"))[0]).rows
    made.requests.clear()
    run = journal.begin("apply", "alice")
    outcome = apply(made, [replace(row, at=datetime(2026, 1, 1, tzinfo=UTC)) for row in rows], run)
    run.close()
    assert states(outcome) == ["applied"]
    assert ["dryRun" in request.query for request in made.patches] == [True, False]


def test_an_object_that_changed_in_the_very_field_is_stale(journal: Journal) -> None:
    made = server(WEB)

    def unset(data: dict[str, Any]) -> None:
        data["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {}

    outcome = between(made, journal, unset)
    assert states(outcome) == ["stale"]
    assert made.writes == []


def test_an_object_in_which_it_was_done_meanwhile(journal: Journal) -> None:
    made = server(WEB)

    def done(data: dict[str, Any]) -> None:
        data["spec"]["template"]["spec"]["containers"][0]["securityContext"]["privileged"] = False

    assert states(between(made, journal, done)) == ["already applied"]
    assert made.writes == []


@pytest.mark.parametrize(("times", "state"), [(1, "applied"), (2, "conflict")])
def test_a_conflict_is_met_once(times: int, state: str, journal: Journal) -> None:
    made = server(WEB)

    def race(made: FakeServer, request: Request) -> Answer | None:
        return touch(made, request) if request.writes and len(made.writes) <= times else None

    made.on_patch = race
    assert states(applied(made, journal, fixes(made, "F-PRIV"))) == [state]
    assert len(made.writes) == 2
    entry = journal.last()
    assert (entry is not None) == (state == "applied")


def test_a_conflict_of_a_json_patch_is_one_too(journal: Journal) -> None:
    web = copy.deepcopy(WEB)
    web["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].append({"name": "tmp", "mountPath": "/tmp"})
    made = server(web)
    made.on_patch = touch
    (row,) = dry_run(made, fix_steps(fixes(made, "F-HP-DEL"))[0]).rows
    assert row.state is State.CONFLICT


def test_a_patch_that_got_through_twice_is_applied(journal: Journal) -> None:
    made = server(WEB)

    def retried(made: FakeServer, request: Request) -> Answer | None:
        if request.writes and len(made.writes) == 1:
            # The transport sends it again, and only the second answer arrives.
            assert made._patch(request, "application/strategic-merge-patch+json").ok
        return None

    made.on_patch = retried
    assert states(applied(made, journal, fixes(made, "F-PRIV"))) == ["applied"]
    assert states(undone(made, journal)) == ["applied"]
