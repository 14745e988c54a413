"""A test run that is killed leaves no server running and no data behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.cluster.harness.waiting import wait_until

STARTS_AND_DIES = """
import os, pathlib, signal, sys
from tests.cluster.harness import processes

directory = pathlib.Path(sys.argv[1])
watchdog = processes.Watchdog(directory)
ended = processes.start(["sleep", "600"], directory / "ended.log", directory, watchdog)
left = processes.start(["sleep", "600"], directory / "left.log", directory, watchdog)
ended.kill()
print(left.popen.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_leaves_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "servers"
    directory.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", STARTS_AND_DIES, str(directory)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    wait_until(lambda: not directory.exists(), "the data is removed")
    wait_until(lambda: not _running(int(run.stdout)), "the server has ended")


def _running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that nobody waits for stays in the table when it has ended.
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return not state.stdout.strip().startswith("Z") and state.returncode == 0
