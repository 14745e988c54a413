"""Exit statuses, and what becomes of the streams when something breaks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from workbench.cli import paths as command
from workbench.engine import Audit

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "workbench"]
SHOP = ("--sample", "shop")


def process(*arguments: str, **options: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*PROGRAM, *arguments], env=environment, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("paths", "--sample", "shop", "--fail-on", "critical"), 1),
        (("paths", "--sample", "shop", "--fail-on", "low", "--limit", "1"), 1),
        # One path is shown, and it is not severe; the gate is about all.
        (("paths", "--sample", "shop", "--to", "Secret:*", "--fail-on", "high", "--limit", "1", "-o", "json"), 1),
        (("paths", "--sample", "hardened", "--fail-on", "low"), 0),
        (("paths", "--sample", "shop", "--from", "internet", "--fail-on", "critical"), 0),
        (("paths", "--sample", "shop"), 0),
    ],
)
def test_the_gate(arguments: tuple[str, ...], status: int, run: Run) -> None:
    done = run(*arguments)
    assert done.status == status
    assert done.out
    assert ("the gate failed:" in done.err) == (status == 1)


def test_the_gate_leaves_standard_output_alone(run: Run) -> None:
    plain = run("paths", *SHOP, "-o", "json")
    gated = run("paths", *SHOP, "-o", "json", "--fail-on", "low")
    assert (plain.status, gated.status) == (0, 1)
    assert plain.out == gated.out


def _failing(error: BaseException) -> object:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 0, ""),
        (RuntimeError("a \x1b[31mred\nname"), 70, r"internal error: RuntimeError: a \x1b[31mred\x0aname"),
        (MemoryError(), 70, "internal error: MemoryError"),
        (OSError(28, "No space left on device"), 2, "no space left on device"),
    ],
)
def test_what_breaks(
    error: BaseException, status: int, message: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Audit, "paths", _failing(error))
    # The stand-in for a stream has no file behind it that could be put away.
    done = run("paths", *SHOP)
    assert (done.status, done.out) == (status, "")
    assert message in done.err
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err


@pytest.mark.parametrize("arguments", [("paths", "--sample", "nope"), ("paths", "--nope"), ("paths",)])
def test_debug_shows_the_traceback_and_keeps_the_status(arguments: tuple[str, ...], run: Run) -> None:
    plain, debug = run(*arguments), run(*arguments, "--debug")
    assert (plain.status, debug.status) == (2, 2)
    assert plain.out == debug.out == ""
    assert "Traceback" in debug.err
    assert debug.err.endswith(plain.err)


def test_debug_of_a_defect(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Audit, "paths", _failing(RuntimeError("boom")))
    done = run("paths", *SHOP, "--debug")
    assert (done.status, done.out) == (70, "")
    assert "Traceback" in done.err
    assert "internal error: RuntimeError: boom" in done.err


def test_debug_leaves_standard_output_alone(run: Run) -> None:
    assert run("paths", *SHOP, "--debug").out == run("paths", *SHOP).out


@pytest.mark.parametrize("arguments", [("paths", *SHOP), ("graph", *SHOP), ("paths", *SHOP, "-o", "json")])
def test_a_reader_that_goes_is_no_failure(arguments: tuple[str, ...]) -> None:
    with process(*arguments, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.read(1)
        running.stdout.close()
        errors = running.stderr.read().decode()
        assert running.wait() == 0
    assert "Broken" not in errors
    assert "Exception" not in errors


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_told() -> None:
    with open("/dev/full", "wb") as full, process("techniques", stdout=full) as running:
        assert running.stderr is not None
        errors = running.stderr.read().decode()
        assert running.wait() == 2
    assert errors == "workbench: no space left on device\n"


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupted() -> None:
    # A shell that starts the tests in the background has them ignore it.
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "preexec_fn": _heed_interrupts}
    with process("paths", "--manifests", "-", **pipes) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        # More than a pipe holds: once it is written, the program reads, and waits for the rest.
        running.stdin.write(b"a: 1\n" * 100_000)
        running.stdin.flush()
        running.send_signal(signal.SIGINT)
        errors, output = running.stderr.read().decode(), running.stdout.read()
        assert running.wait() == 130
    assert output == b""
    assert "Traceback" not in errors


def test_closed_streams_send_nothing_astray(tmp_path: Path) -> None:
    target = tmp_path / "out"
    script = f'"$0" -m workbench paths --sample nope >"{target}" 2>&-'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", script, sys.executable], env=environment, check=False)
    assert done.returncode == 2
    assert target.read_bytes() == b""


def test_a_stream_without_unicode_gets_ascii() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    arguments = [*PROGRAM, "paths", *SHOP, "--limit", "1"]
    done = subprocess.run(arguments, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"#### CRITICAL" in done.stdout
    assert b" -> ClusterAdmin" in done.stdout
    assert max(done.stdout) < 0x80


def test_severities_are_in_order() -> None:
    assert command.SEVERITIES == ("low", "medium", "high", "critical")
