"""What the program loads: little at start-up, and only what it declares."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

HEAVY = ("kubernetes", "msgspec", "networkx", "numpy", "rich", "rustworkx", "scipy", "textual", "yaml")
"""Costs tens to hundreds of milliseconds each; shell completion and `--help` must not pay for them."""

PROBE = """
import json, sys
{statement}
print("loaded", json.dumps([name for name in {heavy!r} if name in sys.modules]), file=sys.stderr)
"""

HELP = """
import workbench.cli
try:
    status = workbench.cli.main({arguments!r})
except SystemExit as stop:
    status = stop.code
assert not status, status
"""


def loaded_by(statement: str) -> tuple[list[str], str]:
    """The heavy libraries that a fresh interpreter holds after the statement, and what it printed."""
    probe = PROBE.format(statement=statement, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    last = done.stderr.splitlines()[-1]
    return json.loads(last.removeprefix("loaded ")), done.stdout


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    loaded, _ = loaded_by("import workbench.cli")
    assert loaded == []


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(argument: str) -> None:
    loaded, printed = loaded_by(HELP.format(arguments=[argument]))
    assert loaded == []
    assert printed.strip()


@pytest.mark.parametrize("arguments", [["samples"], ["samples", "-o", "json"]])
def test_what_reads_no_cluster_loads_what_it_prints_with_alone(arguments: list[str]) -> None:
    loaded, printed = loaded_by(HELP.format(arguments=arguments))
    assert loaded == ["rich"]
    assert "shop" in printed


def imported_distributions() -> dict[str, set[str]]:
    """Every third-party distribution that the code imports, anywhere in a module, and the files that do."""
    providers = importlib.metadata.packages_distributions()
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "workbench").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                modules = [node.module]
            else:
                continue
            for top in {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"workbench"}:
                # A module that nothing provides is reported under its own name.
                for distribution in providers.get(top, [top]):
                    found.setdefault(canonical(distribution), set()).add(str(path.relative_to(ROOT)))
    return found


def declared_distributions() -> set[str]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = project.get("optional-dependencies", {})
    requirements = [*project["dependencies"], *(item for items in extras.values() for item in items)]
    return {canonical(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]) for requirement in requirements}


def canonical(name: str) -> str:
    """The name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_imported_distribution_is_declared() -> None:
    imported = imported_distributions()
    undeclared = {name: sorted(imported[name]) for name in imported.keys() - declared_distributions()}
    assert undeclared == {}


@pytest.mark.parametrize("screen", ["connect", "overview"])
def test_the_first_paint_waits_for_nothing_that_reads(screen: str) -> None:
    statement = (
        "from workbench.sources import SourceKind, SourceRequest\n"
        "SourceRequest(SourceKind.SAMPLE, name='shop')\n"
        f"import workbench.tui.app, workbench.tui.screens.{screen}"
    )
    loaded, _ = loaded_by(statement)
    assert set(loaded) == {"rich", "textual"}
