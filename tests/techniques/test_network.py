"""R13 and NET_REACH: what containers connect to, through policies, plugins and Services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import (
    blocked,
    container,
    daemon_set,
    deployment,
    edges,
    evidence,
    expanded,
    inventory,
    node,
    obj,
    pod,
    proof,
    service,
    targets,
    technique,
)
from workbench.graph.graph import Edge
from workbench.inventory.changes import Change, Op, Target, overlay
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KubernetesObject
from workbench.inventory.pods import PodInstance
from workbench.techniques.build import build
from workbench.techniques.endpoints import endpoints_of, listens, namespaces
from workbench.techniques.recompute import recompute
from workbench.techniques.resolve import reach

PLUGIN = (("C-CNI", "Cluster"),)
CALICO = daemon_set("calico-node", container(image="docker.io/calico/node:v3.30"), namespace="kube-system")
CALICO_GONE = daemon_set("calico-node", container(image="example.org/other:v1"), namespace="kube-system")
FLANNEL = daemon_set("flannel", container(image="docker.io/flannel/flannel:v0.26"), namespace="kube-system")


def policy(
    name: str, selector: Mapping[str, str] | None = None, /, namespace: str = "shop", **spec: Any
) -> KubernetesObject:
    """A NetworkPolicy."""
    chosen = {"matchLabels": dict(selector)} if selector else {}
    return obj("NetworkPolicy", name, namespace, spec={"podSelector": chosen, **spec})


def running(name: str, *ports: int, namespace: str = "shop", at: str = "10.0.0.1", **options: Any) -> KubernetesObject:
    """A live pod that declares some ports, labelled by its name."""
    declared = [{"containerPort": port} for port in ports]
    return pod(
        name,
        container("c", **({"ports": declared} if declared else {})),
        namespace=namespace,
        labels={"app": name},
        status={"podIP": at},
        **options,
    )


WEB = running("web", 8080, at="10.0.0.2")
SERVICE = service("web", {"port": 80, "targetPort": 8080}, namespace="shop", selector={"app": "web"})
DB = running("db", 5432, at="10.0.0.3")
BATCH = running("batch", namespace="jobs", at="10.0.0.4")
WORLD = (WEB, SERVICE, DB, BATCH)
FROM_WEB = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}
DENY = policy("deny", ingress=[])


def world(*more: KubernetesObject) -> Inventory:
    return inventory(*WORLD, *more)


def the_pod(view: Inventory, identifier: str) -> PodInstance:
    found = view.pods.get(identifier)
    assert found is not None
    return found


def verdict(view: Inventory, source: str, target: str) -> tuple[tuple[str, str], ...] | None:
    """The facts that an edge takes, ``None`` if there is none."""
    found = expanded(view, "NET_REACH").get((f"Container:{source}/c", f"Endpoint:{target}"))
    return found.missing if found is not None else None


@pytest.mark.parametrize(
    ("objects", "source", "target", "expected"),
    [
        pytest.param((), "jobs/batch", "shop/web/80", (), id="no policy"),
        pytest.param((), "jobs/batch", "shop/pod.db/5432", (), id="a declared port without a Service"),
        pytest.param((), "shop/web", "jobs/pod.batch/any", None, id="nothing is known to listen"),
        pytest.param((CALICO, DENY), "jobs/batch", "shop/web/80", None, id="denied"),
        pytest.param((DENY,), "jobs/batch", "shop/web/80", PLUGIN, id="denied, and no plugin was read"),
        pytest.param((FLANNEL, DENY), "jobs/batch", "shop/web/80", (), id="denied, and the plugin enforces nothing"),
        pytest.param((CALICO, FLANNEL, DENY), "jobs/batch", "shop/web/80", None, id="Canal: two plugins"),
        pytest.param(
            (CALICO, policy("db", {"app": "db"}, ingress=[FROM_WEB])), "shop/web", "shop/pod.db/5432", (), id="allowed"
        ),
        pytest.param(
            (CALICO, policy("db", {"app": "db"}, ingress=[FROM_WEB])),
            "jobs/batch",
            "shop/pod.db/5432",
            None,
            id="a podSelector means the policy's own namespace",
        ),
        pytest.param(
            # T52: the port of the policy is the pod's, not the Service's.
            (CALICO, policy("web", {"app": "web"}, ingress=[{"ports": [{"port": 80}]}])),
            "jobs/batch",
            "shop/web/80",
            None,
            id="T52 the port of the Service",
        ),
        pytest.param(
            (CALICO, policy("web", {"app": "web"}, ingress=[{"ports": [{"port": 8080}]}])),
            "jobs/batch",
            "shop/web/80",
            (),
            id="the port of the pod",
        ),
        pytest.param(
            (CALICO, policy("out", namespace="jobs", policyTypes=["Egress"])),
            "jobs/batch",
            "shop/web/80",
            None,
            id="no way out",
        ),
        pytest.param(
            (CALICO, policy("pods", {"app": "web"}, ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])),
            "jobs/batch",
            "shop/web/80",
            PLUGIN,
            id="the pod's address lies in an ipBlock",
        ),
        pytest.param(
            (CALICO, policy("pods", {"app": "web"}, ingress=[{"from": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]}])),
            "jobs/batch",
            "shop/web/80",
            None,
            id="the pod's address lies in no ipBlock",
        ),
    ],
)
def test_who_connects_to_what(
    objects: Sequence[KubernetesObject], source: str, target: str, expected: tuple[tuple[str, str], ...] | None
) -> None:
    assert verdict(world(*objects), source, target) == expected


def test_a_pod_on_the_network_of_its_node_is_selected_by_no_policy() -> None:
    # T50: the destination is unselected.
    agent = running("agent", namespace="jobs", hostNetwork=True, at="10.1.0.1")
    view = inventory(WEB, SERVICE, agent, CALICO, policy("out", namespace="jobs", policyTypes=["Egress"]))
    assert verdict(view, "jobs/agent", "shop/web/80") == ()


def test_the_port_of_a_node_is_that_of_the_pod_behind_it() -> None:
    front = pod(
        "front", container("c", ports=[{"containerPort": 8080, "hostPort": 80}]), namespace="shop", node="worker-1"
    )
    assert targets(inventory(front, BATCH), "NET_REACH", "Container:jobs/batch/c") == [
        "Endpoint:node.worker-1/80",
        "Endpoint:shop/pod.front/8080",
    ]
    view = inventory(front, BATCH, CALICO, DENY)
    assert targets(view, "NET_REACH", "Container:jobs/batch/c") == []


def test_one_of_several_pods_behind_a_service_is_enough() -> None:
    guarded = pod("web-2", container("c"), namespace="shop", labels={"app": "web", "guard": "yes"})
    view = world(guarded, CALICO, policy("guard", {"guard": "yes"}, ingress=[]))
    assert verdict(view, "jobs/batch", "shop/web/80") == ()


def test_loopback_and_the_backends_of_an_ingress_are_reached_by_nobody_else() -> None:
    local = pod(
        "local", container("c", ports=[{"containerPort": 9, "hostPort": 9, "hostIP": "127.0.0.1"}]), namespace="shop"
    )
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    ingress = obj("Ingress", "web", "shop", spec={"defaultBackend": backend})
    found = targets(world(local, ingress), "NET_REACH", "Container:jobs/batch/c")
    assert found == ["Endpoint:shop/pod.db/5432", "Endpoint:shop/pod.local/9", "Endpoint:shop/web/80"]


# --- evidence -----------------------------------------------------------------------------------------


def edge_to(view: Inventory, source: str, target: str) -> Edge:
    return expanded(view, "NET_REACH")[f"Container:{source}/c", f"Endpoint:{target}"]


def test_the_rule_that_let_it_pass_is_named() -> None:
    view = world(CALICO, policy("db", {"app": "db"}, ingress=[FROM_WEB]))
    found = proof(view, edge_to(view, "shop/web", "shop/pod.db/5432"))
    assert list(found) == [
        ("Pod:shop/db", "spec.containers[name=c].ports[0]"),
        ("NetworkPolicy:shop/db", "spec.ingress[0]"),
    ]


def test_of_a_workload_the_evidence_names_what_was_read() -> None:
    view = inventory(deployment("api", container("c", ports=[{"containerPort": 80}]), namespace="shop"), BATCH)
    [found] = evidence(view, edge_to(view, "jobs/batch", "shop/pod.api/80"))
    assert (found.object, found.field) == ("Deployment:shop/api", "spec.template.spec.containers[name=c].ports[0]")
    assert found.value == {"containerPort": 80}


def test_where_it_is_not_known_that_policies_work_they_are_named() -> None:
    view = world(DENY)
    found = evidence(view, edge_to(view, "jobs/batch", "shop/web/80"))
    assert [(item.object, item.field) for item in found] == [
        ("Service:shop/web", "spec.ports[0]"),
        ("Service:shop/web", "spec.selector"),
        ("NetworkPolicy:shop/deny", "spec"),
    ]


def test_without_policies_the_listener_is_all_there_is_to_say() -> None:
    view = world()
    found = proof(view, edge_to(view, "jobs/batch", "shop/web/80"))
    assert [item for item, _ in found] == ["Service:shop/web", "Service:shop/web"]


def test_what_policies_keep_apart_is_said_when_somebody_asks() -> None:
    def said(*objects: KubernetesObject) -> set[str]:
        found = list(technique("NET_REACH").denied(world(*objects)))
        return {each.mitigation for each in found if each.target == "Endpoint:shop/web/80" or "Hub:" in each.target}

    assert said(CALICO, DENY) == {"NetworkPolicy:shop/deny selects Pod:shop/web and does not let this in"}
    out = policy("out", namespace="jobs", policyTypes=["Egress"])
    assert said(CALICO, out) == {"NetworkPolicy:jobs/out selects Pod:jobs/batch and does not let this out"}
    assert not said(DENY), "nothing is off that nobody is known to enforce"


# --- addresses and nodes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("egress", "expected"),
    [
        pytest.param(None, reach.OPEN, id="no policy"),
        pytest.param([{}], reach.OPEN, id="everything"),
        pytest.param([{"to": [{"ipBlock": {"cidr": "169.254.0.0/16"}}]}], reach.OPEN, id="the block"),
        pytest.param(
            [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}]}], None, id="all but it"
        ),
        pytest.param([{"ports": [{"port": 443}]}], None, id="another port"),
        pytest.param([{"to": [{"namespaceSelector": {}}]}], None, id="pods only"),
    ],
)
def test_an_address_outside(egress: list[dict[str, Any]] | None, expected: reach.Passage | None) -> None:
    policies = [] if egress is None else [policy("out", namespace="jobs", policyTypes=["Egress"], egress=egress)]
    view = world(CALICO, *policies)
    found = reach.to_address(view, the_pod(view, "Pod:jobs/batch"), "169.254.169.254", 80)
    if expected is None:
        assert found.mitigation == "NetworkPolicy:jobs/out selects Pod:jobs/batch and does not let this out"
    else:
        assert found == expected


def test_the_own_node_is_always_open() -> None:
    view = world(
        CALICO,
        node("worker-1", addresses=[{"type": "InternalIP", "address": "10.1.0.1"}]),
        node("worker-2", addresses=[{"type": "InternalIP", "address": "10.1.0.2"}]),
        policy("out", namespace="jobs", policyTypes=["Egress"]),
    )
    batch = the_pod(view, "Pod:jobs/batch")
    assert reach.to_node(view, batch, "Node:worker-1", 10250) == reach.OPEN
    assert not reach.to_node(view, batch, "Node:worker-2", 10250).open
    assert reach.to_node(view, the_pod(view, "Pod:shop/web"), "Node:worker-2", 10250) == reach.OPEN


# --- from the internet ----------------------------------------------------------------------------------

OPEN_TO_ALL = policy("in", {"app": "web"}, ingress=[{"ports": [{"port": 8080}]}])
INSIDE = policy("in", {"app": "web"}, ingress=[{"from": [{"namespaceSelector": {}}]}])
PRIVATE = policy("in", {"app": "web"}, ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])
PARTNER = policy("in", {"app": "web"}, ingress=[{"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}])
WORLDWIDE = policy(
    "in", {"app": "web"}, ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}]
)
HALF_PRIVATE = policy("in", {"app": "web"}, ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/7"}}]}])
ELSEWHERE = policy("out", {"app": "other"}, ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])


@pytest.mark.parametrize(
    ("objects", "traffic", "expected"),
    [
        pytest.param((CALICO,), "Cluster", (), id="no policy"),
        pytest.param((CALICO, OPEN_TO_ALL), "Cluster", (), id="from anywhere"),
        pytest.param((CALICO, INSIDE), "Cluster", None, id="from pods only"),
        pytest.param((INSIDE,), "Cluster", PLUGIN, id="from pods only, and no plugin was read"),
        pytest.param((FLANNEL, INSIDE), "Cluster", (), id="from pods only, and the plugin enforces nothing"),
        pytest.param((CALICO, PRIVATE), "Local", None, id="from private addresses only"),
        # SNAT puts the address of a node in the place of the client's, which may be a private one.
        pytest.param((CALICO, PRIVATE), "Cluster", PLUGIN, id="from private addresses, of nodes perhaps"),
        pytest.param((CALICO, PARTNER), "Local", (("C-FW", "Node:*"),), id="from known clients"),
        pytest.param((CALICO, HALF_PRIVATE), "Local", (("C-FW", "Node:*"),), id="from half private addresses"),
        pytest.param(
            (CALICO, HALF_PRIVATE, ELSEWHERE), "Local", (("C-FW", "Node:*"),), id="whatever other policies name"
        ),
        pytest.param((CALICO, WORLDWIDE), "Local", (), id="from all but private addresses"),
        pytest.param((CALICO, WORLDWIDE), "Cluster", PLUGIN, id="from all but the addresses of nodes perhaps"),
    ],
)
def test_a_load_balancer_leads_to_what_policies_let_in(
    objects: Sequence[KubernetesObject], traffic: str, expected: tuple[tuple[str, str], ...] | None
) -> None:
    balancer = service(
        "web",
        {"port": 80, "targetPort": 8080},
        namespace="shop",
        selector={"app": "web"},
        type="LoadBalancer",
        address="203.0.113.4",
        externalTrafficPolicy=traffic,
    )
    view = inventory(WEB, balancer, *objects)
    found = [edge.missing for edge in edges(view, "EXPOSE_LB")]
    assert found == ([] if expected is None else [expected])
    if expected is None:
        [said] = blocked(view, "EXPOSE_LB")
        assert said.mitigation == "NetworkPolicy:shop/in selects Pod:shop/web and lets nothing in from the internet"
    elif any(each.kind == "NetworkPolicy" for each in objects):
        [edge] = edges(view, "EXPOSE_LB")
        assert any(item.object == "NetworkPolicy:shop/in" for item in evidence(view, edge))


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        pytest.param(["203.0.113.0/25"], [(("C-FW", "Node:*"),)], id="within what the policy lets in"),
        pytest.param(["198.51.100.0/24"], [], id="beside it"),
    ],
)
def test_source_ranges_and_policies_both_have_to_let_a_client_in(ranges: list[str], expected: list[Any]) -> None:
    """Kubernetes documentation, Service: ``loadBalancerSourceRanges``; ``Local`` keeps the client's address."""
    balancer = service(
        "web",
        {"port": 80, "targetPort": 8080},
        namespace="shop",
        selector={"app": "web"},
        type="LoadBalancer",
        address="203.0.113.4",
        externalTrafficPolicy="Local",
        loadBalancerSourceRanges=ranges,
    )
    view = inventory(WEB, balancer, CALICO, PARTNER)
    assert [edge.missing for edge in edges(view, "EXPOSE_LB")] == expected


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "SCTP"])
def test_a_policy_for_one_protocol_says_nothing_of_the_others(protocol: str) -> None:
    """Kubernetes documentation, Service, "Supported protocols": TCP, UDP and SCTP."""
    name = "Endpoint:shop/dns/53" + ("" if protocol == "TCP" else f"-{protocol.lower()}")
    dns = service(
        "dns",
        {"port": 53, "targetPort": 5353, "protocol": protocol, "nodePort": 30053},
        namespace="shop",
        selector={"app": "web"},
        type="NodePort",
    )
    udp = policy("in", {"app": "web"}, ingress=[{"ports": [{"port": 5353, "protocol": "UDP"}]}])
    view = inventory(WEB, BATCH, dns, CALICO, udp)
    wanted = [name] if protocol == "UDP" else []
    assert [edge.target for edge in edges(view, "EXPOSE_NODEPORT")] == wanted
    assert targets(view, "NET_REACH", "Container:jobs/batch/c") == wanted


def test_a_name_outside_has_no_pod_behind_it() -> None:
    """``ExternalName`` "maps the Service to the contents of the externalName field"."""
    outside = service("web", {"port": 80, "nodePort": 30080}, namespace="shop", type="ExternalName")
    view = inventory(WEB, BATCH, outside)
    assert not edges(view, "EXPOSE_NODEPORT")
    assert targets(view, "NET_REACH", "Container:jobs/batch/c") == ["Endpoint:shop/pod.web/8080"]


@pytest.mark.parametrize(
    ("label", "open_to"), [("ingress", True), ("other", False)], ids=["the controller's namespace", "another one"]
)
def test_an_ingress_leads_to_what_lets_its_controller_in(label: str, open_to: bool) -> None:
    controller = deployment(
        "nginx", container(image="registry.k8s.io/ingress-nginx/controller:v1.12.1"), namespace="ingress"
    )
    front = service("nginx", namespace="ingress", selector={"app": "nginx"}, type="LoadBalancer", address="203.0.113.4")
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    ingress = obj("Ingress", "web", "shop", spec={"ingressClassName": "nginx", "defaultBackend": backend})
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": label}}}
    view = world(CALICO, controller, front, ingress, policy("in", {"app": "web"}, ingress=[{"from": [peer]}]))
    assert [edge.missing for edge in edges(view, "EXPOSE_INGRESS")] == ([()] if open_to else [])
    if open_to:
        [edge] = edges(view, "EXPOSE_INGRESS")
        assert ("NetworkPolicy:shop/in", "spec.ingress[0]") in proof(view, edge)
    else:
        [said] = blocked(view, "EXPOSE_INGRESS")
        assert said.mitigation == "NetworkPolicy:shop/in selects Pod:shop/web and does not let this in"


# --- laws -----------------------------------------------------------------------------------------------

NAMES = ("web", "db", "batch")
peers = st.one_of(
    st.sampled_from(NAMES).map(lambda name: {"podSelector": {"matchLabels": {"app": name}}}),
    st.just({"namespaceSelector": {}}),
    st.sampled_from(("10.0.0.0/30", "0.0.0.0/0", "10.0.0.4/32")).map(lambda cidr: {"ipBlock": {"cidr": cidr}}),
)
rules = st.fixed_dictionaries(
    {},
    optional={
        "peers": st.lists(peers, min_size=1, max_size=2),
        "ports": st.sampled_from([8080, 5432]).map(lambda port: [{"port": port}]),
    },
)


def written(rule: Mapping[str, Any], peer_field: str) -> dict[str, Any]:
    return {peer_field if key == "peers" else key: value for key, value in rule.items()}


policies = st.builds(
    lambda namespace, chosen, ways, found: {
        "namespace": namespace,
        "podSelector": {"matchLabels": {"app": chosen}} if chosen else {},
        "policyTypes": ways,
        "ingress": [written(rule, "from") for rule in found],
        "egress": [written(rule, "to") for rule in found],
    },
    st.sampled_from(("shop", "jobs")),
    st.sampled_from((None, *NAMES)),
    st.sampled_from((["Ingress"], ["Egress"], ["Ingress", "Egress"])),
    st.lists(rules, max_size=2),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(policies, max_size=3), st.sampled_from([(), (CALICO,), (FLANNEL,)]))
def test_the_hubs_say_what_each_pair_says(found: list[dict[str, Any]], plugin: tuple[KubernetesObject, ...]) -> None:
    made = [
        obj("NetworkPolicy", f"p{at}", each["namespace"], spec={key: each[key] for key in each if key != "namespace"})
        for at, each in enumerate(found)
    ]
    view = world(*plugin, *made)
    wanted: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for namespace in namespaces(view):
        for endpoint in filter(listens, endpoints_of(view, namespace)):
            for each in view.containers:
                passages = [
                    reach.to_pod(view, each.pod, target.pod, target.port, endpoint.protocol)
                    for target in endpoint.targets
                ]
                opened = [passage.missing for passage in passages if passage.open]
                if opened:
                    wanted[each.id, endpoint.id] = min(opened, key=len)
    assert {pair: edge.missing for pair, edge in expanded(view, "NET_REACH").items()} == wanted


# --- changes --------------------------------------------------------------------------------------------


def test_a_change_that_concerns_no_policy_touches_nothing() -> None:
    base = world(CALICO, DENY)
    change = Change(Target.of(WEB), (Op("set", "/spec/containers[name=c]/securityContext", {"privileged": True}),))
    view = overlay(base, [change])
    assert technique("NET_REACH").touched(view) == {"shop"}, "the pod's own namespace"
    assert technique("MEMBER_NETWORK").touched(view) == set()
    assert reach.network_of(view) is reach.network_of(base)


def test_a_group_keeps_its_name_when_its_first_member_leaves_it() -> None:
    many = [running(f"w{n}", 80, namespace="many") for n in range(4)]
    base = inventory(*many, CALICO)
    before = {edge.source: edge.target for edge in edges(base, "NET_REACH")}
    assert set(before.values()) == {"Hub:network-sources/kube-system/calico-node"}
    view = base.overlay({"NetworkPolicy:many/out": policy("out", {"app": "w0"}, "many", policyTypes=["Egress"])})
    after = {edge.source: edge.target for edge in edges(view, "NET_REACH")}
    assert "Container:many/w0/c" not in after
    assert after == {source: hub for source, hub in before.items() if source != "Container:many/w0/c"}


CHOSEN = [
    technique(name) for name in ("NET_REACH", "MEMBER_NETWORK", "EXPOSE_LB", "EXPOSE_HOSTPORT", "ENDPOINT_EXPLOIT")
]
BALANCER = service(
    "web", {"port": 80, "targetPort": 8080}, namespace="shop", selector={"app": "web"}, type="LoadBalancer"
)


def looked_through(found: Iterable[Edge]) -> Counter[tuple[Any, ...]]:
    """Edges with the hubs of the network replaced by the Endpoints behind them."""
    records = list(found)
    inside: dict[str, list[str]] = {}
    for edge in records:
        if edge.technique == "MEMBER_NETWORK":
            inside.setdefault(edge.source, []).append(edge.target)

    def ends(name: str) -> list[str]:
        return [end for each in inside.get(name, ()) for end in ends(each)] if name.startswith("Hub:") else [name]

    return Counter(
        (edge.source, end, edge.technique, edge.effort, edge.missing)
        for edge in records
        if edge.technique != "MEMBER_NETWORK"
        for end in ends(edge.target)
    )


changes = st.one_of(
    st.tuples(st.just("policy"), policies),
    st.tuples(st.just("gone"), st.integers(0, 2)),
    st.tuples(st.just("label"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.tuples(st.just("host"), st.sampled_from(NAMES)),
    st.just(("plugin",)),
    st.tuples(st.just("namespace"), st.sampled_from(("shop", "jobs"))),
    st.tuples(st.just("port"), st.sampled_from(NAMES), st.sampled_from((80, 8080))),
)


def objects_after(change: tuple[Any, ...], made: list[KubernetesObject]) -> dict[str, KubernetesObject | None]:
    places = {"web": WEB, "db": DB, "batch": BATCH}
    match change:
        case ("policy", found):
            spec = {key: found[key] for key in found if key != "namespace"}
            new = obj("NetworkPolicy", "new", found["namespace"], spec=spec)
            return {new.id: new}
        case ("gone", number):
            return {made[number].id: None} if number < len(made) else {}
        case ("plugin",):
            return {CALICO.id: CALICO_GONE}
        case ("namespace", name):
            new = obj("Namespace", name, labels={"team": name})
            return {new.id: new}
        case (kind, name, *rest):
            old = places[name]
            options = {
                "ports": {"label": (80,), "host": (80,), "port": (rest[0] if kind == "port" else 80,)}[kind],
                "host": {"hostNetwork": True} if kind == "host" else {},
            }
            new = running(name, *options["ports"], namespace=old.namespace, **options["host"])
            if kind == "label":
                new.metadata.labels = {"app": rest[0]}
            return {old.id: new}
    return {}


@settings(max_examples=80, deadline=None)
@given(st.lists(policies, max_size=3), changes, st.sampled_from([(), (CALICO,), (FLANNEL,)]))
def test_a_what_if_is_a_rebuild(
    found: list[dict[str, Any]], change: tuple[Any, ...], plugin: tuple[KubernetesObject, ...]
) -> None:
    made = [
        obj("NetworkPolicy", f"p{at}", each["namespace"], spec={key: each[key] for key in each if key != "namespace"})
        for at, each in enumerate(found)
    ]
    objects = {each.id: each for each in (WEB, BALANCER, DB, BATCH, *plugin, *made)}
    base = inventory(*objects.values())
    graph = build(base, CHOSEN)
    after = objects_after(change, made)
    # No change brings a workload, of which an overlay would have to make pods.
    after = {name: new for name, new in after.items() if name in objects or name.startswith(("NetworkP", "Namespace:"))}
    view = base.overlay(after)
    buckets = list(recompute(graph, view, CHOSEN))
    gone = {place for bucket in buckets for place in graph.bucket(bucket.technique, bucket.subject)}
    kept = [graph.edge(place) for place in range(len(graph.source)) if place not in gone]
    told = looked_through([*kept, *(edge for bucket in buckets for edge in bucket.edges)])
    left = [each for each in (objects | after).values() if each is not None]
    assert told == looked_through(build(inventory(*left), CHOSEN).edges())
