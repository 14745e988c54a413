"""Ends of the program that no key asks for: signals, and a terminal that goes away."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "import sys; from workbench.tui.app import run_app; sys.exit(run_app(None, theme='dark'))"
FIRST_PAINT = b"Open a source"
PATIENCE = 60
"""Seconds until a hang is a failure; nothing waits for them to pass."""


DEFECT = """
import sys
from workbench.tui.app import WorkbenchApp, run_app

def command(self):
    held = "canary-of-a-value"
    raise RuntimeError("a defect")

WorkbenchApp.action_command = command
sys.exit(run_app(None, theme='dark'))
"""


def start(tmp_path: Path, program: str = PROGRAM) -> tuple[subprocess.Popen[bytes], int]:
    master, slave = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        cwd=tmp_path,
        start_new_session=True,
    )
    os.close(slave)
    return process, master


def read_until(master: int, wanted: bytes) -> bytes:
    seen = b""
    end = time.monotonic() + PATIENCE
    while wanted not in seen and time.monotonic() < end:
        if select.select([master], [], [], 0.2)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            seen += data
    return seen


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_app_in_order(tmp_path: Path, number: signal.Signals, status: int) -> None:
    process, master = start(tmp_path)
    try:
        assert FIRST_PAINT in read_until(master, FIRST_PAINT)
        process.send_signal(number)
        rest = read_until(master, b"\x1b[?1004l")
        assert process.wait(PATIENCE) == status
        assert b"\x1b[?1049l" in rest, "back on the main screen"
        assert b"\x1b[?25h" in rest, "the cursor is shown"
        assert b"\x1b[?1000l" in rest, "the mouse is given back"
    finally:
        process.kill()
        os.close(master)


def test_a_terminal_that_goes_away_ends_the_app(tmp_path: Path) -> None:
    process, master = start(tmp_path)
    try:
        assert FIRST_PAINT in read_until(master, FIRST_PAINT)
    finally:
        os.close(master)
    try:
        assert process.wait(PATIENCE) == 129
    finally:
        process.kill()


def test_keys_that_are_typed_in_one_go_all_arrive(tmp_path: Path) -> None:
    process, master = start(tmp_path)
    try:
        assert FIRST_PAINT in read_until(master, FIRST_PAINT)
        os.write(master, b":open sample:no-such-sample\r")
        assert b"no-such-sample" in read_until(master, b"no-such-sample")
        os.write(master, b"q")
        read_until(master, b"\x1b[?1004l")
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        os.close(master)


def test_a_defect_ends_the_app_with_a_sentence_and_no_value(tmp_path: Path) -> None:
    process, master = start(tmp_path, DEFECT)
    try:
        assert FIRST_PAINT in read_until(master, FIRST_PAINT)
        os.write(master, b":")
        seen = read_until(master, b"workbench.log")
        assert process.wait(PATIENCE) == 70
        assert b"workbench: internal error: RuntimeError: a defect; details: " in seen
        assert b"Traceback" not in seen
        log = (tmp_path / "workbench" / "workbench.log").read_text()
        assert "Traceback" in log
        assert "canary-of-a-value" not in seen.decode("utf-8", "replace")
    finally:
        process.kill()
        os.close(master)


def test_q_ends_with_status_0_and_a_clean_terminal(tmp_path: Path) -> None:
    process, master = start(tmp_path)
    try:
        assert FIRST_PAINT in read_until(master, FIRST_PAINT)
        os.write(master, b"q")
        rest = read_until(master, b"\x1b[?1004l")
        assert process.wait(PATIENCE) == 0
        assert b"\x1b[?1049l" in rest
        assert b"Traceback" not in rest
    finally:
        process.kill()
        os.close(master)


def test_the_app_imports_no_engine() -> None:
    code = (
        "import sys, workbench.tui.app;"
        "print([name for name in ('msgspec', 'yaml', 'numpy', 'scipy', 'networkx', 'rustworkx', 'kubernetes',"
        " 'workbench.engine') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_first_screen_imports_no_other() -> None:
    code = (
        "import sys, workbench.tui.app;"
        "workbench.tui.app.WorkbenchApp(None).screen_of('connect');"
        "print(sorted(name.rpartition('.')[2] for name in sys.modules if name.startswith('workbench.tui.screens.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['base', 'connect']"
