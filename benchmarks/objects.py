"""Kubernetes objects as the API server returns them: metadata, ``managedFields``, and files that are Lists.

What a cluster sends is mostly noise to an analysis (``managedFields``, conditions, digests), and skipping that
noise is what a decoder is measured by. So the noise here has the shape and the size of the real one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self, TypeAlias

Object: TypeAlias = dict[str, Any]

CREATED = "2026-03-02T09:14:07Z"
"""When the cluster was made. All times are fixed, or two runs would not write the same bytes."""


class ListFile:
    """One file in the form of ``kubectl get KIND -A -o json``, written object by object."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._file = path.open("w", encoding="utf-8")
        self._file.write('{"apiVersion":"v1","items":[')

    def add(self, obj: Object) -> None:
        """Append one object."""
        self._file.write(",\n" if self.count else "\n")
        self._file.write(json.dumps(obj, separators=(",", ":")))
        self.count += 1

    def close(self) -> None:
        """End the list."""
        self._file.write('\n],"kind":"List","metadata":{"resourceVersion":""}}\n')
        self._file.close()


@dataclass
class Output:
    """A directory of Lists, one file a kind, and the source of chance.

    Attributes:
        directory: Where the files go.
        random: Seeded with a text, which Python hashes the same way in every process.
    """

    directory: Path
    random: Random
    _files: dict[str, ListFile] = field(default_factory=dict)
    _suffixes: set[str] = field(default_factory=set)

    def add(self, obj: Object) -> None:
        """Write an object to the file of its kind."""
        kind = obj["kind"]
        if kind not in self._files:
            self._files[kind] = ListFile(self.directory / f"{_plural(kind)}.json")
        self._files[kind].add(obj)

    @property
    def counts(self) -> dict[str, int]:
        """How many objects of each kind were written, sorted by kind."""
        return {kind: file.count for kind, file in sorted(self._files.items())}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def uid(self) -> str:
        """A random uid."""
        text = f"{self.random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def suffix(self, length: int = 5) -> str:
        """The random end of a generated name, in the letters that Kubernetes uses for it; each is given once."""
        while True:
            made = "".join(self.random.choices("bcdfghjklmnpqrstvwxz2456789", k=length))
            if made not in self._suffixes:
                self._suffixes.add(made)
                return made

    def digest(self) -> str:
        """A random image or container digest."""
        return f"{self.random.getrandbits(256):064x}"


def _plural(kind: str) -> str:
    lower = kind.lower()
    if lower.endswith("y"):
        return f"{lower[:-1]}ies"
    return f"{lower}es" if lower.endswith(("s", "x")) else f"{lower}s"


def metadata(
    output: Output,
    name: str,
    namespace: str = "",
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    owner: Object | None = None,
    generate_name: str = "",
) -> Object:
    """Metadata as the API server completes it."""
    meta: Object = {}
    if annotations:
        meta["annotations"] = annotations
    meta["creationTimestamp"] = CREATED
    if generate_name:
        meta["generateName"] = generate_name
    if labels:
        meta["labels"] = labels
    meta["name"] = name
    if namespace:
        meta["namespace"] = namespace
    if owner is not None:
        meta["ownerReferences"] = [
            {
                "apiVersion": owner["apiVersion"],
                "blockOwnerDeletion": True,
                "controller": True,
                "kind": owner["kind"],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
            }
        ]
    meta["resourceVersion"] = str(output.random.randrange(10_000, 90_000_000))
    meta["uid"] = output.uid()
    return meta


def manage(obj: Object, manager: str, status_manager: str = "") -> Object:
    """Add ``managedFields``: one entry for what a manager set, one for the status if somebody else keeps it."""
    meta = obj["metadata"]
    own = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    own["metadata"] = {
        key: meta[key] for key in ("annotations", "generateName", "labels", "ownerReferences") if key in meta
    }
    entries = [_entry(obj["apiVersion"], manager, own, "")]
    if status_manager and "status" in obj:
        entries.append(_entry(obj["apiVersion"], status_manager, {"status": obj["status"]}, "status"))
    meta["managedFields"] = entries
    return obj


def _entry(api_version: str, manager: str, part: Object, subresource: str) -> Object:
    entry: Object = {
        "apiVersion": api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": _fields(part),
        "manager": manager,
        "operation": "Update",
        "time": CREATED,
    }
    if subresource:
        entry["subresource"] = subresource
    return entry


_MERGE_KEYS = ("mountPath", "uid", "type", "ip", "name", "containerPort", "port")
"""By what the API server tells the items of a list apart, the first that an item has."""


_ATOMIC = frozenset(
    (
        *("containerStatuses", "endpoints", "from", "images", "initContainerStatuses", "items", "matchFields"),
        *("nodeSelectorTerms", "paths", "rules", "sources", "subjects", "tolerations"),
    )
)
"""Lists that one manager owns as a whole."""


def _fields(value: Object) -> Object:
    out: Object = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            out[f"f:{key}"] = {".": {}, **_fields(inner)}
        elif isinstance(inner, list) and inner and isinstance(inner[0], dict) and key not in _ATOMIC:
            listed: Object = {".": {}}
            for item in inner:
                merge_key = next((name for name in _MERGE_KEYS if name in item), "")
                selector = json.dumps({merge_key: item.get(merge_key)}, separators=(",", ":"))
                listed[f"k:{selector}"] = {".": {}, **_fields(item)}
            out[f"f:{key}"] = listed
        else:
            out[f"f:{key}"] = {}
    return out


def applied(output: Output, obj: Object) -> Object:
    """Give an object what ``kubectl apply`` leaves behind: the last applied configuration."""
    meta = obj["metadata"]
    last = {key: value for key, value in obj.items() if key not in ("status", "metadata")}
    last["metadata"] = {key: meta[key] for key in ("labels", "name", "namespace") if key in meta}
    text = json.dumps(last, separators=(",", ":"))
    meta.setdefault("annotations", {})["kubectl.kubernetes.io/last-applied-configuration"] = f"{text}\n"
    return obj


def simple(
    output: Output,
    kind: str,
    name: str,
    namespace: str = "",
    *,
    api_version: str = "v1",
    manager: str = "kubectl-create",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    owner: Object | None = None,
    status_manager: str = "",
    **content: Any,
) -> Object:
    """Make an object of any kind, write it, and return it."""
    obj: Object = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": metadata(output, name, namespace, labels=labels, annotations=annotations, owner=owner),
        **content,
    }
    output.add(manage(obj, manager, status_manager))
    return obj
