"""What a user waits for before anything is read: ``--help``, and the first paint of the terminal interface."""

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
from pathlib import Path

from benchmarks.measure import ROOT, CaseFailed, Result, run_command

_ESCAPES = re.compile(rb"\x1b(\[[0-9;:?<=>!$\"' ]*[@-~]|[\]P^_][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|.)")
_PAINTED = 60
"""So many letters on the screen are more than what Textual asks the terminal about itself."""
_PATIENCE = 30.0


def startup(data: Path) -> Result:
    """``workbench --help``, and the interface in a pseudo-terminal of its own; ``data`` is not read."""
    del data
    result = Result("startup")
    done = run_command(["--help"])
    result.phases["--help"] = (done.wall, done.cpu)
    begin = time.perf_counter()
    cpu = _until_painted()
    result.phases["first paint"] = (time.perf_counter() - begin - cpu[1], cpu[0])
    return result


def _until_painted() -> tuple[float, float]:
    """Open the interface, wait for its first paint, end it; return its CPU seconds and how long ending took."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "HOME": home,
            "KUBECONFIG": str(Path(home) / "none"),
            "TERM": "xterm-256color",
            "XDG_CONFIG_HOME": home,
            "XDG_STATE_HOME": home,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "workbench", "open"],
            cwd=ROOT,
            env=environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        try:
            seen = _painted(controller)
        finally:
            painted = time.perf_counter()
            process.kill()
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = -9
            os.close(controller)
    if not seen:
        raise CaseFailed("the terminal interface painted nothing")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - painted


def _painted(controller: int) -> bool:
    """Whether letters appeared on the alternate screen before the patience ended."""
    output = b""
    end = time.perf_counter() + _PATIENCE
    while time.perf_counter() < end:
        if not select.select([controller], [], [], 0.5)[0]:
            continue
        try:
            read = os.read(controller, 65536)
        except OSError:
            return False
        output += read
        _, alternate, screen = output.partition(b"\x1b[?1049h")
        if alternate and len(re.sub(rb"[^A-Za-z0-9]", b"", _ESCAPES.sub(b"", screen))) >= _PAINTED:
            return True
    return False
