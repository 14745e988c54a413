"""Where objects come from: live clusters, manifests, snapshots, KubeHound dumps and samples, each as an inventory."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workbench.sources.request import SourceKind, SourceRequest, parse_source

if TYPE_CHECKING:
    from workbench.sources.live import Live
    from workbench.sources.loading import load
    from workbench.sources.manifests import Progress
    from workbench.sources.memory import collection_paused
    from workbench.sources.snapshot_writing import write as write_snapshot
    from workbench.sources.versions import parse_version

__all__ = [
    "Live",
    "Progress",
    "SourceKind",
    "SourceRequest",
    "collection_paused",
    "load",
    "parse_source",
    "parse_version",
    "write_snapshot",
]

_READERS = {
    "Live": ("live", "Live"),
    "Progress": ("manifests", "Progress"),
    "collection_paused": ("memory", "collection_paused"),
    "load": ("loading", "load"),
    "parse_version": ("versions", "parse_version"),
    "write_snapshot": ("snapshot_writing", "write"),
}
"""The module and the name there of what reads: loaded when first asked for, as the first paint needs only a request."""


def __getattr__(name: str) -> Any:
    if name not in _READERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _READERS[name]
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return value
