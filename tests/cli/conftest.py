"""Run the program in this process, and keep the samples that several tests load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.kube.fake import FakeConnection, obj, pod
from workbench.cli import main
from workbench.engine import Audit
from workbench.kube.api import ConnectOptions
from workbench.kube.kubeconfig import read
from workbench.sources import SourceKind, SourceRequest

DEPLOY = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      hostPID: true
      containers:
      - {name: web, image: "registry.example/web:1", securityContext: {privileged: true}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: web}
subjects: [{kind: ServiceAccount, name: web, namespace: shop}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
"""
"""A small application with a short way to cluster admin."""


KUBECONFIG = """\
current-context: prod
contexts:
- {name: prod, context: {cluster: prod, user: jane}}
- {name: dev, context: {cluster: prod, user: jane}}
clusters: [{name: prod, cluster: {server: "https://api.prod:6443"}}]
users: [{name: jane, user: {token: t}}]
"""


@dataclass(frozen=True)
class Result:
    """What a run left."""

    status: int
    out: str
    err: str


Run: TypeAlias = Callable[..., Result]

_LOADED: dict[str, Audit] = {}


@pytest.fixture(autouse=True)
def _samples_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load each sample once; audits are read only."""
    load = Audit.load.__func__  # type: ignore[attr-defined]

    def cached(cls: type[Audit], request: SourceRequest, *more: Any) -> Audit:
        if request.kind is not SourceKind.SAMPLE or request.name not in ("shop", "hardened"):
            return load(cls, request, *more)
        key = repr(request)
        if key not in _LOADED:
            _LOADED[key] = load(cls, request, *more)
        return _LOADED[key]

    monkeypatch.setattr(Audit, "load", classmethod(cached))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the program with some arguments."""

    def runner(*arguments: str) -> Result:
        capsys.readouterr()
        status = main(list(arguments))
        out, err = capsys.readouterr()
        assert isinstance(status, int)
        return Result(status, out, err)

    return runner


@pytest.fixture
def deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with manifests in ``deploy/``."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "web.yaml").write_text(DEPLOY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeConnection:
    """A kubeconfig, and in place of its cluster one that is none."""
    config = tmp_path / "kubeconfig"
    config.write_text(KUBECONFIG, encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(config))
    connection = FakeConnection(
        objects=[obj("Namespace", "shop"), obj("Namespace", "payments"), obj("Node", "n1"), pod("web", "shop")]
    )

    def connect(options: ConnectOptions, terminal: object = None) -> FakeConnection:
        connection.endpoint = read(options.kubeconfig).select(options.context).endpoint
        connection.options = options
        return connection

    monkeypatch.setattr("workbench.kube.connection.connect", connect)
    return connection
