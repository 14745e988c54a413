"""What differs between two states of one object as the API server gives it, field by field.

Lists that the API merges by a key are compared item by item, all others as a whole. What the server keeps for itself
(status, resource version, who manages which field) is no difference, and neither is an empty value against an absent
one, for the API drops those on its way (``omitempty``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workbench.inventory import fields
from workbench.inventory.arguments import trimmed_arguments
from workbench.inventory.changes import Op
from workbench.inventory.decode import ANNOTATION_VALUES
from workbench.inventory.fields import Path
from workbench.remediation.patches import MERGE_KEYS
from workbench.sources.masking import MASK

_SERVERS_OWN = frozenset({"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"})

_SERVERS_OWN_ANNOTATIONS = frozenset({"deprecated.daemonset.template.generation"})
"""Counted up by the server with every change of a template."""

_FALSE_IS_ABSENT = frozenset({"hostPID", "hostIPC", "hostNetwork", "readOnly"})
"""Booleans that the API keeps only when they are true; a ``false`` of any other is a decision.

Source: the Go types of ``k8s.io/api/core/v1``: these are no pointers and are written with ``omitempty``.
"""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after; values that must not be shown are masked."""

    path: str
    """A pointer whose list steps are selectors, as an op has it."""
    before: Any = None
    """As plain data; ``None`` if it was absent."""
    after: Any = None
    ours: bool = True
    """Whether we ask for it; otherwise admission or defaulting brought it."""

    @property
    def dotted(self) -> str:
        """The path for people."""
        return fields.dotted(fields.parse(self.path))


# --- comparing ----------------------------------------------------------------------------------------


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The fields that differ, in the order of the object.

    Args:
        before: The object as plain data.
        after: The same object at another time.
    """
    return tuple(_walk((), _compared(before), _compared(after)))


def marked(
    before: Mapping[str, Any], answer: Mapping[str, Any], wanted: Sequence[FieldChange]
) -> tuple[tuple[FieldChange, ...], tuple[FieldChange, ...]]:
    """What a server makes of a patch: the differences, and those that were wanted and are not among them.

    Args:
        before: The live object.
        answer: The server's answer to the patch.
        wanted: What the patch asks for.
    """
    found = differences(before, answer)
    asked = {change.path: change for change in wanted}

    def is_ours(change: FieldChange) -> bool:
        other = asked.get(change.path)
        return other is not None and same(fields.parse(change.path), change.after, other.after)

    ours = {change.path for change in found if is_ours(change)}
    missing = tuple(change for change in wanted if change.path not in ours)
    return tuple(replace(change, ours=change.path in ours) for change in found), missing


def same(path: Path, one: Any, other: Any) -> bool:
    """Whether the API means the same by two values of a field; ``None`` is an absent one."""
    name = path[-1] if path else ""
    return bool(_canonical(name, one) == _canonical(name, other))


def already(data: Mapping[str, Any], op: Op) -> bool:
    """Whether an edit has nothing left to do."""
    path = op.steps
    there, value = fields.find(dict(data), path)
    if op.op == "remove":
        return not there
    held = fields.find(dict(data), path[:-1])[0] or all(isinstance(step, str) for step in path)
    return held and same(path, value, op.value)


def holds(data: Mapping[str, Any], op: Op) -> bool:
    """Whether a field still is what an edit found there."""
    return same(op.steps, fields.find(dict(data), op.steps)[1], op.old)


def _canonical(name: Any, value: Any) -> Any:
    if isinstance(value, dict):
        kept = ((key, _canonical(key, item)) for key, item in value.items())
        return {key: item for key, item in kept if item is not None} or None
    if isinstance(value, list):
        return [_canonical("", item) for item in value] or None
    if value is False and name in _FALSE_IS_ABSENT:
        return None
    # In Python True == 1.
    return ("bool", value) if isinstance(value, bool) else value


def _compared(data: Mapping[str, Any]) -> dict[str, Any]:
    out = {key: value for key, value in data.items() if key != "status"}
    meta = out.get("metadata")
    if isinstance(meta, dict):
        out["metadata"] = {key: value for key, value in meta.items() if key not in _SERVERS_OWN}
        notes = out["metadata"].get("annotations")
        if isinstance(notes, dict):
            kept = {key: value for key, value in notes.items() if key not in _SERVERS_OWN_ANNOTATIONS}
            out["metadata"]["annotations"] = kept
    return out


def _walk(path: Path, before: Any, after: Any) -> Iterator[FieldChange]:
    if same(path, before, after):
        return
    kinds = {type(value) for value in (before, after) if value is not None}
    if kinds == {dict}:
        old, new = before or {}, after or {}
        for key in dict.fromkeys((*old, *new)):
            yield from _walk((*path, key), old.get(key), new.get(key))
        return
    if kinds == {list}:
        key = _merge_key(path, before or [], after or [])
        if key is not None:
            yield from _items(path, key, before or [], after or [])
            return
    yield FieldChange(fields.pointer(path), before, after)


def _merge_key(path: Path, before: list[Any], after: list[Any]) -> str | None:
    """The key by which the items of a list are told apart, ``None`` for a list that counts as a whole."""
    key = MERGE_KEYS.get(str(path[-1])) if path and isinstance(path[-1], str) else None
    if key is None:
        return None
    for items in (before, after):
        names = [item.get(key) if isinstance(item, dict) else None for item in items]
        if not all(isinstance(name, str) and name for name in names) or len(set(names)) != len(names):
            return None
    return key


def _items(path: Path, key: str, before: list[Any], after: list[Any]) -> Iterator[FieldChange]:
    old, new = ({item[key]: item for item in items} for items in (before, after))
    for name in dict.fromkeys((*old, *new)):
        here = (*path, ((key, name),))
        if name in old and name in new:
            yield from _walk(here, old[name], new[name])
        else:
            yield FieldChange(fields.pointer(here), old.get(name), new.get(name))


# --- what must not be shown ---------------------------------------------------------------------------


def masked_change(change: FieldChange) -> FieldChange:
    """The change without environment values, and without arguments and annotations that no rule reads."""
    path = fields.parse(change.path)
    return replace(change, before=_masked_at(path, change.before), after=_masked_at(path, change.after))


def keeps_values(changes: Iterable[FieldChange]) -> bool:
    """Whether nothing of the changes has to be masked, so that they can be kept and taken back."""
    return all(masked_change(change) == change for change in changes)


def masked_patch(content: Any) -> Any:
    """A strategic patch, or the list of operations of a JSON patch, without values that must not be shown."""
    if not isinstance(content, list):
        return _masked_at((), content)
    return [
        {**op, "value": _masked_at(_steps(op["path"]), op["value"])} if "value" in op else dict(op) for op in content
    ]


def _steps(pointer: str) -> Path:
    """The steps of a JSON pointer (RFC 6901)."""
    parts = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    return tuple(int(part) if part.isascii() and part.isdigit() else part for part in parts)


def environment_values(data: Any) -> set[str]:
    """The literal environment values within an object."""
    found: set[str] = set()
    stack = [data]
    while stack:
        here = stack.pop()
        if isinstance(here, dict):
            for item in here.get("env") or () if isinstance(here.get("env"), list) else ():
                value = item.get("value") if isinstance(item, dict) else None
                if isinstance(value, str):
                    found.add(value)
            stack.extend(here.values())
        elif isinstance(here, list):
            stack.extend(here)
    return found


_TOO_COMMON = 4
"""Shorter values (``1``, ``on``) are in every sentence by chance."""


def without_values(text: str, values: Iterable[str]) -> str:
    """A message of the server in which some values do not stand."""
    for value in sorted((value for value in values if len(value) >= _TOO_COMMON), key=len, reverse=True):
        if value not in ("true", "false"):
            text = text.replace(value, MASK)
    return text


def _masked_at(path: Path, value: Any) -> Any:
    names = [step for step in path if isinstance(step, str)]
    name = names[-1] if names else ""
    if value is None or (isinstance(value, (dict, list)) and not value):
        return value
    inside = isinstance(path[-1], (int, tuple)) if path else False
    if name == "value" and "env" in names[-2:-1]:
        return MASK
    if names[-2:-1] == ["annotations"] and not ANNOTATION_VALUES.match(name):
        return MASK
    if name in ("args", "command") and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return trimmed_arguments(value)
    if isinstance(value, dict):
        return {key: _masked_at((*path, key), item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked_at(path if inside else (*path, 0), item) for item in value]
    return value


# --- for people ---------------------------------------------------------------------------------------


def change_lines(changes: Iterable[FieldChange]) -> list[tuple[str, str]]:
    """Changes as lines: ``-`` and ``+`` for what we ask for, ``~`` for what the server brings; the text is hostile.

    Of a list that counts as a whole only the items that come and go are named.
    """
    out: list[tuple[str, str]] = []
    for change in map(masked_change, changes):
        before, after = change.before, change.after
        if isinstance(before, list) and isinstance(after, list):
            gone = [item for item in before if item not in after]
            come = [item for item in after if item not in before]
        else:
            gone, come = [] if before is None else [before], [] if after is None else [after]
        if not change.ours:
            out.append(("~", f"{change.dotted}: {_text(before)} -> {_text(after)}"))
            continue
        out += [("-", f"{change.dotted}: {_text(item)}") for item in gone]
        out += [("+", f"{change.dotted}: {_text(item)}") for item in come]
        if not gone and not come:
            out.append(("+", f"{change.dotted}: another order"))
    return out


def _text(value: Any) -> str:
    return "(absent)" if value is None else json.dumps(value, ensure_ascii=False)
