"""The value of an evidence in one line, as YAML writes it, and no longer than what it proves."""

from __future__ import annotations

import json
import re
from typing import Any

from workbench.text import shown

LIMIT = 104
"""Where a value is shortened, in characters; the mount of a token just fits. JSON has it whole."""
RULE_LIMIT = 260
"""The same for an RBAC rule: which verb and which resource it holds is the proof."""
TEXT_LIMIT = 200
"""The same for a text, such as an image with its digest."""

_RULE = ("verbs", "resources", "nonResourceURLs", "apiGroups", "resourceNames")
_PLAIN = re.compile(r"[A-Za-z0-9_./$(][A-Za-z0-9_./$()@+=~:-]*")
_NOT_TEXT = re.compile(r"(?i)null|true|false|yes|no|on|off|~|[-+.0-9][0-9_.:eE+xXa-fA-F-]*")
_DEEPEST = 6


def value_text(value: object, default: object = None) -> str:
    """The value in one line: flow YAML, absent values with what they mean.

    Args:
        value: Plain data, ``None`` where the field is absent.
        default: What Kubernetes takes an absent field for.
    """
    if value is None:
        return "absent" if default is None else f"absent, which means {value_text(default)}"
    limit = TEXT_LIMIT if isinstance(value, str) else LIMIT
    if isinstance(value, dict) and "verbs" in value:
        limit = RULE_LIMIT
    for depth in range(_DEEPEST, 1, -1):
        text = _flow(value, depth)
        if len(text) <= limit:
            break
    return shown(text, limit)


def _flow(value: Any, depth: int) -> str:
    if isinstance(value, dict):
        if value and not depth:
            return "{…}"
        keys = sorted(value, key=lambda key: (_RULE.index(key) if key in _RULE and "verbs" in value else 0, str(key)))
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(value[key], depth - 1)}" for key in keys) + "}"
    if isinstance(value, list | tuple):
        if value and not depth:
            return "[…]"
        return "[" + ", ".join(_flow(item, depth - 1) for item in value) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and not value.endswith(":") and not _NOT_TEXT.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)
