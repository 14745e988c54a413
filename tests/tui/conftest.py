"""The app under Pilot: its own state directory, no animation, and no waiting but for its jobs."""

from __future__ import annotations

import asyncio
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
    monkeypatch.setattr("textual.app.wait_for_idle", at_once)
    monkeypatch.setattr("textual.pilot.wait_for_idle", at_once)
    monkeypatch.setattr(Pilot, "press", press)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


async def settled(pilot: Pilot[None]) -> None:
    """All jobs are done, what they posted has arrived, and no widget has a message left to look at."""
    app = pilot.app
    quiet = 0
    while quiet < 2 and app._running:
        await pilot._wait_for_screen()
        await app.wait_for_jobs()  # type: ignore[attr-defined]
        resized = app._resize_event is not None
        if resized:
            app._check_resize()
        screen = app.screen
        screen._on_timer_update()
        pumps = [app, *screen.walk_children(with_self=True)]
        busy = resized or screen._layout_required or bool(screen._callbacks)
        busy = busy or app.keys_wait or any(pump.message_queue_size or pump._next_callbacks for pump in pumps)
        quiet = 0 if busy else quiet + 1


PRESS = Pilot.press


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys and wait until they were carried out, which is not when they were posted."""
    await PRESS(pilot, *keys)
    while pilot.app._running and (pilot.app.keys_wait or pilot.app.message_queue_size):  # type: ignore[attr-defined]
        await asyncio.sleep(0)
    await pilot._wait_for_screen()


async def at_once(*_: float) -> None:
    """In place of Textual's wait for an idle processor, which takes two naps for each key; ``settled`` waits."""
    await asyncio.sleep(0)


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
