"""Tables and indexes laid over with changes are those that would be built from the changed items."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from workbench.inventory.tables import Index, Table, replica_runs


@dataclass(frozen=True, eq=False)
class Item:
    """An item with the keys that it is found by."""

    id: str
    keys: tuple[str, ...]


_IDS = st.sampled_from(["a", "b", "c", "d", "e"])
_ITEM_KEYS = st.lists(st.sampled_from(["x", "y", "z"]), max_size=3, unique=True).map(tuple)
_ITEMS = st.dictionaries(_IDS, _ITEM_KEYS, max_size=5).map(lambda d: {i: Item(i, keys) for i, keys in d.items()})
_PATCHES = st.dictionaries(_IDS, st.none() | _ITEM_KEYS, max_size=4).map(
    lambda d: {i: None if keys is None else Item(i, keys) for i, keys in d.items()}
)


def _patched(items: dict[str, Item], patch: dict[str, Item | None]) -> dict[str, Item]:
    out = {key: patch.get(key, item) if key in patch else item for key, item in items.items()}
    out.update({key: item for key, item in patch.items() if key not in items})
    return {key: item for key, item in out.items() if item is not None}


@given(_ITEMS, _PATCHES, _PATCHES)
def test_a_table_laid_over_equals_one_built_anew(
    items: dict[str, Item], first: dict[str, Item | None], second: dict[str, Item | None]
) -> None:
    table, wanted = Table(items), dict(items)
    for patch in (first, second):
        table, wanted = table.overlaid(patch), _patched(wanted, patch)
        assert set(table) == set(wanted.values())
        assert len(table) == len(wanted)
        for key in "abcde":
            assert table.get(key) is wanted.get(key)
            assert (key in table) is (key in wanted)


@given(_ITEMS, _PATCHES)
def test_a_table_keeps_the_order_of_what_it_lies_over(items: dict[str, Item], patch: dict[str, Item | None]) -> None:
    found = Table(items).overlaid(patch)
    assert list(found) == list(_patched(items, patch).values())
    assert list(found.ids()) == list(_patched(items, patch))


@dataclass(frozen=True, eq=False)
class Replica(Item):
    """An item with the same keys as the first one like it."""

    alike: Item


def test_an_index_asks_replicas_once_and_keeps_their_order() -> None:
    asked: list[str] = []

    def keys(item: Item) -> tuple[str, ...]:
        asked.append(item.id)
        return item.keys

    one, other = Item("a", ("x", "y")), Item("b", ("y",))
    items = [
        Replica(name, ("never asked",), first)
        for name, first in zip("cdefg", (one, other, one, other, one), strict=True)
    ]
    index: Index[str, Replica] = Index.of_replicas(replica_runs(items), keys)
    assert asked == ["a", "b"]
    assert [item.id for item in index["x"]] == ["c", "e", "g"]
    assert [item.id for item in index["y"]] == ["c", "d", "e", "f", "g"]
    assert sorted(index.keys()) == ["x", "y"]


@given(_ITEMS, _PATCHES, _PATCHES)
def test_an_index_laid_over_equals_one_built_anew(
    items: dict[str, Item], first: dict[str, Item | None], second: dict[str, Item | None]
) -> None:
    index: Index[str, Item] = Index(items.values(), lambda item: item.keys)
    now = dict(items)
    for patch in (first, second):
        pairs = [(now.get(key), item) for key, item in patch.items() if now.get(key) or item]
        index, now = index.overlaid(pairs), _patched(now, patch)
        rebuilt: Index[str, Item] = Index(now.values(), lambda item: item.keys)
        assert sorted(index.keys()) == sorted(rebuilt.keys())
        for key in "xyzw":
            assert set(index[key]) == set(rebuilt[key])
            assert len(index[key]) == len(rebuilt[key])
            assert (key in index) is (key in rebuilt)
