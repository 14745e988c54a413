"""The known answers of the project's notes: ``../shared/conformance/network``, where that is beside the project.

They are test data of np-guard/netpol-analyzer; how they are compared is settled by ``compare.py`` there.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench.cli import main

CASES = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "network"
FOLDERS = sorted(path.parent for path in CASES.glob("*/expected.json"))

pytestmark = pytest.mark.skipif(not FOLDERS, reason="no ../shared/conformance/network beside the project")


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    """The program that compares, as a module."""
    spec = importlib.util.spec_from_file_location("network_conformance_compare", CASES / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and the like look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_known_answer(folder: Path, compare: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    status = main(["connectivity", "--manifests", str(folder / "manifests"), "-o", "json"])
    out, err = capsys.readouterr()
    if expected.get("error"):
        assert (status, out) == (2, "")
        for what in ("file", "field"):
            names = expected.get(what)
            assert not names or any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", err) for name in names), err
        return
    assert status == 0, err
    actual = compare.without(compare.canonical(json.loads(out)["connections"]), expected.get("not_compared", ()))
    assert compare.difference(compare.canonical(expected["connections"]), actual) == []
