"""``workbench connectivity``: its formats, its selection, its explanations, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

CLUSTER = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: spy, namespace: other}
spec: {containers: [{name: c}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: sql}]
"""
BAD = CLUSTER.replace("port: sql", "port: 70000")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A small cluster as manifests, in the working directory."""
    (tmp_path / "all.yaml").write_text(CLUSTER, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(BAD, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return "--manifests", "all.yaml"


def answer(run: Run, *arguments: str) -> Any:
    done = run("connectivity", *arguments, "-o", "json")
    assert done.status == 0, done.err
    return json.loads(done.out)


def pairs(document: Any) -> dict[tuple[str, str], Any]:
    return {(row["source"], row["target"]): row["ports"] for row in document["connections"]}


WEB, DB, SPY = "shop/web[Pod]", "shop/db[Pod]", "other/spy[Pod]"
EVERYWHERE = "0.0.0.0-255.255.255.255"
ALL = {protocol: [[1, 65535]] for protocol in ("TCP", "UDP", "SCTP")}


def test_json_has_what_the_contract_says(run: Run, cluster: tuple[str, str]) -> None:
    document = answer(run, *cluster)
    assert list(document) == ["schema", "connections", "coverage"]
    assert document["schema"] == "workbench/connectivity/1"
    assert pairs(document) == {
        (EVERYWHERE, SPY): ALL,
        (EVERYWHERE, WEB): ALL,
        (SPY, EVERYWHERE): ALL,
        (SPY, WEB): ALL,
        (WEB, EVERYWHERE): ALL,
        (WEB, DB): {"TCP": [[5432, 5432]]},
        (WEB, SPY): ALL,
    }
    assert run("connectivity", *cluster, "-o", "json").out == run("connectivity", *cluster, "-o", "json").out


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (("--from", "shop/web", "--to", "shop/*"), {(WEB, DB)}),
        (("--from", "Pod:shop/web", "--to", "label:app=db"), {(WEB, DB)}),
        (("--from", "shop/web[Pod],other/spy", "--to", "shop/db"), {(WEB, DB)}),
        (("--from", "internet"), {(EVERYWHERE, SPY), (EVERYWHERE, WEB)}),
        (("--from", "192.0.2.0/24", "--to", "shop/web"), {("192.0.2.0-192.0.2.255", WEB)}),
        (("--to", "192.0.2.7", "--from", "pod"), {(SPY, "192.0.2.7-192.0.2.7"), (WEB, "192.0.2.7-192.0.2.7")}),
        (("--to", "shop/db", "--port", "80/tcp"), set()),
        (("--to", "shop/db", "--port", "5000-6000"), {(WEB, DB)}),
    ],
)
def test_selection(
    selection: tuple[str, ...], expected: set[tuple[str, str]], run: Run, cluster: tuple[str, str]
) -> None:
    assert set(pairs(answer(run, *cluster, *selection))) == expected


def test_ports_are_cut_to_what_was_asked(run: Run, cluster: tuple[str, str]) -> None:
    found = pairs(answer(run, *cluster, "--from", "shop/web", "--to", "other/spy", "--port", "80", "443/udp"))
    assert found == {(WEB, SPY): {"TCP": [[80, 80]], "UDP": [[80, 80], [443, 443]], "SCTP": [[80, 80]]}}


def test_why_names_the_rule_and_its_line(run: Run, cluster: tuple[str, str]) -> None:
    document = answer(run, *cluster, "--from", "shop/web", "other/spy", "--to", "shop/db", "--explain")
    (row,) = document["connections"]
    egress, ingress, rest = row["why"]
    assert (egress["action"], egress["policy"], egress["detail"]) == (
        "allow",
        None,
        "no policy selects it in this direction",
    )
    assert ingress == {
        "direction": "ingress",
        "tier": "NetworkPolicy",
        "action": "allow",
        "policy": "NetworkPolicy:shop/db",
        "rule": "spec.ingress[0]",
        "ports": {"TCP": [[5432, 5432]]},
        "file": "all.yaml",
        "line": 23,
    }
    assert rest["action"] == "deny"
    (refused,) = document["denied"]
    assert (refused["source"], refused["target"]) == (SPY, DB)
    assert refused["why"][-1]["policy"] == "NetworkPolicy:shop/db"
    text = run("connectivity", *cluster, "--from", "shop/web", "other/spy", "--to", "shop/db", "--explain").out
    assert "NetworkPolicy:shop/db spec.ingress[0] (all.yaml:23)" in text
    assert "nothing" in text


def test_tables_csv_and_dot(run: Run, cluster: tuple[str, str]) -> None:
    table = run("connectivity", *cluster).out
    assert [WEB, DB, "TCP", "5432"] in [line.split() for line in table.splitlines()]
    rows = list(csv.DictReader(io.StringIO(run("connectivity", *cluster, "-o", "csv").out)))
    assert {"source": WEB, "target": DB, "protocol": "TCP", "ports": "5432", "verdict": "allowed"} in rows
    dot = run("connectivity", *cluster, "-o", "dot").out
    assert f'"{WEB}" -> "{DB}" [label="TCP 5432"];' in dot
    assert run("connectivity", *cluster, "--from", "other/spy", "--to", "shop/db").out == "No connection is allowed.\n"


def test_a_policy_that_is_not_valid_is_refused_before_anything_is_printed(run: Run, cluster: tuple[str, str]) -> None:
    done = run("connectivity", "--manifests", "bad.yaml", "-o", "json")
    assert (done.status, done.out) == (2, "")
    assert "bad.yaml:24, document 4, spec.ingress[0].ports[0].port: NetworkPolicy:shop/db: 70000 is no port" in done.err
    document = answer(run, "--manifests", "bad.yaml", "--keep-going")
    rows = {(row["source"], row["target"]): row for row in document["connections"]}
    assert rows[WEB, DB] == {"source": WEB, "target": DB, "ports": {}, "unknown": ALL}
    assert [gap["problem"] for gap in document["coverage"] if gap["kind"] == "NetworkPolicy"] == ["invalid"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "shop/wbe"), "no workload matches 'shop/wbe'; the nearest are shop/web"),
        (("--from", "label:no=body"), "no workload has the label no=body"),
        (("--to", ","), "an empty selector"),
        (("--port", "http"), "'http' is no port, such as 80, 80/tcp or 8000-8010/udp"),
        (("--port", "80/icmp"), "icmp is none of tcp, udp, sctp"),
        (("--port", "90-80"), "ports go from 1 to 65535"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str, run: Run, cluster: tuple[str, str]) -> None:
    done = run("connectivity", *cluster, *arguments)
    assert (done.status, done.out) == (2, "")
    assert message in done.err


def test_a_plugin_that_enforces_nothing_is_said(run: Run, cluster: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "cni.yaml").write_text(
        "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: f, namespace: kube-system}, "
        "spec: {template: {spec: {hostNetwork: true, containers: [{name: f, image: flannel/flannel:v0.25.1}]}}}}",
        encoding="utf-8",
    )
    assert "what policies say here has no effect" in run("connectivity", "--manifests", "all.yaml", "cni.yaml").err
    assert "no effect" not in run("connectivity", *cluster).err
