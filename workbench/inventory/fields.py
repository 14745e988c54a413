"""Paths to fields of an object: the dotted form that people read and the pointer that changes use.

``spec.containers[name=web].securityContext.privileged`` and
``/spec/containers[name=web]/securityContext/privileged`` are the same path. A step in brackets is an index
(``[0]``), a selector of a list item by one or more keys (``[name=web]``, ``[kind=User,name=bob]``), or a
literal key that holds a dot or a slash (``[pod-security.kubernetes.io/enforce]``).
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

Selector: TypeAlias = tuple[tuple[str, str], ...]
Step: TypeAlias = str | int | Selector
Path: TypeAlias = tuple[Step, ...]

_TOKEN = re.compile(r"([^.\[\]/]+)|\[((?:[^\[\]\\]|\\.)*)\]")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PAIR = re.compile(r"(?:[^,\\]|\\.)+", re.DOTALL)


def _bracket(text: str) -> Step:
    if _is_index(text):
        return int(text)
    if text.startswith("."):
        return _unescape(text[1:])
    if "=" in text:
        return tuple((key, _unescape(value)) for key, _, value in (pair.partition("=") for pair in _split_pairs(text)))
    return _unescape(text)


def _split_pairs(text: str) -> list[str]:
    return _PAIR.findall(text)


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _escape(text: str) -> str:
    return re.sub(r"([\\\[\],])", r"\\\1", text)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def parse(text: str) -> Path:
    """The steps of a path written in either form."""
    return tuple(match[1] if match[1] is not None else _bracket(match[2]) for match in _TOKEN.finditer(text))


def _bracketed(step: int | Selector) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return "[" + ",".join(f"{key}={_escape(value)}" for key, value in step) + "]"


def _key(step: str) -> str | None:
    return step if _PLAIN.fullmatch(step) else None


def literal(key: str) -> str:
    """A key as a bracketed step, for labels and annotations: ``[workbench/crown-jewel]``."""
    escaped = _escape(key)
    return f"[.{escaped}]" if "=" in key or _is_index(key) or key.startswith(".") else f"[{escaped}]"


def dotted(path: Path) -> str:
    """The form that people read."""
    out = ""
    for step in path:
        if isinstance(step, str):
            plain = _key(step)
            out += (("." if out else "") + plain) if plain else literal(step)
        else:
            out += _bracketed(step)
    return out


def pointer(path: Path) -> str:
    """The form that changes use."""
    out = ""
    for step in path:
        if isinstance(step, str):
            plain = _key(step)
            out += f"/{plain}" if plain else literal(step)
        else:
            out += _bracketed(step)
    return out


def find(value: Any, path: Path) -> tuple[bool, Any]:
    """Whether a path leads somewhere in plain data (dicts, lists, scalars), and what is there."""
    for step in path:
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return False, None
            value = value[step]
        else:
            if not isinstance(value, list):
                return False, None
            index = index_of(value, step)
            if index is None:
                return False, None
            value = value[index]
    return True, value


def index_of(items: list[Any], step: int | Selector) -> int | None:
    """The position of a list item, by index or by the keys of a selector (absent keys equal ``""``)."""
    if isinstance(step, int):
        return step if step < len(items) else None
    for index, item in enumerate(items):
        if isinstance(item, dict) and all(str(item.get(key) or "") == value for key, value in step):
            return index
    return None
