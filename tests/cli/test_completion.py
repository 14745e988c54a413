"""Completion scripts: the shells accept them, and they complete."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from workbench.cli import COMMANDS, make_parser, subparsers


@pytest.mark.parametrize(("shell", "flag"), [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")])
def test_the_shell_accepts_the_script(shell: str, flag: str, run: Run, tmp_path: Path) -> None:
    done = run("completion", shell)
    assert (done.status, done.err) == (0, "")
    for name in COMMANDS:
        assert name in done.out
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(done.out, encoding="utf-8")
    checked = subprocess.run([shell, flag, str(script)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["workbench", "pa"], ["paths"]),
        (["workbench", "paths", "--sample", "sh"], ["shop"]),
        (["workbench", "--sample", "sh"], ["shop"]),
        (["workbench", "paths", "--sample", "shop", "--lim"], ["--limit"]),
        (["workbench", "paths", "-o", "j"], ["json"]),
        (["workbench", "graph", "-o", "g"], ["graphml"]),
        (["workbench", "paths", "--fail-on", ""], ["low", "medium", "high", "critical"]),
        (["workbench", "techniques", "CE_PRIV"], ["CE_PRIV_MOUNT"]),
        (["workbench", "completion", "z"], ["zsh"]),
        (["workbench", "who-can", "get", "pods", "--sam"], ["--sample"]),
        (["workbench", "open", "sample:sh"], ["sample:shop"]),
        (["kubectl-workbench", "fix"], ["fixes"]),
        (["workbench", "paths", "--kube"], ["--kubeconfig"]),
    ],
)
def test_bash_completes(words: list[str], expected: list[str], run: Run, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(run("completion", "bash").out, encoding="utf-8")
    code = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _workbench; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", code, str(script), *words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_flag_of_the_help_is_completed(shell: str, run: Run) -> None:
    script = run("completion", shell).out
    for parser in subparsers(make_parser()).values():
        for action in parser._actions:
            if action.help == "==SUPPRESS==":
                continue
            for flag in action.option_strings:
                if flag.startswith("--"):
                    assert (f"-l {flag[2:]}" if shell == "fish" else flag) in script
