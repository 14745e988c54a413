"""Preferences: read strictly, for a misspelt key would protect nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import ConfigError
from workbench.preferences import (
    Preferences,
    preferences_path,
    read_only_by_environment,
    read_preferences,
    state_directory,
)


def written(directory: Path, text: str) -> Path:
    path = directory / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_contexts_are_globs(tmp_path: Path) -> None:
    text = "protected: ['prod-*', \"arn:aws:eks:*:cluster/live\"]\nreadOnly:\n- audit\ntheme: dark\n"
    found = read_preferences(written(tmp_path, text))
    assert found.is_protected("prod-eu")
    assert found.is_protected("arn:aws:eks:eu-west-1:1:cluster/live")
    assert not found.is_protected("a-prod-eu")
    assert not found.is_protected("PROD-eu")
    assert found.is_read_only("audit")
    assert not found.is_read_only("audit-2")


@pytest.mark.parametrize("text", ["", "# nothing\n", None])
def test_no_preferences(text: str | None, tmp_path: Path) -> None:
    path = written(tmp_path, text) if text is not None else tmp_path / "absent.yaml"
    assert read_preferences(path) == Preferences()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("protectd: [prod]\n", "config.yaml:1, protectd: unknown key; known are protected, readOnly"),
        ("theme: x\nprotected: prod\n", "config.yaml:2, protected: has to be a list of texts"),
        ("protected: [1]\n", "has to be a list of texts"),
        ("readOnly: true\n", "config.yaml:1, readOnly: has to be a list of texts"),
        ("- prod\n", "config.yaml:1: has to be a mapping"),
        ("protected: [prod\n", "no YAML"),
        ("protected: !!python/object/apply:os.system [true]\n", "no YAML"),
    ],
)
def test_wrong_preferences(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read_preferences(written(tmp_path, text))
    assert says in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_preferences(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"protected: [\xe9]\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_preferences(tmp_path / "latin.yaml")


def test_where_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert preferences_path() == tmp_path / ".config" / "workbench" / "config.yaml"
    assert state_directory() == tmp_path / ".local" / "state" / "workbench"
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/c")
    assert (state_directory(), preferences_path()) == (Path("/s/workbench"), Path("/c/workbench/config.yaml"))


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("true", True), ("yes", True), ("", False), ("0", False)])
def test_read_only_by_environment(value: str, expected: bool) -> None:
    assert read_only_by_environment({"WORKBENCH_READ_ONLY": value}) is expected
    assert read_only_by_environment({}) is False
