"""Patches and their rollbacks from edits: strategic merge for built-in kinds (``remediation.md`` 1.3 and 1.4).

A patch holds only what changes. List items are addressed by the merge key of the API type; atomic lists
stand whole. A rollback restores what was there and removes every parent that the patch created.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.errors import FixError
from workbench.inventory import fields
from workbench.inventory.changes import Op, edited
from workbench.inventory.fields import Path

MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
}
"""The merge keys of the lists that our edits cross; every other list is atomic."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch and what takes it back."""

    type: str
    """``strategic``."""
    content: dict[str, Any]
    rollback: dict[str, Any]


def patch(data: Mapping[str, Any], ops: Sequence[Op]) -> Patch:
    """The patch that makes an object what the edits make it.

    Args:
        data: The object as plain data, as it is.
        ops: The edits.

    Raises:
        FixError: An edit does not fit the object.
    """
    after = edited(data, ops)
    forward: dict[str, Any] = {}
    backward: dict[str, Any] = {}
    for op in ops:
        _place(forward, data, after, op.steps)
        _place(backward, after, data, op.steps)
    return Patch("strategic", forward, _with_order(backward, data))


def _place(out: dict[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], steps: Path) -> None:
    """Write into a patch what turns one field of ``before`` into that of ``after``."""
    holder: Any = out
    for at, step in enumerate(steps):
        here = steps[: at + 1]
        if isinstance(step, str):
            following = steps[at + 1] if at + 1 < len(steps) else None
            there, value = fields.find(dict(after), here)
            was, old = fields.find(dict(before), here)
            atomic = following is not None and not isinstance(following, str) and step not in MERGE_KEYS
            if following is None or atomic or not there or old is None:
                # The end of the way, an atomic list, or a parent that is only on one side.
                holder[step] = copy.deepcopy(value) if there and value not in (None, []) else _absent(was, value)
                return
            if isinstance(following, str):
                holder = holder.setdefault(step, {})
                if holder is None:
                    return
            else:
                items = holder.setdefault(step, [])
                holder = _item(items, MERGE_KEYS[step], before, after, here, following)
                if holder is None:
                    return
    raise FixError("an edit ends at a field or a list item")


def _absent(was: bool, value: Any) -> Any:
    return [] if value == [] and was else None


def _item(
    items: list[dict[str, Any]],
    key: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    list_path: Path,
    step: fields.Step,
) -> dict[str, Any] | None:
    """The item of a keyed list within a patch; ``None`` if the item as a whole is added or deleted."""
    path = (*list_path, step)
    there, now = fields.find(dict(after), path)
    was, old = fields.find(dict(before), path)
    name = (now if there else old)[key] if (there or was) else None
    if name is None:
        raise FixError(f"no item {fields.dotted(path)}")
    found = next((item for item in items if item.get(key) == name), None)
    if was and there:
        if found is None:
            found = {key: name}
            items.append(found)
        return found
    if found is None:
        items.append(copy.deepcopy(now) if there else {key: name, "$patch": "delete"})
    return None


def _with_order(rollback: dict[str, Any], original: Any) -> dict[str, Any]:
    """Let restored list items take their old places (``$setElementOrder``)."""
    out: dict[str, Any] = {}
    for key, value in rollback.items():
        was = original.get(key) if isinstance(original, Mapping) else None
        if isinstance(value, dict):
            out[key] = _with_order(value, was)
        elif isinstance(value, list) and key in MERGE_KEYS and isinstance(was, list):
            merge_key = MERGE_KEYS[key]
            by_name = {item.get(merge_key): item for item in was if isinstance(item, dict)}
            out[key] = [
                _with_order(item, by_name.get(item.get(merge_key))) if isinstance(item, dict) else item for item in value
            ]
            out[f"$setElementOrder/{key}"] = [{merge_key: item.get(merge_key)} for item in was]
        else:
            out[key] = value
    return out
