"""Read a cluster and look at what came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KubernetesObject
from workbench.kube.api import ConnectOptions
from workbench.sources import SourceRequest, load

PODS = 2_100
CANARY = "canary-value-that-nobody-may-see"


@dataclass(frozen=True)
class Result:
    """What a run of the program left."""

    status: int
    out: str
    err: str


Run: TypeAlias = Callable[..., Result]


def read(path: Path, **more: Any) -> Inventory:
    """What a kubeconfig leads to; ``more`` are fields of the request."""
    return load(SourceRequest("context", connect=ConnectOptions(kubeconfig=str(path)), **more))


def names(view: Inventory, kind: type[KubernetesObject]) -> list[str]:
    """The ids of what was read of a kind."""
    return sorted(obj.id for obj in view.all(kind) if not view.is_builtin(obj.id))


def gap(view: Inventory, kind: str) -> str:
    """The one gap of a kind: problem, namespace, detail."""
    [found] = [found for found in view.coverage if found.kind == kind]
    return f"{found.problem} {found.namespace or '*'} {found.detail}"
