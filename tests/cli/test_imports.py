"""What the quick commands load: completion and help pages must not wait for the analysis."""

from __future__ import annotations

import pytest

from tests.test_imports import HELP, loaded_by

ANALYSIS = {"numpy", "scipy", "networkx", "rustworkx", "textual", "kubernetes"}


@pytest.mark.parametrize(
    "arguments", [["samples"], ["techniques"], ["techniques", "CE_PRIV_MOUNT", "-o", "json"], ["completion", "bash"]]
)
def test_quick_commands_load_no_analysis(arguments: list[str]) -> None:
    loaded, printed = loaded_by(HELP.format(arguments=arguments))
    assert not ANALYSIS & set(loaded)
    assert printed.strip()


@pytest.mark.parametrize("command", ["open", "paths", "graph", "who-can", "completion"])
def test_the_help_of_a_command_loads_nothing_heavy(command: str) -> None:
    loaded, printed = loaded_by(HELP.format(arguments=[command, "--help"]))
    assert loaded == []
    assert "examples:" in printed
