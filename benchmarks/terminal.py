"""The terminal interface in a pseudo-terminal of its own: what it writes there, and when."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.measure import ROOT, CaseFailed

_ESCAPES = re.compile(rb"\x1b(\[[0-9;:?<=>!$\"' ]*[@-~]|[\]P^_][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|.)")
_ALTERNATE = b"\x1b[?1049h"
_QUIET = 0.1
"""Seconds without output after which a screen is taken to be painted."""
_SETTLED = 5.0
"""Seconds after which it is, whatever is still written."""
_PATIENCE = 60.0
"""Seconds in which whatever is waited for has to be painted."""


class Interface:
    """``workbench open`` with some arguments, for as long as the context lasts; nothing of the user's own is read."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = arguments
        self._home = tempfile.TemporaryDirectory()
        self.began = 0.0
        """When the process was started, as ``perf_counter``."""
        self.cpu = 0.0
        """The CPU seconds that it took, once it has ended."""

    def __enter__(self) -> Self:
        self._controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        home = self._home.name
        environment = {
            **os.environ,
            "HOME": home,
            "KUBECONFIG": str(Path(home) / "none"),
            "TERM": "xterm-256color",
            "XDG_CONFIG_HOME": home,
            "XDG_STATE_HOME": home,
        }
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workbench", "open", *self._arguments],
            cwd=ROOT,
            env=environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        _, _, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = -9
        self.cpu = usage.ru_utime + usage.ru_stime
        os.close(self._controller)
        self._home.cleanup()

    def until(self, text: bytes = b"", letters: int = 0, patience: float = _PATIENCE) -> None:
        """Wait until the interface paints a text, and so many letters.

        Raises:
            CaseFailed: It did not, for so many seconds.
        """
        output = b""
        end = time.perf_counter() + patience
        while (left := end - time.perf_counter()) > 0:
            output += self._read(min(left, 0.5))
            # What comes before the alternate screen asks the terminal about itself.
            screen = _ESCAPES.sub(b"", output.partition(_ALTERNATE)[2] or output)
            if len(re.sub(rb"[^A-Za-z0-9]", b"", screen)) >= letters and text in screen:
                return
        raise CaseFailed(f"the terminal interface did not paint {text.decode() or 'anything'}")

    def press(self, key: bytes) -> float:
        """Press a key that changes the screen; how long it took until something was painted, in milliseconds.

        Raises:
            CaseFailed: Nothing was painted.
        """
        self._settle()
        pressed = time.perf_counter()
        os.write(self._controller, key)
        if not select.select([self._controller], [], [], _PATIENCE)[0]:
            raise CaseFailed(f"the terminal interface painted nothing after {key!r}")
        return (time.perf_counter() - pressed) * 1000

    def _settle(self) -> None:
        """Take what is still painted, so that it is not taken for the answer to the next key."""
        end = time.perf_counter() + _SETTLED
        while time.perf_counter() < end and self._read(_QUIET):
            pass

    def _read(self, patience: float) -> bytes:
        """What was written, empty if nothing was for so many seconds."""
        if not select.select([self._controller], [], [], patience)[0]:
            return b""
        try:
            return os.read(self._controller, 1 << 16)
        except OSError as error:
            raise CaseFailed("the terminal interface ended") from error
