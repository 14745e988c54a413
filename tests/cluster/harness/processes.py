"""Server processes of a test: started apart from the terminal, ended by their id, gone even if the run is killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_WATCHDOG = """
pids=
while read -r word pid; do
  case $word in
    add) pids="$pids $pid " ;;
    drop) pids=$(printf '%s' "$pids" | sed "s/ $pid / /") ;;
    done) exit 0 ;;
  esac
done
for pid in $pids; do kill -9 "$pid"; done
rm -rf "$1"
"""


class Watchdog:
    """A shell that outlives us: when our end of its pipe closes before :meth:`close`, it ends what we had started.

    Args:
        directory: What it removes then.
    """

    def __init__(self, directory: Path) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "watchdog", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def add(self, pid: int) -> None:
        """Answer for one more process."""
        self._say(f"add {pid}")

    def drop(self, pid: int) -> None:
        """Forget a process that has ended: its id may be another's soon."""
        self._say(f"drop {pid}")

    def close(self) -> None:
        """All is cleaned up already."""
        self._say("done")
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait()

    def _say(self, line: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{line}\n".encode())
        self._shell.stdin.flush()


@dataclass
class Process:
    """A running server and where its output goes."""

    popen: subprocess.Popen[bytes]
    log: Path
    watchdog: Watchdog

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None

    def said(self) -> str:
        """All that it has written so far."""
        return self.log.read_text(errors="replace")

    def suspend(self) -> None:
        """Stop it from running: connections are still taken, by the kernel, and never answered."""
        self.popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.popen.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once; nothing if it has ended."""
        self.popen.kill()
        self.popen.wait()
        self.watchdog.drop(self.popen.pid)


def start(command: Sequence[str | os.PathLike[str]], log: Path, home: Path, watchdog: Watchdog) -> Process:
    """Start a server in a process group of its own, so that Ctrl-C reaches the tests first and they end it in order.

    Args:
        command: The program and its arguments.
        log: The file for both its outputs.
        home: Its ``HOME``; it gets nothing else of our environment but the PATH.
        watchdog: Who ends it if we cannot.
    """
    with log.open("wb") as output:
        popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)},
            start_new_session=True,
        )
    watchdog.add(popen.pid)
    return Process(popen, log, watchdog)
