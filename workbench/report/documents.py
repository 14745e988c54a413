"""JSON documents: a schema line first, keys and lists in a stable order."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def document(command: str, **content: Any) -> str:
    """A document of a command: ``{"schema": "workbench/<command>/1", ...}``."""
    return dumps({"schema": f"workbench/{command}/1", **content}, indent=2) + "\n"


def dumps(value: Any, *, indent: int | None = None) -> str:
    """JSON in ASCII, control characters escaped, so that a terminal may show it as it is."""
    # DEL is the one control character that JSON lets stand.
    text = json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")
    # With an indent the standard library encodes in Python, which takes ten times as long.
    return text if indent is None else msgspec.json.format(text, indent=indent)
