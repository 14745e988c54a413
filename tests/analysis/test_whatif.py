"""What-if: equal to analysing the changed objects from the start, and what it says about closed and opened paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.worlds import (
    MEMBER,
    NODES,
    PLAIN,
    TECHNIQUES,
    Buckets,
    Scripted,
    buckets_of,
    edge,
    edges_between,
    graph_of,
    random_buckets,
    replaced,
)
from tests.builders import container, deployment, inventory, node, obj, owner, pod, workload
from workbench.analysis.paths import PathSet
from workbench.analysis.session import Analysis, Query
from workbench.analysis.whatif import WhatIf
from workbench.graph.graph import Edge
from workbench.inventory.changes import Change, Op, Target, overlay
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KubernetesObject
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique
from workbench.techniques.build import build


class Reads(Technique):
    """A technique over containers that a function decides."""

    def __init__(self, identifier: str, decide: Any, **options: Any) -> None:
        self._decide = decide
        self.declaration = Declaration(
            id=identifier,
            title=identifier.lower(),
            source=(),
            target=(),
            description="",
            mitre=(),
            effort=1,
            reason=Reason.API_CALL,
            reads=frozenset({"Pod"}),
            subject_type=SubjectType.CONTAINER,
            **options,
        )

    def subjects(self, view: Inventory) -> Iterable[Any]:
        return view.containers

    def detect(self, view: Inventory, subject: Any) -> Iterator[Found | Blocked]:
        yield from self._decide(subject)

    def evidence(self, view: Inventory, edge: Edge) -> list[Any]:
        return []


def escapes(subject: Any) -> Iterator[Found]:
    if subject.privileged:
        yield Found(subject.id, subject.pod.node, 2, (), "privileged")


def signals(subject: Any) -> Iterator[Found]:
    if subject.pod.spec.host_pid:
        yield Found(subject.id, subject.pod.node, 3, (), "hostPID")


def shares(subject: Any) -> Iterator[Found]:
    """A weaker pod opens a way that a stronger one does not have, for the sake of the test."""
    if not subject.privileged:
        yield Found(subject.id, "Secret:kube-system/shared", 1, (("C-A", subject.image),), "plain")


class Nodes(Scripted):
    """Two known nodes lead on."""

    def __init__(self) -> None:
        super().__init__("NODE_CONTROL_PLANE")

    def subjects(self, view: Inventory) -> Iterable[Any]:
        return ["*"]

    def detect(self, view: Inventory, subject: Any) -> Iterator[Found | Blocked]:
        yield Found("Node:main", "ClusterAdmin", 1)


class Exposed(Scripted):
    """The internet leads to the containers called web."""

    def __init__(self) -> None:
        super().__init__("ENDPOINT_EXPLOIT")

    def subjects(self, view: Inventory) -> Iterable[Any]:
        return ["*"]

    def detect(self, view: Inventory, subject: Any) -> Iterator[Found | Blocked]:
        for each in view.containers:
            if each.name == "web":
                yield Found("Internet", each.id, 1)


RULES: tuple[Technique, ...] = (
    Reads("CE_PRIV", escapes),
    Reads("CE_PID", signals),
    Reads("SHARE", shares),
    Nodes(),
    Exposed(),
)


def off(target: KubernetesObject, path: str, value: Any = False, old: Any = True) -> Change:
    return Change(Target.of(target), (Op("set", path, value, old),))


def privileged(kind_path: str, name: str) -> str:
    return f"{kind_path}/containers[name={name}]/securityContext/privileged"


WEB = workload(
    "StatefulSet", "web", container("web", securityContext={"privileged": True}), uid="uid-web", hostPID=True
)
REPLICAS = [
    pod(
        f"web-{at}",
        container("web", securityContext={"privileged": True}),
        node="main",
        owners=[owner("StatefulSet", "web", "uid-web")],
        hostPID=True,
    )
    for at in range(2)
]
AGENT = pod("agent", container("agent", securityContext={"privileged": True}), node="main")
VIEW = inventory(WEB, *REPLICAS, AGENT, node("main"), obj("Secret", "shared", "kube-system"))


def session(view: Inventory = VIEW) -> Analysis:
    return Analysis(view, build(view, RULES), RULES)


def answers(paths: PathSet) -> list[object]:
    return [(path, path.steps) for path in paths.paths()]


def test_the_last_cause_closes_the_paths_and_the_weaker_pod_opens_others() -> None:
    base = session()
    one = WhatIf(base, [off(WEB, privileged("/spec/template/spec", "web"))])
    assert one.pairs == (8, 11)
    assert one.counts == {"closed": 0, "left": 6, "opened": 2}
    assert {path.steps[-2].technique for path in one.left() if path.target == "ClusterAdmin"} == {"CE_PRIV", "CE_PID"}
    both = WhatIf(base, [off(WEB, privileged("/spec/template/spec", "web")), off(WEB, "/spec/template/spec/hostPID")])
    assert [(path.source, path.target, path.count) for path in both.closed()] == [
        ("Internet", "Node:main", 2),
        ("Internet", "ClusterAdmin", 2),
        ("Container:default/web-0/web", "Node:main", 2),
        ("Container:default/web-0/web", "ClusterAdmin", 2),
    ]
    assert {(path.source, path.target) for path in both.opened()} == {
        ("Internet", "Secret:kube-system/shared"),
        ("Container:default/web-0/web", "Secret:kube-system/shared"),
    }
    assert both.counts == {"closed": 4, "left": 2, "opened": 2}
    assert both.jewels["ClusterAdmin"] == (4, 1)
    assert both.jewels["Secret:kube-system/shared"] == (0, 3)
    assert both.pods_from_internet == (2, 2)
    assert (both.first.entries_before, both.first.entries_after) == (4, 4)
    assert both.severities["critical"] == (both.before.severities["critical"], both.after.severities["critical"])
    assert both.closed(1) == both.closed()[:1]


def test_an_opened_path_rests_on_the_recomputed_record() -> None:
    both = WhatIf(session(), [off(WEB, privileged("/spec/template/spec", "web"))])
    [path] = [path for path in both.opened() if path.source == "Internet"]
    assert path.steps[-1].edges == (
        Edge(
            "Container:default/web-0/web",
            "Secret:kube-system/shared",
            "SHARE",
            3,
            (("C-A", "Image:registry.example/app:1"),),
            "plain",
        ),
    )
    assert (path.verdict, path.missing) == ("cond", ("C-A",))


def test_the_base_is_left_as_it_was() -> None:
    base = session()
    before = answers(base.paths())
    WhatIf(base, [off(WEB, "/spec/template/spec/hostPID")]).after.paths()
    assert answers(base.paths()) == before
    assert answers(session().paths()) == before


def test_a_change_without_effect_runs_no_search_again() -> None:
    base = session()
    nothing = WhatIf(base, [off(AGENT, "/spec/hostNetwork", True, None)])
    assert nothing.after.trees == nothing.before.trees
    assert nothing.counts == {"closed": 0, "left": base.paths().total, "opened": 0}


def test_queries_are_compared_as_they_are_asked() -> None:
    query = Query(sources=("internet",), targets=("cluster-admin",), exclude=("CE_PID",))
    found = WhatIf(session(), [off(WEB, privileged("/spec/template/spec", "web"))], query)
    assert found.pairs == (1, 0)
    assert [path.target for path in found.closed()] == ["ClusterAdmin"]
    certain = WhatIf(session(), [off(WEB, privileged("/spec/template/spec", "web"))], Query(certain=True))
    assert certain.opened() == []


CHANGES = [
    off(WEB, privileged("/spec/template/spec", "web")),
    off(WEB, "/spec/template/spec/hostPID"),
    off(AGENT, privileged("/spec", "agent")),
    off(AGENT, "/metadata/labels", {"workbench/crown-jewel": "yes"}, None),
    off(AGENT, "/spec/hostPID", True, None),
    off(REPLICAS[0], "/metadata/annotations", {"kubernetes.io/config.mirror": "x"}, None),
    off(AGENT, "/status/phase", "Succeeded", "Running"),
]


@settings(deadline=None, max_examples=60)
@given(st.sets(st.integers(0, len(CHANGES) - 1), min_size=1), st.booleans())
def test_equal_to_an_analysis_of_the_changed_objects(chosen: set[int], certain: bool) -> None:
    changes = [CHANGES[at] for at in sorted(chosen)]
    query = Query(certain=certain)
    found = WhatIf(session(), changes, query)
    view = overlay(VIEW, changes)
    fresh = Analysis(view, build(view, RULES), RULES)
    assert found.changed.entries == fresh.entries
    assert found.changed.jewels == fresh.jewels
    assert found.changed.admins == fresh.admins
    assert found.after.summary == fresh.paths(query).summary
    assert answers(found.after) == answers(fresh.paths(query))
    assert found.first.entries_after == fresh.paths(query).entries_leading
    assert found.first.pods_after == fresh.paths(query).compiled.pods_from_internet


@settings(deadline=None)
@given(
    random_buckets(),
    st.dictionaries(
        st.tuples(st.sampled_from(["ALPHA", "MIKE", MEMBER]), st.sampled_from(["one", "two"])),
        st.lists(edges_between((*NODES, "User:new")), max_size=4),
        max_size=3,
    ),
)
def test_searches_that_are_kept_are_right(buckets: Buckets, drawn: dict[tuple[str, str], list[Edge]]) -> None:
    changes = {
        key: [Edge(each.source, each.target, key[0], each.effort, each.missing, each.cause) for each in edges]
        for key, edges in drawn.items()
    }
    query = Query(sources=tuple(PLAIN), targets=(PLAIN[0], PLAIN[1], PLAIN[2]))
    view = inventory()
    base = Analysis(view, graph_of(buckets, NODES), TECHNIQUES)
    after, recomputed = replaced(buckets, changes)
    found = WhatIf(base, (), query)
    found.changed = base.after(view.overlay({}), recomputed)
    fresh = Analysis(view, graph_of(after, NODES), TECHNIQUES).paths(query)
    mine = [(path.id, path.source, path.nodes, path.risk, path.effort) for path in found.after.paths()]
    assert mine == [(path.id, path.source, path.nodes, path.risk, path.effort) for path in fresh.paths()]
    assert found.first.entries_after == fresh.entries_leading
    old = {(path.source, path.target) for path in found.before.paths()}
    new = {(path.source, path.target) for path in found.after.paths()}
    assert {(path.source, path.target) for path in found.closed()} == old - new
    assert {(path.source, path.target) for path in found.opened()} == new - old
    assert {(path.source, path.target) for path in found.left()} == new & old


HOLDERS = ("User:a", "Group:b", "PermissionSet:c@c", "Node:n", "Hub:a/x")
COMING = ("User:new", "Hub:new/x", "Hub:newer/x")


@st.composite
def rights(draw: st.DrawFn, names: Sequence[str]) -> Edge:
    """An edge that counts for who is cluster admin, or nearly one."""
    source = draw(st.sampled_from(names))
    target = draw(st.sampled_from([name for name in (*names, "ClusterAdmin") if name != source]))
    if source.startswith("Hub:"):
        return Edge(source, target, MEMBER, 0, (), None)
    kinds = ["PERMISSION_DISCOVER", "GROUP_MEMBER", "CLUSTER_ADMIN", "ROLE_BIND", "NODE_CONTROL_PLANE", "ALPHA"]
    missing = draw(st.sampled_from([(), (("C-A", "Image:one"),)]))
    return edge(source, target, draw(st.sampled_from(kinds)), draw(st.sampled_from([1, 5])), missing)


@settings(deadline=None, max_examples=300)
@given(st.lists(rights(HOLDERS), max_size=9), st.lists(rights((*HOLDERS, *COMING)), max_size=5), st.data())
def test_who_is_admin_is_found_as_if_anew(before: list[Edge], came: list[Edge], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.integers(0, 8), max_size=3))
    old = buckets_of(before)
    new = buckets_of([*(each for at, each in enumerate(before) if at not in gone), *came])
    after, recomputed = replaced(old, {key: new.get(key, []) for key in {**old, **new}})
    view, nodes = inventory(), ["ClusterAdmin", *HOLDERS]
    base = Analysis(view, graph_of(old, nodes), TECHNIQUES)
    found = base.after(view.overlay({}), recomputed)
    fresh = Analysis(view, graph_of(after, nodes), TECHNIQUES)
    assert found.admins == fresh.admins
    assert found.entries == fresh.entries


def test_who_gets_into_a_new_hub_is_what_it_stands_for() -> None:
    old = buckets_of([edge("Group:b", "ClusterAdmin", "CLUSTER_ADMIN")])
    view, nodes = inventory(), ["ClusterAdmin", *HOLDERS]
    base = Analysis(view, graph_of(old, nodes), TECHNIQUES)
    stands = Edge("Hub:new/x", "Group:b", MEMBER, 0, (), None)
    for came, admins in (([], {"Group:b"}), ([edge("User:a", "Hub:new/x", "GROUP_MEMBER")], {"Group:b", "User:a"})):
        _, recomputed = replaced(old, buckets_of([stands, *came]))
        assert base.after(view.overlay({}), recomputed).admins.direct == admins


def test_a_manifest_without_pods_works_the_same() -> None:
    web = deployment("web", container("web", securityContext={"privileged": True}))
    view = inventory(web)
    base = Analysis(view, build(view, RULES), RULES)
    found = WhatIf(base, [off(web, privileged("/spec/template/spec", "web"))], Query(targets=("Node:*",)))
    assert found.pairs == (2, 0)
