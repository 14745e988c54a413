"""The directory that an export writes."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.builders import container, inventory
from tests.remediation.worlds import sample, written
from workbench.cli import main
from workbench.engine import Audit
from workbench.errors import Conflict, UsageError
from workbench.inventory.changes import Op, Target
from workbench.inventory.decode import from_data
from workbench.inventory.objects import KINDS, Deployment
from workbench.remediation.export import plan, write
from workbench.remediation.records import Effect, Fix, Risk, RiskLevel, Status

TOKEN = "/spec/template/spec/automountServiceAccountToken"


def fix(target: Target, **more: Any) -> Fix:
    """A fix of a workload."""
    values: dict[str, Any] = {
        "fix": "F-AUTOMOUNT",
        "title": f"off on {target.id}",
        "target": target,
        "ops": (Op("set", TOKEN, False),),
        "risk": Risk(RiskLevel.LOW, ("nothing",)),
        "effect": Effect.ROLLOUT,
        **more,
    }
    return Fix(**values)


def named(*names: tuple[str, str]) -> tuple[Any, list[Fix]]:
    """Deployments of some namespaces and names, hostile ones too, and a fix of each."""
    objects = [
        from_data(Deployment, {
            "apiVersion": "apps/v1", "metadata": {"name": name, "namespace": namespace},
            "spec": {"template": {"spec": {"containers": [container()]}}},
        })
        for namespace, name in names
    ]  # fmt: skip
    return inventory(*objects), [fix(Target.of(each)) for each in objects]


def files(directory: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_the_layout(tmp_path: Path) -> None:
    audit = sample("shop")
    chosen = audit.select_fixes(["all-ready"])
    result = audit.export(chosen, tmp_path / "out")
    found = files(tmp_path / "out")
    assert sorted(found) == sorted(result.files)
    made = [name.partition("/") for name in found if name.startswith(("patches/", "manifests/"))]
    patches = sorted(name for _, _, name in made)
    assert patches == sorted(name.removeprefix("rollback/") for name in found if name.startswith("rollback/"))
    assert {"networkpolicy" in name for where, _, name in made if where == "manifests"} == {True}
    targets = {each.target.id for each in chosen}
    assert len(patches) == len(targets)
    numbers = [int(name.partition("-")[0]) for name in patches]
    assert numbers == list(range(1, len(patches) + 1))
    kinds = [name.split("-")[-1] for name in patches]
    assert kinds
    first_binding = next(number for number, name in enumerate(patches) if "binding" in name or "role" in name)
    assert all("binding" in name or "role" in name for name in patches[first_binding:])
    assert any("-_cluster-clusterrolebinding-" in name for name in patches)


def test_the_readme_says_the_exact_lines(tmp_path: Path) -> None:
    audit = sample("shop")
    audit.export(audit.select_fixes(["all-ready"]), tmp_path / "out")
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("kubectl ")]
    used = []
    for line in lines:
        words = shlex.split(line)
        if words[1] in ("create", "delete"):
            assert words[2:-1] == ["-f"]
            used.append(words[-1])
            continue
        assert words[:2] == ["kubectl", "patch"]
        assert words[words.index("--type") + 1] == "strategic"
        used.append(words[words.index("--patch-file") + 1])
        assert (tmp_path / "out" / used[-1]).is_file()
    assert sorted(used) == sorted(
        name for name in files(tmp_path / "out") if name.startswith(("patches/", "rollback/", "manifests/"))
    )
    assert text.count("risk ") >= len(lines) // 2
    assert "environment variables" in text


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    audit = sample("platform")
    chosen = audit.select_fixes(["all-ready"])
    audit.export(chosen, tmp_path / "one")
    audit.export(chosen[::-1], tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_the_records_are_a_sorted_list(tmp_path: Path) -> None:
    audit = sample("hardened")
    chosen = audit.fixes()[::-1]
    audit.export([each for each in chosen if each.fix != "F-HP-RO"], tmp_path / "out")
    records = json.loads((tmp_path / "out/fixes.json").read_text(encoding="utf-8"))
    assert [record["id"] for record in records] == sorted(record["id"] for record in records)
    keys = {"id", "fix", "rule", "findings", "target", "observedOn", "route", "managedBy", "ops", "cuts", "risk",
            "effect", "needs", "status", "reason", "conflictsWith", "creates"}  # fmt: skip
    for record in records:
        assert keys <= set(record)
        assert re.fullmatch("[0-9a-f]{12}", record["id"])
        assert record["rule"] == record["fix"]
        assert set(record["target"]) == {"apiVersion", "kind", "namespace", "name", "uid", "resourceVersion"}


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    audit = sample("shop")
    old = os.umask(0)
    try:
        audit.export(audit.select_fixes(["F-PRIV"]), tmp_path / "deep/out")
    finally:
        os.umask(old)
    for path in [tmp_path / "deep", *(tmp_path / "deep").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_directory_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    audit = sample("shop")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        audit.export(audit.select_fixes(["F-PRIV"]), tmp_path)
    assert files(tmp_path) == {"mine.txt": b"mine"}
    (tmp_path / "file").write_text("")
    for force in (False, True):
        with pytest.raises(UsageError, match="not a directory"):
            audit.export(audit.select_fixes(["F-PRIV"]), tmp_path / "file", force=force)


def test_force_leaves_nothing_of_the_export_before(tmp_path: Path) -> None:
    audit = sample("shop")
    audit.export(audit.select_fixes(["F-BIND-SUBJ"]), tmp_path / "out")
    (tmp_path / "out/patches/notes.txt").write_text("mine")
    (tmp_path / "out/README.md").chmod(0o644)
    audit.export(audit.select_fixes(["F-PRIV"]), tmp_path / "out", force=True)
    audit.export(audit.select_fixes(["F-PRIV"]), tmp_path / "fresh")
    found = files(tmp_path / "out")
    assert found.pop("patches/notes.txt") == b"mine"
    assert found == files(tmp_path / "fresh")
    assert stat.S_IMODE((tmp_path / "out/README.md").stat().st_mode) == 0o600


@pytest.mark.parametrize("link", ["patches", "README.md"])
def test_no_link_leads_out_of_it(tmp_path: Path, link: str) -> None:
    audit = sample("shop")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "01-keep.yaml").write_text("keep")
    out = tmp_path / "out"
    out.mkdir()
    (out / link).symlink_to(outside if link == "patches" else outside / "01-keep.yaml")
    with pytest.raises(UsageError):
        audit.export(audit.select_fixes(["F-PRIV"]), out, force=True)
    assert files(outside) == {"01-keep.yaml": b"keep"}


# --- names --------------------------------------------------------------------------------------------

HOSTILE = [
    ("shop", "../../etc/passwd"),
    ("..", "web"),
    ("shop", "Web"),
    ("shop", "web"),
    ("shop", "a\n```\n# injected\n"),
    ("shop", "<script>alert(1)</script>"),
    ("shop", "x; rm -rf ~"),
    ("shop", "-n"),
    ("shop", "[link](http://evil.example)"),
    ("shop", "@team"),
    ("shop", "\x1b[31mred\u202e"),
    ("shop", "````"),
    ("shop", "long" * 100),
]


def test_hostile_names(tmp_path: Path) -> None:
    view, fixes = named(*HOSTILE)
    export = plan(view, fixes, "a `source` <b>")
    write(export, tmp_path / "out")
    names = [name for name in files(tmp_path / "out") if "/" in name]
    assert len(names) == 2 * len(HOSTILE)
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert re.fullmatch(r"(patches|rollback)/\d\d-[A-Za-z0-9._-]+\.strategic\.yaml", name)
        assert ".." not in name
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert "\u202e" not in text
    outside, fence = [], ""
    for line in text.splitlines():
        mark = re.match(r"`{3,}", line)
        if mark and not fence:
            fence = mark[0]
        elif fence and line == fence:
            fence = ""
        elif not fence:
            outside.append(line)
    assert not fence
    prose = "\n".join(outside)
    assert not re.search(r"^# injected", prose, re.MULTILINE)
    assert "<script>" not in prose.replace("\\<", "")
    assert "](http" not in prose.replace("\\]", "")
    assert " @team" not in prose


def test_a_name_is_no_flag() -> None:
    view, fixes = named(("shop", "-n"), ("shop", "x; rm -rf ~"))
    text = next(file.content for file in plan(view, fixes, "s").files if file.name == "README.md")
    assert "kubectl patch deployments.apps/-n -n shop " in text
    assert "kubectl patch deployments.apps 'x; rm -rf ~' -n shop " in text


def test_a_hundred_files_keep_their_order() -> None:
    view, fixes = named(*(("shop", f"web-{number}") for number in range(101)))
    names = [file.name for file in plan(view, fixes, "s").files if file.name.startswith("patches/")]
    assert names[0].startswith("patches/001-")
    assert names == sorted(names)


# --- what has no patch --------------------------------------------------------------------------------


def job(name: str, kind: str = "Job", **meta: Any) -> dict[str, Any]:
    """A Job or a Pod with a privileged container and a literal in its environment."""
    spec: dict[str, Any] = {
        "containers": [
            {"name": "c", "image": "i", "env": [{"name": "A", "value": "b"}], "securityContext": {"privileged": True}}
        ]
    }
    if kind == "Job":
        return {
            "apiVersion": "batch/v1",
            "kind": kind,
            "metadata": {"name": name, **meta},
            "spec": {"template": {"spec": spec}},
        }
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **meta}, "spec": {**spec, "hostname": "0123"}}


@pytest.mark.parametrize("kind", ["Job", "Pod"])
def test_what_cannot_be_patched_is_created_anew_from_the_users_own_manifest(tmp_path: Path, kind: str) -> None:
    audit = written(tmp_path / "in", job("once", kind))
    (chosen,) = audit.select_fixes(["F-PRIV"])
    assert (chosen.status, chosen.effect) == (Status.READY, Effect.RECREATE)
    audit.export([chosen], tmp_path / "out")
    name = f"manifests/01-default-{kind.lower()}-once.yaml"
    assert sorted(files(tmp_path / "out")) == ["README.md", "fixes.json", name]
    made = yaml.safe_load((tmp_path / "out" / name).read_text(encoding="utf-8"))
    wanted = job("once", kind)
    spec = wanted["spec"]["template"]["spec"] if kind == "Job" else wanted["spec"]
    spec["containers"][0]["securityContext"]["privileged"] = False
    assert made == wanted
    from_data(KINDS[kind], made)
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert f"kubectl delete {kind.lower()} once -n default\n" in text
    assert f"kubectl create -n default -f {name}\n" in text


@pytest.mark.parametrize("meta", [{"uid": "u"}, {"generateName": "once-"}])
def test_otherwise_it_is_an_advisory(tmp_path: Path, meta: dict[str, Any]) -> None:
    document = job("once", "Pod", **meta)
    if "generateName" in meta:
        del document["metadata"]["name"]
    else:
        document["spec"]["nodeName"] = "worker"
        document["status"] = {"phase": "Running"}
    audit = written(tmp_path / "in", document)
    (chosen,) = audit.select_fixes(["F-PRIV"])
    assert chosen.status is Status.ADVISORY
    assert chosen.reason.startswith("recreate: ")
    result = audit.export([chosen], tmp_path / "out")
    assert sorted(files(tmp_path / "out")) == ["README.md", "fixes.json"]
    assert any(chosen.id in message for message in result.messages)
    assert result.next_command == ""


def test_what_is_not_ready_has_no_file(tmp_path: Path) -> None:
    audit = sample("shop")
    stopped = [each for each in audit.fixes() if each.status is not Status.READY]
    assert {each.status.value for each in stopped} >= {"advisory", "needs-input"}
    chosen = [each for each in stopped if each.fix not in ("F-HP-RO",)]
    result = audit.export(chosen, tmp_path / "out")
    assert sorted(files(tmp_path / "out")) == ["README.md", "fixes.json"]
    assert len(result.messages) == len(chosen)
    assert len(json.loads((tmp_path / "out/fixes.json").read_text(encoding="utf-8"))) == len(chosen)


def test_a_cron_job_says_when_it_counts(tmp_path: Path) -> None:
    spec = job("nightly")["spec"]
    document = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
                "spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": spec}}}  # fmt: skip
    audit = written(tmp_path / "in", document)
    audit.export(audit.select_fixes(["F-PRIV"]), tmp_path / "out")
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "- effect: none on what runs: it counts from the next run" in text
    (record,) = json.loads((tmp_path / "out/fixes.json").read_text(encoding="utf-8"))
    assert record["effect"] == "none"
    assert any("next run" in note for note in record["notes"])


def test_fixes_of_one_object_are_one_patch(tmp_path: Path) -> None:
    audit = sample("shop")
    chosen = [
        each for each in audit.fixes() if each.target.id == "DaemonSet:kube-system/kube-proxy" and each.fix != "F-HP-RO"
    ]
    assert len(chosen) > 2
    audit.export(chosen, tmp_path / "out")
    assert len([name for name in files(tmp_path / "out") if name.startswith("patches/")]) == 1


def test_fixes_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    audit = sample("shop")
    one = next(each for each in audit.fixes() if each.conflicts_with and each.status is Status.READY)
    other = audit.fix(one.conflicts_with[0])
    with pytest.raises(Conflict, match=re.escape(one.target.id)):
        audit.export([one, other], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    together = audit.select_fixes(["all-ready"])
    assert not any(other in {each.id for each in together} for each in together for other in each.conflicts_with)


# --- the command --------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command reads the samples that are loaded already."""
    load, shop = Audit.load, sample("shop")

    def loaded(request: Any, *more: Any) -> Audit:
        return shop if request.name == "shop" else load(request, *more)

    monkeypatch.setattr(Audit, "load", staticmethod(loaded))


def run(*arguments: str) -> int:
    """Run the command, with its exit status."""
    try:
        return int(main(list(arguments)) or 0)
    except SystemExit as error:
        return int(error.code or 0)


def test_the_command_prints_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", "--sample", "shop", "--fix", "F-PRIV", "-o", str(tmp_path / "out")) == 0
    captured = capsys.readouterr()
    assert sorted(captured.out.split()) == sorted(str(tmp_path / "out" / name) for name in files(tmp_path / "out"))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("F-NOTHING", "no fix F-NOTHING applies here; those that do: F-AUTOMOUNT, "),
        ("zzz", "no fix 'zzz'"),
    ],
)
def test_ids_that_name_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], wanted: str, message: str) -> None:
    assert run("export", "--sample", "shop", "--fix", wanted, "-o", str(tmp_path / "out")) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert not (tmp_path / "out").exists()


def test_the_command_refuses_a_directory_that_is_not_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_text("")
    assert run("export", "--sample", "shop", "--fix", "F-PRIV", "-o", str(tmp_path)) == 2
    assert "--force" in capsys.readouterr().err
    assert run("export", "--sample", "shop", "--fix", "F-PRIV", "-o", str(tmp_path), "--force") == 0


def test_the_command_says_what_has_no_patch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopped = next(each for each in sample("shop").fixes() if each.status is Status.ADVISORY)
    assert run("export", "--sample", "shop", "--fix", stopped.id, "-o", str(tmp_path / "out")) == 0
    captured = capsys.readouterr()
    assert f"workbench: {stopped.id} " in captured.err
    assert "static: " in captured.err


def test_the_command_says_what_contradicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", "--sample", "shop", "--fix", "all-ready", "-o", str(tmp_path / "out")) == 0
    said = capsys.readouterr().err
    ids = {record["id"] for record in json.loads((tmp_path / "out/fixes.json").read_text(encoding="utf-8"))}
    left = [each for each in sample("shop").fixes() if each.status is Status.READY and each.id not in ids]
    assert left
    for each in left:
        assert f": contradicts {each.id}, left out" in said


def test_a_unique_prefix_will_do(tmp_path: Path) -> None:
    fixes = sample("shop").fixes()
    prefix = next(
        f.id[:6] for f in fixes if f.status is Status.READY and sum(o.id.startswith(f.id[:6]) for o in fixes) == 1
    )
    assert run("export", "--sample", "shop", "--fix", prefix, "-o", str(tmp_path / "out")) == 0
