"""What every trimmed object is made of: the structures, the metadata, and label selectors."""

# Annotations stay objects here: as texts, msgspec would have to compile each one before it decodes anything.
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import msgspec

Labels: TypeAlias = dict[str, str | None]
IntOrString: TypeAlias = int | str


class Record(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, gc=False):
    """Base of all trimmed structures: camelCase on the wire, defaults omitted when written."""

    if TYPE_CHECKING:

        def __copy__(self) -> Self:
            """A shallow copy, which msgspec has ready; ``copy.copy`` takes twice as long to come to it."""


class FrozenRecord(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, gc=False, frozen=True):
    """As :class:`Record`, hashable: equal rules share what is computed from them."""


class OwnerReference(Record):
    api_version: str | None = None
    kind: str | None = None
    name: str | None = None
    uid: str | None = None
    controller: bool | None = None


class ManagedField(Record):
    manager: str | None = None
    operation: str | None = None
    subresource: str | None = None
    owned: msgspec.Raw | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="fieldsV1")
    """The set of fields as JSON: as objects it is larger than all the rest of an object, and few ask for it."""

    @property
    def fields_v1(self) -> dict[str, Any] | None:
        """The set of fields, ``None`` if it is absent or no mapping."""
        found = msgspec.json.decode(self.owned) if isinstance(self.owned, msgspec.Raw) else None
        return found if isinstance(found, dict) else None


class ObjectMeta(Record):
    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    labels: Labels | None = None
    annotations: Labels | None = None
    """Keys as read; a value is ``None`` unless some rule reads it (``decode.ANNOTATION_VALUES``)."""
    owner_references: list[OwnerReference] | None = None
    deletion_timestamp: str | None = None
    managed_fields: list[ManagedField] | None = None
    """Who manages which field; dropped for what no fix is aimed at: other kinds, and objects that another controls."""


class KubernetesObject(Record):
    """Any object that we keep; its kind is the name of its class."""

    wire: ClassVar[str] = ""
    """The kind as objects of it say it, where two API groups share one name; empty for the name of the class."""

    api_version: str = ""
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)

    @property
    def kind(self) -> str:
        return type(self).__name__

    @property
    def name(self) -> str:
        return self.metadata.name or ""

    @property
    def namespace(self) -> str:
        """The namespace, or the empty string for cluster-scoped objects."""
        return self.metadata.namespace or ""

    @property
    def id(self) -> str:
        """The node id: ``Kind:namespace/name``, or ``Kind:name`` for cluster-scoped objects."""
        namespace = self.metadata.namespace
        if namespace:
            return f"{type(self).__name__}:{namespace}/{self.metadata.name}"
        return f"{type(self).__name__}:{self.metadata.name}"


def wire_kind(kind: type[KubernetesObject]) -> str:
    """The ``kind`` that objects of a class carry."""
    return kind.wire or kind.__name__


def plural_of(kind: str) -> str:
    """The resource that the objects of a kind are, as the API server writes it in paths; for all kinds we read."""
    name = kind.lower()
    if name.endswith("ss"):
        return f"{name}es"
    if name.endswith("y"):
        return f"{name[:-1]}ies"
    return name if name.endswith("s") else f"{name}s"


class SelectorRequirement(Record):
    key: str | None = None
    operator: str | None = None
    values: list[str] | None = None


class LabelSelector(Record):
    match_labels: Labels | None = None
    match_expressions: list[SelectorRequirement] | None = None
