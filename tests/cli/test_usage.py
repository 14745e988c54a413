"""Wrong usage ends with status 2, says what was probably meant, and leaves standard output empty."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from workbench.errors import ExitStatus
from workbench.sources.samples import samples
from workbench.tui import app

SHOP = ("--sample", "shop")

WRONG = {
    "command": (("samlpes",), "no command 'samlpes'; did you mean samples?"),
    "command far from any": (("qqq",), "one of open, collect, paths, graph, connectivity, who-can"),
    "source in place of a command": (("sample:shop",), "did you mean workbench open sample:shop?"),
    "directory in place of a command": (("deploy",), "did you mean workbench open deploy?"),
    "flags before the command": ((*SHOP, "paths"), "flags stand after the command: workbench paths --sample shop"),
    "manifests before the command": (("--manifests", "deploy", "paths"), "workbench paths --manifests deploy"),
    "later command": (("scan", "--manifests", "deploy"), "scan comes in a later version; until then: workbench paths"),
    "flag": (("paths", "--sampel", "shop"), "no flag --sampel; did you mean --sample?"),
    "flag with a value": (("paths", *SHOP, "--limt=3"), "no flag --limt; did you mean --limit"),
    "abbreviated flag": (("paths", "--samp", "shop"), "no flag --samp; did you mean --sample"),
    "positional": (("fixes", *SHOP, "-o", "json", "extra"), "what is 'extra' for?"),
    "format": (("paths", *SHOP, "-o", "jsn"), "'jsn' is none of table, json, md, csv; did you mean json?"),
    "severity": (("paths", *SHOP, "--fail-on", "hihg"), "did you mean high?"),
    "limit no number": (("paths", *SHOP, "--limit", "x"), "'x' is no number from 1"),
    "limit zero": (("paths", *SHOP, "--limit", "0"), "'0' is no number from 1"),
    "limit below zero": (("paths", *SHOP, "--limit=-1"), "'-1' is no number from 1"),
    "sample": (("paths", "--sample", "shp"), "no sample 'shp'; did you mean shop?"),
    "empty sample": (("paths", "--sample", ""), "--sample is empty"),
    "empty snapshot": (("paths", "--snapshot", ""), "--snapshot is empty"),
    "empty manifest": (("paths", "--manifests", "deploy", ""), "--manifests is empty"),
    "manifests without a value": (("paths", "--manifests"), "--manifests: expected at least one argument"),
    "missing file": (("paths", "--manifests", "no/such"), "no/such: no such file or directory"),
    "missing snapshot": (("paths", "--snapshot", "no/such"), "no/such: no such file or directory"),
    "selector of no kind": (("paths", *SHOP, "--from", "Contaner"), "did you mean Container"),
    "selector of no node": (("paths", *SHOP, "--to", "Node:worker-9"), "the nearest are Node:worker-"),
    "selector of a graph": (("graph", *SHOP, "--around", "Node:worker-9"), "the nearest are Node:worker-"),
    "empty selector": (("paths", *SHOP, "--from", ""), "an empty selector"),
    "label": (("paths", *SHOP, "--from", "label:no=body"), "nothing has the label no=body"),
    "excluded technique": (("paths", *SHOP, "--exclude-technique", "CE_PRIV_MONT"), "did you mean CE_PRIV_MOUNT"),
    "technique": (("techniques", "CE_PRIV_MONT"), "did you mean CE_PRIV_MOUNT"),
    "fix": (("export", *SHOP, "--fix", "zzz", "-o", "out"), "no fix 'zzz'"),
    "kind of fix": (("export", *SHOP, "--fix", "F-PRV", "-o", "out"), "no fix F-PRV applies here; those that do: F-"),
    "empty fix": (("export", *SHOP, "--fix", "", "-o", "out"), "--fix is empty"),
    "no fix": (("export", *SHOP, "-o", "out"), "required: --fix"),
    "no directory": (("export", *SHOP, "--fix", "all-ready"), "required: -o/--output"),
    "full directory": (("export", *SHOP, "--fix", "F-PRIV", "-o", "deploy"), "deploy is not empty"),
    "version": (("paths", *SHOP, "--server-version", "seven"), "'seven' is no Kubernetes version"),
    "version without a source": (("paths", "--server-version", "seven"), "'seven' is no Kubernetes version"),
    "namespace": (("paths", "--manifests", "deploy", "--default-namespace", "A b"), "'A b' is no name of a namespace"),
    "two sources": (("paths", *SHOP, "--manifests", "deploy"), "name one source, not --manifests and --sample"),
    "two sources of open": (("open", "sample:shop", *SHOP), "name one source, not SOURCE and --sample"),
    "source of open": (("open", "no/such"), "no/such: no such file or directory"),
    "empty resource": (("who-can", "get", "", *SHOP), "RESOURCE is empty"),
    "empty verb": (("who-can", "", "pods", *SHOP), "VERB is empty"),
    "who-can without a resource": (("who-can", "get"), "required: RESOURCE"),
    "shell": (("completion", "tcsh"), "'tcsh' is none of bash, zsh, fish"),
    "collect to nowhere": (("collect", *SHOP, "-o", "no/such/file"), "cannot be written: no such file or directory"),
    "collect to a directory": (("collect", *SHOP, "-o", "deploy"), "cannot be written: is a directory"),
    "collect to standard output": (("collect", *SHOP, "-o", "-"), "does not go to standard output"),
    "collect over the input": (
        ("collect", "--manifests", "deploy/web.yaml", "-o", "deploy/web.yaml"),
        "deploy/web.yaml is what is read",
    ),
    "git": (("open", "git:main"), "git:REF cannot be read yet"),
    "live flag beside a source": (("paths", *SHOP, "--context", "prod"), "name one source, not --sample and --context"),
    "namespace beside a source": (
        ("paths", *SHOP, "-n", "shop"),
        "not --sample and --namespace, which is about",
    ),
    "two contexts": (("open", "context:prod", "--context", "dev"), "name one context, not context:prod and --context"),
    "empty context": (("paths", "--context", ""), "--context is empty"),
    "group without a user": (("paths", "--as-group", "a"), "--as-group needs --as"),
    "time": (("paths", "--request-timeout", "3x"), "'3x' is no duration; write it as 30, 3s or 1m"),
    "namespace of a live cluster": (("paths", "-n", "A b"), "'A b' is no name of a namespace"),
    "kubeconfig": (("paths", "--kubeconfig", "no/such"), "no/such: no such file"),
    "context without a kubeconfig": (("paths", "--context", "prod"), ".kube/config: no kubeconfig: no such file"),
    "me": (("paths", *SHOP, "--from", "me"), "comes with live clusters"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_usage(arguments: tuple[str, ...], message: str, run: Run, deploy: Path) -> None:
    before = (deploy / "deploy/web.yaml").read_bytes()
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert all(line.startswith("workbench: ") for line in done.err.splitlines())
    assert "Traceback" not in done.err
    assert (deploy / "deploy/web.yaml").read_bytes() == before
    assert not (deploy / "out").exists()


SOURCED = ("collect -o out", "paths", "graph", "who-can get pods", "fixes", "export --fix all-ready -o out")


@pytest.mark.parametrize("command", SOURCED)
def test_without_a_source_the_flags_and_the_samples_are_named(command: str, run: Run) -> None:
    done = run(*command.split())
    assert (done.status, done.out) == (2, "")
    for word in ("--manifests", "--snapshot", "--sample", "--context", "--kubeconfig", *(s.name for s in samples())):
        assert word in done.err


@pytest.mark.parametrize("arguments", [(), ("open",), SHOP, ("open", "sample:shop"), ("--manifests", "deploy", "-")])
def test_without_a_terminal(arguments: tuple[str, ...], run: Run, deploy: Path) -> None:
    done = run(*arguments)
    assert (done.status, done.out, done.err) == (2, "", "workbench: needs a terminal; try workbench paths\n")


class _Terminal:
    """Enough of a terminal for the question whether it is one."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), None),
        (SHOP, "sample:shop"),
        (("open", *SHOP), "sample:shop"),
        (("open", "sample:shop"), "sample:shop"),
        (("--manifests", "deploy", "deploy/web.yaml", "--theme", "light"), "deploy deploy/web.yaml"),
        (("open", "deploy", "--no-mouse"), "deploy"),
        (("open", "context:prod", "--read-only"), "context:prod"),
    ],
)
def test_on_a_terminal_the_interface_opens(
    arguments: tuple[str, ...],
    expected: str | None,
    run: Run,
    deploy: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[tuple[str | None, str | None, bool, bool]] = []

    def run_app(
        request: object = None, *, theme: str | None = None, mouse: bool = True, read_only: bool = False
    ) -> int:
        opened.append((None if request is None else str(request), theme, mouse, read_only))
        return 0

    monkeypatch.setattr(app, "run_app", run_app)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdin", _Terminal())
    monkeypatch.setattr(sys, "stdout", _Terminal())
    assert run(*arguments).status == 0
    theme = "light" if "light" in arguments else None
    assert opened == [(expected, theme, "--no-mouse" not in arguments, "--read-only" in arguments)]
    monkeypatch.setenv("TERM", "dumb")
    done = run(*arguments)
    assert done.status == 2
    assert "needs a terminal that can move the cursor (TERM is dumb)" in done.err


def test_statuses_are_those_of_the_help() -> None:
    assert [int(status) for status in ExitStatus] == [0, 1, 2, 3, 70, 130]
