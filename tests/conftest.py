"""What all tests share: no deadline on a busy machine, no state of the user's, no colour of the environment's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# Here, where every run sees it, as a run that skips the tests against a real API server has to say so.
pytest_plugins = ("tests.cluster.plugin",)

# Timings belong to the benchmarks.
settings.register_profile("workbench", deadline=None)
settings.load_profile("workbench")


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the user's files and settings."""
    home: Path = tmp_path_factory.mktemp("home")
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.setenv("HOME", str(home))
    for name in ("KUBECONFIG", "NO_COLOR", "WORKBENCH_THEME", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
