"""``workbench export``: what it selects, writes and says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

SHOP = ("--sample", "shop")


def written(directory: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((directory / "fixes.json").read_text(encoding="utf-8"))
    return found


def test_the_files_are_named_on_standard_output(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "patches"
    done = run("export", *SHOP, "--fix", "F-PRIV", "-o", str(target))
    assert done.status == 0
    assert all(Path(line).is_file() for line in done.out.splitlines())
    assert {Path(line) for line in done.out.splitlines()} == {path for path in target.rglob("*") if path.is_file()}
    assert f"next, in {target}: kubectl patch" in done.err


def test_a_directory_that_is_not_empty(run: Run, tmp_path: Path) -> None:
    arguments = ("export", *SHOP, "--fix", "F-PRIV", "-o", str(tmp_path))
    (tmp_path / "mine").write_text("keep", encoding="utf-8")
    refused = run(*arguments)
    assert (refused.status, refused.out) == (2, "")
    assert "is not empty" in refused.err
    assert sorted(tmp_path.iterdir()) == [tmp_path / "mine"]
    assert run(*arguments, "--force").status == 0
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "keep"


@pytest.mark.parametrize("repeated", [False, True])
def test_several_fixes(repeated: bool, run: Run, tmp_path: Path) -> None:
    records = json.loads(run("fixes", *SHOP, "-o", "json").out)["fixes"]
    kinds = {"F-PRIV", "F-AUTOMOUNT"}
    expected = {record["id"] for record in records if record["fix"] in kinds}
    assert len(expected) > 2
    flags = ("--fix", "F-PRIV", "--fix", "f-automount") if repeated else ("--fix", "F-PRIV", "f-automount")
    target = tmp_path / "patches"
    assert run("export", *SHOP, *flags, "-o", str(target)).status == 0
    content = json.loads((target / "fixes.json").read_text(encoding="utf-8"))
    found = content["fixes"] if isinstance(content, dict) else content
    assert {record["id"] for record in found} == expected


def test_a_unique_prefix_will_do(run: Run, tmp_path: Path) -> None:
    records = json.loads(run("fixes", *SHOP, "-o", "json").out)["fixes"]
    ready = next(record for record in records if record["status"] == "ready")
    done = run("export", *SHOP, "--fix", ready["id"][:10], "-o", str(tmp_path / "patches"))
    assert done.status == 0
    assert ready["id"] in (tmp_path / "patches" / "fixes.json").read_text(encoding="utf-8")


DIGEST = "sha256:" + "0123456789abcdef" * 4


def test_an_answer_makes_a_patch(run: Run, tmp_path: Path) -> None:
    records = json.loads(run("fixes", *SHOP, "-o", "json").out)["fixes"]
    (asking,) = (record for record in records if record["status"] == "needs-input")
    flags = ("export", *SHOP, "--fix", asking["id"], "-o")
    unanswered = run(*flags, str(tmp_path / "without"))
    assert (unanswered.status, list((tmp_path / "without").glob("patches/*"))) == (0, [])
    assert f"--set {asking['id']}:digest=VALUE" in unanswered.err
    done = run(*flags, str(tmp_path / "with"), "--set", f"{asking['id'][:8]}:digest={DIGEST}")
    assert done.status == 0
    (patch,) = (tmp_path / "with").glob("patches/*")
    assert f"@{DIGEST}" in patch.read_text(encoding="utf-8")
    (record,) = written(tmp_path / "with")
    assert (record["id"], record["status"], record["needs"]) == (asking["id"], "ready", [])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("digest", "'digest' is no answer: write NAME=VALUE, or ID:NAME=VALUE for one fix"),
        (f"digets={DIGEST}", "no chosen fix asks for 'digets'; did you mean digest?"),
        (f"ffff:digest={DIGEST}", "no chosen fix has the id 'ffff'"),
        ("digest=v1.2", "'v1.2' is not the digest of registry.shop.example/platform/etcd-backup:1.2.0 (sha256: and 64"),
    ],
)
def test_an_answer_that_means_nothing(given: str, message: str, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "patches"
    done = run("export", *SHOP, "--fix", "F-IMG-PIN", "--set", given, "-o", str(target))
    assert (done.status, done.out, target.exists()) == (2, "", False)
    assert message in done.err
