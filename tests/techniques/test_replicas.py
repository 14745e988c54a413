"""What is found for replicas together is what is found for each of them alone, and a build holds just that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import (
    account,
    cluster_role,
    cluster_role_binding,
    container,
    container_status,
    host_path,
    inventory,
    mount,
    node,
    obj,
    owner,
    pod,
    rule,
    runtime_class,
    secret,
    token_mount,
    token_volume,
)
from workbench.graph.graph import SURCHARGE, BlockedEdge, Edge
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KubernetesObject
from workbench.inventory.pods import PodInstance
from workbench.techniques import escape, position, secrets
from workbench.techniques import host_path as host_paths
from workbench.techniques import node as of_nodes
from workbench.techniques.api import Blocked, Found, SubjectType, Technique
from workbench.techniques.build import build
from workbench.techniques.many import Record
from workbench.techniques.registry import all_techniques
from workbench.techniques.touched import key_of

NODES = [
    node("ubuntu"),
    node("ubuntu-too"),
    node("old", os_image="Ubuntu 20.04.6 LTS", kubelet="v1.28.1"),
    node("ancient", os_image="Someone's 1", kernel="4.4.0-1"),
    node("red-hat", os_image="Red Hat Enterprise Linux CoreOS 416", runtime="cri-o://1.29"),
    node("microk8s", labels={"microk8s.io/cluster": "true"}),
    node("windows", operating_system="windows"),
    obj("Node", "silent"),
]
"""Each says something else of itself but for the first two; one that pods name was not read."""
NAMES = [*(each.name for each in NODES), "unread"]

OWN = [
    each
    for each in (
        *escape.TECHNIQUES,
        *host_paths.TECHNIQUES,
        *secrets.TECHNIQUES,
        *position.TECHNIQUES,
        *of_nodes.TECHNIQUES,
    )
    if each.declaration.subject_type in (SubjectType.CONTAINER, SubjectType.POD)
]
"""Techniques whose edges depend on no pod but the subject's own."""

SHARED = [
    runtime_class("box", "runc"),
    account("web"),
    secret("key"),
    cluster_role("logs", rule("get", "pods/log", names="web-1")),
    cluster_role("of-node", rule("get", "nodes/log", names="ubuntu")),
    cluster_role_binding("logs", "logs", "ServiceAccount:default/web"),
    cluster_role_binding("of-node", "of-node", "ServiceAccount:default/web"),
]

contexts = st.fixed_dictionaries(
    {},
    optional={
        "privileged": st.booleans(),
        "runAsUser": st.sampled_from([0, 1000]),
        "allowPrivilegeEscalation": st.booleans(),
        "capabilities": st.sampled_from(
            [{"add": ["SYS_ADMIN"]}, {"add": ["CAP_SYS_MODULE", "BPF"]}, {"drop": ["ALL"]}]
        ),
        "appArmorProfile": st.sampled_from([{"type": "Unconfined"}, {"type": "Localhost"}]),
        "seccompProfile": st.just({"type": "Localhost"}),
    },
)
paths = st.sampled_from(
    ["/", "/etc", "/etc/cron.d", "/var/log", "/opt/own", "/run", "/var/snap", "/var/lib/kubelet/pods"]
)
mounted = st.fixed_dictionaries(
    {},
    optional={
        "readOnly": st.booleans(),
        "recursiveReadOnly": st.just("IfPossible"),
        "subPathExpr": st.just("$(NAME)"),
    },
)
environment = st.lists(
    st.sampled_from(
        [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "not", "key": "k", "optional": True}}},
        ]
    ),
    max_size=2,
)


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Any]:
    """The spec of pods of one controller, but for the volume with the token."""
    volumes = [host_path("host", draw(paths)), {"name": "ours", "csi": {"driver": "secrets.csi"}}, {"name": "e"}]
    containers = []
    for name in ("app", "side")[: draw(st.integers(1, 2))]:
        mounts = [mount("host", "/host", **draw(mounted)), mount(draw(st.sampled_from(["e", "missing"])), "/e")]
        containers.append(container(name, securityContext=draw(contexts), volumeMounts=mounts, env=draw(environment)))
    spec = {"containers": containers, "volumes": volumes, "serviceAccountName": "web"}
    spec |= draw(st.fixed_dictionaries({}, optional={"hostPID": st.booleans(), "runtimeClassName": st.just("box")}))
    return spec | draw(st.sampled_from([{}, {"hostUsers": False}, {"nodeSelector": {"kubernetes.io/os": "windows"}}]))


def replica(name: str, template: dict[str, Any], place: str, *, token: bool, status: int) -> KubernetesObject:
    own = f"kube-api-access-{name}"
    containers = [
        {**each, "volumeMounts": [*each["volumeMounts"], *([token_mount(own)] if token else [])]}
        for each in template["containers"]
    ]
    kept = {"mountPath": "/host", "recursiveReadOnly": ("Disabled", "Enabled")[status % 2]}
    statuses = [
        container_status(each["name"], runtime=("containerd", "cri-o")[status % 2], volumeMounts=[kept])
        for each in containers
    ]
    return pod(
        name,
        *containers,
        node=place,
        owners=[owner("DaemonSet", "web", "uid-ds")],
        status={"containerStatuses": statuses[status // 2 :]},
        **{
            **{key: value for key, value in template.items() if key != "containers"},
            "volumes": [*template["volumes"], *([token_volume(own)] if token else [])],
        },
    )


@st.composite
def clusters(draw: st.DrawFn) -> list[KubernetesObject]:
    """Some replicas of one template, on any nodes, each with a status of its own."""
    template, token = draw(templates()), draw(st.booleans())
    places = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 3)), min_size=2, max_size=4))
    return [
        replica(f"web-{number}", template, place, token=token, status=status)
        for number, (place, status) in enumerate(places)
    ]


def in_buckets(
    view: Inventory, chosen: Sequence[Technique]
) -> tuple[dict[tuple[str, str], list[Edge]], Counter[BlockedEdge]]:
    """What a build finds, by technique and subject, and what it blocks."""
    graph = build(view, chosen)
    found = {
        (technique.id, subject): [graph.edge(position) for position in graph.bucket(number, subject)]
        for number, technique in enumerate(chosen)
        for subject in graph.subjects(number)
    }
    return found, Counter(graph.blocked)


def one_by_one(
    view: Inventory, chosen: Iterable[Technique]
) -> tuple[dict[tuple[str, str], list[Edge]], Counter[BlockedEdge]]:
    """The same, each subject asked by itself."""
    found: dict[tuple[str, str], list[Edge]] = {}
    blocked: Counter[BlockedEdge] = Counter()
    for technique in chosen:
        for subject in technique.subjects(view):
            for each in technique.detect(view, subject):
                if isinstance(each, Found):
                    source, target, effort, missing, cause = each
                    edge = Edge(source, target, technique.id, effort + SURCHARGE * bool(missing), missing, cause)
                    found.setdefault((technique.id, key_of(subject)), []).append(edge)
                else:
                    blocked[BlockedEdge(each.source, each.target, technique.id, each.mitigation)] += 1
    return found, blocked


def check_each_alone(pods: Sequence[KubernetesObject], *nodes: KubernetesObject) -> dict[tuple[str, str], list[Edge]]:
    """Whether replicas together have what each of them has alone; returns it."""
    together, blocked = in_buckets(inventory(*pods, *nodes, *SHARED), OWN)
    alone: dict[tuple[str, str], list[Edge]] = {}
    kept: Counter[BlockedEdge] = Counter()
    for each in pods:
        found, off = one_by_one(inventory(each, *nodes, *SHARED), OWN)
        alone |= found
        kept |= off
    assert {key: edges for key, edges in together.items() if key[1].startswith(("Container:", "Pod:"))} == alone
    assert blocked == kept
    return alone


@given(clusters())
def test_what_is_found_for_replicas_is_what_is_found_for_each_alone(pods: list[KubernetesObject]) -> None:
    check_each_alone(pods, *NODES)


ROOT = {"runAsUser": 0}
ADMIN = {**ROOT, "capabilities": {"add": ["SYS_ADMIN"]}}
ON_HOST = {**ROOT, "privileged": True}


@pytest.mark.parametrize(
    ("context", "path", "fields", "nodes", "statuses"),
    [
        pytest.param(ADMIN, "/opt", {}, [node("a"), node("b", os_image="Amazon Linux 2023")], (0, 0), id="module"),
        pytest.param(
            ON_HOST, "/opt", {}, [node("a", os_image="X"), node("b", os_image="X", kernel="4.4.0")], (0, 0), id="kernel"
        ),
        pytest.param(
            ON_HOST,
            "/opt",
            {},
            [node("a", os_image="X"), node("b", os_image="X", kubelet="v1.35.0")],
            (0, 0),
            id="kubelet",
        ),
        pytest.param(ADMIN, "/", {}, [node("a"), node("b", operating_system="windows")], (0, 0), id="operating system"),
        pytest.param(
            {**ROOT, "capabilities": {"add": ["CAP_SYS_MODULE"]}},
            "/opt",
            {},
            [node("a"), node("b", runtime="cri-o://1.29")],
            (0, 0),
            id="runtime",
        ),
        pytest.param(
            {**ROOT, "capabilities": {"add": ["CAP_SYS_MODULE"]}},
            "/opt",
            {},
            [obj("Node", "a"), obj("Node", "b")],
            (0, 1),
            id="runtime by status",
        ),
        pytest.param(
            ON_HOST,
            "/var",
            {},
            [node("a"), node("b", labels={"microk8s.io/cluster": "true"})],
            (0, 0),
            id="distribution",
        ),
        pytest.param(
            ON_HOST,
            "/",
            {"readOnly": True, "recursiveReadOnly": "IfPossible"},
            [node("a"), node("b")],
            (0, 1),
            id="read-only by status",
        ),
        pytest.param(ON_HOST, "/var/log", {}, [node("a"), node("b")], (0, 0), id="rights by name"),
    ],
)
def test_replicas_are_told_apart_by_what_their_nodes_and_statuses_say(
    context: dict[str, Any], path: str, fields: dict[str, Any], nodes: list[KubernetesObject], statuses: tuple[int, int]
) -> None:
    template = {
        "containers": [container(securityContext=context, volumeMounts=[mount("host", "/host", **fields)])],
        "volumes": [host_path("host", path)],
        "serviceAccountName": "web",
    }
    pods = [
        replica(f"web-{number}", template, each.name, token=True, status=status)
        for number, (each, status) in enumerate(zip(nodes, statuses, strict=True))
    ]
    found = check_each_alone(pods, *nodes)
    first, second = (
        {
            (technique, edge.effort, edge.conditions)
            for (technique, subject), edges in found.items()
            for edge in edges
            if f"/{each.name}" in subject
        }
        for each in pods
    )
    assert first != second


@given(clusters())
def test_a_build_holds_what_each_subject_has(pods: list[KubernetesObject]) -> None:
    view = inventory(*pods, *NODES, *SHARED)
    assert in_buckets(view, all_techniques()) == one_by_one(view, all_techniques())


def test_containers_whose_names_make_one_id_are_one_node() -> None:
    """The API server admits no slash in a name; a file may hold anything."""
    view = inventory(pod("web", container("a/b", image="one:1")), pod("web/a", container("b", image="two:1")), *NODES)
    graph = build(view)
    assert graph.nodes.count("Container:default/web/a/b") == 1
    found, _ = in_buckets(view, all_techniques())
    for name in ("Pod:default/web", "Pod:default/web/a"):
        assert [edge.target for edge in found["CONTAINER_ATTACH", name]] == ["Container:default/web/a/b"]
    assert (found, _) == one_by_one(view, all_techniques())


def test_a_pod_that_an_overlay_replaces_is_one_node_whoever_leads_to_it() -> None:
    """The Endpoints of a namespace may lead to pods of another one, and are not made anew when those change."""
    services = [
        obj("Service", "out", "default", spec={"ports": [{"port": 80}]}),
        obj(
            "EndpointSlice",
            "out-1",
            "default",
            labels={"kubernetes.io/service-name": "out"},
            endpoints=[{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "namespace": "there", "name": "web"}}],
            ports=[{"port": 80}],
        ),
    ]
    old, new = (pod("web", container(image=image), namespace="there") for image in ("one:1", "one:2"))
    view = inventory(old, *services, *NODES).overlay({old.id: new})
    graph = build(view)
    assert all(isinstance(each, str) for each in graph.nodes)
    reached = {edge.target for edge in graph.edges() if edge.source == "Endpoint:default/out/80"}
    assert reached == {"Container:there/web/app"}


class _Mixed(position.ContainerAttach):
    """Gives the id of one target and another one itself."""

    def records(self, view: Inventory, subjects: Iterable[PodInstance]) -> Iterator[Record | Blocked]:
        for at, each in enumerate(subjects):
            yield each, each.containers[0].id if at == 0 else each.containers[0], 1, (), None


def test_a_technique_that_mixes_ids_and_objects_is_told_so() -> None:
    view = inventory(pod("one"), pod("two"), *NODES)
    with pytest.raises(TypeError, match="CONTAINER_ATTACH: a record has no id for a node"):
        build(view, [_Mixed()])
