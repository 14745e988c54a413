"""From documents to Kubernetes objects: lists taken apart, kinds told, every fault with its place."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec

from workbench.errors import Fault
from workbench.inventory.decode import DecodeError, Kept, from_data, from_json
from workbench.inventory.evidence import Origin
from workbench.inventory.fields import Path
from workbench.inventory.gathered import Gathered
from workbench.inventory.objects import GROUPS, KINDS, KubernetesObject, kind_of
from workbench.inventory.sharing import Sharer
from workbench.sources.documents import JSON_ERRORS, Document, JsonHeader, JsonTop, json_problem, json_top, skipped
from workbench.sources.mismatches import mismatches
from workbench.sources.origin import JsonOrigin, JsonPlaces, YamlOrigin
from workbench.text import shown

OWN_CONFIG = "workbench/"
"""How the apiVersion of our own ``workbench.yaml`` begins, which has no kind and may lie beside manifests."""

_MAX_LISTS = 8
"""How deep lists may stand in lists."""

HEAD = re.compile(
    rb'\{[ \t\r\n]*"apiVersion"[ \t\r\n]*:[ \t\r\n]*"([\w./-]+)"[ \t\r\n]*,'
    rb'[ \t\r\n]*"kind"[ \t\r\n]*:[ \t\r\n]*"(\w+)"[ \t\r\n]*,[ \t\r\n]*"metadata"'
)
"""How the API server and kubectl begin an object."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How many objects and faults there were when a part of a source began."""

    objects: dict[str, int]
    faults: int


class ObjectReader:
    """Gathers the objects of documents, and what is wrong with them.

    Attributes:
        namespace: Where objects stand that name no namespace.
        objects: What was read, with where.
        faults: What is wrong, in the order of reading.
        fault_kinds: The kind of the object that a fault is about, where it is known.
        other_kinds: How many objects of kinds that we do not analyse, by ``apiVersion`` and kind.
        no_objects: How many documents are no Kubernetes objects.
    """

    def __init__(self, default_namespace: str = "") -> None:
        self.objects = Gathered()
        self.faults: list[Fault] = []
        self.fault_kinds: dict[Fault, str] = {}
        self.other_kinds: Counter[tuple[str, str]] = Counter()
        self.no_objects = 0
        self.namespace = default_namespace or "default"
        self._share = Sharer().share
        self._kept = Kept()
        self._others: dict[tuple[str, str, str, str], Origin] = {}

    def add(self, document: Document) -> None:
        """Read the objects of one document."""
        if document.raw is not None:
            _JsonDocument(self, document).read()
        else:
            self._yaml(document, document.data, (), "", 0)

    def mark(self) -> Mark:
        """How far has been read, for :meth:`back_to`."""
        return Mark(self.objects.counts(), len(self.faults))

    def back_to(self, mark: Mark) -> None:
        """Forget the objects, and what is wrong with them, that were read with :meth:`json_object` since a mark."""
        self.objects.back_to(mark.objects)
        for fault in self.faults[mark.faults :]:
            self.fault_kinds.pop(fault, None)
        del self.faults[mark.faults :]

    # --- YAML -------------------------------------------------------------------------------------

    def _yaml(self, document: Document, data: Any, base: Path, list_kind: str, depth: int) -> None:
        origin = YamlOrigin(
            document.file,
            document.number,
            (document.start, document.end),
            top=document.line,
            first=document.first,
            index=document.index,
            base=base,
        )
        if not isinstance(data, dict):
            self.not_a_mapping(origin, data, of_list=bool(base))
            return
        has_content = "metadata" in data or "spec" in data
        told = self.told(origin, data.get("apiVersion"), data.get("kind"), has_content, list_kind)
        if told is None:
            return
        api_version, kind = told
        if document.foreign is not None and not base:
            tag, line = document.foreign
            problem = f"the tag {shown(tag)} is not run, so this is not what it says; write the value itself"
            self.fault(document.file.fault(problem, document=document.number, line=line), kind)
            return
        items = data.get("items")
        if is_list(api_version, kind, has_items="items" in data):
            if items is not None and not isinstance(items, list):
                self.fault_at(origin, "items", "expected a list", kind)
            elif depth >= _MAX_LISTS:
                self.fault_at(origin, "items", f"lists stand more than {_MAX_LISTS} deep in lists", kind)
            else:
                inner = _item_kind(api_version, kind)
                for index, item in enumerate(items or ()):
                    self._yaml(document, item, (*base, "items", index), inner, depth + 1)
            return
        wanted = kind_of(api_version, kind)
        if wanted is None:
            meta = data.get("metadata")
            meta = meta if isinstance(meta, dict) else {}
            self.other(origin, api_version, kind, meta.get("name"), meta.get("namespace"))
            return
        try:
            obj = from_data(wanted, data, self.namespace)
        except (DecodeError, msgspec.ValidationError) as error:
            self.wrong(origin, wanted, data, error)
            return
        if list_kind and not obj.api_version:
            obj.api_version = api_version
        self.keep(obj, origin)

    # --- JSON -------------------------------------------------------------------------------------

    def json_object(
        self,
        places: JsonPlaces,
        index: int,
        wanted: type[KubernetesObject],
        api_version: str,
        raw: memoryview | msgspec.Raw,
    ) -> None:
        """Read an object of a kind that we analyse, which stands at one of several places.

        Raises:
            JSON_ERRORS: The text is no JSON.
        """
        try:
            obj = from_json(wanted, raw, self.namespace, self._kept)
        except (DecodeError, *JSON_ERRORS) as error:
            self.wrong(places.origin(index), wanted, msgspec.json.decode(raw), error)
            return
        if not obj.api_version or obj.api_version == api_version:
            # One text for all objects of a list.
            obj.api_version = api_version
        self.keep(obj, places, index)

    # --- what both forms share --------------------------------------------------------------------

    def told(
        self, origin: Origin, api_version: Any, kind: Any, has_content: bool, list_kind: str
    ) -> tuple[str, str] | None:
        """The apiVersion and the kind of a Kubernetes object; of what only looks like one a fault is noted.

        Args:
            origin: Where it stands.
            api_version: The value of ``apiVersion``, ``None`` if absent.
            kind: The value of ``kind``, ``None`` if absent.
            has_content: Whether it has ``metadata`` or ``spec``.
            list_kind: Both, as the typed list says in which it is an item; empty elsewhere.
        """
        if kind is None and api_version is None and list_kind:
            api_version, _, kind = list_kind.rpartition(" ")
            return api_version, kind
        if kind is None or kind == "":
            nothing = api_version is None and not has_content and kind is None
            if nothing or (isinstance(api_version, str) and api_version.startswith(OWN_CONFIG)):
                self.no_objects += 1
                return None
            hint = ""
            if (origin.file or "").rpartition("/")[2] == "Chart.yaml":
                hint = "; a Helm chart has to be rendered first (helm template)"
            self.fault_at(origin, "kind", f"no kind, so this is no Kubernetes object{hint}")
            return None
        if not isinstance(kind, str):
            self.fault_at(origin, "kind", "expected a string")
            return None
        if api_version is None or api_version == "":
            if not has_content and kind not in KINDS and kind != "List":
                self.no_objects += 1
                return None
            self.fault_at(origin, "apiVersion", "no apiVersion, so the kind cannot be told", kind)
            return None
        if not isinstance(api_version, str):
            self.fault_at(origin, "apiVersion", "expected a string", kind)
            return None
        return api_version, kind

    def not_a_mapping(self, origin: Origin, data: Any, *, of_list: bool) -> None:
        """A document or an item that is a scalar or a list."""
        if of_list:
            self.fault_at(origin, "", "an item of a list has to be an object")
        elif isinstance(data, list) and any(isinstance(item, dict) and "apiVersion" in item for item in data):
            self.fault_at(origin, "", "a bare list of objects; put them into a List (kind: List, items)")
        else:
            self.no_objects += 1

    def other(self, origin: Origin, api_version: str, kind: str, name: Any, namespace: Any) -> None:
        """An object of a kind that we do not analyse, unless the API server would refuse its apiVersion."""
        home = _home(kind)
        if home is not None and ("." not in api_version or api_version.rpartition("/")[0] in GROUPS):
            known = f"{home}/v1" if home else "v1"
            self.fault_at(origin, "apiVersion", f"no {kind} in {shown(api_version)}; it is in {known}", kind)
            return
        if isinstance(name, str) and name:
            group = api_version.rpartition("/")[0]
            space = namespace if isinstance(namespace, str) else ""
            first = self._others.setdefault((group, kind, space, name), origin)
            if first is not origin:
                self._second(origin, first, kind, space, name)
                return
        self.other_kinds[(shown(api_version), shown(kind))] += 1

    def keep(self, obj: KubernetesObject, origin: Origin | JsonPlaces, index: int = -1) -> None:
        """An object that we analyse, unless it is the second of its name."""
        meta = obj.metadata
        if meta.generate_name and meta.name and meta.name[-1] == "*" and meta.name[:-1] == meta.generate_name:
            # Each is created under a name of its own.
            taken = 1
            while obj.id in self.objects.tables[obj.kind]:
                taken += 1
                meta.name = f"{meta.generate_name}*{taken}"
        # The versions of a kind share one name space, whatever group they stood in ("extensions", "apps").
        if self.objects.put(obj, origin, index):
            self._share(obj)
            return
        first = self.objects.origin(obj.id)
        assert first is not None
        own = origin.origin(index) if isinstance(origin, JsonPlaces) else origin
        self._second(own, first, obj.kind, obj.namespace, obj.name)

    def _second(self, origin: Origin, first: Origin, kind: str, namespace: str, name: str) -> None:
        where = shown(first.file or "")
        line = first.line("")
        if line is not None:
            where += f":{line}"
        if first.document is not None:
            where += f", document {first.document}"
        what = f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
        self.fault_at(origin, "metadata.name", f"a second {shown(what)}; the first is in {where}", kind)

    def wrong(self, origin: Origin, wanted: type[KubernetesObject], data: Any, error: Exception) -> None:
        """An object whose fields are wrong: one fault for each."""
        found = list(mismatches(wanted, data))
        if not found:
            path = getattr(error, "field", "")
            found = [(path, getattr(error, "problem", str(error)))]
        for path, problem in found:
            self.fault_at(origin, path, problem, wanted.__name__)

    def fault_at(self, origin: Origin, path: str, problem: str, kind: str = "") -> None:
        """Note a fault in a field of an object."""
        self.fault(
            Fault(
                file=shown(origin.file or ""),
                problem=problem,
                document=origin.document,
                line=origin.line(path),
                field=shown(path) or None,
            ),
            kind,
        )

    def fault(self, fault: Fault, kind: str = "") -> None:
        """Note a fault."""
        self.faults.append(fault)
        if kind:
            self.fault_kinds[fault] = shown(kind)


class _JsonDocument:
    """The objects of one JSON document; each is decoded from its own range of the text."""

    def __init__(self, reader: ObjectReader, document: Document) -> None:
        self.reader = reader
        self.document = document
        self.places = JsonPlaces(document.file, document.number)
        assert document.raw is not None
        self.raw: memoryview = document.raw

    def read(self) -> None:
        """Read them all."""
        self._value(self.raw, self.document.top, (self.document.start, self.document.end), "", 0)

    def _origin(self, span: tuple[int, int]) -> JsonOrigin:
        return self.places.origin(self.places.add(*span))

    def _value(
        self,
        raw: memoryview | msgspec.Raw,
        top: JsonTop | JsonHeader | None,
        span: tuple[int, int],
        list_kind: str,
        depth: int,
    ) -> None:
        reader = self.reader
        if top is None:
            reader.not_a_mapping(self._origin(span), msgspec.json.decode(raw), of_list=depth > 0)
            return
        api_version = None if top.api_version is msgspec.UNSET else top.api_version
        kind = None if top.kind is msgspec.UNSET else top.kind
        has_content = top.metadata is not msgspec.UNSET or top.spec is not msgspec.UNSET
        told = reader.told(self._origin(span), api_version, kind, has_content, list_kind)
        if told is None:
            return
        api_version, kind = told
        if is_list(api_version, kind, has_items=top.items is not msgspec.UNSET):
            self._list(top, span, api_version, kind, depth)
            return
        self._object(raw, span, api_version, kind, kind_of(api_version, kind))

    def _list(self, top: JsonTop | JsonHeader, span: tuple[int, int], api_version: str, kind: str, depth: int) -> None:
        reader = self.reader
        items = None if top.items is msgspec.UNSET else top.items
        if items is not None and not isinstance(items, list):
            reader.fault_at(self._origin(span), "items", "expected a list", kind)
            return
        if depth >= _MAX_LISTS:
            reader.fault_at(self._origin(span), "items", f"lists stand more than {_MAX_LISTS} deep in lists", kind)
            return
        inner = _item_kind(api_version, kind)
        start = b""
        item_version, item_kind, wanted = "", "", None
        for item, item_span in zip(items or (), self._spans(items or [], span), strict=True):
            # The head alone tells what almost every item is, and is the same for all; only the others are read twice.
            text = memoryview(item)
            if not start or text[: len(start)] != start:
                head = HEAD.match(text)
                if head is None or head[2].endswith(b"List"):
                    self._unusual(item, item_span, inner, depth)
                    continue
                start = head[0]
                item_version, item_kind = head[1].decode(), head[2].decode()
                wanted = kind_of(item_version, item_kind)
            self._object(text, item_span, item_version, item_kind, wanted)

    def _unusual(self, item: msgspec.Raw, span: tuple[int, int], list_kind: str, depth: int) -> None:
        """An item of a list that does not begin as objects do, or that is a list itself."""
        try:
            header = json_top(item)
        except JSON_ERRORS as error:
            self.reader.fault_at(self._origin(span), "", json_problem(error), list_kind.rpartition(" ")[2])
            return
        self._value(item, header, span, list_kind, depth + 1)

    def _spans(self, items: list[msgspec.Raw], span: tuple[int, int]) -> list[tuple[int, int]]:
        """Where the items of a list stand: one after the other, from the first ``"items": [`` that fits."""
        if not items:
            return []
        raw = self.raw
        offset = self.document.start
        for match in _ITEMS.finditer(raw, span[0] - offset, span[1] - offset):
            out: list[tuple[int, int]] = []
            at = match.end()
            between = b""
            for item in items:
                # Between all items stands the same, as a rule.
                begin = at + len(between)
                if not between or raw[at : begin + 1] != between + b"{":
                    begin = skipped(_BETWEEN, raw, at)
                    between = bytes(raw[at:begin])
                at = begin + len(memoryview(item))
                out.append((begin + offset, at + offset))
            first, last = out[0], out[-1]
            fits = raw[first[0] - offset : first[1] - offset] == memoryview(items[0])
            if fits and raw[last[0] - offset : last[1] - offset] == memoryview(items[-1]):
                return out
        return [span] * len(items)

    def _object(
        self,
        raw: memoryview | msgspec.Raw,
        span: tuple[int, int],
        api_version: str,
        kind: str,
        wanted: type[KubernetesObject] | None,
    ) -> None:
        reader = self.reader
        index = self.places.add(*span)
        if wanted is not None:
            try:
                reader.json_object(self.places, index, wanted, api_version, raw)
            except JSON_ERRORS as error:
                reader.fault_at(self.places.origin(index), "", json_problem(error), kind)
            return
        origin = self.places.origin(index)
        try:
            name = _NAME.decode(raw).metadata
        except JSON_ERRORS:
            name = None
        reader.other(origin, api_version, kind, name and name.name, name and name.namespace)


def is_list(api_version: str, kind: str, *, has_items: bool) -> bool:
    """Whether what says this of itself is a list of objects, and no object of a kind whose name ends like that."""
    return kind.endswith("List") and kind_of(api_version, kind) is None and (kind == "List" or has_items)


class _OnlyName(msgspec.Struct, gc=False):
    name: Any = None
    namespace: Any = None


class _Named(msgspec.Struct, gc=False):
    metadata: _OnlyName | None = None


_NAME = msgspec.json.Decoder(_Named)
_ITEMS = re.compile(rb'"items"[ \t\r\n]*:[ \t\r\n]*\[')
_BETWEEN = re.compile(rb"[ \t\r\n,]*")


def _home(kind: str) -> str | None:
    """The API group that a kind of Kubernetes' own stands in."""
    for group, kinds in GROUPS.items():
        if group != "extensions" and ("." not in group or group.endswith(".k8s.io")):
            for candidate in kinds:
                if candidate.__name__ == kind:
                    return group
    return None


def _item_kind(api_version: str, kind: str) -> str:
    """What the items of a typed list are, where they do not say so themselves; empty for ``List``."""
    return "" if kind == "List" else f"{api_version} {kind.removesuffix('List')}"
