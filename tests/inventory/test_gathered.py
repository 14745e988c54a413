"""Objects while a source is read: each once, with where it was read, and forgotten again where a reader starts anew."""

from __future__ import annotations

import pytest

from workbench.errors import InputError
from workbench.inventory.evidence import Origin
from workbench.inventory.gathered import Gathered
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Namespace, ObjectMeta, ServiceAccount
from workbench.sources.origin import RecordedOrigin


def _account(name: str) -> ServiceAccount:
    return ServiceAccount(metadata=ObjectMeta(name=name, namespace="shop"))


class _Rows:
    """Places of which the index is the line."""

    def origin(self, index: int) -> Origin:
        return RecordedOrigin("accounts.json", 1, index)


def test_an_object_is_found_where_it_was_read() -> None:
    found = Gathered()
    assert found.put(_account("a"), _Rows(), 7)
    assert found.put(_account("b"), None)
    assert found.put(_account("c"), RecordedOrigin("one.yaml", 2, 3))
    assert found.put(_account("d"), _Rows(), 0)
    lines = {obj.name: origin and (origin.file, origin.line("")) for obj, origin in found}
    assert lines == {"a": ("accounts.json", 7), "b": None, "c": ("one.yaml", 3), "d": ("accounts.json", 0)}
    for obj, origin in found:
        again = found.origin(obj.id)
        assert (again and again.line("")) == (origin and origin.line(""))
    assert found.origin("ServiceAccount:shop/e") is None
    assert found.origin("Image:nginx") is None


def test_the_second_of_a_name_is_refused() -> None:
    first = RecordedOrigin("one.yaml", 1, 3)
    found = Gathered([(_account("a"), first)])
    assert not found.put(_account("a"), None)
    assert len(found) == 1
    assert found.duplicate(_account("a"), None).problem.endswith("the first is in one.yaml:3")
    assert found.put(_account("b"), RecordedOrigin("two.yaml", 1, 8))
    assert found.duplicate(_account("b"), None).problem.endswith("the first is in two.yaml:8")
    with pytest.raises(InputError, match="a second object ServiceAccount:shop/a"):
        Inventory([(_account("a"), first), (_account("a"), None)])


def test_what_was_read_can_be_forgotten() -> None:
    found = Gathered([(_account("a"), RecordedOrigin("x", 1, 1))])
    before = found.counts()
    assert found.put(_account("b"), _Rows(), 2)
    assert found.put(Namespace(metadata=ObjectMeta(name="shop")), None)
    assert found.origin("ServiceAccount:shop/b") is not None
    found.back_to(before)
    assert [obj.id for obj, _ in found] == ["ServiceAccount:shop/a"]
    assert found.origin("ServiceAccount:shop/b") is None
    assert found.put(_account("c"), _Rows(), 9)
    origin = found.origin("ServiceAccount:shop/c")
    assert origin is not None
    assert origin.line("") == 9
