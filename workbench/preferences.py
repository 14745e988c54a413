"""What the user keeps for the program: preferences in the configuration directory, state in the state directory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from workbench.errors import ConfigError, Fault

PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600

_LISTS = ("protected", "readOnly", "namespaces")
KEYS = (*_LISTS, "theme", "keys", "mouse", "keepSnapshots")
"""All keys that ``config.yaml`` may hold; the interface reads those that are not read here."""


def state_directory() -> Path:
    """``$XDG_STATE_HOME/workbench``; not made yet."""
    return _home("XDG_STATE_HOME", ".local/state")


def preferences_path() -> Path:
    """``$XDG_CONFIG_HOME/workbench/config.yaml``."""
    return _home("XDG_CONFIG_HOME", ".config") / "config.yaml"


def _home(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default) / "workbench"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What ``config.yaml`` says of clusters."""

    protected: tuple[str, ...] = ()
    """Contexts (globs) in which every change takes the context's name."""
    read_only: tuple[str, ...] = ()
    """Contexts (globs) in which nothing is changed."""
    namespaces: tuple[str, ...] = ()
    """Namespaces to try where they cannot be listed."""

    def is_protected(self, context: str) -> bool:
        """Whether every change in a context takes its name."""
        return any(fnmatchcase(context, pattern) for pattern in self.protected)

    def is_read_only(self, context: str) -> bool:
        """Whether nothing may be changed in a context."""
        return any(fnmatchcase(context, pattern) for pattern in self.read_only)


def read_only_by_environment(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ``WORKBENCH_READ_ONLY`` forbids every change."""
    return environment.get("WORKBENCH_READ_ONLY", "").strip().lower() not in ("", "0", "false", "no", "off")


def read_preferences(path: Path | None = None) -> Preferences:
    """The preferences; those of a user who has no file are empty.

    Args:
        path: The file; :func:`preferences_path` by default.

    Raises:
        ConfigError: The file cannot be read, a key is unknown, or a value is of the wrong kind: a misspelt
            ``protected`` would protect nothing.
    """
    path = path or preferences_path()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Preferences()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(Fault(str(path), f"cannot be read: {reason}")) from error
    found: dict[str, tuple[str, ...]] = {}
    faults: list[Fault] = []
    for key, line, value in _pairs(str(path), text):
        if key not in KEYS:
            faults.append(Fault(str(path), f"unknown key; known are {', '.join(KEYS)}", line=line, field=key))
        elif key in _LISTS:
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                found[key] = tuple(value)
            else:
                faults.append(Fault(str(path), "has to be a list of texts", line=line, field=key))
    if faults:
        raise ConfigError(faults)
    return Preferences(found.get("protected", ()), found.get("readOnly", ()), found.get("namespaces", ()))


def _pairs(name: str, text: str) -> Iterator[tuple[str, int, Any]]:
    """The top-level keys of a YAML mapping with their lines and values."""
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError(Fault(name, "has to be a mapping", line=root.start_mark.line + 1))
        for key, value in root.value:
            yield str(key.value), key.start_mark.line + 1, loader.construct_object(value, deep=True)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(Fault(name, f"no YAML: {error.problem}", line=line)) from error
    finally:
        loader.dispose()
