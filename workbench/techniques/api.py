"""The public interface of a technique, version 1.

A technique is a :class:`Declaration` and a detector in three functions. Third parties register a
:class:`Technique` instance (or a list of them) under the entry-point group ``workbench.techniques``.

The contract of the three functions:

* ``subjects(view)`` gives the candidates, through indexes, never by a scan of everything. It only narrows:
  ``detect`` of any other subject of the same type gives nothing, rather than something wrong.
* ``detect(view, subject)`` yields :class:`Found` and :class:`Blocked`. It reads the view alone: no clock, no
  file, no graph. The same view and subject give the same answers in the same order.
* ``evidence(view, edge)`` rebuilds the proof from the cause, only when somebody asks.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, ClassVar, NamedTuple

from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory

API_VERSION = 1


class Reason(enum.StrEnum):
    """Why an effort is what it is (``catalogue.md`` section 0)."""

    POSSESSED = "p"
    API_CALL = "a"
    RECIPE = "t"
    INFRASTRUCTURE = "i"
    WAITING = "w"
    COMPLEX = "c"
    VERSION = "v"
    UNRELIABLE = "k"
    LABORATORY = "x"


class SubjectType(enum.StrEnum):
    """What a technique's subjects are, and what ``detect`` is given."""

    CONTAINER = "container"
    """A ``ContainerInstance``. Of accounts, Secrets, ConfigMaps and claims its edges depend only on those of its
    namespace, and of RBAC on the rights of the accounts there."""
    POD = "pod"
    """A ``PodInstance``, in which its edges depend on what those of its containers do."""
    NODE = "node"
    """A node id as text, for a node that pods run on may not be in the inventory. Its edges depend on what those of its
    pods depend on."""
    OBJECT = "object"
    """An object of one of the kinds in ``Declaration.subject_kinds``."""
    GRANT = "grant"
    """A ``Grant``: one permission set. A set of objects that it reaches is a hub, so that of single pods, and of other
    permission sets, bindings, roles and whom they name, its edges depend only by names that the rules hold
    (``resourceNames``), of workloads only by whether there is one; and what lies in another namespace than that of its
    RoleBinding does not concern it."""
    IDENTITY = "identity"
    """The id of a service account, user or group as text. Its edges depend on no pods but its own (of a node's user:
    those of the node), and on no bindings but those that name it."""
    IMAGE = "image"
    """The id of an image as text."""
    SCOPE = "scope"
    """A namespace as text, or ``*``: for the membership of hubs. A binding belongs to its namespace and to those of the
    accounts that it names. Of pods and bindings the edges of ``*`` depend only on which namespaces have some."""
    SINGLETON = "singleton"
    """The one text ``*``: a technique that does not depend on any one object. Of pods its edges depend only on which
    there are, on which nodes and with which accounts, of workloads on which there are."""


@dataclass(frozen=True)
class Declaration:
    """What a technique is; help pages, the catalogue, SARIF rules and the step detail come from it."""

    id: str
    title: str
    """A short verb phrase that reads between two nodes: ``mounts the node's disk``."""
    source: tuple[str, ...]
    """The kinds of node that an edge starts at."""
    target: tuple[str, ...]
    """The kinds of node that an edge leads to."""
    description: str
    """What the attacker does, in one to three sentences."""
    mitre: tuple[str, ...]
    """MITRE ATT&CK technique ids."""
    effort: int
    """The catalogue's weight, before adjustments of the row."""
    reason: Reason
    reads: frozenset[str]
    """The object kinds that the detector reads; ``Pod`` implies the workloads that stand for pods."""
    subject_type: SubjectType
    pod_fields: frozenset[str] | None = None
    """The fields of pods that the detector reads, as :func:`workbench.inventory.differences.changed_fields` names them;
    ``None``: it may read any. Which pods there are, where, in which state and with which containers always counts."""
    subject_kinds: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()
    """Ids of ``catalogue.md`` section 4."""
    references: tuple[str, ...] = ()
    family: str = ""
    internal: bool = False
    """Membership of hubs: never shown."""
    api_only: bool = False
    """Whether calls to the Kubernetes API alone carry it out (derivable admin, section 3 of the catalogue)."""


class Found(NamedTuple):
    """An edge that a detector found."""

    source: str
    target: str
    effort: int
    """Before the surcharge of a conditional verdict."""
    missing: tuple[Fact, ...] = ()
    """The facts it takes; empty means that the objects prove it."""
    cause: Any = None
    """A small hashable key from which ``evidence`` rebuilds the fields."""


class Blocked(NamedTuple):
    """An edge that a mitigation turns off, kept for "why not?"."""

    source: str
    target: str
    mitigation: str
    """One sentence that names the field: ``hostUsers: false puts the container in a user namespace``."""


class Technique(ABC):
    """One attack technique."""

    declaration: Declaration

    @property
    def id(self) -> str:
        """The technique's id, such as ``CE_NSENTER``."""
        return self.declaration.id

    @abstractmethod
    def subjects(self, view: Inventory) -> Iterable[Any]:
        """The candidates: things with an ``id``, or ids as text."""

    @abstractmethod
    def detect(self, view: Inventory, subject: Any) -> Iterator[Found | Blocked]:
        """The edges of one subject."""

    def touched(self, view: Inventory) -> set[str] | EllipsisType | None:
        """The keys of the subjects that an overlay's changes touch; it may err wide, never narrow.

        Returns:
            The keys of their buckets; ``None``: all of them; ``...``: the build tells by the kinds that are declared.
        """
        return ...

    def touched_by_pods(self, view: Inventory) -> set[str] | None:
        """The keys of the subjects that an overlay's changes of pods touch; it may err wide, never narrow.

        Only for techniques about objects, of which nothing is known but the kinds that they read.

        Returns:
            ``None``: it is not known, so that all are computed anew.
        """
        return None

    apart: ClassVar[frozenset[str]] = frozenset()
    """Kinds whose objects concern other subjects than the subject type says: :meth:`touched_apart` knows which."""

    def touched_apart(self, view: Inventory) -> set[str] | None:
        """The keys of the subjects that an overlay's changes of the kinds in :attr:`apart` touch; ``None``: all."""
        return None

    def touched_by_permissions(self, view: Inventory) -> bool:
        """Whether an overlay's changes of roles and bindings touch its one bucket; it may err wide, never narrow.

        Only for techniques that do not depend on any one object (``SubjectType.SINGLETON``).
        """
        return True

    def denied(self, view: Inventory) -> Iterable[Blocked]:
        """What mitigations turn off beyond what ``detect`` gives, where that is too much to keep: for "why not?"."""
        return ()

    @abstractmethod
    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        """What proves an edge, the principal field first."""


def fact(condition: str, about: str) -> tuple[Fact, ...]:
    """One missing fact, as a value for ``Found.missing``."""
    return ((condition, about),)
