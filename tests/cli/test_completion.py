"""Completion scripts: the shells accept them, and they complete."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.test_imports import ROOT
from workbench.cli import COMMANDS, candidates, make_parser, subparsers
from workbench.cli.candidates import DEFAULT, NO_FILES

CANDIDATES = "workbench.cli.candidates"


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
        (["workbench", "who-can", "get", "pods", "-o", "json", "--sam"], ["--sample"]),
        (["workbench", "paths", "--to", "Node:*", "cl"], ["cluster-admin"]),
        (["workbench", "paths", "--manifests", ""], []),
        (["workbench", "paths", "--limit", ""], []),
        # One value, and the option has what it takes.
        (["workbench", "techniques", "-o", "table", "CE_PRIV"], ["CE_PRIV_MOUNT"]),
        # As bash splits words, and replaces what stands after the last colon.
        (["workbench", "open", "sample", ":"], ["hardened", "platform", "shop"]),
        (["workbench", "open", "sample", ":", "sh"], ["shop"]),
        (["workbench", "paths", "--sample", "="], ["hardened", "platform", "shop"]),
        (["workbench", "paths", "--sample", "=", "sh"], ["shop"]),
    ],
)
def test_bash_completes(words: list[str], expected: list[str], run: Run, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(run("completion", "bash").out, encoding="utf-8")
    code = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _workbench; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", code, str(script), *words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected


# As zsh's bashcompinit calls a function of bash, without what the terminal is needed for.
ZSH = r"""
autoload() { false; }
complete() { :; }
compgen() { local word; for word in ${=2}; do case "$word" in "$4"*) print -r -- "$word";; esac; done; }
source "$0"
answer() {
  emulate -L sh
  setopt kshglob noshglob braceexpand ksharrays
  COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
  _workbench
  print -l -r -- "${COMPREPLY[@]}"
}
answer "$@"
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["workbench", "pa"], ["paths"]),
        (["workbench", "paths", "--sample", "sh"], ["shop"]),
        (["workbench", "open", "sample:sh"], ["sample:shop"]),
        (["workbench", "paths", "--manifests", ""], []),
        (["kubectl-workbench", "fix"], ["fixes"]),
    ],
)
def test_zsh_completes(words: list[str], expected: list[str], run: Run, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(run("completion", "zsh").out, encoding="utf-8")
    done = subprocess.run(["zsh", "-f", "-c", ZSH, str(script), *words], capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == (expected, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("workbench pa", ["paths"]),
        ("workbench paths --sample sh", ["shop"]),
        ("workbench --sample shop --the", ["--theme"]),
        ("workbench open sample:sh", ["sample:shop"]),
        ("workbench paths -o j", ["json"]),
        ("kubectl-workbench fix", ["fixes"]),
    ],
)
def test_fish_completes(line: str, expected: list[str], run: Run, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(run("completion", "fish").out, encoding="utf-8")
    code = 'source $argv[1]; complete --do-complete "$argv[2]"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", code, str(script), line], capture_output=True, text=True, check=True
    )
    assert [found.partition("\t")[0] for found in done.stdout.splitlines()] == expected


@pytest.mark.parametrize(
    ("words", "expected", "directive"),
    [
        ([""], list(COMMANDS), NO_FILES),
        (["pa"], ["paths"], NO_FILES),
        (["paths", "--sam"], ["--sample"], NO_FILES),
        (["paths", "--sample", "sh"], ["shop"], NO_FILES),
        (["paths", "--sample=sh"], ["--sample=shop"], NO_FILES),
        (["--sample", "sh"], ["shop"], NO_FILES),
        (["--sample", "shop", "--the"], ["--theme"], NO_FILES),
        (["paths", "--sample", "shop", "-o", ""], ["table", "json", "md", "csv"], NO_FILES),
        (["paths", "--manifests", "dep"], [], DEFAULT),
        (["paths", "--manifests=dep"], [], DEFAULT),
        (["paths", "--manifests", "deploy/", ""], [], DEFAULT),
        (["paths", "--limit", ""], [], NO_FILES),
        (["paths", "--kube"], ["--kubeconfig"], NO_FILES),
        (["open", "sample:sh"], ["sample:shop"], DEFAULT),
        (["open", "deploy/"], [], DEFAULT),
        (["techniques", "-o", "table", "CE_PRIV"], ["CE_PRIV_MOUNT"], NO_FILES),
        (["samples", ""], ["--debug", "--help", "--output"], NO_FILES),
        (["export", "--fix", "F-PRIV", "all"], ["all-ready"], NO_FILES),
    ],
)
def test_kubectl_is_answered_in_the_protocol_of_cobra(
    words: list[str],
    expected: list[str],
    directive: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["kubectl_complete-workbench", *words])
    assert candidates.main() == 0
    out, err = capsys.readouterr()
    assert out.endswith("\n")
    *lines, last = out.splitlines()
    assert ([line.partition("\t")[0] for line in lines], last, err) == (expected, f":{directive}", "")


def test_commands_and_flags_are_described_to_kubectl() -> None:
    for typed, current in (([], ""), (["paths"], "--")):
        found, _ = candidates.complete(typed, current)
        assert all(help and "\n" not in help for _, help in found)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_finds_the_plugin_and_its_completion(tmp_path: Path) -> None:
    for name, entry in (("kubectl-workbench", "workbench.cli"), ("kubectl_complete-workbench", CANDIDATES)):
        script = tmp_path / name
        script.write_text(f"#!{sys.executable}\nimport sys\nfrom {entry} import main\nsys.exit(main())\n", "utf-8")
        script.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(sys.path)}
    environment["KUBECONFIG"] = str(tmp_path / "none")
    asked = ["kubectl", "__complete", "workbench", "paths", "--sample", "sh"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[:2] == ["shop", f":{NO_FILES}"]


def test_the_entry_points_are_there() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts["kubectl_complete-workbench"] == f"{CANDIDATES}:main"
    assert scripts["kubectl-workbench"] == scripts["workbench"] == "workbench.cli:main"


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
