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
