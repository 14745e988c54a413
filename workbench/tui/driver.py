"""The terminal driver: Textual's, except that the end of standard input ends the app.

When an SSH session dies, reads from the terminal give nothing or an error; Textual's input thread would spin
on it. Writing to such a terminal must not raise either, or the app could not end in order.
"""

from __future__ import annotations

import os
import selectors
from codecs import getincrementaldecoder
from collections.abc import Callable
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

HUNG_UP = 129
"""The exit status after a hang-up: 128 and SIGHUP."""


class Outlet:
    """The terminal to write to; what a lost terminal does not take is dropped."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def _try(self, what: Callable[[], Any]) -> None:
        try:
            what()
        except (OSError, ValueError):
            # EIO of a terminal that is gone, or a closed file.
            return

    def write(self, text: str) -> None:
        """Write, if it is still there."""
        self._try(lambda: self._file.write(text))

    def flush(self) -> None:
        """Flush, if it is still there."""
        self._try(self._file.flush)

    def fileno(self) -> int:
        """The file descriptor."""
        return int(self._file.fileno())

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return bool(self._file.isatty())


class TerminalDriver(LinuxDriver):
    """Reads keys until the terminal is gone, and then ends the app through its normal exit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file: Any = Outlet(self._file)

    def run_input_thread(self) -> None:
        """Wait for input and dispatch events."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        with selectors.SelectSelector() as selector:
            try:
                selector.register(self.fileno, selectors.EVENT_READ)
            except (OSError, ValueError):
                self._hang_up()
                return
            while not self.exit_event.is_set():
                if selector.select(0.1):
                    try:
                        data = os.read(self.fileno, 4096)
                    except OSError:
                        data = b""
                    if not data:
                        self._hang_up()
                        return
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)

    def _hang_up(self) -> None:
        self._app.call_later(self._app.exit, return_code=HUNG_UP)
