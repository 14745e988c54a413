"""Durations as kubectl takes them."""

from __future__ import annotations

import re

from workbench.errors import UsageError
from workbench.text import shown

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")


def parse_timeout(text: str) -> float:
    """The seconds of ``30``, ``3s``, ``1m`` or ``1m30s``; 0 is no limit.

    Source: client-go ``clientcmd.ParseTimeout``, Go ``time.ParseDuration``.

    Raises:
        UsageError: The text is no duration.
    """
    if re.fullmatch(r"[0-9]+", text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        raise UsageError(f"--request-timeout: '{shown(text)}' is no duration; write it as 30, 3s or 1m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
