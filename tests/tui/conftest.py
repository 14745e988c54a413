"""The app under Pilot: its own state directory, no animation, and no waiting but for its jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui import fake
from workbench.sources import SourceKind, SourceRequest
from workbench.tui.app import WorkbenchApp

Opened = Callable[..., AbstractAsyncContextManager[tuple[WorkbenchApp, Pilot[None]]]]


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No home, no kubeconfig, no settings of whoever runs the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


async def settled(pilot: Pilot[None]) -> None:
    """All jobs are done, and what they posted has arrived on the screen."""
    for _ in range(2):
        await pilot.pause()
        await pilot.app.wait_for_jobs()  # type: ignore[attr-defined]
    await pilot.pause()


@pytest.fixture
def opened() -> Opened:
    """Open the app on an audit (Connect with ``None``) and wait until it is loaded."""

    @asynccontextmanager
    async def run(
        given: Any = None, *, size: tuple[int, int] = (120, 36), **more: Any
    ) -> AsyncIterator[tuple[WorkbenchApp, Pilot[None]]]:
        request = None if given is None else SourceRequest(SourceKind.SAMPLE, name="shop")
        app = WorkbenchApp(request, loader=fake.loader(given if given is not None else fake.audit()), **more)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            yield app, pilot

    return run
