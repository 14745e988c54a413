"""The inventory: all objects of one source with their indexes, and the overlay that changes lay over it.

Rules read a *view*, which is an :class:`Inventory`, or one made by :meth:`Inventory.overlay`, which copies
nothing: tables and indexes are looked up through the changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from workbench.inventory import fields
from workbench.inventory.decode import plain
from workbench.inventory.evidence import Evidence, Gap, Origin
from workbench.inventory.gathered import Gathered
from workbench.inventory.objects import KINDS, WORKLOADS, CronJob, KubernetesObject, Pod
from workbench.inventory.pods import (
    ContainerInstance,
    PodInstance,
    Renamed,
    Trait,
    is_live,
    replicates,
    template_of,
)
from workbench.inventory.tables import Index, Table, replica_runs

T = TypeVar("T", bound=KubernetesObject)
I = TypeVar("I")  # noqa: E741 - the items of an index: objects, pods or containers
K = TypeVar("K", bound=Hashable)
R = TypeVar("R")

_ABSENT = object()

NEWEST_KNOWN = (1, 37)
"""The newest Kubernetes version that the rules were written for."""


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """The API server's version, and whether it was read or assumed."""

    major: int
    minor: int
    patch: int = 0
    assumed: bool = False

    @property
    def pair(self) -> tuple[int, int]:
        return (self.major, self.minor)

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True, eq=False)
class IndexOf(Generic[K, I]):
    """The declaration of an index; a module-level constant, built once per inventory on first use."""

    name: str
    source: str
    """What is indexed: the name of a kind, ``pods`` or ``containers``."""
    keys: Callable[[I], Iterable[K]]
    of_replicas: bool = False
    """Whether replicas have the same keys (:attr:`PodInstance.alike`), so that they are asked once."""


def _kind_index(kind: type[T]) -> IndexOf[str, T]:
    return IndexOf(f"{kind.__name__} by namespace", kind.__name__, lambda obj: (obj.metadata.namespace or "",))


_BY_NAMESPACE: dict[str, IndexOf[str, Any]] = {name: _kind_index(kind) for name, kind in KINDS.items()}

PODS_BY_NODE: IndexOf[str, PodInstance] = IndexOf("pods by node", "pods", lambda pod: (pod.node,))
PODS_BY_NAMESPACE: IndexOf[str, PodInstance] = IndexOf(
    "pods by namespace", "pods", lambda pod: (pod.namespace,), of_replicas=True
)
PODS_BY_ACCOUNT: IndexOf[str, PodInstance] = IndexOf(
    "pods by account", "pods", lambda pod: (pod.account,), of_replicas=True
)
PODS_BY_OWNER: IndexOf[str, PodInstance] = IndexOf("pods by owner", "pods", lambda pod: (pod.owner,))
"""Pods of a node's own are alike at times, and each is its own owner."""
CONTAINERS_BY_TRAIT: IndexOf[Trait, ContainerInstance] = IndexOf(
    "containers by trait", "containers", lambda container: container.traits, of_replicas=True
)
CONTAINERS_BY_IMAGE: IndexOf[str, ContainerInstance] = IndexOf(
    "containers by image", "containers", lambda container: (container.image,), of_replicas=True
)


class Inventory:
    """All objects of one source.

    Attributes:
        source: What was read, for people: ``sample shop``, ``prod.jsonl.gz``, ``manifests (12 files)``.
        coverage: What could not be read.
        server_version: As read, given, or the newest known one, marked as assumed.
        users: Group memberships of users that the operator named: ``{"alice": ("corp:admins",)}``.
    """

    def __init__(
        self,
        objects: Gathered | Iterable[tuple[KubernetesObject, Origin | None]],
        *,
        source: str = "",
        coverage: Sequence[Gap] = (),
        server_version: ServerVersion | None = None,
        users: Mapping[str, Sequence[str]] | None = None,
        builtins: Iterable[KubernetesObject] = (),
    ) -> None:
        """Index the objects.

        Args:
            objects: Each object with where it was read; what was gathered becomes part of the inventory.
            source: What was read, for people.
            coverage: What could not be read.
            server_version: The API server's version, if known.
            users: Group memberships of users.
            builtins: Kubernetes' own objects that the program knows; one that the source holds wins.

        Raises:
            InputError: Two objects share one kind, namespace and name.
        """
        self.source = source
        self.coverage = list(coverage)
        self.server_version = server_version or ServerVersion(*NEWEST_KNOWN, assumed=True)
        self.users = {name: tuple(groups) for name, groups in (users or {}).items()}
        self._read = objects if isinstance(objects, Gathered) else Gathered(objects)
        self._builtin: set[str] = set()
        self._base: Inventory | None = None
        self._changed_kinds: frozenset[str] = frozenset()
        self._pairs: dict[str, list[tuple[Any, Any]]] = {}
        self._indexes: dict[str, Index[Any, Any]] = {}
        self._runs: dict[str, list[list[Any]]] = {}
        self._derived: dict[str, Any] = {}
        self._found: dict[tuple[str, str], tuple[Any, int | None]] = {}
        tables = self._read.tables
        for obj in builtins:
            key = obj.id
            if key not in tables[obj.kind]:
                tables[obj.kind][key] = obj
                self._builtin.add(key)
        self._tables: dict[str, Table[Any]] = {kind: Table(items) for kind, items in tables.items()}
        self.has_live_pods = any(is_live(cast(Pod, pod)) for pod in tables["Pod"].values())
        pods = self._make_pods()
        self._read.replicas.clear()
        self.pods: Table[PodInstance] = Table(pods)
        self.containers: Table[ContainerInstance] = Table(
            {container.id: container for pod in pods.values() for container in pod.containers}
        )

    # --- reading ----------------------------------------------------------------------------------

    def all(self, kind: type[T]) -> Table[T]:
        """All objects of a kind."""
        return self._tables[kind.__name__]

    def get(self, kind: type[T], name: str, namespace: str = "") -> T | None:
        """The object of a kind, namespace and name, or ``None``."""
        key = f"{kind.__name__}:{namespace}/{name}" if namespace else f"{kind.__name__}:{name}"
        return cast("T | None", self._tables[kind.__name__].get(key))

    def by_id(self, node: str) -> KubernetesObject | None:
        """The object of a node id, or ``None`` (also for nodes that are no objects)."""
        table = self._tables.get(node.partition(":")[0])
        return table.get(node) if table is not None else None

    def in_namespace(self, kind: type[T], namespace: str) -> Sequence[T]:
        """The objects of a kind in one namespace."""
        return self.index(_BY_NAMESPACE[kind.__name__])[namespace]

    def namespaces_of(self, kind: type[KubernetesObject]) -> Iterable[str]:
        """The namespaces that hold an object of a kind."""
        return self.index(_BY_NAMESPACE[kind.__name__]).keys()

    def index(self, of: IndexOf[K, I]) -> Index[K, I]:
        """The index of a declaration, built on first use."""
        found = self._indexes.get(of.name)
        if found is None:
            if self._base is not None:
                found = self._base.index(of).overlaid(self._pairs.get(of.source, ()))
            else:
                source: Iterable[Any]
                source = getattr(self, of.source) if of.source in ("pods", "containers") else self._tables[of.source]
                if of.of_replicas:
                    runs = self._runs.get(of.source)
                    if runs is None:
                        runs = self._runs[of.source] = replica_runs(source)
                    found = Index.of_replicas(runs, of.keys)
                else:
                    found = Index(source, of.keys)
            self._indexes[of.name] = found
        return cast("Index[K, I]", found)

    def derived(self, name: str, reads: frozenset[str], compute: Callable[[Inventory], R]) -> R:
        """A value computed once from the objects of the kinds in ``reads`` (``pods`` is implied by ``Pod``).

        An overlay that changes none of these kinds shares the value of what it lies over.
        """
        found: Any = self._derived.get(name, _ABSENT)
        if found is _ABSENT:
            if self._base is not None and not (reads & self._changed_kinds):
                return self._base.derived(name, reads, compute)
            found = self._derived[name] = compute(self)
        value: R = found
        return value

    def memo(self, name: str, reads: frozenset[str]) -> dict[Any, Any]:
        """A place to keep answers that depend on nothing but objects of the kinds in ``reads``; as for :meth:`derived`.

        Answers about a pod or a container are kept under itself, not its id, for an overlay holds another by that id.
        """
        found: dict[Any, Any] | None = self._derived.get(name)
        return self.derived(name, reads, _nothing) if found is None else found

    def is_builtin(self, node: str) -> bool:
        """Whether an object comes from the program's knowledge of Kubernetes and not from the source."""
        if self._base is not None:
            return self._base.is_builtin(node)
        return node in self._builtin

    def origin(self, node: str) -> Origin | None:
        """Where an object was read."""
        if self._base is not None:
            return self._base.origin(node)
        return self._read.origin(node)

    def is_live(self, obj: KubernetesObject) -> bool:
        """Whether an object is of live origin: it has a uid, and the source holds live pods."""
        return self.has_live_pods and obj.metadata.uid is not None

    def namespaces(self) -> list[str]:
        """Every namespace that exists or that an object names, sorted."""
        return self.derived("namespaces", frozenset(KINDS), _namespaces)

    def owner_of(self, obj: KubernetesObject) -> tuple[str, bool]:
        """The id of the top owner of an object, and whether every controller up to it is in the inventory.

        Follows the one owner reference with ``controller: true`` and checks the uid (``remediation.md`` 1.5).
        """
        known = True
        current = obj
        node = obj.id
        for _ in range(16):
            reference = _controller(current)
            if reference is None or reference.kind == "Node":
                break
            kind = reference.kind or ""
            namespace = current.namespace
            node = f"{kind}:{namespace}/{reference.name}" if namespace else f"{kind}:{reference.name}"
            owner = self.by_id(node)
            if owner is None or (reference.uid and owner.metadata.uid and owner.metadata.uid != reference.uid):
                known = False
                break
            current = owner
        return node, known

    def evidence(self, obj: KubernetesObject | str, field: str = "", default: Any = None) -> Evidence:
        """Evidence of a field of an object, with its value as read, its file and its line.

        Args:
            obj: The object, or its id.
            field: The dotted path; empty for the object as a whole.
            default: What Kubernetes takes the field for if it is absent.
        """
        node = obj if isinstance(obj, str) else obj.id
        found = self.by_id(node) if isinstance(obj, str) else obj
        origin = self.origin(node)
        # Many edges rest on one field (a rule, a binding), and finding its line means to read the text again.
        known = self._found.get((node, field)) if found is self.by_id(node) else None
        if known is None:
            value: Any = None
            if found is not None and field:
                _, value = fields.find(plain(found), fields.parse(field))
            known = value, origin.line(field) if origin else None
            if found is self.by_id(node):
                self._found[node, field] = known
        value, line = known
        return Evidence(
            object=node,
            field=field,
            value=value,
            default=default if value is None else None,
            file=origin.file if origin else None,
            line=line,
            builtin=self.is_builtin(node),
        )

    # --- overlay ----------------------------------------------------------------------------------

    def overlay(self, replaced: Mapping[str, KubernetesObject | None]) -> Inventory:
        """This inventory with some objects replaced, added, or (``None``) taken away; nothing is copied.

        Use :func:`workbench.inventory.changes.apply` to get from changes to the objects they lead to.
        """
        view = Inventory.__new__(Inventory)
        view.source = self.source
        view.coverage = self.coverage
        view.server_version = self.server_version
        view.users = self.users
        view.has_live_pods = self.has_live_pods
        view._read = self._read
        view._builtin = set()
        view._base = self
        view._indexes = {}
        view._derived = {}
        view._found = {}
        view._pairs = {}
        patches: dict[str, dict[str, KubernetesObject | None]] = {}
        for node, new in replaced.items():
            kind = node.partition(":")[0]
            patches.setdefault(kind, {})[node] = new
            view._pairs.setdefault(kind, []).append((self.by_id(node), new))
        view._changed_kinds = frozenset(patches)
        view._tables = {kind: table.overlaid(patches.get(kind, {})) for kind, table in self._tables.items()}
        view._overlay_pods(self, replaced)
        return view

    @property
    def base(self) -> Inventory | None:
        """What this view lies over, ``None`` for a plain inventory."""
        return self._base

    @property
    def replaced(self) -> dict[str, list[tuple[Any, Any]]]:
        """What an overlay changes: by kind, ``pods`` and ``containers``, pairs of old and new."""
        return self._pairs

    def _overlay_pods(self, base: Inventory, replaced: Mapping[str, KubernetesObject | None]) -> None:
        pairs: list[tuple[PodInstance | None, PodInstance | None]] = []
        pods: dict[str, PodInstance | None] = {}
        by_object = base.index(_PODS_BY_OBJECT)
        # What replicas become is alike again, as a rule.
        firsts: dict[PodInstance, PodInstance] = {}
        for node, new in replaced.items():
            if not isinstance(new or base.by_id(node), (Pod, *WORKLOADS)):
                continue
            for old in by_object[node]:
                fresh = None
                if new is not None:
                    alike = _alike(new, firsts.get(old.alike))
                    fresh = _instance(new, old.name, old.owner, old.owner_known, alike)
                if fresh is not None:
                    firsts.setdefault(old.alike, fresh)
                pairs.append((old, fresh))
                pods[old.id] = fresh
            if not by_object[node] and isinstance(new, Pod) and new.spec is not None:
                owner, known = base.owner_of(new)
                fresh = _instance(new, new.name, owner, known)
                if fresh is not None:
                    pairs.append((None, fresh))
                    pods[fresh.id] = fresh
        containers: dict[str, ContainerInstance | None] = {}
        for old_pod, new_pod in pairs:
            olds = {c.id: c for c in old_pod.containers} if old_pod else {}
            news = {c.id: c for c in new_pod.containers} if new_pod else {}
            for key in {**olds, **news}:
                containers[key] = news.get(key)
                self._pairs.setdefault("containers", []).append((olds.get(key), news.get(key)))
        if pairs:
            self._pairs["pods"] = list(pairs)
            self._changed_kinds |= {"Pod"}
        self.pods = base.pods.overlaid(pods)
        self.containers = base.containers.overlaid(containers)

    # --- pods -------------------------------------------------------------------------------------

    def _make_pods(self) -> dict[str, PodInstance]:
        made: dict[str, PodInstance] = {}
        owning: set[str] = set()
        owners: dict[tuple[str | None, ...], tuple[str, bool]] = {}
        firsts: dict[tuple[str | None, ...], PodInstance] = {}
        replicas = self._read.replicas
        # The first replicas, whose owner is that of all.
        of_object: dict[int, PodInstance] = {}
        for node, pod in cast("dict[str, Pod]", self._read.tables[Pod.__name__]).items():
            read, key = replicas.get(id(pod)), None
            alike: tuple[PodInstance, Renamed] | None
            first = of_object.get(read[0]) if read is not None else None
            if read is not None and first is not None:
                owner, known, alike = first.owner, first.owner_known, (first, read[1])
            else:
                reference = _controller(pod)
                if reference is None:
                    owner, known = node, True
                    owning.add(owner)
                else:
                    key = (pod.metadata.namespace, reference.kind, reference.name, reference.uid)
                    if key not in owners:
                        owners[key] = found = self.owner_of(pod)
                        owning.update((found[0], f"{reference.kind}:{pod.namespace}/{reference.name}"))
                    owner, known = owners[key] if reference.kind != "Node" else (node, True)
                alike = _alike(pod, firsts.get(key) if key is not None else None)
            instance = _instance(pod, pod.name, owner, known, alike, node=node if pod.namespace else "")
            if instance is not None:
                made[instance.id] = instance
                if key is not None and firsts.setdefault(key, instance) is instance and owner != node:
                    of_object[id(pod)] = instance
        standing: list[KubernetesObject] = [
            workload
            for kind in WORKLOADS
            for workload in self._tables[kind.__name__]
            if self._stands_for_pods(workload, owning)
        ]
        names = Counter(f"Pod:{workload.namespace}/{workload.name}" for workload in standing)
        names.update(key for key in names.keys() & made.keys())
        for workload in standing:
            several = names[f"Pod:{workload.namespace}/{workload.name}"] > 1
            name = f"{workload.name}.{workload.kind.lower()}" if several else workload.name
            instance = _instance(workload, name, workload.id, True)
            if instance is not None:
                made[instance.id] = instance
        return made

    def _stands_for_pods(self, workload: KubernetesObject, owning: set[str]) -> bool:
        if self.is_live(workload) or _controller(workload) is not None or workload.id in owning:
            return False
        spec: Any = getattr(workload, "spec", None)
        if spec is None or getattr(spec, "replicas", None) == 0 or getattr(spec, "suspend", None):
            return False
        return not (isinstance(workload, CronJob) and spec.suspend)


_PODS_BY_OBJECT: IndexOf[str, PodInstance] = IndexOf("pods by object", "pods", lambda pod: (pod.obj.id,))


def _alike(obj: KubernetesObject, first: PodInstance | None) -> tuple[PodInstance, Renamed] | None:
    """The first replica, if a pod is one too."""
    if first is None or not isinstance(obj, Pod) or not isinstance(first.obj, Pod):
        return None
    renamed = replicates(obj, first.obj)
    return None if renamed is None else (first, renamed)


def _instance(
    obj: KubernetesObject | None,
    name: str,
    owner: str,
    known: bool,
    alike: tuple[PodInstance, Renamed] | None = None,
    *,
    node: str = "",
) -> PodInstance | None:
    if obj is None:
        return None
    if isinstance(obj, Pod):
        spec = obj.spec
    else:
        template = template_of(obj)
        spec = template.spec if template else None
    if spec is None:
        return None
    return PodInstance(obj, spec, name, owner=owner, owner_known=known, alike=alike, node=node)


def _controller(obj: KubernetesObject) -> Any:
    for reference in obj.metadata.owner_references or ():
        if reference.controller:
            return reference
    return None


def _nothing(view: Inventory) -> dict[Any, Any]:
    return {}


def _namespaces(view: Inventory) -> list[str]:
    found: set[str] = set()
    for table in view._tables.values():
        found.update(obj.metadata.namespace for obj in table if obj.metadata.namespace)
    found.update(obj.name for obj in view._tables["Namespace"])
    return sorted(found)
