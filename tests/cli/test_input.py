"""Bad input: every fault with file, document, line and field on standard error, nothing on standard output."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import DEPLOY, Run

FAULTY = """\
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  hostPID: perhaps
  containers:
  - name: app
    image: 7
---
apiVersion: v1
metadata: {name: kindless}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: readers}
rules: {verbs: [get]}
"""

FAULT = re.compile(r"workbench: (?P<file>[^:]+):(?P<line>\d+), document (?P<document>\d+)(, (?P<field>[^:]+))?: .+")

COMMANDS = (
    "paths",
    "paths -o json",
    "graph",
    "fixes",
    "who-can get pods",
    "collect -o out",
    "export --fix F-PRIV -o out",
)


@pytest.fixture
def faulty(deploy: Path) -> Path:
    (deploy / "deploy" / "faulty.yaml").write_text(FAULTY, encoding="utf-8")
    (deploy / "deploy" / "broken.yaml").write_text("a: [1\n", encoding="utf-8")
    return deploy


@pytest.mark.parametrize("command", COMMANDS)
def test_every_fault_is_named(command: str, run: Run, faulty: Path) -> None:
    done = run(*command.split(), "--manifests", "deploy")
    assert (done.status, done.out) == (2, "")
    places = []
    for line in done.err.splitlines():
        match = FAULT.fullmatch(line)
        assert match, line
        places.append((match["file"], int(match["document"]), int(match["line"]), match["field"]))
    assert sorted(places, key=lambda place: place[:3]) == [
        ("deploy/broken.yaml", 1, 1, None),
        ("deploy/faulty.yaml", 1, 5, "spec.hostPID"),
        ("deploy/faulty.yaml", 1, 8, "spec.containers[0].image"),
        ("deploy/faulty.yaml", 2, 10, "kind"),
        ("deploy/faulty.yaml", 3, 16, "rules"),
    ]
    assert not (faulty / "out").exists()


@pytest.mark.parametrize("command", [command for command in COMMANDS if "collect" not in command])
def test_keep_going_analyses_the_rest_and_says_what_is_missing(command: str, run: Run, faulty: Path) -> None:
    done = run(*command.split(), "--manifests", "deploy", "--keep-going")
    assert done.status == 0
    assert done.out
    told = [line for line in done.err.splitlines() if line.startswith("workbench: not read: ")]
    assert sum("deploy/faulty.yaml" in line for line in told) == 4
    assert sum("deploy/broken.yaml" in line for line in told) == 1


def test_keep_going_reports_its_gaps(run: Run, faulty: Path) -> None:
    gaps = json.loads(run("paths", "--manifests", "deploy", "--keep-going", "-o", "json").out)["coverage"]
    assert {gap["problem"] for gap in gaps} == {"invalid"}
    assert all(set(gap) == {"kind", "namespace", "problem", "count", "detail"} for gap in gaps)
    assert "ClusterRole" in {gap["kind"] for gap in gaps}
    whole = json.loads(run("fixes", "--manifests", "deploy", "--keep-going", "-o", "json").out)
    assert whole["coverage"] == gaps
    summary = run("paths", "--manifests", "deploy", "--keep-going").out
    assert "Not everything was read: see 5 gaps" in summary


def test_two_objects_of_one_name(run: Run, deploy: Path) -> None:
    (deploy / "again.yaml").write_text(DEPLOY, encoding="utf-8")
    done = run("paths", "--manifests", "deploy", "again.yaml")
    assert (done.status, done.out) == (2, "")
    assert len(done.err.splitlines()) == 2
    assert "again.yaml:3, document 1, metadata.name: a second Deployment shop/web" in done.err
    assert "again.yaml:16, document 2, metadata.name: a second ClusterRoleBinding web" in done.err


def test_faults_with_hostile_names(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31mb\u202e.yaml"
    path.write_text('apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {hostPID: "\\e]0;owned\\a"}\n', "utf-8")
    done = run("paths", "--manifests", str(tmp_path))
    assert (done.status, done.out) == (2, "")
    assert r"a\x1b[31mb\u202e.yaml:4, document 1, spec.hostPID: " in done.err
    assert not set("\x1b\x07\u202e") & set(done.err)


def test_several_values_in_one_go_or_repeated(run: Run, deploy: Path) -> None:
    web, rbac = DEPLOY.split("---\n")
    (deploy / "a.yaml").write_text(web, encoding="utf-8")
    (deploy / "b.yaml").write_text(rbac, encoding="utf-8")
    one = run("paths", "--manifests", "a.yaml", "b.yaml", "-o", "json")
    two = run("paths", "--manifests", "a.yaml", "--manifests", "b.yaml", "-o", "json")
    assert one.status == 0
    assert one.out == two.out
    assert json.loads(one.out)["summary"]["pairs_with_a_path"] > 0


def test_where_manifests_stand_that_name_no_namespace(run: Run, deploy: Path) -> None:
    (deploy / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n", encoding="utf-8"
    )
    for flags, namespace in (((), "default"), (("--default-namespace", "shop"), "shop")):
        nodes = json.loads(run("graph", "--manifests", "pod.yaml", *flags).out)["nodes"]
        assert f"Container:{namespace}/p/c" in {node["id"] for node in nodes}


def test_the_server_version_counts(run: Run, deploy: Path) -> None:
    assumed = run("paths", "--manifests", "deploy")
    assert "server version assumed: v1." in assumed.err
    told = run("paths", "--manifests", "deploy", "--server-version", "v1.34.2-eks-113cf36")
    assert (told.status, told.err) == (0, "")


def test_a_snapshot_gives_the_same_paths(run: Run, tmp_path: Path) -> None:
    target = str(tmp_path / "shop.jsonl.gz")
    done = run("collect", "--sample", "shop", "-o", target)
    assert (done.status, done.out) == (0, "")
    assert " objects of sample shop in " in done.err
    direct = json.loads(run("paths", "--sample", "shop", "-o", "json").out)
    again = json.loads(run("paths", "--snapshot", target, "-o", "json").out)
    assert len(direct["paths"]) > 50
    assert [path["id"] for path in again["paths"]] == [path["id"] for path in direct["paths"]]
    assert again["summary"] == direct["summary"]


def test_a_snapshot_that_is_cut_off(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "shop.jsonl.gz"
    run("collect", "--sample", "hardened", "-o", str(target))
    target.write_bytes(target.read_bytes()[:-200])
    done = run("paths", "--snapshot", str(target))
    assert (done.status, done.out) == (2, "")
    assert str(target) in done.err
