"""What the commands print: documents with their keys in order, tables at any width, colours only on a terminal."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.cli.conftest import Run
from workbench.cli import main

ROOT = Path(__file__).resolve().parents[2]
SHOP = ("--sample", "shop")

DOCUMENTS = {
    "paths": (("paths", *SHOP), ["schema", "paths", "summary", "coverage", "not_analysed"]),
    "paths explained": (
        ("paths", *SHOP, "--explain"),
        ["schema", "paths", "summary", "coverage", "not_analysed", "blocked"],
    ),
    "graph": (("graph", *SHOP), ["schema", "nodes", "edges", "coverage"]),
    "fixes": (("fixes", *SHOP), ["schema", "fixes", "coverage"]),
    "who-can": (
        ("who-can", "get", "secrets", *SHOP),
        ["schema", "verb", "resource", "namespace", "holders", "coverage"],
    ),
    "techniques": (("techniques",), ["schema", "techniques", "not_analysed"]),
    "samples": (("samples",), ["schema", "samples"]),
}


@pytest.mark.parametrize(("arguments", "keys"), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_a_document_begins_with_its_schema(arguments: tuple[str, ...], keys: list[str], run: Run) -> None:
    done = run(*arguments, "-o", "json")
    assert done.status == 0
    document = json.loads(done.out)
    assert list(document) == keys
    assert document["schema"] == f"workbench/{arguments[0]}/1"
    assert done.out.endswith("}\n")
    assert done.out.isascii()


def keys_of(items: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    return {tuple(item) for item in items}


def test_keys_of_paths(run: Run) -> None:
    document = json.loads(run("paths", *SHOP, "-o", "json").out)
    steps = [step for path in document["paths"] for step in path["steps"]]
    evidence = [item for step in steps for item in step["evidence"]]
    assert keys_of(document["paths"]) == {
        ("id", "source", "target", "effort", "risk", "severity", "verdict", "missing", "count", "steps")
    }
    assert keys_of(steps) == {
        ("source", "target", "technique", "title", "effort", "verdict", "missing", "facts", "evidence")
    }
    assert {key for item in evidence for key in item} == {
        "object",
        "field",
        "value",
        "default",
        "file",
        "line",
        "builtin",
    }
    assert list(document["summary"]) == ["entry_points", "crown_jewels", "pairs_with_a_path"]
    assert all(step["evidence"] for step in steps)
    for path in document["paths"]:
        assert path["steps"][0]["source"] == path["source"]
        assert path["steps"][-1]["target"] == path["target"]
        assert path["verdict"] == ("cond" if any(step["verdict"] == "cond" for step in path["steps"]) else "on")
    risks = [path["risk"] for path in document["paths"]]
    assert risks == sorted(risks, reverse=True)


def test_limits(run: Run) -> None:
    whole = json.loads(run("paths", *SHOP, "-o", "json").out)["paths"]
    assert len(whole) > 50
    assert len(json.loads(run("paths", *SHOP, "-o", "json", "--limit", "3").out)["paths"]) == 3
    assert len(run("paths", *SHOP, "-o", "csv").out.splitlines()) == len(whole) + 1
    for form, pattern in (("table", r"^ *\d+  [▂▄▆█]"), ("md", r"^## \d+\.")):
        text = run("paths", *SHOP, "-o", form).out
        assert len(re.findall(pattern, text, re.MULTILINE)) == 50
        assert f"{len(whole) - 50} of them not shown: --limit {len(whole)} shows all" in text
        every = run("paths", *SHOP, "-o", form, "--limit", str(len(whole))).out
        assert len(re.findall(pattern, every, re.MULTILINE)) == len(whole)
        assert "not shown" not in every


@pytest.mark.parametrize("form", ["json", "table", "csv", "md"])
def test_the_selection_narrows(form: str, run: Run) -> None:
    every = run("paths", *SHOP, "-o", form)
    one = run("paths", *SHOP, "-o", form, "--from", "internet", "--to", "cluster-admin")
    assert one.status == 0
    assert 0 < len(one.out) < len(every.out)
    assert "Internet" in one.out


def test_certain_and_excluded(run: Run) -> None:
    def paths(*flags: str) -> list[Any]:
        found: list[Any] = json.loads(run("paths", *SHOP, "-o", "json", *flags).out)["paths"]
        return found

    assert {path["verdict"] for path in paths()} == {"on", "cond"}
    assert {path["verdict"] for path in paths("--certain")} == {"on"}
    # In any case, several with commas or blanks.
    for flags in (("pod_create,WORKLOAD_CREATE",), ("POD_CREATE", "WORKLOAD_CREATE")):
        used = {step["technique"] for path in paths("--exclude-technique", *flags) for step in path["steps"]}
        assert used
        assert not used & {"POD_CREATE", "WORKLOAD_CREATE"}


@pytest.mark.parametrize(
    "arguments", [("paths", "-o", "json"), ("graph",), ("fixes", "-o", "json"), ("fixes",), ("paths",)]
)
def test_the_same_input_gives_the_same_bytes(arguments: tuple[str, ...], run: Run) -> None:
    texts = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "workbench", *arguments, *SHOP],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        texts.append(done.stdout)
    assert texts[0] == texts[1]
    assert len(texts[0]) > 1000


TABLES = (
    ("paths", *SHOP),
    ("paths", *SHOP, "--explain"),
    ("fixes", *SHOP),
    ("who-can", "get", "secrets", *SHOP),
    ("techniques",),
    ("techniques", "CE_PRIV_MOUNT"),
    ("samples",),
)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("arguments", TABLES, ids=" ".join)
def test_tables_fold_and_lose_nothing(
    arguments: tuple[str, ...], width: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(*arguments).out
    monkeypatch.setenv("COLUMNS", str(width))
    folded = run(*arguments).out
    assert max(map(cell_len, folded.splitlines())) <= width
    assert not any(line.endswith(" ") for text in (whole, folded) for line in text.splitlines())
    if arguments[0] == "paths":
        # Only the lines differ.
        assert re.sub(r"\s", "", folded) == re.sub(r"\s", "", whole)
    else:
        assert set(re.sub(r"\s", "", whole)) <= set(re.sub(r"\s", "", folded)) | set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert "…" not in re.sub(r"[{\[]…[}\]]|\S…$|\S… \(", "", whole)


def test_one_line_for_each_thing_where_no_terminal_is(run: Run) -> None:
    text = run("who-can", "get", "secrets", *SHOP).out
    holders = json.loads(run("who-can", "get", "secrets", *SHOP, "-o", "json").out)["holders"]
    assert len(text.splitlines()) == len(holders) + 1
    for holder in holders:
        line = next(line for line in text.splitlines() if holder["subject"] in line and holder["binding"] in line)
        assert holder["role"] in line


def test_a_value_is_shortened_to_what_proves(run: Run) -> None:
    text = run("paths", *SHOP, "--from", "ServiceAccount", "Container", "--to", "cluster-admin").out
    values = re.findall(r" = (.*?)(?: \([^ ()]+\))?$", text, re.MULTILINE)
    assert values
    assert max(map(len, values)) <= 260
    assert "spec.volumes[name=kube-api-access-vc2r2].projected = {sources: [{serviceAccountToken: {…}}" in text
    document = run("paths", *SHOP, "-o", "json").out
    assert '"expirationSeconds": 3607' in document


class _Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
@pytest.mark.parametrize("arguments", TABLES, ids=" ".join)
def test_colours_only_on_a_terminal(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    coloured: bool,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "\x1b" not in run(*arguments).out
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    plain = run(*arguments).out
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(list(arguments)) == 0
    painted = terminal.getvalue()
    assert ("\x1b[" in painted) == coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == plain


def test_who_can(run: Run) -> None:
    def holders(*arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(run("who-can", *arguments, *SHOP, "-o", "json").out)["holders"]
        return found

    keys = ("subject", "namespace", "binding", "role", "rule", "resource_names", "builtin", "evidence")
    every = holders("get", "secrets")
    assert keys_of(every) == {keys}
    limited = next(item for item in every if item["subject"] == "ServiceAccount:shop/checkout")
    assert (limited["namespace"], limited["resource_names"]) == ("payments", ["payment-gateway-keys"])
    assert limited["role"] == "Role:payments/gateway-keys-reader"
    assert limited["evidence"][0]["object"] == limited["role"]
    assert limited["evidence"][0]["field"] == f"rules[{limited['rule']}]"
    assert limited["evidence"][0]["value"]["resourceNames"] == ["payment-gateway-keys"]
    # What counts in a namespace: what is bound there, and what is bound everywhere.
    there = holders("get", "secrets", "-n", "payments")
    assert {item["namespace"] for item in there} == {"payments", None}
    assert [item for item in every if item["namespace"] in ("payments", None)] == there
    # An object by name: those that may read all, and those that may read it.
    named = {item["subject"] for item in holders("get", "secrets/payment-gateway-keys", "-n", "payments")}
    other = {item["subject"] for item in holders("get", "secrets/other", "-n", "payments")}
    assert named - other == {"ServiceAccount:shop/checkout"}
    # Kubernetes' own stand last.
    assert [item["builtin"] for item in every] == sorted(item["builtin"] for item in every)
    # The spellings of kubectl.
    assert holders("create", "deploy") == holders("create", "deployments.apps") == holders("create", "Deployment")


def test_nobody_can(run: Run) -> None:
    done = run("who-can", "delete", "ingressclasses", "--sample", "hardened", "-n", "kube-system")
    assert done.status == 0
    assert done.out


@pytest.mark.parametrize(
    ("arguments", "doubt"),
    [
        (("get", "scerets"), "no resource 'scerets' is known here; did you mean secrets"),
        (("gte", "secrets"), "'gte' is no verb that Kubernetes has; did you mean get"),
        (("get", "secrets", "-n", "paymnts"), "no namespace 'paymnts' is in the source; did you mean payments?"),
        (("get", "secrets"), None),
        (("get", "/metrics"), None),
        (("use", "certificatesigningrequests/approval"), None),
    ],
)
def test_what_is_probably_misspelt_is_told(arguments: tuple[str, ...], doubt: str | None, run: Run) -> None:
    done = run("who-can", *arguments, *SHOP)
    assert done.status == 0
    assert done.out
    told = [line for line in done.err.splitlines() if "not read" not in line]
    assert [doubt in line for line in told] == [True] if doubt else told == []


def test_samples_and_techniques(run: Run) -> None:
    names = [sample["name"] for sample in json.loads(run("samples", "-o", "json").out)["samples"]]
    assert "shop" in names
    listed = run("samples").out
    assert all(re.search(rf"^{name} +\S", listed, re.MULTILINE) for name in names)
    every = json.loads(run("techniques", "-o", "json").out)["techniques"]
    assert [line.split()[0] for line in run("techniques").out.splitlines()[1:]] == [item["id"] for item in every]
    for item in every:
        one = run("techniques", item["id"].lower())
        assert one.status == 0
        assert one.out.startswith(f"{item['id']}  {item['title'].rstrip(',')}\n")
        assert all(reference in one.out for reference in item["references"])


def test_what_is_not_looked_at_is_said(run: Run) -> None:
    listed = run("techniques")
    assert "not looked at: cloud identities: NODE_CLOUD, " in listed.err
    asked = run("techniques", "csr_issue")
    assert (asked.status, asked.out) == (2, "")
    assert "this version does not look at CSR_ISSUE (permissions on certificates" in asked.err
    clean = run("paths", "--sample", "hardened")
    assert clean.out.startswith("No path ")
    assert "Not looked at by this version: what else the network" in " ".join(clean.out.split())
    assert "What this version does not look at: workbench techniques." in run("paths", *SHOP, "--limit", "1").out


def test_fixes(run: Run) -> None:
    records = json.loads(run("fixes", *SHOP, "-o", "json").out)["fixes"]
    lines = run("fixes", *SHOP).out.splitlines()
    assert lines[0].split() == ["ID", "FIX", "CUTS", "REROUTES", "RISK", "STATUS", "WHAT"]
    assert [line.split()[0] for line in lines[1 : len(records) + 1]] == [record["id"] for record in records]
    assert all({"id", "fix", "rule", "target", "ops", "cuts", "risk", "status"} <= set(record) for record in records)


def test_explain_names_what_blocks(run: Run) -> None:
    platform = ("--sample", "platform")
    document = json.loads(run("paths", *platform, "--explain", "-o", "json").out)
    pairs = {(path["source"], path["target"]) for path in document["paths"]}
    assert document["blocked"]
    for item in document["blocked"]:
        assert tuple(item) == ("source", "target", "technique", "mitigation", "pairs", "examples")
        assert item["mitigation"]
        assert 1 <= len(item["examples"]) <= min(item["pairs"], 3)
        for example in item["examples"]:
            assert (example["source"], example["target"]) not in pairs
    table = run("paths", *platform, "--explain").out
    for item in document["blocked"][:50]:
        assert f"is blocked: {item['mitigation']}" in table
    assert f"{len(document['blocked'])} blocked steps would each open a path" in table
    assert "No mitigation alone" in run("paths", *SHOP, "--explain", "--from", "Group:kubeadm:cluster-admins").out
