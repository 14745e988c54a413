"""What a user waits for: ``--help``, the first paint of the terminal interface, and what a key paints later."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.measure import Result, run_command
from benchmarks.terminal import Interface

_LETTERS = 60
"""So many letters on the screen are more than what Textual asks the terminal about itself."""
_READ = 300.0
"""Seconds within which the cluster is read."""

_DOWN, _RIGHT, _PAGE, _ENTER = b"\x1b[B", b"\x1b[C", b"\x1b[6~", b"\r"
_SCREENS: dict[str, tuple[bytes, bytes, tuple[bytes, ...]]] = {
    "Paths": (b"2", b"cluster-admin", (*[_DOWN] * 12, _ENTER, _DOWN)),
    "Resources": (b"3", b"PATHS", (*[_DOWN] * 12, *[_PAGE] * 4)),
    "Network": (b"6", b"argocd", (*[_DOWN] * 6, *[_RIGHT] * 6)),
    "Fixes": (b"7", b"F-", (*[_DOWN] * 8,)),
    "Overview": (b"1", b"entry points,", (*[_DOWN] * 3,)),
}
"""For each screen the key that leads there, what it shows of the cluster, and keys that each change what is painted."""


def startup(data: Path) -> Result:
    """``workbench --help``, and the interface without a cluster; ``data`` is not read."""
    del data
    result = Result("startup")
    done = run_command(["--help"])
    result.phases["--help"] = (done.wall, done.cpu)
    with Interface() as interface:
        interface.until(letters=_LETTERS)
        painted = time.perf_counter() - interface.began
    result.phases["first paint"] = (painted, interface.cpu)
    return result


def keys(data: Path) -> Result:
    """From a key to what it paints, on every screen of the interface, while fixes are ranked in the background."""
    result = Result("keys")
    with Interface(["--manifests", str(data)]) as interface:
        interface.until(b"entry points,", patience=_READ)
        for screen, (key, shows, pressed) in _SCREENS.items():
            result.samples[screen] = [interface.press(key)]
            interface.until(shows)
            result.samples[screen] += map(interface.press, pressed)
    result.counts["keys"] = sum(map(len, result.samples.values()))
    return result
