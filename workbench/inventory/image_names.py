"""Names of images: what a reference says of the program in it, whatever its version is."""

from __future__ import annotations


def without_version(reference: str) -> str:
    """A reference without its tag and digest: ``registry:5000/shop/cart`` for ``registry:5000/shop/cart:1.2``."""
    place, slash, name = reference.partition("@")[0].rpartition("/")
    return f"{place}{slash}{name.partition(':')[0]}"
