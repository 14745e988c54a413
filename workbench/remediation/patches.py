"""Patches and their rollbacks from edits: strategic merge for built-in kinds (``remediation.md`` 1.3 and 1.4).

A patch holds only what changes. List items are addressed by the merge key of the API type; atomic lists
stand whole. A rollback restores what was there and removes every parent that the patch created. Where a list holds
two items of one key, a strategic patch would hit the first of them: there it is JSON 6902, with a ``test`` of the
item's identity before each index.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
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
    """``strategic`` or ``json``, as ``kubectl patch --type`` names it."""
    content: Any
    rollback: Any

    @property
    def extension(self) -> str:
        """How the name of its file says what it is."""
        return "json6902" if self.type == "json" else self.type


def patch(data: Mapping[str, Any], ops: Sequence[Op]) -> Patch:
    """The patch that makes an object what the edits make it.

    Args:
        data: The object as plain data, as it is.
        ops: The edits.

    Raises:
        FixError: An edit does not fit the object.
    """
    after = edited(data, ops)
    paths = [op.steps for op in ops]
    if any(_ambiguous(data, path) or _ambiguous(after, path) for path in paths):
        return Patch("json", list(_json(data, after, paths)), list(_json(after, data, paths[::-1])))
    forward: dict[str, Any] = {}
    backward: dict[str, Any] = {}
    for path in paths:
        _place(forward, data, after, path)
        _place(backward, after, data, path)
    return Patch("strategic", _in_order(forward, data), _in_order(backward, data, say=True))


# --- strategic merge ----------------------------------------------------------------------------------


def _ambiguous(data: Mapping[str, Any], path: Path) -> bool:
    """Whether a keyed list on the way holds two items of one key."""
    for at, step in enumerate(path[:-1]):
        if isinstance(step, str) and step in MERGE_KEYS and not isinstance(path[at + 1], str):
            _, items = fields.find(dict(data), path[: at + 1])
            keys = [item.get(MERGE_KEYS[step]) for item in items or () if isinstance(item, dict)]
            if len(keys) != len(set(keys)):
                return True
    return False


def _place(out: dict[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], steps: Path) -> None:
    """Write into a patch what turns one field of ``before`` into that of ``after``."""
    holder: dict[str, Any] = out
    for at, step in enumerate(steps):
        if not isinstance(step, str):
            continue  # taken together with the list that it is an item of
        here = steps[: at + 1]
        following = steps[at + 1] if at + 1 < len(steps) else None
        there, value = fields.find(dict(after), here)
        was, old = fields.find(dict(before), here)
        keyed = following is not None and not isinstance(following, str) and step in MERGE_KEYS
        crossed = isinstance(following, str) or keyed
        if not crossed or not there or not was or value is None or old is None:
            # The end of the way, an atomic list, or a parent that is only on one side.
            holder[step] = copy.deepcopy(value) if there else None
            return
        if isinstance(following, str):
            holder = holder.setdefault(step, {})
            continue
        assert following is not None
        found = _item(holder.setdefault(step, []), MERGE_KEYS[step], before, after, here, following)
        if found is None:
            return
        holder = found


def _item(  # noqa: PLR0917 - the list of the patch, its key, and both objects with the place
    items: list[dict[str, Any]],
    key: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    list_path: Path,
    step: int | fields.Selector,
) -> dict[str, Any] | None:
    """The item of a keyed list within a patch; ``None`` if the item as a whole is added or deleted."""
    path = (*list_path, step)
    there, now = fields.find(dict(after), path)
    was, old = fields.find(dict(before), path)
    if not there and not was:
        raise FixError(f"no item {fields.dotted(path)}")
    name = (now if there else old)[key]
    found = next((item for item in items if item.get(key) == name), None)
    if was and there:
        if found is None:
            found = {key: name}
            items.append(found)
        return found
    if found is None:
        items.append(copy.deepcopy(now) if there else {"$patch": "delete", key: name})
    return None


def _in_order(content: dict[str, Any], original: Any, *, say: bool = False) -> dict[str, Any]:
    """A patch with its list items in the order in which the object has them, which a merge takes over.

    Args:
        content: The patch.
        original: The object, whose order counts.
        say: Name the whole order (``$setElementOrder``), so that what is restored takes its old place.
    """
    out: dict[str, Any] = {}
    for key, value in content.items():
        was = original.get(key) if isinstance(original, Mapping) else None
        if isinstance(value, dict):
            out[key] = _in_order(value, was, say=say)
        elif isinstance(value, list) and key in MERGE_KEYS and isinstance(was, list):
            merge_key = MERGE_KEYS[key]
            by_name = {item.get(merge_key): item for item in was if isinstance(item, dict)}
            places = {name: place for place, name in enumerate(by_name)}
            items = sorted(value, key=lambda item: places.get(item.get(merge_key), len(places)))
            out[key] = [_in_order(item, by_name.get(item.get(merge_key)), say=say) for item in items]
            if say:
                out[f"$setElementOrder/{key}"] = [{merge_key: name} for name in by_name]
        else:
            out[key] = value
    return out


# --- JSON 6902 ----------------------------------------------------------------------------------------


def _json(before: Mapping[str, Any], after: Mapping[str, Any], paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The operations that turn fields of ``before`` into those of ``after``, one path after the other."""
    now: dict[str, Any] = copy.deepcopy(dict(before))
    for path in paths:
        there, value = fields.find(dict(after), path)
        if (there, value) == fields.find(now, path):
            continue
        pointer = ""
        holder: Any = now
        for at, step in enumerate(path):
            last = at + 1 == len(path)
            if isinstance(step, str):
                pointer += f"/{_escaped(step)}"
                if last or step not in holder or not fields.find(dict(after), path[: at + 1])[0]:
                    yield from _set(pointer, holder, step, fields.find(dict(after), path[: at + 1]))
                    break
                holder = holder[step]
                continue
            place = fields.index_of(holder, step)
            if place is None:
                found = fields.find(dict(after), path[: at + 1])[1]
                place = fields.index_of(fields.find(dict(after), path[:at])[1], step) or 0
                holder.insert(place, copy.deepcopy(found))
                yield {"op": "add", "path": f"{pointer}/{place}", "value": found}
                break
            yield from _tests(f"{pointer}/{place}", holder[place], step)
            if last:
                if there:
                    holder[place] = copy.deepcopy(value)
                    yield {"op": "replace", "path": f"{pointer}/{place}", "value": value}
                else:
                    del holder[place]
                    yield {"op": "remove", "path": f"{pointer}/{place}"}
                break
            pointer, holder = f"{pointer}/{place}", holder[place]


def _set(pointer: str, holder: dict[str, Any], key: str, found: tuple[bool, Any]) -> Iterator[dict[str, Any]]:
    there, value = found
    if there:
        yield {"op": "replace" if key in holder else "add", "path": pointer, "value": value}
        holder[key] = copy.deepcopy(value)
    elif key in holder:
        del holder[key]
        yield {"op": "remove", "path": pointer}


def _tests(pointer: str, item: Mapping[str, Any], step: int | fields.Selector) -> Iterator[dict[str, Any]]:
    for key, _ in step if isinstance(step, tuple) else ():
        if key in item:
            yield {"op": "test", "path": f"{pointer}/{_escaped(key)}", "value": item[key]}


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
