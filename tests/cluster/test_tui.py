"""The interface in a terminal against a real API server: connect, gaps, re-collect, stage, dry run, apply, undo."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.harness import objects, rights
from tests.cluster.harness.cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60
"""Seconds until a hang is a failure; nothing waits for them to pass."""

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, folder: Path, command: str, environment: dict[str, str], size: tuple[int, int]) -> None:
        self._socket = str(folder / "tmux")
        given = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
        width, height = map(str, size)
        self._tmux(
            "-f",
            os.devnull,
            "new-session",
            "-d",
            "-x",
            width,
            "-y",
            height,
            f"env -u COLUMNS -u LINES {given} {command}; sleep 60",
        )
        self._tmux("resize-window", "-x", width, "-y", height)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *arguments],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout

    def screen(self) -> str:
        """What is on it."""
        return self._tmux("capture-pane", "-p")

    def wait_for(self, *wanted: str) -> str:
        """Until all of some texts are on it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            screen = self.screen()
            if all(text in screen for text in wanted):
                return screen
            time.sleep(0.05)
        raise AssertionError(f"{wanted} never came:\n{self.screen()}")

    def wait_until_gone(self, text: str) -> None:
        """Until a text is not on it any more."""
        end = time.monotonic() + PATIENCE
        while text in self.screen():
            assert time.monotonic() < end, f"{text} stays"
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Press keys."""
        for key in keys:
            self._tmux("send-keys", key)

    def command(self, text: str) -> None:
        """Give a command, once the command bar is open."""
        self.press(":")
        self.wait_for(": path SEL")
        self._tmux("send-keys", "-l", text)
        self.wait_for(f" {text}")
        self.press("Enter")

    def close(self) -> None:
        """End it."""
        self._tmux("kill-server")


@pytest.fixture
def seeded(cluster: Cluster) -> Cluster:
    """A shop with a privileged Deployment and a Secret."""
    cluster.create_namespaces("shop")
    containers = [{"name": "app", "image": objects.IMAGE, "securityContext": {"privileged": True}}]
    cluster.create(objects.node("node-1"), objects.deployment("web", "shop", containers=containers))
    cluster.create(objects.secret("db", "shop", password="s3cret-canary"))
    return cluster


@pytest.fixture
def terminal(seeded: Cluster, tmp_path: Path) -> Iterator[Terminal]:
    """The interface, at the list of what can be opened."""
    limited = seeded.user("limited")
    seeded.grant(limited, rights.rule("pods,nodes,namespaces,serviceaccounts,services"))
    configs = [seeded.kubeconfig(context="admin"), seeded.kubeconfig(limited, context="limited")]
    environment = {
        "KUBECONFIG": os.pathsep.join(map(str, configs)),
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PYTHONPATH": str(ROOT),
        "TERM": "screen-256color",
    }
    made = Terminal(tmp_path, f"{sys.executable} -m workbench", environment, (120, 36))
    try:
        yield made
    finally:
        made.close()


def privileged(cluster: Cluster) -> object:
    """What the API server holds of the field that the fix is about."""
    found = cluster.admin.read("Deployment", "web", namespace="shop", api_version="apps/v1")
    return found["spec"]["template"]["spec"]["containers"][0]["securityContext"].get("privileged")


def test_connect_gaps_stage_dry_run_apply_and_undo(seeded: Cluster, terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_for("KUBECONFIG CONTEXTS", "admin", "limited")
    terminal.press("Enter")
    terminal.wait_for("context admin", "live ", "FULL", "[1 Overview]")
    terminal.command("ctx limited")
    terminal.wait_for("context limited", "PARTIAL:")
    terminal.press("!")
    terminal.wait_for("list  secrets", "403 forbidden", 'User "limited" cannot list')
    terminal.press("Escape")
    terminal.wait_until_gone("list  secrets")
    terminal.command("ctx admin")
    terminal.wait_for("context admin", "FULL", "[1 Overview]")
    terminal.command("deploy")
    terminal.wait_for("Deployments 1/1", "privileged")
    terminal.press("f")
    terminal.wait_for("[7 Fixes]", ">[ ] 1 privileged: false on Deployment")
    terminal.press("s")
    terminal.wait_for("Basket 1 staged", "staged 1")
    terminal.press("v")
    terminal.wait_for("server: accepted")
    assert privileged(seeded) is True, "a dry run changes nothing"
    terminal.press("A")
    terminal.wait_for("Apply changes to 1 object in admin", seeded.server)
    terminal.press("Enter")
    assert privileged(seeded) is True, "enter agrees to nothing"
    terminal.press("y")
    terminal.wait_for("APPLIED", "server: verified", "Basket 0 staged")
    assert privileged(seeded) is False
    terminal.press("U")
    terminal.wait_for("Take back changes of 1 object")
    terminal.press("y")
    terminal.wait_for("TAKEN BACK")
    assert privileged(seeded) is True
    terminal.command("journal")
    terminal.wait_for("Journal of admin", "F-PRIV", "0 of 1")
    assert "s3cret-canary" not in "".join(
        path.read_text(errors="replace") for path in (tmp_path / "state").rglob("*") if path.is_file()
    )


def test_what_came_since_is_there_after_it_is_read_again(seeded: Cluster, terminal: Terminal) -> None:
    terminal.wait_for("KUBECONFIG CONTEXTS")
    terminal.press("Enter")
    terminal.wait_for("context admin", "FULL", "[1 Overview]")
    seeded.seed([objects.pod("late", "shop")])
    terminal.press("r")
    # At once: what is typed while the cluster is being read is not lost when that ends.
    terminal.command("pods late")
    terminal.wait_for("Pods 1/1", "late")
