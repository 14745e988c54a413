"""Run the techniques over a view: a full build, or the buckets that changes touch. One code for both."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from workbench.graph import nodes
from workbench.graph.graph import SURCHARGE, BlockedEdge, Columns, Edge, Fact, Graph
from workbench.inventory.differences import changed_fields
from workbench.inventory.inventory import (
    PODS_BY_NAMESPACE,
    PODS_BY_NODE,
    Inventory,
)
from workbench.inventory.objects import WORKLOADS, KubernetesObject
from workbench.inventory.pods import PodInstance
from workbench.rbac.subjects import AUTHENTICATED, SERVICE_ACCOUNTS
from workbench.techniques import access
from workbench.techniques.api import Blocked, Found, SubjectType, Technique
from workbench.techniques.many import Many, ManyTechnique, Record, RecordTechnique
from workbench.techniques.registry import all_techniques
from workbench.techniques.resolve import permissions
from workbench.techniques.resolve.nodes import api_server_flags

ALL = None
"""Every subject of a technique: what :func:`touched` answers where it cannot narrow."""

_BINDINGS = frozenset({"RoleBinding", "ClusterRoleBinding"})
_RBAC = _BINDINGS | {"Role", "ClusterRole"}
_PODS = frozenset({"Pod", *(kind.__name__ for kind in WORKLOADS)})


def key_of(subject: Any) -> str:
    """The key of a subject's bucket."""
    return subject if isinstance(subject, str) else str(subject.id)


def build(view: Inventory, techniques: Sequence[Technique] | None = None) -> Graph:
    """The whole graph of a view.

    Args:
        view: An inventory, or an overlay.
        techniques: The techniques to run, all of the registry by default.
    """
    chosen = all_techniques() if techniques is None else techniques
    graph = Graph([technique.id for technique in chosen])
    graph.add_nodes(all_nodes(view))
    for number, technique in enumerate(chosen):
        _add(graph, view, number, technique)
    return graph


_TOGETHER = 1_000
"""About so many records are turned into columns at once: enough for one call to do it all, few enough to stay in the
processor's cache until then."""


def _add(graph: Graph, view: Inventory, number: int, technique: Technique) -> None:
    """Add the records of one technique; a subject that has none gets no bucket."""
    filling = _Filling(graph, technique)
    subjects = technique.subjects(view)
    if isinstance(technique, ManyTechnique):
        filling.put((key_of(subject), technique.many(view, subject)) for subject in subjects)
    elif isinstance(technique, RecordTechnique) and technique.from_subject:
        filling.take(technique.records(view, subjects))
        graph.add(number, filling.columns)
        return
    else:
        records = filling.records
        if isinstance(technique, RecordTechnique):
            for record in technique.records(view, filling.each(subjects)):
                records.append(record)
        else:
            for subject in filling.each(subjects):
                records.extend(technique.detect(view, subject))
        filling.empty()
    graph.add(number, filling.columns, filling.subjects, filling.starts)


_EDGES = frozenset({Found, tuple})
"""The types of what is no :class:`Blocked`."""


class _Filling:
    """The columns of one technique while they are filled.

    Attributes:
        records: What was found and is not in the columns yet, subject after subject.
        keys: The keys of these subjects.
        ends: Where in the records each of them ends.
        columns: The records that were moved.
        subjects: The keys of the buckets there.
        starts: Where in the columns each bucket begins.
    """

    def __init__(self, graph: Graph, technique: Technique) -> None:
        self._graph = graph
        self._technique = technique
        self.records: list[Record | Blocked] = []
        self.keys: list[str] = []
        self.ends: list[int] = []
        self.columns = Columns()
        self.subjects: list[str] = []
        self.starts: list[int] = []

    def each(self, subjects: Iterable[Any]) -> Iterator[Any]:
        """Subjects, of which each is done, and its records are there, when the next one is asked for."""
        records, keys, ends = self.records, self.keys, self.ends
        end = 0
        for subject in subjects:
            yield subject
            if len(records) != end:
                end = len(records)
                keys.append(subject if isinstance(subject, str) else subject.id)
                ends.append(end)
                if end > _TOGETHER:
                    self.empty()
                    end = 0

    def empty(self) -> None:
        """Move the records to the columns, each column by one call: a loop over them takes several times as long."""
        if not self.records:
            return
        before = len(self.columns.source)
        found: list[Any] = self.records
        if set(map(type, found)) <= _EDGES:
            self.subjects += self.keys
            self.starts.append(before)
            self.starts += [before + end for end in self.ends[:-1]]
        else:
            found = self._edges_only(before)
        self._move(found)
        for done in (self.records, self.keys, self.ends):
            done.clear()

    def _move(self, found: list[Any]) -> None:
        if not found:
            return
        graph, columns = self._graph, self.columns
        sources, targets, efforts, missing, causes = zip(*found, strict=True)
        facts = list(map(graph.fact_numbers.__getitem__, missing)) if any(missing) else [0] * len(missing)
        number = graph.numbers.__getitem__
        # An array takes a list at once, and anything else item by item, which is several times as long.
        columns.source.fromlist(list(map(number, sources)))
        columns.target.fromlist(list(map(number, targets)))
        if any(facts):
            efforts = tuple(
                [effort + SURCHARGE if fact else effort for effort, fact in zip(efforts, facts, strict=True)]
            )
        columns.effort.fromlist(list(efforts))
        columns.missing.fromlist(facts)
        columns.causes += causes

    def take(self, records: Iterator[Record | Blocked]) -> None:
        """Move records that each start at their subject to the columns, of which the graph knows the buckets."""
        while found := list(islice(records, _TOGETHER)):
            if not set(map(type, found)) <= _EDGES:
                blocked = [each for each in found if isinstance(each, Blocked)]
                self._graph.blocked += [_blocked(self._technique, each) for each in blocked]
                found = [each for each in found if not isinstance(each, Blocked)]
            self._move(found)

    def put(self, buckets: Iterable[tuple[str, Iterable[Many | Blocked]]]) -> None:
        """Add buckets of which most edges have one source."""
        graph, columns = self._graph, self.columns
        number = graph.numbers.__getitem__
        sources: list[int] = []
        targets: list[int] = []
        efforts: list[int] = []
        facts: list[int] = []

        def pour() -> None:
            columns.source.fromlist(sources)
            columns.target.fromlist(targets)
            columns.effort.fromlist(efforts)
            columns.missing.fromlist(facts)
            for moved in (sources, targets, efforts, facts):
                moved.clear()

        for key, found in buckets:
            before = len(columns.causes)
            for each in found:
                if isinstance(each, Blocked):
                    graph.blocked.append(_blocked(self._technique, each))
                    continue
                source, reached, effort, missing, causes = each
                count = len(reached)
                if not count:
                    continue
                fact = graph.fact_numbers[missing]
                sources += [number(source)] * count
                targets += map(number, reached)
                efforts += [effort + SURCHARGE if fact else effort] * count
                facts += [fact] * count
                columns.causes += [None] * count if causes is None else causes
            if len(columns.causes) != before:
                self.subjects.append(key)
                self.starts.append(before)
                if len(sources) > _TOGETHER:
                    pour()
        pour()

    def _edges_only(self, before: int) -> list[Record]:
        """The records without what a mitigation turns off, which the graph keeps apart; buckets for those that stay."""
        found: list[Record] = []
        begin = 0
        for key, end in zip(self.keys, self.ends, strict=True):
            known = len(found)
            for record in self.records[begin:end]:
                if isinstance(record, Blocked):
                    self._graph.blocked.append(_blocked(self._technique, record))
                else:
                    found.append(record)
            if len(found) != known:
                self.subjects.append(key)
                self.starts.append(before + known)
            begin = end
        return found


def all_nodes(view: Inventory) -> Iterator[str]:
    """The nodes that exist without any edge: the two ends, and every object of a kind that is a node."""
    yield nodes.INTERNET
    yield nodes.CLUSTER_ADMIN
    yield from access.object_nodes(view)
    for pod in view.pods:
        yield pod.id
        yield from [container.id for container in pod.containers]


class Bucket:
    """One recomputed bucket: its key and its records now.

    Attributes:
        technique: The technique's number.
        subject: The key.
        blocked: What a mitigation turns off.
    """

    __slots__ = ("_difference", "_edges", "_found", "_name", "blocked", "subject", "technique")

    def __init__(self, technique: int, subject: str, edges: list[Edge], blocked: list[BlockedEdge]) -> None:
        self.technique = technique
        self.subject = subject
        self.blocked = blocked
        self._edges: list[Edge] | None = edges
        self._name = ""
        self._found: list[Found] = []
        self._difference: tuple[list[int], list[Edge]] | None = None

    @classmethod
    def of(cls, technique: Technique, number: int, subject: str, found: Iterable[Found | Blocked]) -> Bucket:
        """A bucket of what a detector yields; most of it is there already, so edges are made when somebody asks."""
        new = cls(number, subject, [], [])
        new._edges, new._name = None, technique.id
        every: list[Any] = list(found)
        if set(map(type, every)) <= {Found}:
            new._found = every
            return new
        for each in every:
            if isinstance(each, Found):
                new._found.append(each)
            else:
                new.blocked.append(_blocked(technique, each))
        return new

    @property
    def edges(self) -> list[Edge]:
        """The records."""
        if self._edges is None:
            self._edges = [_edge(self._name, found) for found in self._found]
        return self._edges

    def difference(self, graph: Graph) -> tuple[list[int], list[Edge]]:
        """The positions of the records that are here no more, and the records that are new.

        Args:
            graph: The graph that the bucket was recomputed for; it is the same each time.
        """
        if self._difference is None:
            self._difference = self._compared(graph)
        return self._difference

    def changes(self, graph: Graph) -> bool:
        """Whether anything differs from the graph (:meth:`difference`)."""
        removed, added = self.difference(graph)
        return bool(removed or added)

    def _compared(self, graph: Graph) -> tuple[list[int], list[Edge]]:
        old = graph.bucket(self.technique, self.subject)
        count = len(self._found) if self._edges is None else len(self._edges)
        if not old or not count:
            return list(old), list(self.edges)
        records = self._records()
        before = _records_of(graph, old)
        if before == records:
            return [], []
        # Most of a bucket stays as it is, in order.
        first, least = 0, min(len(old), count)
        while first < least and before[first] == records[first]:
            first += 1
        last = 0
        while last < least - first and before[-1 - last] == records[-1 - last]:
            last += 1
        known: dict[_Record, list[int]] = {}
        for at in range(first, len(old) - last):
            known.setdefault(before[at], []).append(old.start + at)
        added: list[int] = []
        for at in range(first, count - last):
            same = known.get(records[at])
            if same:
                same.pop()
            else:
                added.append(at)
        removed = [position for positions in known.values() for position in positions]
        return removed, [self._edge(at) for at in added]

    def _records(self) -> list[_Record]:
        if self._edges is None:
            return [
                (source, target, effort + SURCHARGE if missing else effort, missing, cause)
                for source, target, effort, missing, cause in self._found
            ]
        return [(edge.source, edge.target, edge.effort, edge.missing, edge.cause) for edge in self._edges]

    def _edge(self, at: int) -> Edge:
        return _edge(self._name, self._found[at]) if self._edges is None else self._edges[at]


_Record = tuple[str, str, int, tuple[Fact, ...], Any]


def _records_of(graph: Graph, positions: range) -> list[_Record]:
    """The records of the graph at some positions."""
    part = slice(positions.start, positions.stop)
    nodes, facts = graph.nodes, graph.facts
    columns = (graph.source[part], graph.target[part], graph.effort[part], graph.missing[part], graph.causes(positions))
    return [
        (nodes[source], nodes[target], effort, facts[missing], cause)
        for source, target, effort, missing, cause in zip(*columns, strict=True)
    ]


def recompute(graph: Graph, view: Inventory, techniques: Sequence[Technique] | None = None) -> Iterator[Bucket]:
    """The buckets that an overlay's changes touch, computed anew over the overlay.

    Args:
        graph: The graph of the inventory that ``view`` lies over.
        view: An overlay of one level.
        techniques: As for :func:`build`.
    """
    chosen = all_techniques() if techniques is None else techniques
    for number, technique in enumerate(chosen):
        keys = touched(technique, view)
        resolved: Iterable[tuple[str, Any]]
        if keys is ALL:
            now = {key_of(subject): subject for subject in technique.subjects(view)}
            resolved = [*now.items(), *((key, None) for key in graph.subjects(number) if key not in now)]
        else:
            resolved = [(key, subject_of(technique, view, key)) for key in sorted(keys)]
        for key, subject in resolved:
            yield Bucket.of(technique, number, key, technique.detect(view, subject) if subject is not None else ())


def _edge(technique: str, found: Found) -> Edge:
    effort = found.effort + (SURCHARGE if found.missing else 0)
    return Edge(found.source, found.target, technique, effort, found.missing, found.cause)


def _blocked(technique: Technique, found: Blocked) -> BlockedEdge:
    return BlockedEdge(found.source, found.target, technique.id, found.mitigation)


def subject_of(technique: Technique, view: Inventory, key: str) -> Any:
    """The subject of a bucket's key in a view, ``None`` if it is not there any more."""
    match technique.declaration.subject_type:
        case SubjectType.CONTAINER:
            return view.containers.get(key)
        case SubjectType.POD:
            return view.pods.get(key)
        case SubjectType.OBJECT:
            return view.by_id(key)
        case SubjectType.GRANT:
            return access.grant(view, key)
        case SubjectType.NODE:
            # One that was not read is there for as long as a pod runs on it.
            return key if view.by_id(key) is not None or key in view.index(PODS_BY_NODE) else None
        case _:
            return key


def touched(technique: Technique, view: Inventory) -> set[str] | None:
    """The subjects of a technique that an overlay's changes touch; it errs wide, never narrow.

    Returns:
        The keys of their buckets, or ``ALL``.
    """
    base = view.base
    assert base is not None, "only an overlay has changes"
    own = technique.touched(view)
    if own is not ...:
        return own
    declaration = technique.declaration
    if api_server_flags(base) != api_server_flags(view):
        return ALL
    by_grant = declaration.subject_type is SubjectType.GRANT
    single = declaration.subject_type is SubjectType.SINGLETON
    keys = set(access.changed_grants(view)) if by_grant else set()
    for kind, pairs in view.replaced.items():
        if kind in ("pods", "containers"):
            if "Pod" not in declaration.reads:
                continue
        elif kind in _PODS:
            if declaration.subject_type is SubjectType.OBJECT and kind in declaration.subject_kinds:
                keys.update(obj.id for pair in pairs for obj in pair if obj is not None)
            if kind == "Pod" or kind not in declaration.reads:
                continue
        elif kind not in declaration.reads:
            continue
        if single and kind in ("pods", "containers") and access.pods_stay(view):
            continue
        if single and kind in _RBAC and not technique.touched_by_permissions(view):
            continue
        if kind in ("pods", "containers"):
            if declaration.pod_fields is not None:
                changed = changed_fields(view)
                if changed is not None and changed.isdisjoint(declaration.pod_fields):
                    continue
            of_objects = declaration.subject_type is SubjectType.OBJECT
            found = technique.touched_by_pods(view) if of_objects else _touched_by_pods(technique, view, kind)
            if found is ALL:
                return ALL
            keys |= found
            continue
        if kind in technique.apart:
            found = technique.touched_apart(view)
            if found is ALL:
                return ALL
            keys |= found
            continue
        for old, new in pairs:
            if (by_grant or single) and kind in _PODS and old is not None and new is not None:
                # Of a workload only the name matters here: what its pods are is in the table of pods.
                continue
            for item in (old, new):
                if item is None:
                    continue
                # Pods and permission sets that are there no more are among the changes themselves.
                found = _touched_by(technique, view, kind, item)
                if found is ALL:
                    return ALL
                keys |= found
    if (
        declaration.subject_type is SubjectType.SCOPE
        and view.replaced.keys() <= _RBAC
        and permissions.named_stay(view)
        and all(old is not None and new is not None for pairs in view.replaced.values() for old, new in pairs)
    ):
        # The namespaces that have bindings are the same.
        keys.discard(nodes.ANYWHERE)
    return keys


def _touched_by_pods(technique: Technique, view: Inventory, kind: str) -> set[str] | None:
    """The same for all changes of pods, or of containers; it is so for all techniques whose subjects are of a type."""

    def compute(over: Inventory) -> set[str] | None:
        keys: set[str] = set()
        for old, new in over.replaced[kind]:
            for item in (old, new):
                if item is not None:
                    found = _touched_by(technique, over, kind, item)
                    if found is ALL:
                        return ALL
                    keys |= found
        if technique.declaration.subject_type is SubjectType.SCOPE and access.pods_stay(over):
            # The namespaces that have pods are the same.
            keys.discard(nodes.ANYWHERE)
        return keys

    name = f"{technique.declaration.subject_type} touched by {kind}"
    return view.derived(name, frozenset({"Pod"}), compute)


def _touched_by(technique: Technique, view: Inventory, kind: str, item: Any) -> set[str] | None:
    match technique.declaration.subject_type:
        case SubjectType.CONTAINER | SubjectType.POD:
            pods = _pods_touched(view, kind, item)
            if pods is ALL:
                return ALL
            if technique.declaration.subject_type is SubjectType.POD:
                return {pod.id for pod in pods}
            return {container.id for pod in pods for container in pod.containers} | (
                {item.id} if kind == "containers" else set()
            )
        case SubjectType.NODE:
            if kind == "Node":
                return {item.id}
            pods = _pods_touched(view, kind, item)
            return ALL if pods is ALL else {pod.node for pod in pods}
        case SubjectType.IMAGE:
            if kind == "containers":
                return {item.image}
            # Init containers that do not run have images too, and are in no table.
            return _images_of(item) if kind == "pods" else ALL
        case SubjectType.SCOPE:
            return _scopes_touched(kind, item)
        case SubjectType.IDENTITY:
            return _identities_touched(kind, item)
        case SubjectType.GRANT:
            return _grants_touched(view, kind, item)
        case SubjectType.OBJECT:
            if kind in technique.declaration.subject_kinds and isinstance(item, KubernetesObject):
                return {item.id} if len(technique.declaration.reads) == 1 else ALL
            return ALL
        case _:
            return ALL


def _scopes_touched(kind: str, item: Any) -> set[str] | None:
    if kind == "containers":
        return set()
    if kind in _BINDINGS:
        # The accounts that a binding names lie in namespaces of their own.
        named = {nodes.namespace(identity) for identity in access.subjects_of(item)}
        return {item.namespace, nodes.ANYWHERE, *named} - {""}
    namespace = item.namespace if kind == "pods" else item.metadata.namespace
    return {namespace, nodes.ANYWHERE} if namespace else ALL


def _identities_touched(kind: str, item: Any) -> set[str] | None:
    match kind:
        case "containers":
            return set()
        case "pods":
            return {item.account, f"User:system:node:{item.node.removeprefix('Node:')}"}
        case "ServiceAccount":
            return {item.id}
        case "RoleBinding" | "ClusterRoleBinding":
            return set(access.subjects_of(item))
        case _:
            return ALL


def _grants_touched(view: Inventory, kind: str, item: Any) -> set[str] | None:
    """The permission sets whose edges an object may change, by the rules of ``SubjectType.GRANT``."""
    # Which permission sets themselves differ is known already; of the others those that go by names.
    if kind in ("pods", "containers"):
        pod = item if kind == "pods" else item.pod
        return {grant.id for grant in access.grants_limited_in(view, pod.namespace)}
    if kind in _RBAC:
        base = view.base
        assert base is not None, "only an overlay has changes"
        return {grant.id for grant in access.grants_naming(base, access.changed_names(view))}
    namespace = item.name if kind == "Namespace" else item.metadata.namespace
    if not namespace:
        return ALL
    return {grant.id for place in ("", namespace) for grant in access.grants_in(view, place)}


def _images_of(pod: PodInstance) -> set[str]:
    spec = pod.spec
    groups = (spec.containers, spec.init_containers, spec.ephemeral_containers)
    return {f"Image:{container.image or ''}" for group in groups for container in group or ()}


def _pods_touched(view: Inventory, kind: str, item: Any) -> Sequence[PodInstance] | None:
    match kind:
        case "pods":
            # A technique between two containers has their node or namespace as its subject, not one of them.
            return [item]
        case "containers":
            return [item.pod]
        case "Node":
            return view.index(PODS_BY_NODE)[item.id]
        case "ServiceAccount" | "Secret" | "ConfigMap" | "PersistentVolumeClaim":
            # Of an account not only its own pods: others of the namespace may mount a token of it.
            return view.index(PODS_BY_NAMESPACE)[item.namespace]
        case "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding":
            return _pods_with_rights(view, access.changed_subjects(view))
        case _:
            return ALL


def _pods_with_rights(view: Inventory, identities: Collection[str]) -> list[PodInstance] | None:
    """The pods that may hold a token of some identities, or of members of theirs; users have none."""
    namespaces: set[str] = set()
    for identity in identities:
        if identity in (SERVICE_ACCOUNTS, AUTHENTICATED):
            return ALL
        if identity.startswith(f"{SERVICE_ACCOUNTS}:"):
            namespaces.add(identity.removeprefix(f"{SERVICE_ACCOUNTS}:"))
        elif identity.startswith("ServiceAccount:"):
            namespaces.add(nodes.namespace(identity))
    return [pod for namespace in sorted(namespaces) for pod in view.index(PODS_BY_NAMESPACE)[namespace]]
