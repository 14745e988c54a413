"""From a request to an inventory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.errors import Fault, InputError, UsageError
from workbench.inventory.evidence import Gap
from workbench.inventory.gathered import Gathered
from workbench.inventory.inventory import Inventory, ServerVersion
from workbench.inventory.objects import KubernetesObject, Pod
from workbench.rbac.builtin import LATEST_MINOR, builtin_policy
from workbench.sources.detect import Content, detect
from workbench.sources.memory import collection_paused
from workbench.sources.request import SourceKind, SourceRequest
from workbench.sources.strangers import forget_strangers
from workbench.sources.versions import parse_version, version_of_api_server
from workbench.text import shown

if TYPE_CHECKING:
    from workbench.sources.live import Live
    from workbench.sources.manifests import Progress


def load(request: SourceRequest, progress: Progress | None = None, live: Live | None = None) -> Inventory:
    """Read a source.

    Args:
        request: What to read, and how.
        progress: Hears what is being done, how much of it is done, and how much there is.
        live: What the caller brings along for a live cluster.

    Returns:
        The objects with their origins and coverage gaps, Kubernetes' own roles and bindings added where the
        source does not hold them.

    Raises:
        InputError: The input is wrong; lists every place. A snapshot's or an archive's is a ``SnapshotError``.
        UsageError: There is no such sample, or the request names no path.
        KubeconfigError: A live cluster's kubeconfig is missing or wrong.
        ClusterError: A live cluster cannot be reached, refuses everything, or was lost while it was read.
    """
    with collection_paused():
        match SourceKind(request.kind):
            case SourceKind.MANIFESTS:
                return _manifests(request, progress)
            case SourceKind.SNAPSHOT:
                return _snapshot(request, progress)
            case SourceKind.SAMPLE:
                return _sample(request, progress)
            case SourceKind.CONTEXT:
                return _live(request, progress, live)


# Each source needs a reader of its own, which is imported here: together they take as long as the smaller ones read.


def _manifests(request: SourceRequest, progress: Progress | None) -> Inventory:
    from workbench.sources.manifests import read_manifests, source_name

    for path in request.paths:
        content = detect(path)
        if content in (Content.SNAPSHOT, Content.KUBEHOUND_DUMP):
            raise InputError(Fault(shown(path), f"a {content}, no manifests: use --snapshot"))
        if content is not Content.MANIFESTS:
            raise InputError(Fault(shown(path), f"a {content}, no manifests: unpack it first"))
    found = read_manifests(
        request.paths,
        default_namespace=request.default_namespace,
        keep_going=request.keep_going,
        progress=progress,
    )
    return _inventory(request, found.objects, found.gaps, source_name(request.paths, found.files), None)


def _sample(request: SourceRequest, progress: Progress | None) -> Inventory:
    from workbench.sources.manifests import read_manifests
    from workbench.sources.samples import sample

    chosen = sample(request.name)
    found = read_manifests(
        [chosen.path],
        default_namespace=request.default_namespace,
        keep_going=request.keep_going,
        progress=progress,
        names=chosen.shown,
    )
    return _inventory(request, found.objects, found.gaps, f"sample {chosen.name}", None)


def _snapshot(request: SourceRequest, progress: Progress | None) -> Inventory:
    from workbench.sources.snapshot import read, server_version_of

    if len(request.paths) != 1:
        raise UsageError("name one snapshot")
    path = request.paths[0]
    if os.path.isdir(path) or detect(path) is Content.KUBEHOUND_DUMP:
        return _dump(request, path, progress)
    if progress is not None:
        progress("reading the snapshot", 0, 1)
    header, objects, gaps = read(path)
    if progress is not None:
        progress("reading the snapshot", 1, 1)
    version = server_version_of(header)
    return _inventory(request, objects, [*header.coverage, *gaps], header.source, version, forgotten=header.forgotten)


def _dump(request: SourceRequest, path: str, progress: Progress | None) -> Inventory:
    from workbench.sources.kubehound import read_dump

    dump = read_dump(path, progress)
    source = f"KubeHound dump of {shown(dump.cluster)}"
    return _inventory(request, Gathered(dump.objects), dump.gaps, source, dump.server_version)


def _live(request: SourceRequest, progress: Progress | None, live: Live | None) -> Inventory:
    from workbench.sources.live import Live, read_live

    found, name = read_live(request, progress, live or Live())
    try:
        version = parse_version(found.version)
    except UsageError:
        version = None
    return _inventory(request, Gathered(found.objects), found.gaps, name, version)


def _inventory(
    request: SourceRequest,
    objects: Gathered,
    coverage: Sequence[Gap],
    source: str,
    server_version: ServerVersion | None,
    *,
    forgotten: bool = False,
) -> Inventory:
    if not forgotten:
        forget_strangers(objects)
    version = request.version or server_version or version_of_api_server(objects.tables[Pod.__name__])
    return Inventory(
        objects,
        source=source,
        coverage=coverage,
        server_version=version,
        users=request.users,
        builtins=_builtins(objects, coverage, version),
    )


def _builtins(objects: Gathered, coverage: Sequence[Gap], version: ServerVersion | None) -> list[KubernetesObject]:
    """Kubernetes' own roles and bindings, without the kinds of them that were listed in a live cluster.

    Of those nothing is missing, and what the operators took away must stay away. A kind was listed if most of
    its own objects are there with a uid (a few may have been saved with ``kubectl get -o yaml``) and no gap says
    that something is missing.
    """
    policy = builtin_policy(version.minor if version is not None else LATEST_MINOR)
    gaps = {gap.kind for gap in coverage}
    out: list[KubernetesObject] = []
    kinds: tuple[Sequence[KubernetesObject], ...] = (
        policy.cluster_roles,
        policy.roles,
        policy.cluster_role_bindings,
        policy.role_bindings,
    )
    for own in kinds:
        table = objects.tables[own[0].kind]
        read = sum((found := table.get(obj.id)) is not None and bool(found.metadata.uid) for obj in own)
        if read * 2 < len(own) or own[0].kind in gaps:
            out.extend(own)
    return out
