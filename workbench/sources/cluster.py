"""Read a live cluster: every kind that the inventory knows, where this user may, and what could not be read.

All requests are GETs. Secrets and ConfigMaps are listed as metadata, so no value of one is ever sent to us.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from workbench.errors import Cancelled, ClusterError, LoginError, Unreachable
from workbench.inventory.evidence import Gap, Origin, Problem
from workbench.inventory.objects import (
    CLUSTER_SCOPED,
    GROUPS,
    ClusterRoleBinding,
    ConfigMap,
    CustomResourceDefinition,
    KubernetesObject,
    Namespace,
    PersistentVolume,
    RoleBinding,
)
from workbench.inventory.records import wire_kind
from workbench.kube.api import Connection, Endpoint
from workbench.kube.discovery import Served, discover, server_version
from workbench.kube.paging import Garbled, Lost, Patient, Refused
from workbench.kube.resources import BUILTIN, Resource
from workbench.sources.cluster_config import named_config_maps
from workbench.sources.cluster_decode import ReadKind
from workbench.sources.cluster_gaps import Reading, gaps_of, limited, not_analysed
from workbench.sources.cluster_lists import Event, Listing, Outcome, listed
from workbench.text import shown

_OLDEST = "extensions"
"""The group whose kinds all moved to others."""


class State(enum.StrEnum):
    """How far a kind is."""

    WAITING = "waiting"
    READING = "reading"
    DONE = "done"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class KindProgress:
    """How far one kind is."""

    kind: str
    state: State
    done: int
    """Objects that were read."""
    expected: int
    """Objects that the server expects there to be; as many as were read where it does not say."""


Observer = Callable[[KindProgress], None]
"""Called in the thread that collects, for every page and every change of state."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which namespaces to read."""

    only: tuple[str, ...] = ()
    """Those of ``--namespace``: nothing of other namespaces is read; cluster-scoped kinds are tried all the same."""
    also: tuple[str, ...] = ()
    """Names to try where a list of the whole cluster is refused, besides those that show up."""


class NothingReadable(ClusterError):
    """The server answered, and gave nothing at all to this user.

    Attributes:
        gaps: What was asked and how each was answered.
    """

    def __init__(self, message: str, gaps: tuple[Gap, ...]) -> None:
        super().__init__(message)
        self.gaps = gaps


@dataclass(slots=True)
class Collected:
    """What was read."""

    objects: list[tuple[KubernetesObject, Origin | None]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    version: str = ""
    """What the server says of its version."""
    ended: ClusterError | None = None
    """Why the rest was not read: it was cancelled, the connection was lost, or the credentials are good no more."""


def collect(connection: Connection, scope: Scope = Scope(), observer: Observer | None = None) -> Collected:
    """Read a cluster.

    Args:
        connection: Where from; ``connection.cancel()`` ends the reading within a second.
        scope: Which namespaces.
        observer: Hears how far each kind is.

    Returns:
        What could be read, and a gap for each kind that could not. If the reading was cancelled or the server was lost,
        ``ended`` says so, and each kind that was not finished is a gap.

    Raises:
        NothingReadable: The server gives nothing at all to this user.
        ClusterError: The server cannot be reached, or is no Kubernetes API server.
    """
    patient = Patient(connection)
    endpoint = connection.endpoint
    try:
        # One try: a server that is not there is told at once.
        version = server_version(patient)
        served = _served(patient)
    except Garbled as error:
        raise ClusterError(f"{_named(endpoint)}: {error}") from error
    except Lost as error:
        raise ClusterError(f"{_named(endpoint)}: {error}") from error
    collector = _Collector(connection, patient, scope, observer or (lambda progress: None), served)
    return collector.run(version)


def _served(patient: Patient) -> Served:
    try:
        return discover(patient, GROUPS)
    except Refused as error:
        if error.status not in (401, 403):
            raise Garbled(f"{error.answer.message or 'it'} ({error.status} to the question what it serves)") from error
        # Whoever may not ask may still read; what is absent then answers 404. In which version custom resources are
        # served, if they are, nobody else tells.
        own = {resource.group for resource in BUILTIN}
        reason = f"what the server serves may not be asked: {error.answer.message or 'Forbidden'} ({error.status})"
        unread = {group: reason for group in GROUPS if group not in own and group != _OLDEST}
        return Served(BUILTIN, frozenset(GROUPS), unread)


def _named(endpoint: Endpoint) -> str:
    """The cluster, for messages."""
    return shown(f"{endpoint.context} ({endpoint.server})" if endpoint.context else endpoint.server)


class _Collector:
    """One reading of one cluster."""

    def __init__(
        self, connection: Connection, patient: Patient, scope: Scope, observer: Observer, served: Served
    ) -> None:
        self._connection = connection
        self._patient = patient
        self._scope = scope
        self._observer = observer
        self._served = served
        self._kinds: dict[str, ReadKind] = {}
        self._readings: dict[str, Reading] = {}
        self._unfinished: dict[str, int] = {}
        self._ended: ClusterError | None = None
        for resource, kind in _kinds(served):
            self._kinds[resource.kind] = ReadKind(resource, kind)
            self._readings[resource.kind] = Reading(resource)

    def run(self, version: str) -> Collected:
        for name in self._kinds:
            self._tell(name, State.WAITING)
        only = self._scope.only
        self._read(
            Listing(read.resource, namespace)
            for read in self._kinds.values()
            for namespace in (only if only and read.resource.namespaced else ("",))
        )
        tried: list[str] = []
        if not only:
            tried = self._one_by_one()
        self._refuse_nothing(tried)
        if self._ended is None and ConfigMap.__name__ in self._kinds:
            self._config_maps(tried)
        gaps = self._gaps(tried)
        if only:
            gaps += limited([read.resource for read in self._kinds.values()], only)
        gaps += _unread_groups(self._served)
        if (definitions := self._kinds.get(CustomResourceDefinition.__name__)) is not None:
            gaps += not_analysed(obj for obj in definitions.objects() if isinstance(obj, CustomResourceDefinition))
        for read in self._kinds.values():
            gaps += read.gaps()
        objects: list[tuple[KubernetesObject, Origin | None]] = []
        for read in self._kinds.values():
            objects.extend((obj, None) for obj in read.objects())
        return Collected(objects, gaps, version, self._ended)

    def _gaps(self, tried: Sequence[str]) -> list[Gap]:
        return gaps_of(
            list(self._readings.values()),
            tried=tried,
            all_namespaces=self._readings["Namespace"].whole if "Namespace" in self._readings else False,
            ended=self._ended,
        )

    # --- lists ------------------------------------------------------------------------------------

    def _read(self, listings: Iterable[Listing]) -> None:
        """Read some lists at once, and note how each went."""
        todo = list(listings)
        for listing in todo:
            kind = listing.resource.kind
            self._unfinished[kind] = self._unfinished.get(kind, 0) + 1
            self._readings[kind].started(listing)
        if self._ended is not None:
            return
        with contextlib.closing(listed(self._connection, self._patient, todo)) as events:
            unanswered = False
            for event in events:
                self._take(event)
                unanswered = unanswered or isinstance(event.error, Unreachable)
        if unanswered and self._ended is None:
            self._probe()

    def _probe(self) -> None:
        """Find out whether a list that had no answer is alone, or the server is gone."""
        try:
            self._patient.get("/version", tries=1)
        except Unreachable as error:
            self._ended = Lost(str(error))
        except (Cancelled, Lost, LoginError) as error:
            self._ended = error

    def _take(self, event: Event) -> None:
        kind = event.listing.resource.kind
        if event.page is not None:
            self._kinds[kind].take(event.listing, event.part, event.page)
            self._tell(kind, State.READING, event.page.remaining)
            return
        self._unfinished[kind] -= 1
        self._readings[kind].ended(event.listing, event.outcome, event.reason)
        if event.outcome is Outcome.ENDED:
            assert isinstance(event.error, ClusterError)
            self._ended = self._ended or event.error
        if not self._unfinished[kind]:
            self._tell(kind, self._state(kind))

    def _state(self, kind: str) -> State:
        reading = self._readings[kind]
        if reading.whole or reading.done:
            return State.DONE
        return State.DENIED if reading.refused else State.FAILED

    def _tell(self, kind: str, state: State, remaining: int = 0) -> None:
        done = self._kinds[kind].count
        self._observer(KindProgress(kind, state, done, done + remaining))

    # --- namespaces one by one --------------------------------------------------------------------

    def _one_by_one(self) -> list[str]:
        """Try each namespace where the whole cluster is refused; the names that were tried, sorted."""
        refused = [
            read.resource
            for name, read in self._kinds.items()
            if read.resource.namespaced and self._readings[name].refused
        ]
        tried: set[str] = set()
        if not refused:
            return []
        # What is read in one namespace may name the next.
        while self._ended is None and (names := self._namespaces() - tried):
            tried |= names
            self._read(Listing(resource, name) for name in sorted(names) for resource in refused)
        return sorted(tried)

    def _namespaces(self) -> set[str]:
        found = {self._connection.endpoint.namespace or "default", *self._scope.also}
        for read in self._kinds.values():
            for obj in read.objects():
                found.update(_named_by(obj))
        return {name for name in found if name}

    def _refuse_nothing(self, tried: Sequence[str]) -> None:
        """End with an error if nothing could be read at all.

        Raises:
            NothingReadable: The answers, counted, and the first of their reasons.
        """
        requests = [one for reading in self._readings.values() for one in reading.requests()]
        if self._ended is not None or any(one.outcome in (Outcome.DONE, Outcome.PARTIAL) for one in requests):
            return
        endpoint = self._connection.endpoint
        answered = [one for one in requests if one.outcome is not Outcome.ABSENT]
        refused = [one for one in answered if one.outcome is Outcome.REFUSED]
        user = endpoint.impersonates or endpoint.user or "an anonymous user"
        said = f"{len(refused)} of {len(answered)} requests refused."
        if not refused:
            said = f"{len(answered)} of {len(answered)} requests failed."
        reason = next((one.reason for one in (refused or answered)), "it serves no kind that is known here")
        place = endpoint.context or endpoint.server
        message = f"Nothing could be read from {shown(place)} as {shown(user)}: {said}\n  {shown(reason)}"
        raise NothingReadable(message, tuple(self._gaps(tried)))

    def _config_maps(self, tried: Sequence[str]) -> None:
        """Read the few ConfigMaps whose settings some rule reads."""
        read = self._kinds[ConfigMap.__name__]
        complete = self._readings[ConfigMap.__name__].whole
        try:
            for obj in named_config_maps(self._patient, self._all(), read.resource, self._scope.only, listed=complete):
                read.put(obj)
        except (Cancelled, Lost, LoginError) as error:
            self._ended = error

    def _all(self) -> Iterable[KubernetesObject]:
        for read in self._kinds.values():
            yield from read.objects()


def _kinds(served: Served) -> Iterable[tuple[Resource, type[KubernetesObject]]]:
    """The kinds that are served and that the inventory knows, by its own names for them: Calico's NetworkPolicy is
    another than Kubernetes' own. Of two groups that serve one kind the newer, or the one that adds to it, counts.
    """
    known = {(resource.group, resource.kind): resource for resource in served.resources}
    seen: set[type[KubernetesObject]] = set()
    for group in (*(group for group in GROUPS if group != _OLDEST), _OLDEST):
        for kind in GROUPS[group]:
            resource = known.get((group, wire_kind(kind)))
            if resource is not None and kind not in seen:
                seen.add(kind)
                yield replace(resource, kind=kind.__name__), kind


def _unread_groups(served: Served) -> Iterable[Gap]:
    known = {(resource.group, resource.kind) for resource in served.resources}
    for group, reason in served.unread.items():
        for kind in GROUPS.get(group, ()):
            if (group, wire_kind(kind)) not in known:
                yield Gap(kind.__name__, None, Problem.NOT_COLLECTED, 1, shown(reason), ())


def _named_by(obj: KubernetesObject) -> Iterable[str]:
    """The namespaces that an object names."""
    if isinstance(obj, Namespace):
        yield obj.name
    elif obj.kind not in CLUSTER_SCOPED:
        yield obj.namespace
    if isinstance(obj, (RoleBinding, ClusterRoleBinding)):
        for subject in obj.subjects or ():
            if subject.kind == "ServiceAccount" and subject.namespace:
                yield subject.namespace
    elif isinstance(obj, PersistentVolume) and obj.spec is not None and obj.spec.claim_ref is not None:
        yield obj.spec.claim_ref.namespace or ""
