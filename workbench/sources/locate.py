"""The line of a field within a document: nodes of YAML with their marks, a light walk over JSON.

A path that leads nowhere gives the line of its nearest parent that is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from workbench.inventory.fields import Path, Selector, Step
from workbench.sources.scalars import MERGE


def yaml_line(root: Node, path: Path) -> int:
    """The line (from 0, within the composed text) of the key or item that a path leads to."""
    node = root
    line: int = root.start_mark.line
    for step in path:
        found = _yaml_step(node, step)
        if found is None:
            break
        line, node = found
    return line


def yaml_node(root: Node, path: Path) -> Node | None:
    """The node that a path leads to."""
    node = root
    for step in path:
        found = _yaml_step(node, step)
        if found is None:
            return None
        node = found[1]
    return node


def _yaml_step(node: Node, step: Step) -> tuple[int, Node] | None:
    if isinstance(step, str):
        return _yaml_key(node, step)
    if not isinstance(node, SequenceNode):
        return None
    if isinstance(step, int):
        items = node.value[step : step + 1]
        return (items[0].start_mark.line, items[0]) if items else None
    for item in node.value:
        if isinstance(item, MappingNode) and all(_yaml_text(item, key) == value for key, value in step):
            return item.start_mark.line, item
    return None


def _yaml_key(node: Node, key: str) -> tuple[int, Node] | None:
    if not isinstance(node, MappingNode):
        return None
    merged: list[Node] = []
    for key_node, value in node.value:
        if key_node.tag == MERGE:
            merged.extend(value.value if isinstance(value, SequenceNode) else (value,))
        elif key_node.value == key:
            return key_node.start_mark.line, value
    for mapping in merged:
        found = _yaml_key(mapping, key)
        if found is not None:
            return found
    return None


def _yaml_text(node: MappingNode, key: str) -> str:
    found = _yaml_key(node, key)
    return str(found[1].value) if found is not None and isinstance(found[1], ScalarNode) else ""


_SKIPPED = re.compile(rb"[\s:,]*")
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_OTHER = rb'[^"{}\[\]]++|' + _STRING
_VALUE = re.compile(_STRING + rb'|[{}\[\]]|[^\s{}\[\]:,"]+')
_BRACKET = re.compile(rb"(?:" + _OTHER + rb")*+([{}\[\]])")
"""The next bracket outside of strings."""


def _nested(depth: int) -> bytes:
    inside = rb"|[{\[]" + _nested(depth - 1) + rb"[}\]]" if depth else b""
    return rb"(?:" + _OTHER + inside + rb")*+"


_WHOLE = re.compile(rb"[{\[]" + _nested(10) + rb"[}\]]")
"""A whole object or list that is not nested deeper than objects usually are: one match in place of hundreds."""


def json_offset(text: bytes, path: Path) -> int:
    """The position of the key or item that a path leads to, within the text of one JSON value."""
    at = offset = _value_start(text, 0)
    for step in path:
        found = _json_member(text, at, step) if isinstance(step, str) else _json_item(text, at, step)
        if found is None:
            break
        offset, at = found
    return offset


def _json_member(text: bytes, at: int, key: str) -> tuple[int, int] | None:
    for name, value in _json_members(text, at):
        if _unquoted(_scalar(text, name)) == key:
            return name, value
    return None


def _json_item(text: bytes, at: int, step: int | Selector) -> tuple[int, int] | None:
    for index, item in enumerate(_json_items(text, at)):
        if isinstance(step, int):
            if index == step:
                return item, item
            continue
        texts = {_unquoted(_scalar(text, name)): value for name, value in _json_members(text, item)}
        if all(_unquoted(_scalar(text, texts[key]) if key in texts else b"") == value for key, value in step):
            return item, item
    return None


def _json_members(text: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Where the keys and the values of the object at a position begin; none if it is no object."""
    if text[at : at + 1] != b"{":
        return
    at = _value_start(text, at + 1)
    while text[at : at + 1] == b'"':
        value = _value_start(text, _value_end(text, at))
        yield at, value
        at = _value_start(text, _value_end(text, value))


def _json_items(text: bytes, at: int) -> Iterator[int]:
    """Where the items of the list at a position begin; none if it is no list."""
    if text[at : at + 1] != b"[":
        return
    at = _value_start(text, at + 1)
    while at < len(text) and text[at : at + 1] != b"]":
        yield at
        at = _value_start(text, _value_end(text, at))


def _value_start(text: bytes, at: int) -> int:
    match = _SKIPPED.match(text, at)
    return match.end() if match is not None else at


def _scalar(text: bytes, at: int) -> bytes:
    match = _VALUE.match(text, at)
    return match[0] if match is not None else b""


def _value_end(text: bytes, at: int) -> int:
    """Where the value that begins at a position ends."""
    if text[at : at + 1] not in (b"{", b"["):
        return at + max(1, len(_scalar(text, at)))
    whole = _WHOLE.match(text, at)
    if whole is not None:
        return whole.end()
    depth = 0
    while (match := _BRACKET.match(text, at)) is not None:
        at = match.end()
        depth += 1 if match[1] in b"{[" else -1
        if not depth:
            return at
    return len(text)


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _unquoted(token: bytes) -> str:
    text = token.decode("utf-8", "replace")
    if not text.startswith('"'):
        return "" if text == "null" else text
    text = text[1:-1]
    if "\\" not in text:
        return text
    out = _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _ESCAPED.get(match[2], match[2]), text)
    return out.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
