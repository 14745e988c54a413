"""JSON documents: piece by piece they say what they would say at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.report.documents import document, dumps, parts

_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(items=st.lists(_json, max_size=3), other=_json)
def test_a_document_in_parts_is_the_one_at_once(items: list[Any], other: Any) -> None:
    whole = {"schema": "workbench/paths/1", "items": items, "other": other}
    made = "".join(parts("paths", items=map(dumps, items), other=other))
    assert json.loads(made) == whole
    assert made == document("paths", items=items, other=other)
    assert made == json.dumps(whole, indent=2) + "\n"


@pytest.mark.parametrize("text", ["\x1b]52;c;AA\x07", "\x7f", "\x9b2J", "a\u202eb", "\n", "\ud800", '"\\'])
def test_nothing_that_a_terminal_obeys_is_in_it(text: str) -> None:
    made = "".join(parts("paths", items=iter([dumps({text: text})]), **{"key": text}))
    assert all(" " <= letter <= "~" or letter == "\n" for letter in made)
    assert json.loads(made)["items"] == [{text: text}]
