"""What a reference of an image says without its version."""

from __future__ import annotations

import pytest

from workbench.inventory.image_names import without_version


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("registry:5000/shop/cart", "registry:5000/shop/cart"),
        ("registry:5000/shop/cart:1.2@sha256:abc", "registry:5000/shop/cart"),
        ("cart@sha256:abc", "cart"),
        ("", ""),
    ],
)
def test_tag_and_digest_are_left_out(reference: str, name: str) -> None:
    assert without_version(reference) == name
