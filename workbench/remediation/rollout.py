"""How far the pods of a workload are with its new template; waiting for them ends nothing but the wait.

Source: ``kubectl rollout status`` (``k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.inventory.changes import Target
from workbench.kube.api import Connection
from workbench.remediation.live import Stopped, read

TIMEOUT = 300.0
"""Seconds that a rollout is waited for."""
UNHEEDED = 10.0
"""Seconds after which a template that no controller has taken up is not waited for: one takes it up at once."""
INTERVAL = 1.0

WATCHED = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
"""The kinds that replace their pods; those of others stay until somebody deletes them."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far a rollout is."""

    ready: int
    total: int
    finished: bool = False
    problem: str = ""
    """Why it is not waited for any longer; empty while it goes on, and when it is through."""
    heeded: bool = True
    """Whether the controller has taken up the new template."""

    def __str__(self) -> str:
        if self.problem:
            return self.problem
        return "rolled out" if self.finished else f"rolling out {self.ready}/{self.total}"


def wait(
    connection: Connection,
    target: Target,
    progress: Callable[[Rollout], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    *,
    timeout: float = TIMEOUT,
    clock: Callable[[], float] = time.monotonic,
) -> Rollout:
    """Wait until the pods of a workload run its present template.

    Args:
        connection: The way to the server.
        target: The workload.
        progress: Hears of every look at it.
        stop: Asked between two looks; true ends the wait.
        timeout: Seconds after which the wait ends.
        clock: The time in seconds; for tests.

    Returns:
        The last look, with a problem if the wait ended early.

    Raises:
        ClusterError: There was no answer, or the connection was ended.
    """
    if target.kind not in WATCHED:
        return Rollout(0, 0, problem="its running pods stay until they are deleted")
    begin = clock()
    while True:
        try:
            seen = progress_of(read(connection, target).data)
        except Stopped as stopped:
            return Rollout(0, 0, problem=stopped.message)
        if progress is not None:
            progress(seen)
        if seen.finished or seen.problem:
            return seen
        waited = clock() - begin
        if stop():
            return _ended(seen, "not waited for any longer")
        if not seen.heeded and waited >= UNHEEDED:
            return _ended(seen, "no controller has taken up the new template")
        if waited >= timeout:
            return _ended(seen, f"not through after {timeout:.0f} s")
        connection.wait(INTERVAL)


def _ended(seen: Rollout, why: str) -> Rollout:
    return Rollout(seen.ready, seen.total, problem=f"{why} ({seen.ready}/{seen.total} pods are ready)")


def progress_of(data: dict[str, Any]) -> Rollout:
    """How far the workload is, by its own status."""
    spec, status, meta = (data.get(key) or {} for key in ("spec", "status", "metadata"))
    generation, observed = meta.get("generation") or 0, status.get("observedGeneration") or 0
    kind = data.get("kind")
    if kind == "DaemonSet":
        total = status.get("desiredNumberScheduled") or 0
        updated, available = status.get("updatedNumberScheduled") or 0, status.get("numberAvailable") or 0
    else:
        wanted = spec.get("replicas")
        total = 1 if wanted is None else wanted
        updated = status.get("updatedReplicas") or 0
        available = status.get("availableReplicas" if kind == "Deployment" else "readyReplicas") or 0
    ready = min(updated, available, total)
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return Rollout(ready, total, problem="its pods are replaced when they are deleted (OnDelete)")
    if spec.get("paused"):
        return Rollout(ready, total, problem="it is paused: its pods are replaced once it is resumed")
    if observed < generation:
        return Rollout(0, total, heeded=False)
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return Rollout(
                ready, total, problem=f"the rollout failed: {condition.get('message') or 'deadline exceeded'}"
            )
    old = (status.get("replicas") or 0) > updated if kind == "Deployment" else False
    partition = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0
    needed = max(total - partition, 0) if kind == "StatefulSet" else total
    finished = updated >= needed and available >= total and not old
    return Rollout(ready, total, finished)
