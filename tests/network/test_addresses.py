"""Ranges of addresses, and which of them an address lies in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.network.addresses import AddressSpace, span

_BLOCKS = ["10.0.0.0/8", "10.1.2.0/24", "10.1.2.64/26", "10.1.3.7/32", "fd00::/8"]


@given(st.lists(st.sampled_from(_BLOCKS)), st.lists(st.ip_addresses().map(str) | st.sampled_from(["10.1.2.3"])))
def test_an_address_lies_in_the_range_that_holds_it(blocks: list[str], addresses: list[str]) -> None:
    space = AddressSpace(map(span, blocks))
    near = [f"10.1.{third}.{last}" for third in (2, 3) for last in (0, 6, 7, 8, 63, 64, 127, 128, 255)]
    for address in (*near, *addresses, *near):
        one = span(address)
        holding = [
            number
            for number, atom in enumerate(space.atoms)
            if atom.family == one.family and atom.low <= one.low <= atom.high
        ]
        assert space.atom_of(address) == (holding[0] if holding else None)
        assert space.range_of(address) == (space.atoms[holding[0]] if holding else None)


@pytest.mark.parametrize(
    "text", ["10.1.2.256", "10.1.2.03", "010.1.2.3", "10.1.2", "10.1.2.3.4", "x.3", ".3", "10.1.2."]
)
def test_what_is_no_address_lies_nowhere(text: str) -> None:
    space = AddressSpace([span("10.1.2.0/24")])
    assert space.atom_of("10.1.2.3") is not None
    assert space.atom_of(text) is None
