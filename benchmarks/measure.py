"""What one run of one case in a process of its own measures, and how it says so."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""``ru_maxrss`` counts bytes on macOS and kibibytes elsewhere."""


PATHS = 50
"""How many paths the first answer shows; the table of ``workbench paths`` does."""
PATIENCE = 600.0
"""Seconds that a case may take."""


class CaseFailed(Exception):
    """A case's process did not end well; the first line of the message says how, the others what it said."""


@dataclass
class Result:
    """One run of a case.

    Attributes:
        case: Which one.
        phases: Of each phase the wall and the CPU seconds (``perf_counter``, ``process_time``).
        peak_rss: The most memory that the process held, in MB.
        samples: Milliseconds of each of many small runs, by name: CPU, unless the case says otherwise.
        counts: Numbers about the work, such as nodes and edges.
        digest: What the answers were, to notice a change that is faster and wrong.
    """

    case: str
    phases: dict[str, tuple[float, float]] = field(default_factory=dict)
    peak_rss: float = 0.0
    samples: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    digest: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.phases[name] = (time.perf_counter() - wall, time.process_time() - cpu)

    @contextmanager
    def sample(self, name: str) -> Iterator[None]:
        """Time one of many small runs, which keep one core busy: CPU, so that other work does not count."""
        cpu = time.process_time()
        yield
        self.samples.setdefault(name, []).append((time.process_time() - cpu) * 1000)

    def print(self) -> None:
        """Write the result to standard output, with the peak of this process' own memory."""
        if not self.peak_rss:
            self.peak_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT / 1e6
        print(json.dumps(asdict(self)))


def _failed(what: str, status: int, said: str) -> CaseFailed:
    lines = said.strip().splitlines() or [""]
    return CaseFailed("\n".join([f"{what}: status {status}: {lines[-1]}", *lines[-30:]]))


def run_case(case: str, *arguments: str) -> Result:
    """Run a case in a fresh process.

    Raises:
        CaseFailed: It did not end well, or not in time.
    """
    command = [sys.executable, "-m", "benchmarks.cases", case, *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise CaseFailed(f"{case}: not done after {PATIENCE:.0f} s") from error
    if done.returncode:
        raise _failed(case, done.returncode, done.stderr)
    return Result(**json.loads(done.stdout.splitlines()[-1]))


@dataclass(frozen=True)
class Command:
    """A finished command: its time, its memory, and its output."""

    wall: float
    cpu: float
    peak_rss: float
    output: bytes


def run_command(arguments: Sequence[str]) -> Command:
    """Run ``workbench`` with some arguments as a user does, interpreter start included.

    What is installed is compiled already, so that the first run may leave here what it compiles, whatever the
    environment says.

    Raises:
        CaseFailed: The command's status is not 0.
    """
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # One after the other will do: what the commands say to standard error fits into a pipe.
    assert process.stdout is not None
    assert process.stderr is not None
    output, said = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    if process.returncode:
        raise _failed(f"workbench {arguments[0]}", process.returncode, said.decode(errors="replace"))
    cpu = usage.ru_utime + usage.ru_stime
    return Command(time.perf_counter() - begin, cpu, usage.ru_maxrss * _RSS_UNIT / 1e6, output)


def run_paths(case: str, *source: str) -> Result:
    """Run ``workbench paths`` from the interpreter's start to its end, as a script would.

    Args:
        case: What the result is called.
        source: The flags that name what is read.

    Raises:
        CaseFailed: The command's status is not 0.
    """
    done = run_command(["paths", *source, "--limit", str(PATHS), "-o", "json"])
    result = Result(case, {"command": (done.wall, done.cpu)}, done.peak_rss)
    summary = json.loads(done.output)["summary"]
    result.counts = {key: value for key, value in summary.items() if isinstance(value, int)}
    result.digest = dict(result.counts)
    return result
