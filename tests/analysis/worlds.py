"""Small graphs built by hand for the analysis: techniques that say nothing by themselves, and records in buckets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from workbench.graph import nodes as node_ids
from workbench.graph.graph import SURCHARGE, Columns, Edge, Fact, Graph
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique
from workbench.techniques.recompute import Bucket


class Scripted(Technique):
    """A technique of some id that detects nothing; graphs name it."""

    def __init__(self, identifier: str, *, internal: bool = False, api_only: bool = False) -> None:
        self.declaration = Declaration(
            id=identifier,
            title=f"does {identifier}",
            source=(),
            target=(),
            description="",
            mitre=(),
            effort=1,
            reason=Reason.API_CALL,
            reads=frozenset(),
            subject_type=SubjectType.SINGLETON,
            internal=internal,
            api_only=api_only,
        )

    def subjects(self, view: Inventory) -> Iterable[Any]:
        return ()

    def detect(self, view: Inventory, subject: Any) -> Iterator[Found | Blocked]:
        return iter(())

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return []


MEMBER = "MEMBER"
TECHNIQUES: tuple[Technique, ...] = (
    Scripted("ZULU"),
    Scripted("ALPHA"),
    Scripted("MIKE"),
    Scripted(MEMBER, internal=True),
    Scripted("PERMISSION_DISCOVER", api_only=True),
    Scripted("GROUP_MEMBER", api_only=True),
    Scripted("CLUSTER_ADMIN", api_only=True),
    Scripted("SYSTEM_MASTERS", api_only=True),
    Scripted("ROLE_BIND", api_only=True),
    Scripted("POD_CREATE", api_only=True),
    Scripted("NODE_CONTROL_PLANE"),
    Scripted("SECRET_USE"),
)
NUMBERS = {technique.id: number for number, technique in enumerate(TECHNIQUES)}

Buckets = dict[tuple[str, str], list[Edge]]


def edge(
    source: str,
    target: str,
    technique: str = "ALPHA",
    effort: int = 1,
    missing: Sequence[Fact] = (),
    *,
    cause: Any = None,
) -> Edge:
    """A record; ``effort`` is that before the surcharge."""
    return Edge(source, target, technique, effort + (SURCHARGE if missing else 0), tuple(missing), cause)


def graph_of(buckets: Mapping[tuple[str, str], Sequence[Edge]], nodes: Iterable[str] = ()) -> Graph:
    """A graph of some buckets by technique and subject; ``nodes`` come first, in this order."""
    graph = Graph([technique.id for technique in TECHNIQUES])
    for node in nodes:
        graph.number(node)
    for number, technique in enumerate(TECHNIQUES):
        columns, subjects, starts = Columns(graph), [], []
        for (identifier, subject), edges in buckets.items():
            if identifier != technique.id:
                continue
            subjects.append(subject)
            starts.append(len(columns.causes))
            for each in edges:
                assert each.technique == technique.id
                columns.source.append(graph.number(each.source))
                columns.target.append(graph.number(each.target))
                columns.effort.append(each.effort)
                columns.missing.append(graph.fact_numbers[each.missing])
                columns.causes.append(each.cause)
        graph.add(number, columns, subjects, starts)
    return graph


def buckets_of(edges: Iterable[Edge]) -> Buckets:
    """Edges in buckets whose subject is their source."""
    out: Buckets = {}
    for each in edges:
        out.setdefault((each.technique, each.source), []).append(each)
    return out


def graph_with(*edges: Edge, nodes: Iterable[str] = ()) -> Graph:
    """A graph of some edges."""
    return graph_of(buckets_of(edges), nodes)


def replaced(buckets: Buckets, changes: Mapping[tuple[str, str], list[Edge]]) -> tuple[Buckets, list[Bucket]]:
    """Buckets after some are replaced, and the replacements as a recomputation yields them."""
    return {**buckets, **changes}, [
        Bucket(NUMBERS[technique], subject, list(edges), []) for (technique, subject), edges in changes.items()
    ]


# --- for properties ---------------------------------------------------------------------------------

PLAIN = tuple(f"User:u{number}" for number in range(7))
HUBS = ("Hub:a/x", "Hub:b/x")
NODES = (*PLAIN, *HUBS)
FACTS: tuple[tuple[Fact, ...], ...] = (
    (),
    (),
    (("C-A", "Image:one"),),
    (("C-A", "Image:two"),),
    (("C-B", "Cluster"),),
    (("C-A", "Image:one"), ("C-B", "Cluster")),
)


@st.composite
def edges_between(draw: st.DrawFn, names: Sequence[str] = NODES) -> Edge:
    """An edge between two nodes; what leads out of a hub is a membership without effort."""
    source = draw(st.sampled_from(names))
    target = draw(st.sampled_from([name for name in names if name != source]))
    if node_ids.is_hub(source):
        return Edge(source, target, MEMBER, 0, (), draw(st.integers(0, 1)))
    return edge(
        source,
        target,
        draw(st.sampled_from(["ZULU", "ALPHA", "MIKE"])),
        draw(st.integers(1, 3)),
        draw(st.sampled_from(FACTS)),
        cause=draw(st.integers(0, 2)),
    )


@st.composite
def random_buckets(draw: st.DrawFn, names: Sequence[str] = NODES, most: int = 24) -> Buckets:
    """Buckets of a random graph; subjects mix sources, so that a pair's records lie in several buckets."""
    out: Buckets = {}
    for each in draw(st.lists(edges_between(names), max_size=most)):
        subject = draw(st.sampled_from(["one", "two", "three"]))
        out.setdefault((each.technique, subject), []).append(each)
    return out
