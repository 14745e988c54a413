"""What fixes cut of the steps through the network, and of what is done without credentials."""

from __future__ import annotations

import pytest

from tests.builders import (
    EVERYTHING,
    account,
    api_server,
    container,
    grant,
    inventory,
    node,
    obj,
    pod,
    rule,
    service,
    token_mount,
    token_volume,
)
from tests.remediation.test_effects import measured
from workbench.analysis.session import Analysis
from workbench.graph.graph import Graph
from workbench.inventory.inventory import Inventory
from workbench.remediation.catalogue import all_fixes
from workbench.remediation.effects import effects
from workbench.techniques.build import build

ANYBODY = "Group:system:unauthenticated"
USER = "User:system:anonymous"
ROOT = {"securityContext": {"runAsUser": 0}}


def addresses(*found: str) -> list[dict[str, str]]:
    return [{"type": "ExternalIP", "address": address} for address in found]


N1 = node("n1", addresses=addresses("203.0.113.1"), provider_id="gce://p/z/n1")
N2 = node("n2", addresses=addresses("203.0.113.2"), labels={"node-role.kubernetes.io/control-plane": ""})
CONFIG = obj(
    "ConfigMap",
    "kubelet-config",
    "kube-system",
    data={"kubelet": "authentication:\n  anonymous:\n    enabled: true\nauthorization:\n  mode: AlwaysAllow\n"},
)
FLANNEL = pod("flannel", container(image="docker.io/flannel/flannel:v0.26"), namespace="kube-system", node="n2")
AGENT = pod("agent", container("c", **ROOT), namespace="ops", node="n1", hostNetwork=True, hostPID=True)
BOARD = pod(
    "board",
    container("c", image="kubernetesui/dashboard:v2.7.0", args=["--enable-skip-login"], volumeMounts=[token_mount()]),
    namespace="board",
    node="n1",
    labels={"app": "board"},
    volumes=[token_volume()],
    serviceAccountName="board",
)
BOARD_SERVICE = service(
    "board",
    {"port": 443, "targetPort": 8443},
    namespace="board",
    selector={"app": "board"},
    type="LoadBalancer",
    address="203.0.113.9",
)
CONTROLLER = pod(
    "nginx",
    container(
        image="registry.k8s.io/ingress-nginx/controller:v1.9.0",
        args=["--validating-webhook=:8443"],
        volumeMounts=[token_mount()],
    ),
    namespace="edge",
    node="n1",
    volumes=[token_volume()],
    serviceAccountName="nginx",
)
RIGHTS = [
    account("board", "board"),
    account("nginx", "edge"),
    *grant("boss", EVERYTHING, to=["ServiceAccount:board/board", "ServiceAccount:edge/nginx"]),
]
ANONYMOUS = grant("anybody", rule("create get list", "pods secrets"), to=[ANYBODY, USER, "User:bob"])
SERVER = api_server("--v=2", node="n2")
BOTH = (N1, N2, AGENT, BOARD, BOARD_SERVICE, CONTROLLER, *RIGHTS, *ANONYMOUS, SERVER)
WORLDS = {
    "bridge": inventory(*BOTH, FLANNEL),
    "open kubelets": inventory(*BOTH, CONFIG),
    "nobody knows": inventory(*BOTH),
}


def analysis(view: Inventory) -> Analysis:
    graph: Graph = build(view)
    return Analysis(view, graph)


@pytest.mark.parametrize("name", WORLDS)
def test_what_fixes_cut(name: str) -> None:
    view = WORLDS[name]
    fixes = all_fixes(view)
    assert {"F-BIND-ANON", "F-BIND-SUBJ", "F-HOSTNS", "F-CAPS", "F-AUTOMOUNT"} <= {fix.fix for fix in fixes}
    measured(analysis(view), fixes)


def test_a_step_without_credentials_is_taken_by_the_binding() -> None:
    found = analysis(WORLDS["nobody knows"])
    steps = [step for path in found.paths().paths() for step in path.steps if step.technique == "API_ANON"]
    assert steps
    known = effects(found, all_fixes(found.view))
    for step in steps:
        assert "F-BIND-ANON" in {fix.fix for fix in known.for_step(step)}
