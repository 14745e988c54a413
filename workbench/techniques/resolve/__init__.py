"""Resolvers: what several techniques ask about a container, answered once (``catalogue.md`` R2-R8).

Each answers with an :class:`Answer`: it holds, it holds if some facts do, or a named mitigation rules it out.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from workbench.graph.graph import Fact
from workbench.inventory.evidence import Evidence

CLUSTER = "Cluster"
"""What facts about the cluster as a whole are about."""


class Answer(NamedTuple):
    """Whether a precondition holds."""

    missing: tuple[Fact, ...] = ()
    """The facts that it takes; sorted, each once."""
    off: str | None = None
    """The mitigation that rules it out, one sentence that names the field."""

    @property
    def possible(self) -> bool:
        """Whether nothing rules it out."""
        return self.off is None


HOLDS = Answer()
"""The objects prove the precondition."""


@lru_cache(maxsize=4096)
def needs(condition: str, about: str) -> Answer:
    """It holds if one fact does: ``needs("C-USER", "Image:nginx")``."""
    return Answer(((condition, about),))


def ruled_out(mitigation: str) -> Answer:
    """A mitigation rules it out."""
    return Answer((), mitigation)


def all_of(*answers: Answer) -> Answer:
    """All preconditions together: the first mitigation, else every missing fact."""
    only: Answer | None = None
    missing: set[Fact] | None = None
    for answer in answers:
        if answer is HOLDS:
            continue
        facts, off = answer
        if off is not None:
            return answer
        if facts:
            if missing is not None:
                missing.update(facts)
            elif only is None:
                only = answer
            elif facts != only.missing:
                missing = {*only.missing, *facts}
    if missing is not None:
        return Answer(tuple(sorted(missing)))
    if only is None:
        return HOLDS
    return only if len(only.missing) == 1 else Answer(tuple(sorted(set(only.missing))))


def distinct(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Evidence with each field of each object once, at its first place."""
    seen: dict[tuple[str, str], Evidence] = {}
    for item in evidence:
        seen.setdefault((item.object, item.field), item)
    return list(seen.values())
