"""What is kept of environment values: the addresses in them, however the value is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.inventory.connectivity import addresses, kept

PARTS = ("http", "jdbc:mysql", "://", ":", "@", "/", "?", ".", "-", "a", "db", ".svc", ",", " ", "'", "tcp(", ")", "80")
VALUES = st.builds(
    "".join, st.tuples(st.sampled_from(["", "http://", "jdbc:mysql://"]), st.lists(st.sampled_from(PARTS)).map("".join))
)


@given(st.sampled_from(["DB_HOST", "COLOUR"]), VALUES)
def test_what_is_kept_are_the_addresses(name: str, value: str) -> None:
    assert kept(name, value) == (",".join(dict.fromkeys(map(str, addresses(name, value)))) or None)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("postgres://shop:secret@DB.data.svc:5433/orders?sslmode=off", "db.data.svc:5433"),
        ("jdbc:mysql://db:3306/orders", "db:3306"),
        ("redis://cache", "cache:6379"),
        ("http://db:0/", None),
        ("red", None),
        (8080, None),
    ],
)
def test_a_url_loses_its_user_its_password_and_its_path(value: object, wanted: str | None) -> None:
    assert kept("COLOUR", value) == wanted
