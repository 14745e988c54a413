"""Where objects come from: live clusters, manifests, snapshots, KubeHound dumps and samples, each as an inventory."""

from __future__ import annotations

from workbench.sources.live import Live
from workbench.sources.load import load
from workbench.sources.manifests import Progress
from workbench.sources.memory import collection_paused
from workbench.sources.request import SourceKind, SourceRequest, parse_source
from workbench.sources.snapshot import write as write_snapshot
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
