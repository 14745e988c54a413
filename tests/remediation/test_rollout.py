"""How far a rollout is by the workload's own status, and when it is not waited for any longer."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from tests.builders import container, deployment, inventory, owner, pod, workload
from tests.remediation.live import DEPLOYMENT, WEB, server
from workbench.errors import Cancelled
from workbench.inventory.changes import Target
from workbench.inventory.inventory import Inventory
from workbench.remediation.catalogue import all_fixes
from workbench.remediation.records import Fix
from workbench.remediation.rollout import Rollout, progress_of, wait
from workbench.remediation.verify import Verdict, verify

TARGET = Target("apps/v1", "Deployment", "shop", "web")


def state(kind: str, spec: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"generation": 2}, "spec": spec, "status": {"observedGeneration": 2, **status}}


STATES = [
    ("new", state("Deployment", {"replicas": 3}, observedGeneration=1), "rolling out 0/3"),
    (
        "begun",
        state("Deployment", {"replicas": 3}, replicas=4, updatedReplicas=1, availableReplicas=3),
        "rolling out 1/3",
    ),
    (
        "old pods are left",
        state("Deployment", {"replicas": 3}, replicas=4, updatedReplicas=3, availableReplicas=3),
        "rolling out 3/3",
    ),
    ("through", state("Deployment", {"replicas": 3}, replicas=3, updatedReplicas=3, availableReplicas=3), "rolled out"),
    ("one by default", state("Deployment", {}, replicas=1, updatedReplicas=1), "rolling out 0/1"),
    ("none wanted", state("Deployment", {"replicas": 0}), "rolled out"),
    (
        "failed",
        state(
            "Deployment",
            {"replicas": 1},
            conditions=[{"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "timed out"}],
        ),
        "the rollout failed: timed out",
    ),
    ("paused", state("Deployment", {"paused": True}), "it is paused: its pods are replaced once it is resumed"),
    ("set", state("StatefulSet", {"replicas": 2}, updatedReplicas=1, readyReplicas=2), "rolling out 1/2"),
    (
        "set with a partition",
        state(
            "StatefulSet",
            {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
            updatedReplicas=1,
            readyReplicas=3,
        ),
        "rolled out",
    ),
    (
        "by hand",
        state("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}),
        "its pods are replaced when they are deleted (OnDelete)",
    ),
    (
        "daemon",
        state("DaemonSet", {}, desiredNumberScheduled=5, updatedNumberScheduled=5, numberAvailable=4),
        "rolling out 4/5",
    ),
    (
        "daemons are through",
        state("DaemonSet", {}, desiredNumberScheduled=5, updatedNumberScheduled=5, numberAvailable=5),
        "rolled out",
    ),
]


@pytest.mark.parametrize(("name", "data", "says"), STATES, ids=[case[0] for case in STATES])
def test_progress(name: str, data: dict[str, Any], says: str) -> None:
    assert str(progress_of(data)) == says


def ticking(step: float = 1.0) -> Callable[[], float]:
    seconds = count(0, step)
    return lambda: float(next(seconds))


def status(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda data: data.update(status=fields)


def test_waiting_until_it_is_through() -> None:
    made = server(WEB)
    made.edit(DEPLOYMENT, status(observedGeneration=1, replicas=3, updatedReplicas=1))
    seen: list[str] = []

    def hear(news: Rollout) -> None:
        seen.append(str(news))
        if len(seen) == 2:
            ready = status(observedGeneration=1, replicas=2, updatedReplicas=2, availableReplicas=2)
            made.edit(DEPLOYMENT, ready)

    found = wait(made, TARGET, hear, clock=ticking())
    assert found.finished
    assert seen == ["rolling out 0/2", "rolling out 0/2", "rolled out"]
    assert made.waited == [1.0, 1.0]


@pytest.mark.parametrize(
    ("observed", "says", "looks"),
    [
        (0, "no controller has taken up the new template (0/2 pods are ready)", 10),
        (1, "not through after 300 s (0/2 pods are ready)", 300),
    ],
)
def test_waiting_ends(observed: int, says: str, looks: int) -> None:
    made = server(WEB)
    made.edit(DEPLOYMENT, status(observedGeneration=observed))
    assert str(wait(made, TARGET, clock=ticking())) == says
    assert len(made.waited) in (looks - 1, looks)


def test_waiting_is_stopped() -> None:
    made = server(WEB)
    assert wait(made, TARGET, stop=lambda: True).problem.startswith("not waited for any longer")
    made.objects.clear()
    assert "not found" in wait(made, TARGET).problem
    assert wait(made, Target("v1", "ReplicationController", "shop", "x")).problem.startswith("its running pods stay")


def test_a_connection_that_is_ended_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    made = server(WEB)

    def end(seconds: float) -> None:
        raise Cancelled("ended")

    monkeypatch.setattr(made, "wait", end)
    with pytest.raises(Cancelled):
        wait(made, TARGET)


# --- verification with pods ---------------------------------------------------------------------------

OPEN, CLOSED = ({"privileged": value} for value in (True, False))


def world(template: dict[str, Any], *pods: dict[str, Any]) -> Inventory:
    """A Deployment with its ReplicaSet and live pods, each with a security context."""
    return inventory(
        deployment("web", container("c", securityContext=template), namespace="shop", uid="d"),
        workload("ReplicaSet", "web-1", namespace="shop", uid="r", owners=[owner("Deployment", "web", "d")]),
        *(
            pod(
                f"web-{number}",
                container("c", securityContext=context),
                namespace="shop",
                owners=[owner("ReplicaSet", "web-1", "r")],
            )
            for number, context in enumerate(pods)
        ),
    )


def privileged() -> Fix:
    (fix,) = (fix for fix in all_fixes(world(OPEN, OPEN)) if fix.fix == "F-PRIV")
    return fix


@pytest.mark.parametrize(
    ("template", "pods", "verdict", "objects"),
    [
        (OPEN, [OPEN], Verdict.STILL_OPEN, ("Deployment:shop/web",)),
        (CLOSED, [OPEN, CLOSED], Verdict.ROLLING_OUT, ("Pod:shop/web-0",)),
        (CLOSED, [CLOSED], Verdict.VERIFIED, ()),
        (CLOSED, [], Verdict.VERIFIED, ()),
    ],
)
def test_pods_of_before_are_told(
    template: dict[str, Any], pods: list[dict[str, Any]], verdict: Verdict, objects: tuple[str, ...]
) -> None:
    (found,) = verify(world(template, *pods), [privileged()])
    assert (found.verdict, found.objects) == (verdict, objects)


def test_what_was_not_read_is_unknown() -> None:
    (found,) = verify(inventory(), [privileged()])
    assert found.verdict is Verdict.UNKNOWN
