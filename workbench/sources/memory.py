"""The garbage collector, paused while many long-lived objects are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the collector, and put what was made where later collections do not look.

    Reading makes millions of objects that all stay, so looking for garbage among them costs several times what
    reading does, and each later full collection would stop the screen. What an earlier call froze is looked
    through once more, so that a source that was closed is given back before the next is read; what is new is not,
    for almost all of it stays. Within another pause this does nothing.
    """
    if not gc.isenabled():
        yield
        return
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
