"""Answers within a key press: the garbage collector has to wait for them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector from looking through everything for the sake of some thousand short-lived records.

    Nothing here makes cycles, so there is nothing to find. What stays is looked at once afterwards.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
