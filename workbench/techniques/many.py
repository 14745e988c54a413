"""Techniques that find very many edges, and give them to a build at a fraction of what a :class:`Found` for each takes.

``detect`` follows from what they give, so that they are techniques like all others to everything but a full build.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

from workbench.graph.graph import Fact
from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import ContainerInstance, PodInstance
from workbench.techniques.api import Blocked, Found, Technique

Node: TypeAlias = str | PodInstance | ContainerInstance
"""A node of the graph: its id, or what it is the node of, of which a build knows the number in a third of the time.
A technique gives either as all of its sources, and as all of its targets."""

Record: TypeAlias = tuple[Node, Node, int, tuple[Fact, ...], Any]
"""The fields of a :class:`Found`: source, target, effort, missing, cause."""


class Many(NamedTuple):
    """Edges from one source that differ in nothing but target and cause."""

    source: Node
    targets: Sequence[Node]
    effort: int
    missing: tuple[Fact, ...] = ()
    causes: Sequence[Any] | None = None
    """One for each target; ``None``: they have none."""


def id_of(node: Node) -> str:
    """The id of a node."""
    return node if isinstance(node, str) else node.id


class RecordTechnique(Technique):
    """A technique with many subjects that have a few edges each: it gives plain records."""

    from_subject: ClassVar[bool] = False
    """Whether each edge starts at its subject, so that the edges of all subjects need not be asked for one by one."""

    @abstractmethod
    def records(self, view: Inventory, subjects: Iterable[Any]) -> Iterator[Record | Blocked]:
        """The edges of some subjects, one subject after the other."""

    def detect(self, view: Inventory, subject: Any) -> Iterator[Found | Blocked]:
        for record in self.records(view, (subject,)):
            if isinstance(record, Blocked):
                yield record
            else:
                source, target, effort, missing, cause = record
                yield Found(id_of(source), id_of(target), effort, missing, cause)


class ManyTechnique(Technique):
    """A technique with many edges a subject, most of them from one source: it gives them together."""

    @abstractmethod
    def many(self, view: Inventory, subject: Any) -> Iterator[Many | Blocked]:
        """The edges of one subject."""

    def detect(self, view: Inventory, subject: Any) -> Iterator[Found | Blocked]:
        for each in self.many(view, subject):
            if isinstance(each, Blocked):
                yield each
            else:
                source, targets, effort, missing, causes = each
                for target, cause in zip(targets, causes or [None] * len(targets), strict=True):
                    yield Found(id_of(source), id_of(target), effort, missing, cause)
