"""The objects of a source while it is read: by kind and id, as the inventory takes them over."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar, cast

from workbench.errors import Fault, InputError
from workbench.inventory.evidence import Origin, Places
from workbench.inventory.objects import KINDS, KubernetesObject
from workbench.inventory.pods import Renamed

T = TypeVar("T", bound=KubernetesObject)


class Gathered:
    """Objects of all kinds in the order in which they were read, each with where.

    Of a large cluster there are a hundred thousand, so that each is looked at once, and what is known of where it
    was read stands in a column beside the table of its kind.

    Attributes:
        tables: The objects by id, by the name of their kind.
        replicas: Of pods that were read as replicas, by the identity of the object: that of the first replica, and what
            the volume with the token is called there and here.
    """

    def __init__(self, objects: Iterable[tuple[KubernetesObject, Origin | None]] = ()) -> None:
        """Take some objects.

        Raises:
            InputError: Two objects share one kind, namespace and name.
        """
        self.tables: dict[str, dict[str, KubernetesObject]] = {kind: {} for kind in KINDS}
        self.replicas: dict[int, tuple[int, Renamed]] = {}
        self._origins: dict[str, list[Origin | Places | None]] = {kind: [] for kind in KINDS}
        self._indexes: dict[str, array[int]] = {kind: array("q") for kind in KINDS}
        self._columns = {
            type_: (self.tables[kind], self._origins[kind], self._indexes[kind]) for kind, type_ in KINDS.items()
        }
        self._positions: dict[str, dict[str, int]] = {}
        faults = [self.duplicate(obj, origin) for obj, origin in objects if not self.put(obj, origin)]
        if faults:
            raise InputError(faults)

    def put(self, obj: KubernetesObject, origin: Origin | Places | None, index: int = -1) -> bool:
        """Add an object, unless there is one of its kind, namespace and name; whether there was none.

        Args:
            obj: The object.
            origin: Where it was read.
            index: Which of several places that is.
        """
        table, origins, indexes = self._columns[type(obj)]
        if table.setdefault(obj.id, obj) is not obj:
            return False
        if self._positions and (positions := self._positions.get(type(obj).__name__)) is not None:
            positions[obj.id] = len(origins)
        origins.append(origin)
        indexes.append(index)
        return True

    def duplicate(self, obj: KubernetesObject, origin: Origin | None) -> Fault:
        """What is wrong with an object that could not be added."""
        first = self.origin(obj.id)
        other = ""
        if first is not None:
            line = first.line("")
            other = f"; the first is in {first.file}" + (f":{line}" if line else "")
        return Fault(
            file=(origin.file if origin else None) or "?",
            document=origin.document if origin else None,
            line=origin.line("") if origin else None,
            field="metadata.name",
            problem=f"a second object {obj.id}{other}",
        )

    def origin(self, node: str) -> Origin | None:
        """Where the object of an id was read; ``None`` if that is not known, or nothing was read of it."""
        kind = node.partition(":")[0]
        origins = self._origins.get(kind)
        if not origins:
            return None
        positions = self._positions.get(kind)
        if positions is None:
            # Few are asked for, and only once all were read, as a rule.
            positions = self._positions[kind] = dict(zip(self.tables[kind], range(len(origins)), strict=False))
        position = positions.get(node)
        return None if position is None else self._origin(kind, position)

    def _origin(self, kind: str, position: int) -> Origin | None:
        found, index = self._origins[kind][position], self._indexes[kind][position]
        return cast("Places", found).origin(index) if index >= 0 else cast("Origin | None", found)

    def of(self, kind: type[T]) -> Iterable[T]:
        """The objects of a kind."""
        return cast("Iterable[T]", self.tables[kind.__name__].values())

    def counts(self) -> dict[str, int]:
        """How many there are of each kind, for :meth:`back_to`."""
        return {kind: len(table) for kind, table in self.tables.items()}

    def back_to(self, counts: dict[str, int]) -> None:
        """Forget the objects that were added since there were so many."""
        for kind, count in counts.items():
            table = self.tables[kind]
            while len(table) > count:
                table.popitem()
            del self._origins[kind][count:]
            del self._indexes[kind][count:]
            self._positions.pop(kind, None)

    def __iter__(self) -> Iterator[tuple[KubernetesObject, Origin | None]]:
        for kind, table in self.tables.items():
            for position, obj in enumerate(islice(table.values(), len(self._origins[kind]))):
                yield obj, self._origin(kind, position)

    def __len__(self) -> int:
        return sum(map(len, self.tables.values()))
