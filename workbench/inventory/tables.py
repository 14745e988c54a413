"""Tables and indexes that can be laid over with changes without copying what did not change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class Table(Generic[T]):
    """Items by id, in the order in which they were read."""

    def __init__(self, items: Mapping[str, T]) -> None:
        self._items = items

    def get(self, key: str) -> T | None:
        """The item of an id, or ``None``."""
        return self._items.get(key)

    def ids(self) -> Iterable[str]:
        """The ids of the items, in their order."""
        return self._items.keys()

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def __iter__(self) -> Iterator[T]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def overlaid(self, patch: Mapping[str, T | None]) -> Table[T]:
        """This table with some items replaced, added, or (``None``) taken away."""
        return _OverlaidTable(self, patch) if patch else self


class _OverlaidTable(Table[T]):
    def __init__(self, base: Table[T], patch: Mapping[str, T | None]) -> None:
        super().__init__({})
        self._base = base
        self._patch = patch

    def get(self, key: str) -> T | None:
        if key in self._patch:
            return self._patch[key]
        return self._base.get(key)

    def ids(self) -> Iterable[str]:
        for key in self._base.ids():
            if key not in self._patch or self._patch[key] is not None:
                yield key
        for key, patched in self._patch.items():
            if patched is not None and self._base.get(key) is None:
                yield key

    def __iter__(self) -> Iterator[T]:
        seen = {key: self._base.get(key) for key in self._patch}
        replaced = {id(item): key for key, item in seen.items() if item is not None}
        for item in self._base:
            key = replaced.get(id(item))
            if key is None:
                yield item
            else:
                patched = self._patch[key]
                if patched is not None:
                    yield patched
        for key, patched in self._patch.items():
            if seen[key] is None and patched is not None:
                yield patched

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Index(Generic[K, T]):
    """Items by a key that each item gives, several keys an item, in the order of the items."""

    def __init__(self, items: Iterable[T], keys: Callable[[T], Iterable[K]]) -> None:
        """Index some items by the keys that each of them gives."""
        self._keys = keys
        self._lists: dict[K, list[T]] = {}
        lists = self._lists
        for item in items:
            for key in keys(item):
                found = lists.get(key)
                if found is None:
                    lists[key] = [item]
                else:
                    found.append(item)

    @classmethod
    def of_replicas(cls, runs: Iterable[list[T]], keys: Callable[[T], Iterable[K]]) -> Index[K, T]:
        """Index pods or containers whose keys are the same for all replicas, so that they are asked for once.

        Args:
            runs: The items, as :func:`replica_runs` gives them.
            keys: Gives the keys of an item.
        """
        index = cls((), keys)
        lists = index._lists
        known: dict[Any, list[list[T]]] = {}
        for run in runs:
            alike = cast(Any, run[0]).alike
            own = known.get(alike)
            if own is None:
                own = known[alike] = [lists.setdefault(key, []) for key in keys(alike)]
            for found in own:
                found.extend(run)
        return index

    def __getitem__(self, key: K) -> Sequence[T]:
        """The items of a key; none is an empty sequence."""
        return self._lists.get(key, ())

    def keys(self) -> Iterable[K]:
        """All keys that have an item."""
        return self._lists.keys()

    def __contains__(self, key: K) -> bool:
        return bool(self[key])

    def overlaid(self, pairs: Sequence[tuple[T | None, T | None]]) -> Index[K, T]:
        """This index with items replaced: ``(old, new)``, ``None`` for an item that is new or goes."""
        return _OverlaidIndex(self, self._keys, pairs) if pairs else self


def replica_runs(items: Iterable[T]) -> list[list[T]]:
    """Pods or containers in their order, those together that follow each other and are alike."""
    return [list(run) for _, run in groupby(items, attrgetter("alike"))]


class _OverlaidIndex(Index[K, T]):
    def __init__(
        self,
        base: Index[K, T],
        keys: Callable[[T], Iterable[K]],
        pairs: Sequence[tuple[T | None, T | None]],
    ) -> None:
        super().__init__((), keys)
        self._base = base
        touched: dict[K, list[T]] = {}

        def editable(key: K) -> list[T]:
            if key not in touched:
                touched[key] = list(base[key])
            return touched[key]

        for old, new in pairs:
            before = list(keys(old)) if old is not None else []
            after = list(keys(new)) if new is not None else []
            for key in before:
                items = editable(key)
                at = next((i for i, item in enumerate(items) if item is old), None)
                if at is None:
                    continue
                if key in after and new is not None:
                    items[at] = new
                else:
                    del items[at]
            if new is not None:
                for key in after:
                    if key not in before:
                        editable(key).append(new)
        self._lists = touched

    def __getitem__(self, key: K) -> Sequence[T]:
        found = self._lists.get(key)
        return self._base[key] if found is None else found

    def keys(self) -> Iterable[K]:
        touched = self._lists
        # No key of an index is without items, so that only those that were touched are looked up.
        yield from (key for key in self._base.keys() if key not in touched or touched[key])  # noqa: SIM118
        for key, items in self._lists.items():
            if items and not self._base[key]:
                yield key
