"""JSON documents: a schema line first, keys and lists in a stable order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_SHORT = 1 << 16
"""Of shorter JSON no library has to be loaded: commands that read nothing start without one."""


def document(command: str, **content: Any) -> str:
    """A document of a command: ``{"schema": "workbench/<command>/1", ...}``."""
    return "".join(parts(command, **content))


def parts(command: str, **content: Any) -> Iterator[str]:
    """The text of a document piece by piece, so that a long one is never there as a whole.

    Args:
        command: Whose document it is.
        content: Its values by their keys. An iterator gives the items of a list, each as JSON already.
    """
    begin = "{\n"
    for key, value in {"schema": f"workbench/{command}/1", **content}.items():
        yield f"{begin}  {dumps(key)}: "
        begin = ",\n"
        if isinstance(value, Iterator):
            yield from _listed(value)
        else:
            yield _shifted(dumps(value, indent=2), 2)
    yield "\n}\n"


def _listed(items: Iterator[str]) -> Iterator[str]:
    begin = "["
    for item in items:
        yield f"{begin}\n    {_shifted(_indented(item, 2), 4)}"
        begin = ","
    yield "[]" if begin == "[" else "\n  ]"


def _shifted(text: str, by: int) -> str:
    """Indented JSON further to the right; its texts hold no line breaks."""
    return text.replace("\n", "\n" + " " * by)


def dumps(value: Any, *, indent: int | None = None) -> str:
    """JSON in ASCII, control characters escaped, so that a terminal may show it as it is."""
    text = json.dumps(value, ensure_ascii=True)
    if indent is None:
        return text
    return json.dumps(value, indent=indent, ensure_ascii=True) if len(text) < _SHORT else _indented(text, indent)


def _indented(text: str, indent: int) -> str:
    """ASCII JSON with line breaks; the standard library encodes such in Python, which takes several times as long."""
    import msgspec

    try:
        return msgspec.json.format(text, indent=indent)
    except msgspec.DecodeError:
        # Half a surrogate pair, as file names that are no text have it, is no JSON to everybody.
        return json.dumps(json.loads(text), indent=indent, ensure_ascii=True)
