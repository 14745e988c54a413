"""What the pages of a live list hold, as objects of the inventory."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from workbench.inventory.decode import DecodeError, Kept, from_json
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.objects import ConfigMap, KubernetesObject, Secret
from workbench.inventory.sharing import Sharer
from workbench.kube.paging import Page
from workbench.kube.resources import Resource
from workbench.sources.cluster_lists import Listing
from workbench.text import shown


class _Name(msgspec.Struct):
    name: str | None = None
    namespace: str | None = None


class _Named(msgspec.Struct):
    metadata: _Name | None = None


class _Fields(msgspec.Struct, gc=False):
    data: dict[str, msgspec.Raw] | None = msgspec.field(default=None, name="f:data")
    binary_data: dict[str, msgspec.Raw] | None = msgspec.field(default=None, name="f:binaryData")


class _Managed(msgspec.Struct, rename="camel", gc=False):
    fields_v1: _Fields | None = msgspec.field(default=None, name="fieldsV1")


class _Managers(msgspec.Struct, rename="camel", gc=False):
    managed_fields: list[_Managed] | None = None


class _Metadata(msgspec.Struct, gc=False):
    metadata: _Managers | None = None


_METADATA = msgspec.json.Decoder(_Metadata)


class ReadKind:
    """The objects of one kind, as they come."""

    def __init__(self, resource: Resource, kind: type[KubernetesObject]) -> None:
        self.resource = resource
        self._kind = kind
        self._share = Sharer().share
        self._kept = Kept()
        self._parts: dict[tuple[str, str], dict[str, KubernetesObject]] = {}
        self._faults: dict[tuple[str, str], list[str]] = {}

    def take(self, listing: Listing, part: str, page: Page) -> None:
        """Decode a page; what it holds of an object that came before takes its place."""
        key = (listing.namespace, part)
        if page.first:
            self._parts[key] = {}
            self._faults[key] = []
        found, faults = self._parts[key], self._faults[key]
        for raw in page.items:
            try:
                obj = self._decoded(raw, part, metadata_only=listing.metadata_only)
            except DecodeError as error:
                where = f" - at {error.field}" if error.field else ""
                faults.append(f"{_name(raw)}{shown(str(error))}{where}")
                continue
            self._share(obj)
            found[obj.id] = obj

    def put(self, obj: KubernetesObject) -> None:
        """Add one object, or put it in the place of what its list said of it."""
        for found in self._parts.values():
            if obj.id in found:
                found[obj.id] = obj
                return
        self._parts.setdefault((obj.namespace, ""), {})[obj.id] = obj

    def _decoded(self, raw: msgspec.Raw, part: str, *, metadata_only: bool) -> KubernetesObject:
        obj = from_json(self._kind, memoryview(raw), kept=self._kept)
        if metadata_only or not obj.api_version:
            obj.api_version = self.resource.api_version
        if metadata_only:
            keys = _keys(raw)
            if isinstance(obj, Secret):
                obj.type = part or None
                obj.data_keys = keys
            elif isinstance(obj, ConfigMap):
                obj.data_keys = keys
        return obj

    @property
    def count(self) -> int:
        """How many there are by now."""
        return sum(map(len, self._parts.values()))

    def objects(self) -> Iterator[KubernetesObject]:
        """All of them, each once."""
        if len(self._parts) == 1:
            yield from next(iter(self._parts.values())).values()
            return
        merged: dict[str, KubernetesObject] = {}
        for found in self._parts.values():
            merged.update(found)
        yield from merged.values()

    def gaps(self) -> list[Gap]:
        """What could not be decoded."""
        faults = [fault for found in self._faults.values() for fault in found]
        if not faults:
            return []
        more = f"; and {len(faults) - 1:,} more" if len(faults) > 1 else ""
        return [Gap(self.resource.kind, None, Problem.INVALID, len(faults), f"{faults[0]}{more}")]


def _keys(raw: msgspec.Raw) -> list[str] | None:
    """The names of the keys of a Secret or a ConfigMap, from who manages them."""
    try:
        meta = _METADATA.decode(memoryview(raw)).metadata
    except msgspec.MsgspecError:
        return None
    keys: set[str] = set()
    for entry in (meta.managed_fields if meta else None) or ():
        fields = entry.fields_v1
        for names in (fields.data, fields.binary_data) if fields else ():
            keys.update(name[2:] for name in names or () if name.startswith("f:"))
    return sorted(keys) or None


def _name(raw: msgspec.Raw) -> str:
    try:
        meta = msgspec.json.decode(memoryview(raw), type=_Named).metadata
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    if meta is None or not meta.name:
        return ""
    return shown(f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name) + ": "
