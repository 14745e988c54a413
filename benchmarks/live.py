"""The whole command with a live cluster, from a server in another process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import ROOT, CaseFailed, Result, run_paths

FAR = 0.1
"""Seconds before each answer of a server that is far away."""


def live(data: Path) -> Result:
    """``workbench paths`` on a cluster that is read over the loopback interface."""
    return _paths("paths --context", data, 0.0)


def live_far(data: Path) -> Result:
    """The same, with a tenth of a second before each answer."""
    return _paths("paths --context, far", data, FAR)


def _paths(name: str, data: Path, latency: float) -> Result:
    with _server(data, latency) as port, tempfile.TemporaryDirectory() as home:
        config = Path(home) / "config"
        config.write_text(json.dumps(_kubeconfig(port)), encoding="utf-8")
        chosen = ["--kubeconfig", str(config), "--context", "benchmark"]
        return run_paths(name, *chosen)


@contextmanager
def _server(data: Path, latency: float) -> Iterator[int]:
    """The port of a server that runs for as long as the context lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.api_server", "--data", str(data), "--latency", str(latency)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        port = process.stdout.readline()
        if not port:
            raise CaseFailed("the server did not start")
        yield int(port)
    finally:
        process.kill()
        process.communicate()


def _kubeconfig(port: int) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "benchmark", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "benchmark", "user": {"token": "none"}}],
        "contexts": [{"name": "benchmark", "context": {"cluster": "benchmark", "user": "benchmark"}}],
        "current-context": "benchmark",
    }
