"""Network policies made from what objects declare: what they allow, what they leave out, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.network.worlds import told, workload
from tests.network.worlds import view as world
from workbench.inventory.changes import overlay
from workbench.inventory.decode import plain
from workbench.inventory.inventory import Inventory
from workbench.network.connections import Network
from workbench.network.ports import PortRange
from workbench.remediation.policies.fixes import policy_fixes
from workbench.remediation.records import Fix, RiskLevel, Status, as_dict

Plain = dict[str, Any]


def deployment(name: str, container: str = "{name: c}", namespace: str = "shop", spec: str = "") -> str:
    return f"""
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{automountServiceAccountToken: false, containers: [{container}]{", " + spec if spec else ""}}}
"""


def service(name: str, ports: str, namespace: str = "shop", spec: str = "") -> str:
    return f"""
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{app: {name}}}, ports: [{ports}]{", " + spec if spec else ""}}}
"""


def env(value: str, name: str = "TARGET") -> str:
    return f"{{name: c, env: [{{name: {name}, value: '{value}'}}]}}"


DB = deployment("db", "{name: c, ports: [{name: pg, containerPort: 5433}]}", "data") + service(
    "db", "{port: 5432, targetPort: pg}", "data"
)


def fixes(view: Inventory, *, deny_unobserved: bool = False) -> dict[str, Fix]:
    """The records by the namespace and name of their policies."""
    found = policy_fixes(view, deny_unobserved=deny_unobserved)
    return {f"{fix.target.namespace}/{fix.target.name.removeprefix('wb-')}": fix for fix in found}


def spec(fix: Fix) -> Plain:
    (op,) = [op for op in fix.ops if op.path == "/spec"]
    found: Plain = op.value
    return found


def ports(*numbers: int, protocol: str = "TCP") -> list[Plain]:
    return [{"protocol": protocol, "port": number} for number in numbers]


def pods(app: str, namespace: str = "") -> Plain:
    peer: Plain = {"podSelector": {"matchLabels": {"app": app}}}
    if namespace:
        peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}, **peer}
    return peer


def blocks(*cidrs: str) -> list[Plain]:
    return [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]


DNS = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ],
    "ports": [*ports(53), *ports(53, protocol="UDP")],
}


# --- who talks to whom --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "db.data:5432",
        "db.data.svc:5432",
        "db.data.svc.cluster.local:5432",
        "db-0.db.data.svc.cluster.local:5432",
        "postgres://app:geheim@db.data.svc/shop",
        "jdbc:postgresql://db.data:5432/shop?ssl=true",
        "other.example:1,db.data:5432",
    ],
)
def test_a_service_that_a_value_names_is_allowed_on_both_sides(value: str) -> None:
    found = fixes(world(DB, deployment("web", env(value))))
    assert spec(found["data/deployment-db"])["ingress"] == [{"from": [pods("web", "shop")], "ports": ports(5433)}]
    assert spec(found["shop/deployment-web"])["egress"] == [DNS, {"to": [pods("db", "data")], "ports": ports(5433)}]
    for name in ("data/deployment-db", "shop/deployment-web"):
        proof = found[name].proof
        assert proof is not None
        assert (proof.flows, proof.kept, proof.lost) == (2, 2, 0)
        assert proof.removed


@pytest.mark.parametrize("argument", ["--db=db.data:5432", "db.data:5432", "--db-host, db.data"])
def test_so_are_arguments(argument: str) -> None:
    found = fixes(world(DB, deployment("web", f"{{name: c, args: [{argument}]}}")))
    assert spec(found["data/deployment-db"])["ingress"] == [{"from": [pods("web", "shop")], "ports": ports(5433)}]


@pytest.mark.parametrize("value", ["db", "prod", "5432", "db.data:99", "nobody.data:5432", "db.elsewhere.svc:5432"])
def test_what_names_no_port_of_a_service_allows_nothing(value: str) -> None:
    found = fixes(world(DB, deployment("web", env(value, "MODE"))))
    assert found["data/deployment-db"].status is Status.ADVISORY
    assert spec(found["data/deployment-db"])["ingress"] == []


def test_ports_of_one_peer_and_peers_of_equal_ports_are_one_rule() -> None:
    both = deployment("api", "{name: c}") + service("api", "{name: a, port: 80}, {name: b, port: 90}")
    found = fixes(world(both, deployment("one", env("http://api,api:90")), deployment("two", env("api:90,api:80"))))
    rules = spec(found["shop/deployment-api"])["ingress"]
    assert rules == [{"from": [pods("one"), pods("two")], "ports": ports(80, 90)}]


def test_a_named_port_is_what_each_pod_has() -> None:
    other = deployment("old", "{name: c, ports: [{name: pg, containerPort: 6000}]}", "data").replace(
        "labels: {app: old}", "labels: {app: old, role: db}"
    )
    new = DB.replace("labels: {app: db}", "labels: {app: db, role: db}").replace(
        "selector: {app: db}, ports", "selector: {role: db}, ports"
    )
    found = fixes(world(new, other, deployment("web", env("db.data:5432"))))
    assert spec(found["data/deployment-db"])["ingress"][0]["ports"] == ports(5433)
    assert spec(found["data/deployment-old"])["ingress"][0]["ports"] == ports(6000)
    assert [rule["ports"] for rule in spec(found["shop/deployment-web"])["egress"]] == [
        DNS["ports"], ports(5433), ports(6000),
    ]  # fmt: skip


def test_a_cron_job_that_does_not_run_now_is_let_in() -> None:
    job = """
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: backup, namespace: shop, uid: u}
spec: {schedule: '0 0 * * *', jobTemplate: {spec: {template: {metadata: {labels: {app: backup}}, spec: {containers: [
  {name: c, env: [{name: TARGET, value: 'db.data:5432'}]}]}}}}}
"""
    running = """
---
apiVersion: v1
kind: Pod
metadata: {name: db-x, namespace: data, uid: p, labels: {app: db},
  ownerReferences: [{kind: ReplicaSet, name: gone, controller: true}]}
spec: {nodeName: n, containers: [{name: c}]}
status: {phase: Running}
"""
    found = fixes(world(DB, running, job))
    assert spec(found["data/deployment-db"])["ingress"] == [{"from": [pods("backup", "shop")], "ports": ports(5433)}]


# --- from outside -------------------------------------------------------------------------------------

EVERYWHERE = blocks("0.0.0.0/0", "::/0")
WEB = deployment("web", "{name: c, ports: [{containerPort: 8080}]}")
NODE = """
---
{apiVersion: v1, kind: Node, metadata: {name: n}, status: {addresses: [{type: InternalIP, address: 10.1.2.3}]}}
"""
INGRESS = """
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {ingressClassName: nginx, rules: [{http: {paths: [{backend: {service: {name: web, port: {number: 80}}}}]}}]}
"""
CONTROLLER = deployment("edge", "{name: c, image: registry.k8s.io/ingress-nginx/controller:v1.13.0}", "ingress")
TO_8080 = "{port: 80, targetPort: 8080}"


@pytest.mark.parametrize(
    ("parts", "sources"),
    [
        ([service("web", TO_8080, spec="type: LoadBalancer")], EVERYWHERE),
        ([service("web", TO_8080, spec="type: NodePort")], EVERYWHERE),
        ([service("web", TO_8080, spec="externalIPs: [192.0.2.1]")], EVERYWHERE),
        (
            [service("web", TO_8080, spec="type: LoadBalancer, loadBalancerSourceRanges: [198.51.100.0/24]")],
            blocks("198.51.100.0/24"),
        ),
        (
            # Without externalTrafficPolicy Local the pod sees the address of a node.
            [NODE, service("web", TO_8080, spec="type: LoadBalancer, loadBalancerSourceRanges: [198.51.100.0/24]")],
            blocks("10.1.2.3/32", "198.51.100.0/24"),
        ),
        ([service("web", TO_8080), INGRESS, CONTROLLER], [pods("edge", "ingress")]),
        ([service("web", TO_8080), INGRESS], None),
    ],
    ids=["load balancer", "node port", "external ip", "ranges", "ranges of nodes", "ingress", "unknown controller"],
)
def test_what_comes_in_from_outside(parts: list[str], sources: list[Plain] | None) -> None:
    found = fixes(world(WEB, *parts))["shop/deployment-web"]
    rule = {"from": sources, "ports": ports(8080)} if sources is not None else {"ports": ports(8080)}
    assert spec(found)["ingress"] == [rule]
    assert (found.fix, found.status) == ("F-NP-IN", Status.READY)
    assert found.proof is not None
    assert found.proof.lost == 0


def test_the_controller_may_reach_its_backends() -> None:
    found = fixes(world(WEB, service("web", TO_8080), INGRESS, CONTROLLER))["ingress/deployment-edge"]
    assert {"to": [pods("web", "shop")], "ports": ports(8080)} in spec(found)["egress"]


def test_a_host_port_lets_the_outside_in() -> None:
    found = fixes(world(deployment("web", "{name: c, ports: [{containerPort: 8080, hostPort: 80}]}")))
    assert spec(found["shop/deployment-web"])["ingress"] == [{"from": EVERYWHERE, "ports": ports(8080)}]


def test_the_api_server_reaches_a_webhook() -> None:
    found = fixes(world(WEB, service("web", TO_8080).replace("name: web,", "name: web-webhook,"), API))
    assert spec(found["shop/deployment-web"])["ingress"] == [{"from": blocks("10.0.0.7/32"), "ports": ports(8080)}]


# --- what every pod needs -----------------------------------------------------------------------------

API = """
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
ports: [{name: https, port: 6443}]
endpoints: [{addresses: [10.0.0.7]}]
"""


def test_only_who_holds_a_token_reaches_the_api_server_by_its_own_address() -> None:
    token = WEB.replace("automountServiceAccountToken: false, ", "").replace("web", "bot")
    found = fixes(world(WEB, token, API), deny_unobserved=True)
    rule = {"to": blocks("10.0.0.7/32"), "ports": ports(6443)}
    assert rule in spec(found["shop/deployment-bot"])["egress"]
    assert rule not in spec(found["shop/deployment-web"])["egress"]
    assert any("volatile: the addresses 10.0.0.7/32" in note for note in found["shop/deployment-bot"].notes)
    (labels, annotations, _) = found["shop/deployment-bot"].ops
    assert labels.path == "/metadata/labels"
    assert annotations.value == {"workbench/volatile-addresses": "10.0.0.7/32"}


def test_dns_is_that_of_the_cluster_at_the_port_of_its_pods() -> None:
    dns = deployment("resolver", "{name: c}", "kube-system") + service(
        "resolver", "{port: 53, protocol: UDP, targetPort: 5353}", "kube-system"
    ).replace("name: resolver, namespace", "name: kube-dns, namespace")
    found = fixes(world(WEB, dns), deny_unobserved=True)
    rule = {"to": [pods("resolver", "kube-system")], "ports": [*ports(5353), *ports(5353, protocol="UDP")]}
    assert spec(found["shop/deployment-web"])["egress"] == [rule]
    own = spec(found["kube-system/deployment-resolver"])
    assert own["ingress"] == [{"from": [{"namespaceSelector": {}}], "ports": rule["ports"]}]
    assert {"to": EVERYWHERE, "ports": DNS["ports"]} in own["egress"]


@pytest.mark.parametrize(
    ("arguments", "address"),
    [("'-localip', '169.254.25.10,10.96.0.10'", ("10.96.0.10/32", "169.254.25.10/32")), ("", ("169.254.20.10/32",))],
)
def test_node_local_dns_is_an_address(arguments: str, address: tuple[str, ...]) -> None:
    local = f"""
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: node-local-dns, namespace: kube-system}}
spec: {{template: {{metadata: {{labels: {{k8s-app: node-local-dns}}}}, spec: {{hostNetwork: true, containers: [
  {{name: c, image: registry.k8s.io/dns/k8s-dns-node-cache:1.26.4, args: [{arguments}]}}]}}}}}}
"""
    found = fixes(world(WEB, local), deny_unobserved=True)
    (rule,) = spec(found["shop/deployment-web"])["egress"]
    assert rule["to"] == [*blocks(*address), *DNS["to"]]


def test_on_openshift_dns_listens_at_5353() -> None:
    route = "\n---\n{apiVersion: route.openshift.io/v1, kind: Route, metadata: {name: r, namespace: x}, spec: {}}\n"
    (rule,) = spec(fixes(world(WEB, route), deny_unobserved=True)["shop/deployment-web"])["egress"]
    assert rule["ports"] == [*ports(5353), *ports(5353, protocol="UDP")]
    assert rule["to"][0]["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}}


# --- whom it selects ----------------------------------------------------------------------------------


def test_a_policy_selects_by_the_workloads_own_selector_in_both_directions() -> None:
    found = fixes(world(WEB, service("web", TO_8080, spec="type: NodePort")))["shop/deployment-web"]
    assert found.creates
    assert (found.target.api_version, found.target.kind) == ("networking.k8s.io/v1", "NetworkPolicy")
    assert spec(found)["podSelector"] == {"matchLabels": {"app": "web"}}
    assert spec(found)["policyTypes"] == ["Ingress", "Egress"]
    assert found.risk.level is RiskLevel.MEDIUM
    assert "proof" in as_dict(found)


def test_a_selector_that_picks_others_too_is_not_emitted() -> None:
    canary = WEB.replace("name: web,", "name: canary,")
    found = fixes(world(WEB, canary, service("web", TO_8080, spec="type: NodePort")))
    for name, other in (("web", "canary"), ("canary", "web")):
        fix = found[f"shop/deployment-{name}"]
        assert fix.status is Status.BLOCKED
        assert fix.reason.startswith("ambiguous-selector:")
        assert f"Deployment:shop/{other}" in fix.reason


def test_pods_on_the_host_network_are_no_subject_and_come_with_the_address_of_their_node() -> None:
    agent = deployment("agent", env("db.data:5432"), spec="hostNetwork: true, nodeName: n")
    found = fixes(world(DB, NODE, agent))
    assert found["shop/deployment-agent"].status is Status.ADVISORY
    assert found["shop/deployment-agent"].reason.startswith("host-network:")
    assert spec(found["data/deployment-db"])["ingress"] == [{"from": blocks("10.1.2.3/32"), "ports": ports(5433)}]
    assert any(note.startswith("volatile:") for note in found["data/deployment-db"].notes)


def test_the_unobserved_are_denied_only_if_asked_for() -> None:
    view = world(WEB, service("web", TO_8080))
    fix = fixes(view)["shop/deployment-web"]
    assert (fix.fix, fix.status) == ("F-NP-DENY", Status.ADVISORY)
    assert fix.reason.startswith("unobserved: nobody is known to call it, though there is Service:shop/web")
    asked = fixes(view, deny_unobserved=True)["shop/deployment-web"]
    assert asked.status is Status.READY
    assert asked.id == fix.id


def test_who_only_calls_gets_no_entry() -> None:
    fix = fixes(world(DB, deployment("web", env("db.data:5432"))))["shop/deployment-web"]
    assert (fix.fix, fix.status) == ("F-NP-EG", Status.READY)
    assert spec(fix)["ingress"] == []


# --- namespaces, and policies that are there ----------------------------------------------------------


def test_a_default_deny_waits_for_the_policies_of_what_is_called() -> None:
    callers = deployment("web", env("db.data:5432"))
    deny = fixes(world(DB, callers))["data/default-deny-ingress"]
    assert deny.status is Status.BLOCKED
    assert deny.reason.startswith("allow-lists: it would cut 1 known flow")
    assert deny.proof is not None
    assert deny.proof.lost == 1
    view = world(DB, callers)
    allowed = fixes(view)["data/deployment-db"]
    after = fixes(overlay(view, [allowed.change]))
    assert "data/default-deny-ingress" not in after
    quiet = fixes(world(callers))["shop/default-deny-ingress"]
    assert (quiet.status, spec(quiet)) == (
        Status.READY, {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": []},
    )  # fmt: skip


WIDE = """
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: wide, namespace: data}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}
"""


def test_a_policy_that_allows_more_is_narrowed_where_it_is_the_workloads_own() -> None:
    view = world(DB, WIDE, deployment("web", env("db.data:5432")))
    (fix,) = [fix for fix in policy_fixes(view) if fix.target.name == "wide"]
    assert not fix.creates
    assert {op.path for op in fix.ops} == {"/spec/ingress", "/spec/egress"}
    assert fix.risk.level is RiskLevel.HIGH
    assert fix.proof is not None
    assert (fix.proof.lost, fix.proof.removed > 0) == (0, True)
    narrowed = overlay(view, [fix.change]).by_id(fix.target.id)
    assert narrowed is not None
    assert plain(narrowed)["spec"]["ingress"] == [{"from": [pods("web", "shop")], "ports": ports(5433)}]


def test_one_that_is_about_others_too_is_named() -> None:
    wide = WIDE.replace("podSelector: {matchLabels: {app: db}}", "podSelector: {}")
    other = deployment("other", namespace="data")
    fix = fixes(world(DB, other, wide, deployment("web", env("db.data:5432"))))["data/deployment-db"]
    assert fix.status is Status.ADVISORY
    assert fix.reason.startswith("adds-up: NetworkPolicy:data/wide: ")


def test_what_policies_deny_now_is_not_opened() -> None:
    deny = WIDE.replace("policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]", "policyTypes: [Ingress]")
    view = world(DB, deny, deployment("web", env("db.data:5432")))
    fix = fixes(view)["data/deployment-db"]
    assert spec(fix)["ingress"] == []
    assert any("existing policies deny" in note for note in fix.notes)


def test_where_nothing_enforces_policies_each_says_so() -> None:
    flannel = deployment("flannel", "{name: c, image: docker.io/flannel/flannel:v0.27.0}", "kube-flannel")
    for fix in fixes(world(WEB, flannel)).values():
        assert fix.notes[0].startswith("warning: Flannel")


# --- the law ------------------------------------------------------------------------------------------


def test_with_all_policies_together_what_is_declared_still_works_and_the_rest_does_not() -> None:
    view = world(
        DB,
        WEB,
        service("web", TO_8080),
        deployment("front", env("web:80")),
        deployment("api", env("db.data:5432")),
        service("api", "{port: 90}"),
        deployment("job", env("api:90")),
    )
    found = [fix for fix in policy_fixes(view) if fix.status is Status.READY]
    network = Network(overlay(view, [fix.change for fix in found]), ports=[PortRange("TCP", 1, 65535)])
    told = {
        (each.source.partition("[")[0], each.target.partition("[")[0]) for each in network.between() if each.verdict[0]
    }
    assert told == {("shop/front", "shop/web"), ("shop/api", "data/db"), ("shop/job", "shop/api")}


@st.composite
def clusters(draw: st.DrawFn) -> tuple[str, set[tuple[str, str, int]]]:
    """Workloads that name one another's Services, and what they declare: source, target and port of the pods."""
    count = draw(st.integers(2, 5))
    names = [f"w{number}" for number in range(count)]
    spaces = {name: draw(st.sampled_from(("shop", "data"))) for name in names}
    numbers = {name: draw(st.integers(1, 3)) * 1000 for name in names}
    out, declared = "", set()
    for name in names:
        calls = draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
        values = " ".join(f"{other}.{spaces[other]}.svc:80" for other in calls)
        out += deployment(name, env(values, "PEERS"), spaces[name])
        out += service(name, f"{{port: 80, targetPort: {numbers[name]}}}", spaces[name])
        declared |= {(f"{spaces[name]}/{name}", f"{spaces[other]}/{other}", numbers[other]) for other in calls}
    if draw(st.booleans()):
        out += WIDE.replace("app: db", f"app: {draw(st.sampled_from(names))}")
    return out, declared


@settings(max_examples=40)
@given(clusters(), st.booleans())
def test_what_is_declared_is_kept_by_every_policy_and_by_all_together(
    cluster: tuple[str, set[tuple[str, str, int]]], deny_unobserved: bool
) -> None:
    text, declared = cluster
    view = world(text)
    found = [fix for fix in policy_fixes(view, deny_unobserved=deny_unobserved) if fix.status is Status.READY]
    chosen = [fix for fix in found if not fix.target.name.startswith("wb-default-deny")]
    for fix in found:
        assert fix.proof is not None
        assert (fix.proof.kept, fix.proof.lost) == (fix.proof.flows, 0), fix.title
    for changes in (*[[fix] for fix in found], chosen):
        network = Network(overlay(view, [fix.change for fix in changes]))
        assert not network.parsed.faults
        for source, target, port in declared:
            if source != target:
                verdict = network.pair(workload(network, source), workload(network, target))
                assert told(network, verdict, f"{port}/TCP") == "yes", [fix.title for fix in changes]
