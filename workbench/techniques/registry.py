"""All techniques: the catalogue's own, and those of other packages (entry-point group ``workbench.techniques``)."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from workbench.techniques.api import Technique

GROUP = "workbench.techniques"

FAMILIES = (
    "position",
    "exposure",
    "ingress",
    "gateway",
    "exploit",
    "unauthenticated",
    "anonymous",
    "network",
    "network_node",
    "network_etcd",
    "network_admission",
    "network_local",
    "network_cloud",
    "images",
    "escape",
    "host_path",
    "neighbours",
    "node",
    "secrets",
    "rbac_pods",
    "rbac_workloads",
    "rbac_tokens",
    "rbac_identity",
    "members",
)
"""The modules of the catalogue, in the order in which help pages list them; each has ``TECHNIQUES``."""

_log = logging.getLogger(__name__)


@cache
def all_techniques() -> tuple[Technique, ...]:
    """Every technique, the catalogue's own first, each id once."""
    found: dict[str, Technique] = {}
    for family in FAMILIES:
        for technique in import_module(f"workbench.techniques.{family}").TECHNIQUES:
            if technique.id in found:
                raise ValueError(f"two techniques are called {technique.id}")
            found[technique.id] = technique
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            loaded = point.load()
            for technique in [loaded] if isinstance(loaded, Technique) else list(loaded):
                found.setdefault(technique.id, technique)
        except Exception as error:
            _log.warning("technique plugin %s: %s", point.name, error)
    return tuple(found.values())


def technique(identifier: str) -> Technique | None:
    """The technique of an id."""
    return next((technique for technique in all_techniques() if technique.id == identifier), None)


def public_techniques() -> list[Technique]:
    """The techniques that people see: all but the membership of hubs."""
    return [technique for technique in all_techniques() if not technique.declaration.internal]
