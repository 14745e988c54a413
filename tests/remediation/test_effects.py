"""What fixes do: as many pairs as a search of a graph built anew loses, and the graph of the objects written anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import container, deployment, inventory, node, obj, owner, pod, token_mount, token_volume, workload
from tests.remediation.worlds import SAMPLES, sample, written
from workbench.analysis.session import Analysis, Query
from workbench.graph.graph import Edge, Graph
from workbench.inventory.changes import Change, edited, overlay, replaced, skeleton
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KINDS
from workbench.remediation.catalogue import all_fixes
from workbench.remediation.effects import effects
from workbench.remediation.records import Effect, Fix, Status
from workbench.techniques.build import build
from workbench.techniques.recompute import recompute
from workbench.techniques.registry import all_techniques

Records = Counter[tuple[str, str, str, int, Any, Any]]


def records(edges: Iterable[Edge]) -> Records:
    """All records of a graph, however often each; what the groups of the network are called does not count."""
    found = Counter((e.source, e.target, e.technique, e.effort, e.missing, e.cause) for e in edges)
    return looked_through(+found)


def looked_through(found: Records) -> Records:
    """The records with those of the network's hubs led on to the Endpoints behind them."""
    inside: dict[str, list[str]] = {}
    for source, target, technique, *_ in found:
        if technique == "MEMBER_NETWORK":
            inside.setdefault(source, []).append(target)

    def members(node: str) -> list[str]:
        return [end for each in inside.get(node, ()) for end in members(each)] if node.startswith("Hub:") else [node]

    out: Records = Counter()
    for record, count in found.items():
        source, target, technique, *rest = record
        if technique == "NET_REACH":
            out.update({(source, end, technique, *rest): count for end in members(target)})
        elif technique != "MEMBER_NETWORK":
            out[record] += count
    return out


def after(graph: Graph, view: Inventory) -> Records:
    """The records of a graph whose touched buckets are recomputed over an overlay."""
    buckets = list(recompute(graph, view))
    gone = {place for bucket in buckets for place in graph.bucket(bucket.technique, bucket.subject)}
    kept = [graph.edge(place) for place in range(len(graph.source)) if place not in gone]
    return records([*kept, *(edge for bucket in buckets for edge in bucket.edges)])


def pairs(graph: Graph, entries: Iterable[str], jewels: Iterable[str]) -> dict[str, set[str]]:
    """For each jewel the entry points that lead to it, by a plain search."""
    above: dict[str, set[str]] = {}
    for edge in graph.edges():
        above.setdefault(edge.target, set()).add(edge.source)
    starts, out = set(entries), {}
    for jewel in jewels:
        seen, queue = {jewel}, [jewel]
        while queue:
            new = above.get(queue.pop(), set()) - seen
            seen |= new
            queue += new
        out[jewel] = (seen & starts) - {jewel}
    return out


def rebuilt(view: Inventory, change: Change) -> Inventory:
    """A plain inventory of the objects after a change."""
    new = replaced(view, [change])
    objects = [new.get(each.id, each) for kind in KINDS.values() for each in view.all(kind)]
    objects += [each for node, each in new.items() if view.by_id(node) is None]
    builtin = [each for each in objects if each is not None and view.is_builtin(each.id)]
    return Inventory(
        [(each, None) for each in objects if each is not None and not view.is_builtin(each.id)],
        coverage=view.coverage,
        server_version=view.server_version,
        users=view.users,
        builtins=builtin,
    )


def measured(analysis: Analysis, fixes: Iterable[Fix]) -> None:
    """Hold what fixes are said to cut against a search of a graph built anew."""
    before = pairs(analysis.graph, analysis.entries, analysis.jewels)
    for effect in effects(analysis, fixes).ranked():
        graph = build(overlay(analysis.view, [effect.fix.change]))
        now = pairs(graph, analysis.entries, analysis.jewels)
        lost = {jewel: len(before[jewel] - now[jewel]) for jewel in before}
        told = (effect.fix.paths_cut, effect.fix.targets_cut)
        assert told == (sum(lost.values()), tuple(sorted(j for j, n in lost.items() if n))), effect.fix.title
        joined = {(edge.source, edge.target) for edge in graph.edges()}
        assert not effect.removed & joined, effect.fix.title


def some(name: str, share: int) -> list[Fix]:
    """A share of the fixes of a sample, of each kind the same."""
    by_kind: dict[str, list[Fix]] = {}
    for fix in sorted(sample(name).fixes(), key=lambda fix: fix.id):
        by_kind.setdefault(fix.fix, []).append(fix)
    return [fix for kind in by_kind.values() for fix in kind[::share]]


@pytest.mark.parametrize(("name", "share"), [("shop", 1), ("platform", 2), ("hardened", 2)])
def test_what_fixes_cut(name: str, share: int) -> None:
    chosen = some(name, share)
    assert len({fix.fix for fix in chosen}) >= 6
    measured(sample(name).analysis, chosen)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_staged_fix_is_a_full_rebuild(name: str) -> None:
    audit = sample(name)
    for fix in some(name, 6):
        view = overlay(audit.inventory, [fix.change])
        assert after(audit.graph, view) == records(build(rebuilt(audit.inventory, fix.change)).edges()), fix.title


@pytest.mark.parametrize("name", SAMPLES)
def test_the_best_fix_of_a_step_takes_it_away(name: str) -> None:
    audit = sample(name)
    steps = {(s.source, s.target, s.technique): s for path in audit.paths().paths for s in path.steps}
    helped = 0
    for step in list(steps.values())[:60]:
        for fix in audit.fixes_for(step)[:1]:
            helped += 1
            graph = build(overlay(audit.inventory, [fix.change]))
            joined = {(edge.source, edge.target) for edge in graph.edges()}
            assert any((edge.source, edge.target) not in joined for edge in step.edges)
    assert helped > 5 or name == "hardened"


def test_a_step_that_leads_to_no_jewel_has_its_fix() -> None:
    bad = container("c", securityContext={"privileged": True})
    view = inventory(
        deployment("web", bad, uid="d"),
        pod("web-1", bad, owners=[owner("Deployment", "web", "d")], node="n"),
        node("n"),
    )
    analysis = Analysis(view, build(view))
    found = effects(analysis, all_fixes(view))
    assert not any(effect.fix.paths_cut or effect.measured for effect in found.ranked())
    (path,) = analysis.paths(Query(("Container:default/web-1/c",), ("Node:n",))).paths()
    fixes = [fix.fix for fix in found.for_step(path.steps[-1], {"Pod:default/web-1"})]
    assert fixes == ["F-PRIV"]
    assert found.for_step(path.steps[-1], {"Pod:default/web-1"})[0].target.id == "Deployment:default/web"


# --- live pods ----------------------------------------------------------------------------------------


def test_automount_off_closes_the_path_through_the_running_pods() -> None:
    spec = {"volumes": [token_volume()], "serviceAccountName": "boss"}
    app = container("c", volumeMounts=[token_mount()])
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "all"}
    view = inventory(
        deployment("web", container("c"), uid="d", serviceAccountName="boss"),
        workload("ReplicaSet", "web-1", container("c"), uid="r", owners=[owner("Deployment", "web", "d")]),
        *(pod(f"web-1-{n}", app, owners=[owner("ReplicaSet", "web-1", "r")], node=f"n{n}", **spec) for n in "ab"),
        obj("ServiceAccount", "boss", uid="s"),
        obj("ClusterRole", "all", rules=[{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]),
        obj(
            "ClusterRoleBinding",
            "all",
            subjects=[{"kind": "ServiceAccount", "name": "boss", "namespace": "default"}],
            roleRef=reference,
        ),
        node("na"),
        node("nb"),
    )
    analysis = Analysis(view, build(view))
    (effect,) = [each for each in effects(analysis, all_fixes(view)).ranked() if each.fix.fix == "F-AUTOMOUNT"]
    assert effect.fix.target.id == "Deployment:default/web"
    assert effect.fix.paths_cut == 2
    assert effect.fix.targets_cut == ("ClusterAdmin",)
    assert {(f"Container:default/web-1-{n}/c", "ServiceAccount:default/boss") for n in "ab"} <= effect.removed


# --- manifests, written anew --------------------------------------------------------------------------

RBAC = "rbac.authorization.k8s.io"
_VERBS = st.lists(
    st.sampled_from(["get", "list", "create", "patch", "bind", "escalate", "impersonate", "*"]),
    min_size=1,
    max_size=3,
    unique=True,
)
_TARGETS = ["pods", "pods/exec", "secrets", "deployments", "clusterroles", "clusterrolebindings", "users", "*"]
_RESOURCES = st.lists(st.sampled_from(_TARGETS), min_size=1, max_size=3, unique=True)
_RULES = st.lists(
    st.fixed_dictionaries({"apiGroups": st.just(["", "apps", RBAC]), "resources": _RESOURCES, "verbs": _VERBS}),
    max_size=2,
)
_MOUNTS = st.lists(st.sampled_from(["root", "etc", "sock", "zone"]), max_size=2, unique=True)
_PATHS = {"root": "/", "etc": "/etc", "sock": "/run/docker.sock", "zone": "/etc/localtime"}


@st.composite
def pod_specs(draw: st.DrawFn) -> dict[str, Any]:
    """A pod spec with more or less in it that is dangerous."""
    mounts = draw(_MOUNTS)
    context: dict[str, Any] = {}
    if draw(st.booleans()):
        context["privileged"] = draw(st.booleans())
    if draw(st.booleans()):
        context["capabilities"] = draw(
            st.sampled_from([{"add": ["SYS_ADMIN"]}, {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}])
        )
    first = {
        "name": "c",
        "image": draw(st.sampled_from(["nginx:1", "app:2"])),
        "ports": [{"containerPort": draw(st.sampled_from([80, 8080]))}],
        "volumeMounts": [
            {"name": name, "mountPath": f"/m/{name}", **draw(st.sampled_from([{}, {"readOnly": True}]))}
            for name in mounts
        ],
        **({"securityContext": context} if context else {}),
    }
    spec: dict[str, Any] = {
        "containers": [first, {"name": "side", "image": "side:1"}],
        "serviceAccountName": draw(st.sampled_from(["a", "b"])),
        "volumes": [{"name": name, "hostPath": {"path": _PATHS[name]}} for name in mounts],
    }
    for flag in ("hostPID", "hostNetwork"):
        if draw(st.integers(0, 3)) == 0:
            spec[flag] = True
    return spec


@st.composite
def clusters(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The manifests of a small cluster."""
    out: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}} for name in "ab"
    ]
    out.append(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s", "namespace": "kube-system"},
            "data": {"k": "eA=="},
        }
    )
    for number, kind in enumerate(
        draw(st.lists(st.sampled_from(["Deployment", "DaemonSet", "CronJob", "Pod"]), min_size=1, max_size=3))
    ):
        spec = draw(pod_specs())
        name = f"w{number}"
        meta = {"name": name, "namespace": "shop"}
        template = {"metadata": {"labels": {"app": name}}, "spec": spec}
        if kind == "Pod":
            out.append({"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": spec})
        elif kind == "CronJob":
            job = {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": template}}}
            out.append({"apiVersion": "batch/v1", "kind": kind, "metadata": meta, "spec": job})
        else:
            whole = {"selector": {"matchLabels": {"app": name}}, "template": template}
            out.append({"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": whole})
    for number in range(draw(st.integers(1, 2))):
        out.append(
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": "ClusterRole",
                "metadata": {"name": f"r{number}"},
                "rules": draw(_RULES),
            }
        )
        subjects = draw(st.lists(st.sampled_from("abu"), min_size=1, max_size=3))
        out.append(
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": f"b{number}"},
                "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": f"r{number}"},
                "subjects": [
                    {"kind": "User", "apiGroup": RBAC, "name": "bob"}
                    if name == "u"
                    else {"kind": "ServiceAccount", "name": name, "namespace": "shop"}
                    for name in subjects
                ],
            }
        )
    return out


def patched(documents: list[dict[str, Any]], fix: Fix) -> list[dict[str, Any]]:
    """The manifests with the edits of a fix made in the one that it is aimed at, or with the one that it creates."""
    if fix.creates:
        return [*documents, edited(skeleton(fix.target), fix.ops)]

    def meant(document: dict[str, Any]) -> bool:
        meta = document["metadata"]
        place = meta.get("namespace", "") or ""
        return (document["kind"], place, meta["name"]) == (fix.target.kind, fix.target.namespace, fix.target.name)

    assert sum(map(meant, documents)) == 1
    return [edited(each, fix.ops) if meant(each) else each for each in documents]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(clusters())
def test_of_manifests_a_staged_fix_is_the_edited_files_read_anew(
    tmp_path_factory: pytest.TempPathFactory, documents: list[dict[str, Any]]
) -> None:
    audit = written(tmp_path_factory.mktemp("in"), *documents)
    measured(audit.analysis, audit.fixes())
    for fix in audit.fixes():
        if fix.status is not Status.READY:
            continue
        fresh = written(tmp_path_factory.mktemp("new"), *patched(documents, fix))
        view = overlay(audit.inventory, [fix.change])
        assert after(audit.graph, view) == records(fresh.graph.edges()), fix.title
        report = audit.what_if([fix])
        assert (report.paths_before, report.paths_after) == (audit.paths().total, fresh.paths().total), fix.title


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(clusters())
def test_the_manifest_of_what_is_created_anew(
    tmp_path_factory: pytest.TempPathFactory, documents: list[dict[str, Any]]
) -> None:
    documents = [
        *documents,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "bare"},
            "spec": {"containers": [{"name": "c", "image": "x:1"}]},
        },
    ]
    audit = written(tmp_path_factory.mktemp("in"), *documents)
    for fix in audit.fixes():
        if fix.effect is Effect.RECREATE and fix.status is Status.READY:
            out: Path = tmp_path_factory.mktemp("out") / "x"
            audit.export([fix], out)
            (file,) = (out / "manifests").iterdir()
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
            original = next(each for each in documents if each["metadata"]["name"] == fix.target.name)
            assert document == edited(original, fix.ops)


def test_ids_say_what_a_fix_does_and_not_how_it_was_found() -> None:
    one = deployment("web", container("c", image="nginx:1", securityContext={"privileged": True}))
    first = {fix.fix: fix.id for fix in all_fixes(inventory(one))}
    second = {fix.fix: fix.id for fix in all_fixes(inventory(obj("Secret", "other"), one))}
    assert first == second
    assert len(set(first.values())) == len(first)
    other = deployment("web", container("c", image="nginx:1", securityContext={"privileged": True}), namespace="b")
    assert not set(first.values()) & {fix.id for fix in all_fixes(inventory(other))}
    live = deployment("web", container("c", image="nginx:1", securityContext={"privileged": True}), uid="u")
    assert {fix.fix: fix.id for fix in all_fixes(inventory(live))}["F-PRIV"] == first["F-PRIV"]


def test_every_declared_fix_that_is_known_is_the_catalogues() -> None:
    named = {identifier for technique in all_techniques() for identifier in technique.declaration.fixes}
    made = {fix.fix for name in SAMPLES for fix in sample(name).fixes()}
    assert made >= {
        "F-PRIV",
        "F-HOSTNS",
        "F-CAPS",
        "F-HP-DEL",
        "F-HP-RO",
        "F-AUTOMOUNT",
        "F-IMG-PIN",
        "F-BIND-SUBJ",
        "F-RBAC-RULE",
        "F-NP-IN",
        "F-NP-DENY",
    }
    assert made <= named


@pytest.mark.parametrize("name", SAMPLES)
def test_records_keep_the_contract(name: str) -> None:
    fixes = sample(name).fixes()
    assert len({(fix.fix, fix.target.id, fix.observed_on) for fix in fixes}) == len(fixes)
    per_target = Counter((fix.fix, fix.target.id) for fix in fixes if fix.fix != "F-BIND-SUBJ")
    assert set(per_target.values()) == {1}
    for fix in fixes:
        assert (fix.status is Status.READY) is (fix.reason == "")
        if fix.reason:
            word, colon, _ = fix.reason.partition(":")
            assert colon
            assert word.replace("-", "").isalpha()
        assert fix.ops
        assert fix.observed_on == tuple(sorted(fix.observed_on))
        assert fix.status is not Status.NEEDS_INPUT or fix.needs
