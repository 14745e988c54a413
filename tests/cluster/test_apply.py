"""Apply and undo on a real API server: what it takes, what it refuses, and that an undo leaves the object as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.identity import Identity
from tests.cluster.harness.objects import deployment
from tests.cluster.harness.proxy import Proxy
from tests.cluster.harness.rights import READ_ALL, rule
from tests.cluster.harness.waiting import wait_until
from workbench.cli import main
from workbench.kube.api import ConnectOptions
from workbench.kube.connection import KubeConnection, connect
from workbench.remediation import rollout
from workbench.remediation.apply import apply, dry_run
from workbench.remediation.catalogue import all_fixes
from workbench.remediation.journal import Journal
from workbench.remediation.live import State
from workbench.remediation.records import Fix, Status
from workbench.remediation.steps import fix_steps, undo_steps
from workbench.sources import SourceRequest, load

CANARY = "canary-77a0e4"
DEPLOYMENTS = "/apis/apps/v1/namespaces/rolling/deployments"
NAMESPACE = "shop"

Data = dict[str, Any]


def workload(kind: str, name: str, **spec: Any) -> Data:
    """A workload with a privileged container, a host path, a host namespace and a value in its environment."""
    app = {
        "name": "app",
        "image": "registry.example/app:1",
        "args": ["--password", CANARY],
        "env": [{"name": "PASSWORD", "value": CANARY}, {"name": "MODE", "value": "x"}],
        "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}],
        "securityContext": {"privileged": True},
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "etc", "mountPath": "/host/etc"},
            {"name": "logs", "mountPath": "/host/log"},
        ],
    }
    side = {
        "name": "side",
        "image": "registry.example/side:1",
        "securityContext": {"capabilities": {"add": ["NET_RAW"]}},
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {
            "serviceAccountName": "web",
            "hostPID": True,
            "containers": [app, side],
            "volumes": [
                {"name": "etc", "hostPath": {"path": "/etc"}},
                {"name": "tmp", "emptyDir": {}},
                {"name": "logs", "hostPath": {"path": "/var/log"}},
            ],
            **spec,
        },
    }
    meta = {"name": name, "namespace": NAMESPACE, "annotations": {"team/note": CANARY}}
    body: Data = {"selector": {"matchLabels": {"app": name}}, "template": template}
    if kind == "CronJob":
        template["spec"]["restartPolicy"] = "Never"
        body = {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": template}}}
        return {"apiVersion": "batch/v1", "kind": kind, "metadata": meta, "spec": body}
    if kind == "StatefulSet":
        body["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": body}


RBAC = "rbac.authorization.k8s.io"
OBJECTS: list[Data] = [
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": NAMESPACE}},
    workload("Deployment", "web"),
    workload("DaemonSet", "agent"),
    workload("StatefulSet", "db"),
    workload("CronJob", "backup"),
    {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "reader"},
        "rules": [
            {"apiGroups": [""], "resources": ["secrets", "pods"], "verbs": ["get", "list"]},
            {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
        ],
    },
    {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "reader"},
        "subjects": [
            {"kind": "ServiceAccount", "name": "web", "namespace": NAMESPACE},
            {"kind": "User", "apiGroup": RBAC, "name": "bob"},
        ],
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "reader"},
    },
]
WEB = ("Deployment", "web", NAMESPACE)
DB = ("StatefulSet", "db", NAMESPACE)


@dataclass
class Result:
    """What a run of the program left."""

    status: int
    out: str
    err: str


@dataclass
class Shop:
    """The cluster with the objects in it, and the program at work there."""

    cluster: Cluster
    run: Callable[..., Result]

    def read(self, kind: str, name: str, namespace: str = "") -> Data:
        """An object as it is."""
        group = next(data["apiVersion"] for data in OBJECTS if data["kind"] == kind)
        found: Data = self.cluster.admin.read(kind, name, namespace, api_version=group)
        return found

    def state(self) -> dict[str, Data]:
        """All objects, without what the server keeps for itself."""
        out = {}
        for data in OBJECTS:
            meta = data["metadata"]
            found = copy.deepcopy(self.read(data["kind"], meta["name"], meta.get("namespace", "")))
            for key in ("resourceVersion", "generation", "managedFields"):
                found["metadata"].pop(key, None)
            found["metadata"].get("annotations", {}).pop("deprecated.daemonset.template.generation", None)
            out[f"{data['kind']}/{meta['name']}"] = found
        return out

    def edit(self, what: tuple[str, str, str], change: Data) -> None:
        """Change an object as somebody else would (merge patch)."""
        kind, name, namespace = what
        group = "apps/v1"
        path = f"/apis/{group}/namespaces/{namespace}/{kind.lower()}s/{name}"
        self.cluster.admin.do("PATCH", path, change, content_type="application/merge-patch+json")


@pytest.fixture
def shop(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shop:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    cluster.create_namespaces(NAMESPACE)
    cluster.create(*OBJECTS)

    def run(command: str, *arguments: str, who: Identity | None = None, server: str = "") -> Result:
        capsys.readouterr()
        path = cluster.kubeconfig(who, context="test", server=server)
        status = main([command, "--kubeconfig", str(path), *arguments])
        out, err = capsys.readouterr()
        assert CANARY not in out + err
        return Result(status, out, err)

    return Shop(cluster, run)


@pytest.fixture
def admin(shop: Shop) -> Iterator[KubeConnection]:
    connection = connect(ConnectOptions(kubeconfig=str(shop.cluster.kubeconfig())))
    yield connection
    connection.close()


def fixes(shop: Shop, *kinds: str) -> list[Fix]:
    """The ready fixes that the live cluster shows, of some kinds or all."""
    request = SourceRequest("context", connect=ConnectOptions(kubeconfig=str(shop.cluster.kubeconfig())))
    ours = {f"{data['kind']}/{data['metadata']['name']}" for data in OBJECTS}
    return [
        fix
        for fix in all_fixes(load(request))
        if f"{fix.target.kind}/{fix.target.name}" in ours
        and (fix.fix in kinds or not kinds)
        and fix.status is Status.READY
    ]


def files(directory: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in directory.rglob("*") if path.is_file())


# --- all fixes ----------------------------------------------------------------------------------------


def test_every_fix_is_taken_verified_and_taken_back(shop: Shop, tmp_path: Path) -> None:
    before = shop.state()
    chosen = fixes(shop)
    # F-HP-RO is about mounts that F-HP-DEL takes away.
    ids = {fix.id for fix in chosen if fix.fix != "F-HP-RO"}
    assert {fix.fix for fix in chosen} >= {"F-PRIV", "F-HOSTNS", "F-HP-DEL", "F-CAPS", "F-AUTOMOUNT", "F-BIND-SUBJ"}
    mark = shop.cluster.audit.mark()
    done = shop.run("apply", "--fix", *ids, "--confirm-context", "test")
    assert done.status == 0, done.out + done.err
    assert "failed 0, unknown 0, not started 0" in done.out
    assert not ids & {fix.id for fix in fixes(shop)}
    after = shop.state()
    assert all(after[name] != data for name, data in before.items() if not name.startswith("ServiceAccount/"))
    spec = shop.read(*WEB)["spec"]["template"]["spec"]
    assert "hostPID" not in spec
    assert [volume["name"] for volume in spec["volumes"]] == ["tmp"]

    events = [event for event in shop.cluster.audit.since(mark) if event.verb == "patch"]
    assert {event.query.get("fieldManager") for event in events} == {"workbench"}
    assert {event.query.get("fieldValidation") for event in events} == {"Strict"}
    real = [event for event in events if "dryRun" not in event.query]
    assert [event.resource for event in real] == [
        "cronjobs",
        "daemonsets",
        "deployments",
        "statefulsets",
        "clusterroles",
        "clusterrolebindings",
    ]

    undone = shop.run("undo", "--confirm-context", "test")
    assert undone.status == 0, undone.out + undone.err
    assert shop.state() == before
    assert CANARY not in files(tmp_path / "state")


def test_a_second_run_sends_nothing_that_writes(shop: Shop) -> None:
    (fix,) = (fix for fix in fixes(shop, "F-PRIV") if fix.target.kind == "Deployment")
    assert shop.run("apply", "--fix", fix.id, "--yes").status == 0
    mark = shop.cluster.audit.mark()
    done = shop.run("apply", "--fix", fix.id, "--yes")
    assert (done.status, done.out) == (0, "already applied  Deployment:shop/web  F-PRIV\n")
    assert {event.verb for event in shop.cluster.audit.since(mark)} <= {"get", "list"}


def test_what_is_true_already_is_not_sent_again(shop: Shop, admin: KubeConnection, tmp_path: Path) -> None:
    chosen = [fix for fix in fixes(shop, "F-PRIV", "F-HOSTNS") if fix.target.kind == "Deployment"]
    assert shop.run("apply", "--fix", *(fix.id for fix in chosen), "--yes").status == 0
    mark = shop.cluster.audit.mark()
    outcome = dry_run(admin, fix_steps(chosen)[0])
    assert [row.state for row in outcome.rows] == [State.ALREADY]
    assert {event.verb for event in shop.cluster.audit.since(mark)} == {"get"}


# --- refusals -----------------------------------------------------------------------------------------


def test_a_patch_that_the_user_may_not_make(shop: Shop) -> None:
    jane = shop.cluster.user("jane")
    shop.cluster.grant(jane, READ_ALL)
    shop.cluster.grant(
        jane, rule("deployments", verbs=("get", "list", "watch", "patch"), groups=("apps",)), namespace=NAMESPACE
    )
    before = shop.state()
    done = shop.run("apply", "--fix", "F-PRIV", "--yes", who=jane)
    assert done.status == 1
    assert (
        "refused          StatefulSet:shop/db  forbidden: no permission to patch statefulsets.apps in shop" in done.out
    )
    assert "accepted         Deployment:shop/web" in done.out
    assert shop.state() == before
    (fix,) = (fix for fix in fixes(shop, "F-PRIV") if fix.target.kind == "Deployment")
    done = shop.run("apply", "--fix", fix.id, "--yes", who=jane)
    assert done.status == 0, done.out
    assert "as jane: 1 object" in done.err


POLICY: Data = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "stay"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}
            ]
        },
        "variables": [{"name": "spec", "expression": "object.spec.template.spec"}],
        "validations": [
            {
                "expression": "has(variables.spec.hostPID) && variables.spec.hostPID",
                "messageExpression": "'it needs hostPID, ' + variables.spec.containers[0].env[0].value",
            }
        ],
    },
}
BINDING: Data = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "stay"},
    "spec": {"policyName": "stay", "validationActions": ["Deny"]},
}


@contextmanager
def denying(shop: Shop, denied: Callable[[], bool]) -> Iterator[None]:
    """The policy, while it counts; a server goes on with one for a moment after it is gone, so into the next test."""
    shop.cluster.create(POLICY, BINDING)
    try:
        wait_until(denied, "the policy counts")
        yield
    finally:
        for one, plural in ((BINDING, "validatingadmissionpolicybindings"), (POLICY, "validatingadmissionpolicies")):
            shop.cluster.admin.do("DELETE", f"/apis/{one['apiVersion']}/{plural}/stay")
        wait_until(lambda: not denied(), "the policy counts no more")


def test_admission_that_denies(shop: Shop, admin: KubeConnection) -> None:
    steps, _ = fix_steps([fix for fix in fixes(shop, "F-HOSTNS") if fix.target.kind == "Deployment"])
    with denying(shop, lambda: dry_run(admin, steps).rows[0].state is State.REFUSED):
        before = shop.state()
        done = shop.run("apply", "--fix", "F-HOSTNS", "--yes")
        after = shop.state()
    assert done.status == 1
    assert "refused          Deployment:shop/web" in done.out
    # The policy quotes a value of the environment.
    assert "it needs hostPID, (masked)" in done.out
    assert after == before


def test_pod_security_warnings_are_shown(shop: Shop) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}"
    labels = {"metadata": {"labels": {"pod-security.kubernetes.io/warn": "restricted"}}}
    shop.cluster.admin.do("PATCH", path, labels, content_type="application/merge-patch+json")
    (fix,) = (fix for fix in fixes(shop, "F-PRIV") if fix.target.kind == "Deployment")
    done = shop.run("apply", "--fix", fix.id, "--dry-run")
    assert done.status == 0
    assert 'warning: would violate PodSecurity "restricted:latest"' in done.out
    assert "(hostPID=true)" in done.out


def test_an_object_that_is_gone(shop: Shop, admin: KubeConnection) -> None:
    steps, _ = fix_steps([fix for fix in fixes(shop, "F-PRIV") if fix.target.kind == "Deployment"])
    path = "/apis/apps/v1/namespaces/shop/deployments/web"
    shop.cluster.admin.do("DELETE", path)
    assert dry_run(admin, steps).rows[0].state is State.NOT_FOUND
    shop.cluster.create(workload("Deployment", "web"))
    assert dry_run(admin, steps).rows[0].state is State.STALE


# --- changes by others --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"spec": {"replicas": 4}}, State.APPLIED),
        ({"spec": {"template": {"spec": {"hostPID": None}}}}, State.ALREADY),
    ],
)
def test_an_object_that_changed_after_the_dry_run(
    change: Data, state: State, shop: Shop, admin: KubeConnection
) -> None:
    steps, _ = fix_steps([fix for fix in fixes(shop, "F-HOSTNS") if fix.target.kind == "Deployment"])
    rows = dry_run(admin, steps).rows
    shop.edit(WEB, change)
    run = Journal(admin.endpoint).begin("apply", "me")
    outcome = apply(admin, rows, run)
    run.close()
    assert [row.state for row in outcome.rows] == [state]
    found = shop.read(*WEB)
    assert "hostPID" not in found["spec"]["template"]["spec"]
    assert found["spec"]["replicas"] == change["spec"].get("replicas", 1)


@pytest.mark.parametrize("rival", [1, 2])
@pytest.mark.parametrize("twice", [False, True])
def test_a_conflict(
    twice: bool, rival: int, shop: Shop, admin: KubeConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody writes between our look and our patch; with duplicate mounts the patch is a JSON patch."""
    if twice:
        mounts = [{"name": "tmp", "mountPath": "/tmp"}, {"name": "etc", "mountPath": "/host/etc"}]
        containers = shop.read(*WEB)["spec"]["template"]["spec"]["containers"]
        containers[0]["volumeMounts"] = [*mounts, {"name": "logs", "mountPath": "/host/log"}]
        containers[0]["env"].append({"name": "MODE", "value": "y"})
        shop.edit(WEB, {"spec": {"template": {"spec": {"containers": containers}}}})
    steps, _ = fix_steps([fix for fix in fixes(shop, "F-HP-DEL") if fix.target.kind == "Deployment"])
    rows = dry_run(admin, steps).rows
    send, written = KubeConnection.send, 0

    def raced(self: KubeConnection, method: str, path: str, **more: Any) -> Any:
        nonlocal written
        if method == "PATCH" and "dryRun" not in more["query"]:
            written += 1
            if written <= rival:
                shop.edit(WEB, {"metadata": {"labels": {"rival": str(written)}}})
        return send(self, method, path, **more)

    monkeypatch.setattr(KubeConnection, "send", raced)
    run = Journal(admin.endpoint).begin("apply", "me")
    outcome = apply(admin, rows, run)
    run.close()
    assert [row.state for row in outcome.rows] == [State.APPLIED if rival == 1 else State.CONFLICT]
    assert written == 2
    volumes = shop.read(*WEB)["spec"]["template"]["spec"]["volumes"]
    assert len(volumes) == (1 if rival == 1 else 3)


def test_an_undo_leaves_what_others_changed(shop: Shop) -> None:
    (fix,) = (fix for fix in fixes(shop, "F-HOSTNS") if fix.target.kind == "Deployment")
    assert shop.run("apply", "--fix", fix.id, "--yes").status == 0
    shop.edit(WEB, {"spec": {"replicas": 7}})
    assert shop.run("undo", "--yes").status == 0
    found = shop.read(*WEB)
    assert (found["spec"]["replicas"], found["spec"]["template"]["spec"]["hostPID"]) == (7, True)
    assert shop.run("apply", "--fix", fix.id, "--yes").status == 0
    shop.edit(WEB, {"spec": {"template": {"spec": {"hostPID": True}}}})
    done = shop.run("undo", "--yes")
    # The value of before is back, whoever wrote it.
    assert (done.status, done.out.splitlines()[0]) == (0, "already applied  Deployment:shop/web")


# --- a connection that is lost ------------------------------------------------------------------------


def test_a_connection_that_is_lost_between_two_objects(shop: Shop) -> None:
    with Proxy(shop.cluster.server) as proxy:
        connection = connect(ConnectOptions(kubeconfig=str(shop.cluster.kubeconfig(server=proxy.url))))
        chosen = [fix for fix in fixes(shop, "F-PRIV") if fix.target.kind in ("Deployment", "StatefulSet")]
        rows = dry_run(connection, fix_steps(chosen)[0]).rows
        journal = Journal(connection.endpoint)
        run = journal.begin("apply", "me")
        outcome = apply(connection, rows, run, lambda place, row: proxy.cut())
        run.close()
        connection.close()
    assert [row.state for row in outcome.rows] == [State.APPLIED, State.NOT_STARTED]
    assert outcome.lost is not None
    assert outcome.summary == "done 1, failed 0, unknown 0, not started 1"
    privileged = {
        what[0]: shop.read(*what)["spec"]["template"]["spec"]["containers"][0]["securityContext"]["privileged"]
        for what in (WEB, DB)
    }
    assert privileged == {"Deployment": False, "StatefulSet": True}
    entry = journal.last()
    assert entry is not None
    assert [item.id for item in entry.in_force] == ["Deployment:shop/web"]


def test_an_answer_that_does_not_come_leaves_the_patch_unknown(
    shop: Shop, admin: KubeConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(shop.cluster.server) as proxy:
        connection = connect(ConnectOptions(kubeconfig=str(shop.cluster.kubeconfig(server=proxy.url))))
        chosen = [fix for fix in fixes(shop, "F-PRIV") if fix.target.kind == "Deployment"]
        rows = dry_run(connection, fix_steps(chosen)[0]).rows
        send = KubeConnection.send

        def cut_off(self: KubeConnection, method: str, path: str, **more: Any) -> Any:
            answer = send(self, method, path, **more)
            if method == "PATCH" and "dryRun" not in more["query"]:
                # The server has done it; its answer is lost on the way.
                proxy.cut()
                return send(self, "GET", path)
            return answer

        monkeypatch.setattr(KubeConnection, "send", cut_off)
        journal = Journal(connection.endpoint)
        run = journal.begin("apply", "me")
        outcome = apply(connection, rows, run)
        run.close()
        connection.close()
        monkeypatch.undo()
    assert [row.state for row in outcome.rows] == [State.UNKNOWN]
    entry = journal.last()
    assert entry is not None
    steps = undo_steps(entry.in_force)
    run = journal.begin("undo", "me", entry.id)
    outcome = apply(admin, dry_run(admin, steps).rows, run)
    run.close()
    assert [row.state for row in outcome.rows] == [State.APPLIED]
    app = shop.read(*WEB)["spec"]["template"]["spec"]["containers"][0]
    assert app["securityContext"] == {"privileged": True}


# --- consent ------------------------------------------------------------------------------------------


def test_without_consent_there_is_at_most_a_dry_run(shop: Shop) -> None:
    before = shop.state()
    mark = shop.cluster.audit.mark()
    done = shop.run("apply", "--fix", "F-BIND-SUBJ", "--yes")
    assert done.status == 1
    assert "--confirm-context test" in done.err
    patches = [event for event in shop.cluster.audit.since(mark) if event.verb == "patch"]
    assert all(event.query.get("dryRun") == "All" for event in patches)
    assert shop.state() == before


# --- controllers --------------------------------------------------------------------------------------


def test_a_rollout_is_waited_for(managed_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no kubelet: the test says which pods are ready, as one would."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    managed_cluster.create_namespaces("rolling")
    managed_cluster.create(deployment("web", "rolling", replicas=2, hostPID=True))
    options = ConnectOptions(kubeconfig=str(managed_cluster.kubeconfig()))
    connection = connect(options)
    pods = "/api/v1/namespaces/rolling/pods"

    def make_ready() -> None:
        for found in managed_cluster.admin.get(pods)["items"]:
            if not found.get("status", {}).get("conditions"):
                status = {
                    "phase": "Running",
                    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
                }
                path = f"{pods}/{found['metadata']['name']}/status"
                managed_cluster.admin.do("PATCH", path, {"status": status}, content_type="application/merge-patch+json")

    def first_pods() -> bool:
        make_ready()
        return rollout.progress_of(managed_cluster.admin.get(f"{DEPLOYMENTS}/web")).finished

    wait_until(first_pods, "the first pods")
    view = load(SourceRequest("context", connect=options))
    (fix,) = (fix for fix in all_fixes(view) if fix.fix == "F-HOSTNS" and fix.target.name == "web")
    rows = dry_run(connection, fix_steps([fix])[0]).rows
    run = Journal(connection.endpoint).begin("apply", "me")
    outcome = apply(connection, rows, run)
    run.close()
    assert [row.state for row in outcome.rows] == [State.APPLIED]
    seen: list[str] = []

    def hear(news: rollout.Rollout) -> None:
        seen.append(str(news))
        make_ready()

    assert rollout.wait(connection, fix.target, hear, timeout=60).finished
    assert seen[-1] == "rolled out"
    connection.close()
