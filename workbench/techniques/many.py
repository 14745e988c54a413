"""Techniques that find very many edges, and give them to a build at a fraction of what a :class:`Found` for each takes.

``detect`` follows from what they give, so that they are techniques like all others to everything but a full build.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

from workbench.graph.graph import Fact
from workbench.inventory.inventory import Inventory
from workbench.techniques.api import Blocked, Found, Technique

Record: TypeAlias = tuple[str, str, int, tuple[Fact, ...], Any]
"""The fields of a :class:`Found`: source, target, effort, missing, cause."""


class Many(NamedTuple):
    """Edges from one source that differ in nothing but target and cause."""

    source: str
    targets: Sequence[str]
    effort: int
    missing: tuple[Fact, ...] = ()
    causes: Sequence[Any] | None = None
    """One for each target; ``None``: they have none."""


class RecordTechnique(Technique):
    """A technique with many subjects that have a few edges each: it gives plain records."""

    from_subject: ClassVar[bool] = False
    """Whether each edge starts at its subject, so that the edges of all subjects need not be asked for one by one."""

    @abstractmethod
    def records(self, view: Inventory, subjects: Iterable[Any]) -> Iterator[Record | Blocked]:
        """The edges of some subjects, one subject after the other."""

    def detect(self, view: Inventory, subject: Any) -> Iterator[Found | Blocked]:
        for record in self.records(view, (subject,)):
            yield record if isinstance(record, Blocked) else Found(*record)


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
                    yield Found(source, target, effort, missing, cause)
