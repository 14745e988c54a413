"""The one place where tests of processes wait: for something to hold, never for time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable

_PAUSE = 0.01
_SECONDS = 60
"""Far more than anything here takes, as a machine may be busy."""


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Return when something holds that another process brings about.

    Args:
        holds: Whether it does.
        what: Names it in the failure.

    Raises:
        AssertionError: It did not for a minute.
    """
    end = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(_PAUSE)
