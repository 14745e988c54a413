"""A small audit that answers what the screens ask, for states that no real source can be brought into."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from tests.network.worlds import decoded
from workbench.analysis.choke import ChokePoint
from workbench.analysis.coverage import Weakness, weaknesses
from workbench.analysis.object_columns import NAME, NAMESPACE, PATHS, Column
from workbench.analysis.object_tables import KindCount, ObjectRow, ObjectTable
from workbench.analysis.paths import SEVERITIES, Path, PathStep
from workbench.analysis.relations import Relation
from workbench.engine import Document, ExportResult, Neighbour, NetworkView, PathReport, Preview, WhatIfReport
from workbench.errors import Conflict, UsageError
from workbench.graph import nodes
from workbench.inventory.changes import Op, Target
from workbench.inventory.evidence import Evidence, Gap, Problem
from workbench.inventory.inventory import Inventory
from workbench.remediation.effects import Ranked
from workbench.remediation.records import Effect, Fix, Need, Risk, RiskLevel, Status, Turn
from workbench.techniques.api import Declaration, Reason, SubjectType
from workbench.techniques.registry import all_techniques

YAML = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: shop
spec:
  template:
    spec:
      containers:
        - name: web
          securityContext:
            privileged: true
"""


def step(source: str, target: str, technique: str, title: str, *facts: tuple[str, str]) -> PathStep:
    return PathStep(source, target, technique, title, 2, facts, ())


def path(number: int, severity: str, risk: float, *steps: PathStep) -> Path:
    return Path(f"v1:{number:016x}", steps[0].source, steps[-1].target, 2 * len(steps), risk, severity, 1, steps)


def fix(name: str, title: str, target: str, cuts: int, **more: Any) -> Fix:
    kind, _, rest = target.partition(":")
    namespace, _, own = rest.partition("/")
    return Fix(
        fix=name,
        title=title,
        target=Target("apps/v1", kind, namespace, own),
        ops=(Op("set", "/spec/template/spec/containers[name=web]/securityContext/privileged", False, True),),
        risk=more.pop("risk", Risk(RiskLevel.LOW, ("the container mounts no device",))),
        effect=Effect.ROLLOUT,
        observed_on=(target,),
        **more,
    ).with_cuts(cuts, ["ClusterAdmin"])


def shop(web: str = "web", namespace: str = "shop") -> tuple[list[Path], list[Fix]]:
    """Paths and fixes of a small shop; the names can be made hostile."""
    endpoint = f"Endpoint:{namespace}/{web}/80"
    container = f"Container:{namespace}/{web}/web"
    account = f"ServiceAccount:{namespace}/{web}-sa"
    grant = f"PermissionSet:{namespace}/{web}-edit@{web}-binding"
    to_container = (
        step("Internet", endpoint, "INTERNET_REACH", "exposed by load balancer"),
        step(endpoint, container, "ENDPOINT_EXPLOIT", "exploits the service", ("C-VULN", f"Image:{web}:1")),
    )
    escape = step(container, "Node:worker-1", "CE_PRIV_MOUNT", "mounts the node's disk")
    token = step(container, account, "IDENTITY_ASSUME", "uses the mounted token")
    bound = step(account, grant, "PERMISSION_DISCOVER", "is bound to")
    paths = [
        path(
            1,
            "critical",
            8.9,
            *to_container,
            escape,
            step("Node:worker-1", "ClusterAdmin", "NODE_CONTROL_PLANE", "control plane: CA key on disk"),
        ),
        path(
            2,
            "critical",
            8.5,
            *to_container,
            token,
            bound,
            step(grant, "ClusterAdmin", "POD_CREATE", "creates a privileged pod"),
        ),
        path(3, "high", 6.4, token, bound, step(grant, f"Secret:{namespace}/db", "SECRET_READ", "reads the secret")),
        path(
            4,
            "medium",
            4.4,
            step(f"User:{web}-dev", grant, "PERMISSION_DISCOVER", "is bound to"),
            step(grant, f"Secret:{namespace}/db", "SECRET_READ", "reads the secret"),
        ),
        path(5, "low", 2.1, step(f"Group:{web}-ops", f"Secret:{namespace}/db", "SECRET_READ", "reads the secret")),
    ]
    deployment = f"Deployment:{namespace}/{web}"
    fixes = [
        fix("F-PRIV", f"privileged: false on Deployment {namespace}/{web}", deployment, 1),
        fix("F-AUTOMOUNT", f"automountServiceAccountToken: false on Deployment {namespace}/{web}", deployment, 2),
        fix("F-RBAC-RULE", f"remove 'create pods' from Role {namespace}/{web}-edit", f"Role:{namespace}/{web}-edit", 4),
        fix(
            "F-NONROOT",
            f"runAsNonRoot on Deployment {namespace}/{web}",
            deployment,
            0,
            status=Status.NEEDS_INPUT,
            reason="needs-input: a user",
            needs=(Need("runAsUser", "the number of the user that the image runs as", pattern="[0-9]+"),),
        ),
        fix(
            "F-OWNER",
            f"owner of {namespace}/{web}",
            f"Deployment:{namespace}/other",
            0,
            status=Status.BLOCKED,
            reason="owner-unknown: no such owner",
        ),
    ]
    return paths, fixes


def ways_beside(one: Path) -> list[Path]:
    """Three other ways from the internet to a node's administrator: over a secret, over two accounts, straight on."""
    if one.id != "v1:0000000000000001":
        return []
    namespace = one.nodes[1].partition(":")[2].partition("/")[0]
    endpoint, container = one.nodes[1:3]
    secret, account, user = f"Secret:{namespace}/token", f"ServiceAccount:{namespace}/other", "User:carol"
    first = one.steps[0]
    return [
        path(
            11,
            "high",
            7.7,
            first,
            step(endpoint, secret, "SECRET_LEAK", "shows the secret"),
            step(secret, container, "SECRET_USE", "logs in to", ("C-LOG", "Image:x")),
            *one.steps[2:],
        ),
        path(
            12,
            "high",
            7.5,
            *one.steps[:2],
            step(container, account, "IDENTITY_ASSUME", "uses the mounted token"),
            step(account, user, "IMPERSONATE", "impersonates"),
            step(user, "ClusterAdmin", "ADMIN", "may do everything"),
        ),
        path(13, "high", 7.3, *one.steps[:2], step(container, "ClusterAdmin", "KERNEL", "breaks out of everything")),
    ]


CUTS = {"F-PRIV": (1,), "F-AUTOMOUNT": (2, 3), "F-RBAC-RULE": (2, 3, 4)}
BY_TECHNIQUE = {
    "CE_PRIV_MOUNT": ("F-PRIV",),
    "IDENTITY_ASSUME": ("F-AUTOMOUNT",),
    "POD_CREATE": ("F-RBAC-RULE",),
    "SECRET_READ": ("F-RBAC-RULE", "F-NONROOT"),
    "ENDPOINT_EXPLOIT": ("F-NONROOT",),
}


def network(web: str = "web", namespace: str = "shop", namespaces: int = 0) -> list[dict[str, Any]]:
    """The objects of a small network: what a policy keeps apart, what none does, and more namespaces if wanted."""
    workloads = [(namespace, web), (namespace, "db"), ("ci", "runner")]
    workloads += [(f"team-{number:03}", "app") for number in range(namespaces)]
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": of},
            "spec": {
                "template": {
                    "metadata": {"labels": {"app": name[:4]}},
                    "spec": {"containers": [{"name": "c", "image": "i"}]},
                }
            },
        }
        for of, name in workloads
    ]
    objects.append(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "db", "namespace": namespace},
            "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432}]},
        }
    )
    objects.append(policy(f"{web}-to-db", namespace, {"matchLabels": {"app": web[:4]}}))
    return objects


def policy(name: str, namespace: str, peer: dict[str, Any] | None) -> dict[str, Any]:
    """A policy that lets one peer to the database, or nobody."""
    rules = [{"from": [{"podSelector": peer}], "ports": [{"port": 5432}]}] if peer is not None else []
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"], "ingress": rules},
    }


class Through(dict[str, tuple[int, ...]]):
    """Which paths go through which object."""

    def of(self, about: str) -> tuple[int, ...]:
        """The paths through an object."""
        return self.get(about, ())


@dataclass
class FakeAudit:
    title: str = "sample shop"
    kind: str = "sample"
    found: list[Path] = field(default_factory=list)
    known_fixes: list[Fix] = field(default_factory=list)
    coverage: list[Gap] = field(default_factory=list)
    limits: list[str] = field(default_factory=lambda: ["reachability between pods", "cloud identities"])
    notes: list[str] = field(default_factory=lambda: ["server version assumed: v1.34"])
    raising: dict[str, Exception] = field(default_factory=dict)
    yaml_name: str = "web"
    namespace: str = "shop"
    pods: int = 4
    objects: list[dict[str, Any]] | None = None
    """What the network is made of; a small one by default."""
    yaml_name_of: dict[str, str] = field(default_factory=dict)
    """The names of the objects of other kinds than pods, where they are not ``yaml_name``."""
    staging: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """What fixes make of objects, by the ids of the fixes."""
    inventory: Inventory | None = None
    main_thread_calls: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def namespaces(self) -> list[str]:
        self._enter("namespaces")
        found = {nodes.namespace(node) for one in self.found for node in one.nodes}
        return sorted(found - {""})

    @property
    def counts(self) -> dict[str, int]:
        return {"Container": 12, "Pod": 9, "Secret": 3, "ServiceAccount": 7}

    def _enter(self, name: str) -> None:
        """Every question must come from a worker."""
        self.asked.append(name)
        if threading.current_thread() is threading.main_thread():
            self.main_thread_calls.append(name)
        if name in self.raising:
            raise self.raising[name]

    def paths(self, query: Any = None) -> PathReport:
        self._enter("paths")
        found = self.found
        if query is not None and query.targets:
            found = [one for one in found if query.targets[0].lower().replace("-", "") in one.target.lower()]
            if not found:
                raise UsageError(f"{query.targets[0]!r} matches nothing; the nearest is ClusterAdmin")
        severities = {name: sum(one.severity == name for one in found) for name in SEVERITIES}
        limit = getattr(query, "limit", None)
        return PathReport(found[:limit], len(found), severities, 4, 2, len(found))

    def alternatives(self, path: Path, limit: int = 20) -> list[Path]:
        self._enter("alternatives")
        return [path, *ways_beside(path)][:limit]

    def choke_points(self, limit: int | None = 50) -> list[ChokePoint]:
        self._enter("choke_points")
        grant = next((node for one in self.found for node in one.nodes if node.startswith("PermissionSet:")), None)
        if grant is None:
            return []
        namespace = grant.partition(":")[2].partition("/")[0]
        return [
            ChokePoint(grant, None, (), 5, (f"Secret:{namespace}/db",)),
            ChokePoint(grant, f"Secret:{namespace}/db", ("SECRET_READ",), 3, (f"Secret:{namespace}/db",)),
            ChokePoint(grant, f"Hub:secrets/{namespace}", ("SECRET_READ",), 1, (f"Secret:{namespace}/db",)),
        ][:limit]

    def evidence(self, step: PathStep) -> list[Evidence]:
        self._enter("evidence")
        about = "Deployment:shop/" + self.yaml_name
        field_name = "spec.template.spec.containers[name=web].securityContext.privileged"
        return [
            Evidence(about, field_name, True, None, "web.yaml", 12),
            Evidence(about, "spec.template.spec.hostPID", None, False, "web.yaml", 8),
        ]

    def declaration(self, technique_id: str) -> Declaration:
        return Declaration(
            id=technique_id,
            title="mounts the node's disk",
            source=("Container",),
            target=("Node",),
            description="A privileged container sees the devices of the node and mounts its disk.",
            mitre=("T1611",),
            effort=2,
            reason=Reason.RECIPE,
            reads=frozenset({"Pod"}),
            subject_type=SubjectType.CONTAINER,
            fixes=BY_TECHNIQUE.get(technique_id, ()),
            references=("https://kubernetes.io/docs/concepts/security/pod-security-standards/",),
        )

    def document(self, object_id: str) -> Document | None:
        self._enter("document")
        return Document(object_id, "web.yaml:1", YAML.format(name=self.yaml_name), 1, "web.yaml")

    def describe(self, node_id: str) -> list[tuple[str, str]]:
        self._enter("describe")
        return [("kind", node_id.partition(":")[0]), ("name", node_id.partition(":")[2])]

    def neighbours(self, node_id: str, limit: int = 20) -> list[Neighbour]:
        self._enter("neighbours")
        if not node_id.startswith("Node:"):
            return (
                [Neighbour("Image:registry.example/shop:1", "IMAGE", False)] if node_id.startswith("Container:") else []
            )
        return [Neighbour(f"Container:shop/pod-{number}/main", "NODE_PODS", True) for number in range(25)]

    def fixes(self, progress: Ranked | None = None, turn: Turn | None = None) -> list[Fix]:
        self._enter("fixes")
        return sorted(self.known_fixes, key=lambda one: -one.paths_cut)

    def fixes_for(self, step: PathStep) -> list[Fix]:
        self._enter("fixes_for")
        found = [one for one in self.known_fixes if one.fix in BY_TECHNIQUE.get(step.technique, ())]
        return sorted(found, key=lambda one: (one.status is not Status.READY, -one.paths_cut))

    def fix(self, fix_id: str) -> Fix:
        for one in self.known_fixes:
            if one.id.startswith(fix_id):
                return one
        raise UsageError(f"no fix {fix_id}")

    def what_if(self, fixes: Sequence[Fix], *, following: bool = True) -> WhatIfReport:
        self._enter("what_if")
        if {"F-PRIV", "F-AUTOMOUNT"} <= {one.fix for one in fixes} and "conflict" in self.raising:
            raise Conflict("two fixes change one field differently")
        by = {number: tuple(one.id for one in fixes if number in CUTS.get(one.fix, ())) for number in range(1, 6)}
        cut = [(one, by[at]) for at, one in enumerate(self.found, 1) if by.get(at)]
        stays = [(one, ()) for at, one in enumerate(self.found, 1) if not by.get(at)]
        left = len([one for one, _ in stays if one.target == "ClusterAdmin"])
        severities = {
            name: (sum(one.severity == name for one in self.found), sum(one.severity == name for one, _ in stays))
            for name in SEVERITIES
        }
        return WhatIfReport(
            paths_before=len(self.found),
            paths_after=len(stays),
            rows=(("paths to cluster-admin", 2, left),),
            severities=severities,
            cut=tuple(cut),
            stays=tuple(stays),
            opened=(),
        )

    def previews(self, fixes: Sequence[Fix]) -> list[Preview]:
        self._enter("previews")
        targets = dict.fromkeys(one.target for one in fixes)
        diff = (("@", ""), (" ", "securityContext:"), ("-", "  privileged: true"), ("+", "  privileged: false"))
        return [
            Preview(target.id, target.id, diff, "", f"patches/{number:02}-{target.kind.lower()}.strategic.yaml")
            for number, target in enumerate(targets, 1)
        ]

    def export(
        self, fixes: Sequence[Fix], directory: FilePath, *, format: str = "kubectl", force: bool = False
    ) -> ExportResult:
        self._enter("export")
        if directory.exists() and any(directory.iterdir()) and not force:
            raise UsageError(f"{directory} is not empty")
        directory.mkdir(parents=True, exist_ok=True)
        names = ["README.md", "fixes.json"]
        for name in names:
            (directory / name).write_text("written\n", encoding="utf-8")
        return ExportResult(
            directory, tuple(names), (), "kubectl patch deployment web --patch-file patches/01.yaml --dry-run=server"
        )

    def weaknesses(self) -> list[Weakness]:
        self._enter("weaknesses")
        return weaknesses(self.coverage, all_techniques())

    def kinds(self) -> list[KindCount]:
        self._enter("kinds")
        gaps = tuple(gap for gap in self.coverage if gap.kind == "Secret")
        return [KindCount("Pod", self.pods), KindCount("Deployment", 1), KindCount("Secret", 1 - len(gaps), gaps)]

    def through(self, paths: Sequence[Path]) -> Through:
        self._enter("through")
        first = tuple(range(len(paths)))[:3]
        return Through({f"Pod:shop/{self.yaml_name}-0": first, f"Deployment:{self.namespace}/{self.yaml_name}": first})

    def network(self, fixes: Sequence[Fix] = ()) -> NetworkView:
        self._enter("network")
        view = self.inventory
        if view is None:
            objects = self.objects if self.objects is not None else network(self.yaml_name, self.namespace)
            view = self.inventory = Inventory([(decoded(each), None) for each in objects], coverage=self.coverage)
        laid = {each.id: each for fix in fixes for each in map(decoded, self.staging.get(fix.fix, ()))}
        return NetworkView.of(view.overlay(laid) if laid else view)

    def table(self, kind: str, through: Through) -> ObjectTable:
        self._enter("table")
        head = (NAMESPACE, NAME, PATHS)
        if kind == "Pod":
            names = [("shop", f"{self.yaml_name}-{number}") for number in range(self.pods - 1)] + [("ci", "runner")]
            rows = []
            for place, (namespace, name) in enumerate(names):
                about = f"Pod:{namespace}/{name}"
                found = through.get(about, ())
                cells = (namespace, name, len(found), "privileged" if place == 1 else "", f"node-{place % 3}")
                rows.append(ObjectRow(about, namespace, cells, found, {"app": name[:3]}, read=place != 2))
            return ObjectTable(kind, (*head, Column("RISKS", keep=7), Column("NODE", keep=5)), tuple(rows))
        gaps = tuple(gap for gap in self.coverage if gap.kind == kind)
        name = self.yaml_name_of.get(kind, self.yaml_name)
        own = () if gaps else (ObjectRow(f"{kind}:shop/{name}", "shop", ("shop", name, 0)),)
        return ObjectTable(kind, head, own, gaps)

    def relations(self, about: str) -> list[Relation]:
        self._enter("relations")
        return [Relation("owner", f"Deployment:shop/{self.yaml_name}"), Relation("runs as", "User:eve", False)]

    def checked(self) -> list[tuple[str, int]]:
        return [("containers", 12), ("permission sets", 40)]


def audit(web: str = "web", namespace: str = "shop", **more: Any) -> FakeAudit:
    """The audit of a shop."""
    paths, fixes = shop(web, namespace)
    return FakeAudit(found=paths, known_fixes=fixes, yaml_name=web, namespace=namespace, **more)


def hardened() -> FakeAudit:
    """A source without any path."""
    return FakeAudit(title="hardened", coverage=[])


def partial() -> FakeAudit:
    """A source of which secrets could not be read."""
    gap = Gap("Secret", None, Problem.FORBIDDEN, 3, 'list secrets: 403: secrets is forbidden: User "jane" cannot list')
    return audit(coverage=[gap])


Loader = Callable[..., Any]


def loader(given: FakeAudit | Exception) -> Loader:
    """What the app calls to load a source."""

    def load(request: Any, progress: Callable[[str, int, int], None], live: Any = None) -> Any:
        progress("reading files", 1, 3)
        if isinstance(given, Exception):
            raise given
        return given

    return load
