"""JSON documents: a schema line first, keys and lists in a stable order."""

from __future__ import annotations

import json
from typing import Any


def document(command: str, **content: Any) -> str:
    """A document of a command: ``{"schema": "workbench/<command>/1", ...}``.

    Control characters stay escaped, so that the text is safe to show as it is.
    """
    return json.dumps({"schema": f"workbench/{command}/1", **content}, indent=2, ensure_ascii=True) + "\n"
