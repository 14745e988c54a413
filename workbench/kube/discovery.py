"""What a server has: its version, and which kinds it serves, so that what is absent is not taken for unread.

Source: Kubernetes documentation, API concepts, "API Discovery" (aggregated since 1.26, else one list a group).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from workbench.errors import Unreachable
from workbench.kube.paging import Garbled, Patient, Refused
from workbench.kube.resources import Resource

_AGGREGATED = ",".join(
    (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "application/json",
    )
)


@dataclass(frozen=True, slots=True)
class Served:
    """The kinds that a server has, in the version that it prefers."""

    resources: tuple[Resource, ...] = ()
    """Those that can be listed."""
    groups: frozenset[str] = frozenset()
    """All groups."""
    unread: dict[str, str] = field(default_factory=dict)
    """Why it is not known what a group holds: by group."""


class _Version(msgspec.Struct, rename="camel"):
    git_version: str | None = None


class _Kind(msgspec.Struct, rename="camel"):
    kind: str | None = None


class _Served(msgspec.Struct, rename="camel"):
    resource: str = ""
    response_kind: _Kind | None = None
    scope: str = ""
    verbs: list[str] | None = None


class _ServedVersion(msgspec.Struct, rename="camel"):
    version: str = ""
    resources: list[_Served] | None = None
    freshness: str = ""


class _Named(msgspec.Struct):
    name: str | None = None


class _GroupItem(msgspec.Struct):
    metadata: _Named | None = None
    versions: list[_ServedVersion] | None = None


class _OldVersion(msgspec.Struct, rename="camel"):
    version: str = ""


class _OldGroup(msgspec.Struct, rename="camel"):
    name: str = ""
    versions: list[_OldVersion] | None = None
    preferred_version: _OldVersion | None = None


class _Groups(msgspec.Struct):
    """An APIGroupDiscoveryList, an APIGroupList, or the APIVersions of the core group."""

    kind: str | None = None
    items: list[_GroupItem] | None = None
    groups: list[_OldGroup] | None = None
    versions: list[str] | None = None


class _OldResource(msgspec.Struct, rename="camel"):
    name: str = ""
    kind: str = ""
    namespaced: bool = False
    verbs: list[str] | None = None


class _OldResources(msgspec.Struct):
    resources: list[_OldResource] | None = None


T = TypeVar("T")


def server_version(patient: Patient, tries: int = 1) -> str:
    """The ``gitVersion`` of the server, empty if it does not tell it to this user.

    Raises:
        Garbled: The answer is none of a Kubernetes API server.
        Unreachable, LoginError, Cancelled: As of :meth:`Patient.get`.
    """
    answer = patient.get("/version", tries=tries)
    return _decoded(answer.body, _Version).git_version or "" if answer.ok else ""


def discover(patient: Patient, wanted: Collection[str]) -> Served:
    """The kinds of some groups.

    Args:
        patient: Sends the requests.
        wanted: The groups whose kinds are asked for where the server has no aggregated discovery.

    Raises:
        Garbled: The answer is none of a Kubernetes API server.
        Unreachable, LoginError, Cancelled: As of :meth:`Patient.get`.
        Refused: This user may not know.
    """
    resources: list[Resource] = []
    groups: set[str] = set()
    unread: dict[str, str] = {}
    for root in ("/api", "/apis"):
        answer = patient.get(root, accept=_AGGREGATED)
        if not answer.ok:
            raise Refused(answer)
        found = _decoded(answer.body, _Groups)
        if found.kind == "APIGroupDiscoveryList":
            for item in found.items or ():
                name = (item.metadata.name if item.metadata else None) or ""
                groups.add(name)
                resources += _aggregated(name, item.versions or (), unread)
        elif root == "/api":
            groups.add("")
            resources += _listed(patient, "", (found.versions or ["v1"])[:1], unread)
        elif found.kind == "APIGroupList":
            for group in found.groups or ():
                groups.add(group.name)
                if group.name in wanted:
                    resources += _listed(patient, group.name, _by_preference(group), unread)
        else:
            raise Garbled("its answer is none of a Kubernetes API server")
    return Served(tuple(resources), frozenset(groups), unread)


def _aggregated(group: str, versions: Iterable[_ServedVersion], unread: dict[str, str]) -> Iterable[Resource]:
    """The first version that has a kind, for the server puts the one it prefers first."""
    known: dict[str, Resource] = {}
    for version in versions:
        if version.freshness == "Stale":
            unread[group] = f"the server behind {group}/{version.version} does not answer"
        for one in version.resources or ():
            kind = one.response_kind.kind if one.response_kind else None
            if kind and "list" in (one.verbs or ()):
                namespaced = one.scope == "Namespaced"
                known.setdefault(kind, Resource(group, version.version, one.resource, kind, namespaced))
    return known.values()


def _by_preference(group: _OldGroup) -> list[str]:
    preferred = group.preferred_version.version if group.preferred_version else ""
    others = [version.version for version in group.versions or () if version.version != preferred]
    return [preferred, *others] if preferred else others


def _listed(patient: Patient, group: str, versions: Iterable[str], unread: dict[str, str]) -> Iterable[Resource]:
    known: dict[str, Resource] = {}
    for version in versions:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            answer = patient.get(path)
        except Unreachable as error:
            unread[group] = str(error)
            continue
        if not answer.ok:
            unread[group] = f"{answer.status}: {answer.message}"
            continue
        for one in _decoded(answer.body, _OldResources).resources or ():
            if "/" not in one.name and one.kind and "list" in (one.verbs or ()):
                known.setdefault(one.kind, Resource(group, version, one.name, one.kind, one.namespaced))
    return known.values()


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Garbled("its answer is none of a Kubernetes API server") from error
