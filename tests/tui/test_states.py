"""Sizes and states: every screen fits, and nothing that goes wrong takes the app down."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.style import Style
from textual.geometry import Region

from tests.tui import fake
from tests.tui.conftest import Opened, settled
from tests.tui.test_flow import command, press
from workbench.analysis.paths import PathStep
from workbench.engine import WhatIfReport
from workbench.errors import Fault, InputError, UsageError
from workbench.inventory.evidence import Evidence
from workbench.remediation.effects import Ranked
from workbench.remediation.records import Fix, Turn
from workbench.sources import SourceKind, SourceRequest
from workbench.tui import state
from workbench.tui.app import WorkbenchApp
from workbench.tui.canvas.ways import Place
from workbench.tui.lines import empty_lines
from workbench.tui.screens.connect import FIRST_RUN, ConnectScreen
from workbench.tui.screens.overview import OverviewScreen, named
from workbench.tui.session import default_directory
from workbench.tui.text import flat
from workbench.tui.widgets.basket import Basket
from workbench.tui.widgets.frame import TooSmall
from workbench.tui.widgets.line_list import RowList
from workbench.tui.widgets.painting import Painted, TextPane
from workbench.tui.widgets.step_detail import FIXES, FixList, StepDetail
from workbench.tui.widgets.tab_strip import TabStrip

SIZES = [(80, 24), (100, 30), (120, 36), (160, 40), (220, 60)]


def picture(app: WorkbenchApp) -> list[str]:
    """What is on the screen, line by line."""
    return [strip.text for strip in app.screen._compositor.render_strips()]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "view", ["connect", "collecting", "overview", "paths", "resources", "network", "fixes", "help"]
)
async def test_every_screen_fits(opened: Opened, view: str, size: tuple[int, int]) -> None:
    async with opened(fake.audit(), size=size) as (app, pilot):
        if view == "help":
            app.action_help()
        else:
            app.show_view(view)
        await settled(pilot)
        whole = Region(0, 0, *size)
        visible = [widget for widget in app.screen.query("*") if widget.display and widget.region.area]
        for widget in visible:
            assert widget.region in whole, widget
        assert any(isinstance(widget, Painted) for widget in visible)
        assert app.focused is not None
        assert app.focused.region.area, "what has the keys is on the screen"
        assert not app.screen.query_one(TooSmall).display
        for pane in getattr(app.screen, "PANES", ()):
            app.screen.go_to_pane(pane)
            await settled(pilot)
            assert app.focused.region.area, pane
            assert app.focused.region in whole, pane


@pytest.mark.parametrize(("size", "panes"), [((80, 24), 1), ((100, 30), 2), ((120, 36), 3), ((160, 48), 3)])
async def test_how_many_panes_of_paths_there_are(opened: Opened, size: tuple[int, int], panes: int) -> None:
    async with opened(fake.audit(), size=size) as (app, pilot):
        app.show_view("paths")
        await settled(pilot)
        shown = [pane for pane in app.screen.PANES if app.screen.query_one(pane.selector).region.area]
        assert len(shown) == panes


@pytest.mark.parametrize("size", [(59, 24), (80, 15), (20, 5)])
async def test_a_terminal_that_is_too_small_says_what_it_needs(opened: Opened, size: tuple[int, int]) -> None:
    async with opened(fake.audit(), size=size) as (app, pilot):
        text = f"needs 60x16, is {size[0]}x{size[1]}"
        assert text[: size[0]] in picture(app)[0]
        await pilot.resize_terminal(120, 36)
        await settled(pilot)
        assert not any("needs 60x16" in line for line in picture(app))


async def test_resizing_keeps_the_cursor_in_view(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        for key in ("2", "enter", "G"):
            await pilot.press(key)
        await settled(pilot)
        drawing = app.screen.drawing
        for size in [(80, 24), (60, 16), (220, 60), (120, 36)]:
            await pilot.resize_terminal(*size)
            await settled(pilot)
            assert app.focused is drawing
            row = drawing.picture.first_rows[drawing.place] - round(drawing.scroll_y)
            assert 0 <= row < drawing.size.height


async def test_a_long_name_is_never_cut_on_the_path(opened: Opened) -> None:
    name = "frontend-" * 12 + "end"
    async with opened(fake.audit(web=name), size=(80, 24)) as (app, pilot):
        for key in ("2", "enter"):
            await pilot.press(key)
        await settled(pilot)
        drawing = app.screen.drawing
        rows = [
            "".join(text for text, _ in row.spans)
            for row in drawing.picture.rows
            if row.place == Place(0, 2) and not row.step
        ]
        assert len(rows) > 1
        assert "".join(row.strip(" ╰►│┃◎★").removeprefix("CTR").strip() for row in rows) == f"shop/{name}/web"
        assert max(map(len, rows)) <= drawing.columns


async def test_a_hardened_source_says_what_was_checked(opened: Opened) -> None:
    async with opened(fake.hardened()) as (app, pilot):
        text = app.screen.query_one("#box-paths", RowList).content_text
        assert "no path from any default start, and these things were checked" in text
        assert "40  permission sets" in text
        await pilot.press("2")
        await settled(pilot)
        assert "no path from any default start" in app.screen.detail.query_one(TextPane).content_text
        for key in ("enter", "s", "f", "y", "u", "x"):
            await pilot.press(key)
            await settled(pilot)
        assert app.is_running


async def test_a_partial_source_says_so(opened: Opened) -> None:
    async with opened(fake.partial()) as (app, pilot):
        assert "PARTIAL: 1" in picture(app)[0]
        await pilot.press("exclamation_mark")
        await settled(pilot)
        text = app.screen.query_one(TextPane).content_text
        assert "403 forbidden  ×3" in text
        assert "'no path' is not proved" in text
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(app.screen, OverviewScreen)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            UsageError("no sample 'shpo'; did you mean shop?"),
            ["cannot be opened.", "did you mean shop?", "r tries again"],
        ),
        (
            InputError([Fault("a.yaml", "no kind", 1, 3), Fault("b.yaml", "not a number", 2, 9, "spec.replicas")]),
            ["2 places in it are wrong", "a.yaml:3, document 1: no kind", "spec.replicas: not a number"],
        ),
        (
            ZeroDivisionError("by\x1b[2J zero"),
            ["an internal error", "ZeroDivisionError: by\\x1b[2J zero", "workbench.log"],
        ),
    ],
)
async def test_a_source_that_cannot_be_read_is_a_sentence(opened: Opened, error: Exception, said: list[str]) -> None:
    async with opened(error) as (app, pilot):
        assert isinstance(app.screen, OverviewScreen)
        text = app.screen.query_one("#overview-message", TextPane).content_text
        for part in said:
            assert part in text
        for key in ("2", "7", "s", "x", "1", "escape"):
            await pilot.press(key)
            await settled(pilot)
        while not isinstance(app.screen, ConnectScreen):
            await pilot.press("escape")
            await settled(pilot)
        app.loader = fake.loader(fake.audit())
        app.open_source("sample:shop")
        await settled(pilot)
        assert app.session is not None


async def test_an_exception_in_a_worker_is_shown_and_logged(opened: Opened) -> None:
    audit = fake.audit(raising={"evidence": KeyError("lost"), "what_if": IndexError("gone"), "fixes": OSError("disk")})
    async with opened(audit) as (app, pilot):
        for key in ("2", "enter", "down", "down", "down", "7", "1", "2"):
            await pilot.press(key)
            await settled(pilot)
        said = " ".join(notification.message for notification in app._notifications)
        assert "internal error: KeyError: 'lost'" in said
        assert str(state.log_path()) in said
        assert app.is_running
    log = state.log_path().read_text(encoding="utf-8")
    assert "KeyError" in log
    assert "Traceback" in log
    assert stat.S_IMODE(os.stat(state.log_path()).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(state.state_directory()).st_mode) == 0o700


async def test_loading_can_be_left_and_its_result_is_void(isolated: Path) -> None:
    released = threading.Event()
    begun = threading.Event()

    def slow(request: SourceRequest, progress: Any, live: Any = None) -> Any:
        progress("reading files", 2, 7)
        begun.set()
        released.wait(20)
        return fake.audit()

    app = WorkbenchApp(SourceRequest(SourceKind.SAMPLE, name="shop"), loader=slow)
    async with app.run_test(size=(120, 36)) as pilot:
        while not begun.is_set():
            await pilot.pause()
        await pilot.pause()
        text = app.screen.query_one("#overview-message", TextPane).content_text
        assert "reading sample:shop" in text
        assert "reading files 2 of 7" in text
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, ConnectScreen)
        released.set()
        await settled(pilot)
        assert app.session is None
        assert isinstance(app.screen, ConnectScreen)


class Ranking(fake.FakeAudit):
    """Fixes are ranked while people look on: two of them first, the rest when it is said."""

    def __init__(self) -> None:
        shop = fake.audit()
        super().__init__(found=shop.found, known_fixes=shop.known_fixes)
        self.released = threading.Event()
        self.following: list[bool] = []

    def fixes(self, progress: Ranked | None = None, turn: Turn | None = None) -> list[Fix]:
        found = super().fixes()
        assert progress is not None
        progress(found[:2], 2, len(found))
        self.released.wait(20)
        return found

    def what_if(self, fixes: Sequence[Fix], *, following: bool = True) -> WhatIfReport:
        self.following.append(following)
        return super().what_if(fixes)


async def until(pilot: Any, holds: Callable[[], bool]) -> None:
    """Wait for something, with jobs still running."""
    for _ in range(1000):
        if holds():
            return
        await pilot.pause(0.01)
    raise AssertionError("it never came to be")


async def test_fixes_are_shown_and_staged_while_others_are_still_ranked(isolated: Path) -> None:
    audit = Ranking()
    every = len(audit.known_fixes)
    app = WorkbenchApp(SourceRequest(SourceKind.SAMPLE, name="shop"), loader=fake.loader(audit))
    try:
        async with app.run_test(size=(120, 36)) as pilot:
            cuts = app.screen.query_one("#box-cuts", RowList)
            await until(pilot, lambda: f"ranking 2 of {every} …" in cuts.content_text)
            session = app.require_session()
            assert session.fixes is not None
            assert session.fixes[0].title in cuts.content_text
            await pilot.press("7")
            await until(pilot, lambda: bool(app.screen.query(Basket)))
            basket = app.screen.query_one(Basket)
            await until(pilot, lambda: f"ranking 2 of {every} …" in basket.content_text)
            assert len([row for row in basket.items if row.fix is not None]) == 2
            basket.select_fix(session.fixes[0].id)
            await pilot.press("space")
            await until(pilot, lambda: session.what_if is not None)
            assert audit.following == [False], "the numbers do not wait for the ranking"
            audit.released.set()
            await settled(pilot)
            assert "ranking" not in basket.content_text
            assert len([row for row in basket.items if row.fix is not None]) == every
            assert audit.following == [False, True], "what would close the rest is named once it is known"
    finally:
        audit.released.set()


class Telling(Ranking):
    """Goes on telling how far the ranking has come, whether somebody listens or not."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()

    def fixes(self, progress: Ranked | None = None, turn: Turn | None = None) -> list[Fix]:
        found = fake.FakeAudit.fixes(self)
        assert progress is not None
        try:
            while True:
                progress(found[:2], 2, len(found))
                time.sleep(0.01)
        finally:
            self.ended.set()


async def test_leaving_ends_the_ranking_without_a_word(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = Telling()
    said: list[object] = []
    monkeypatch.setattr(state.LOGGER, "exception", lambda *words: said.append(words))
    others = set(threading.enumerate())
    app = WorkbenchApp(SourceRequest(SourceKind.SAMPLE, name="shop"), loader=fake.loader(audit))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.session is not None and app.session.fixes is not None)
        app.exit()
    assert audit.ended.wait(10)
    for thread in set(threading.enumerate()) - others:
        thread.join(0.3)
    assert said == []


class Finding(fake.FakeAudit):
    """The fixes of a step are there when it is said."""

    def __init__(self) -> None:
        shop = fake.audit()
        super().__init__(found=shop.found, known_fixes=shop.known_fixes)
        self.released = threading.Event()

    def fixes_for(self, step: PathStep) -> list[Fix]:
        self.released.wait(20)
        return [fix for fix in self.known_fixes if fix.fix == "F-PRIV"]


async def test_evidence_is_shown_while_fixes_are_still_looked_for(isolated: Path) -> None:
    audit = Finding()
    app = WorkbenchApp(SourceRequest(SourceKind.SAMPLE, name="shop"), loader=fake.loader(audit))
    try:
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: app.session is not None)
            await pilot.press("2")
            await until(pilot, lambda: bool(app.screen.query(StepDetail)))
            detail, text = app.screen.query_one(StepDetail), app.screen.query_one("#step-text", TextPane)
            await until(pilot, lambda: "securityContext.privileged" in text.content_text)
            tabs = app.screen.query_one("#step-tabs", TabStrip)
            assert tabs.labels[FIXES] == "Fixes"
            detail.tab = FIXES
            await until(pilot, lambda: "looking for fixes" in text.content_text)
            await pilot.press("s")
            await pilot.pause()
            assert not app.require_session().basket
            audit.released.set()
            await settled(pilot)
            assert tabs.labels[FIXES] == "Fixes 1"
            assert detail.pane is app.screen.query_one(FixList)
            assert [fix.fix for fix in app.require_session().basket] == ["F-PRIV"], "what was asked for is done"
    finally:
        audit.released.set()


class Asked(fake.FakeAudit):
    """Remembers which steps it is asked about, and may take its time to prove one."""

    def __init__(self, *, waits: bool) -> None:
        shop = fake.audit()
        super().__init__(found=shop.found, known_fixes=shop.known_fixes)
        self.begun, self.released = threading.Event(), threading.Event()
        self.waits = waits
        self.steps: list[PathStep] = []

    def evidence(self, step: PathStep) -> list[Evidence]:
        self.begun.set()
        if self.waits:
            self.released.wait(20)
        self.steps.append(step)
        return super().evidence(step)

    def fixes_for(self, step: PathStep) -> list[Fix]:
        self.steps.append(step)
        return super().fixes_for(step)


async def test_what_was_asked_of_one_source_is_not_asked_of_the_next(isolated: Path) -> None:
    first, second = Asked(waits=True), Asked(waits=False)
    audits = [first, second]
    app = WorkbenchApp(
        SourceRequest(SourceKind.SAMPLE, name="shop"), loader=lambda request, progress, live=None: audits.pop(0)
    )
    try:
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: app.session is not None)
            await pilot.press("2")
            await until(pilot, first.begun.is_set)
            app.load(SourceRequest(SourceKind.SAMPLE, name="platform"))
            await until(pilot, lambda: app.session is not None and app.session.audit is second)
            first.released.set()
            await settled(pilot)
            known = [step for path in second.found for step in path.steps]
            assert all(any(step is each for each in known) for step in second.steps)
    finally:
        first.released.set()


async def test_the_first_run_says_which_keys_to_begin_with(opened: Opened) -> None:
    async with opened(None) as (app, _):
        assert FIRST_RUN in app.screen.query_one(RowList).content_text
        assert FIRST_RUN in "\n".join(picture(app))
    async with opened(None) as (app, _):
        assert FIRST_RUN not in app.screen.query_one(RowList).content_text


async def test_no_color_leaves_bold_reverse_and_words(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(fake.audit()) as (app, pilot):
        await pilot.press("2")
        await settled(pilot)
        assert app.theme == "mono"
        filters = app.get_line_filters()
        text = []
        reversed_text = []
        for strip in app.screen._compositor.render_strips():
            for segment in strip.apply_filter(filters[-1], app.screen.background_colors[1]) if filters else strip:
                style = segment.style or Style()
                assert style.color is None or style.color.is_default, segment
                assert style.bgcolor is None or style.bgcolor.is_default, segment
                text.append(segment.text)
                if style.reverse:
                    reversed_text.append(segment.text)
        joined = "".join(text)
        for word in ("CRIT", "HIGH", "MED", "LOW"):
            assert word in joined
        assert any("CRIT" in part for part in reversed_text), "the cursor is reversed"


@pytest.mark.parametrize("theme", ["dark", "light", "mono", "textual-dark", "ansi-dark"])
async def test_a_change_of_theme_repaints(opened: Opened, theme: str) -> None:
    async with opened(fake.audit(), theme="dark") as (app, pilot):
        await pilot.press("2")
        await settled(pilot)
        app.run_command(f"theme {theme}")
        await settled(pilot)
        assert app.theme == theme
        assert any("cluster-admin" in line for line in picture(app))


@pytest.mark.parametrize(
    ("title", "begins"),
    [
        ("sample shop", "./workbench-export-sample-shop-2"),
        ("../../etc\x1b[2J (3 files)", "./workbench-export-etc-2j-3-files-2"),
        ("", "./workbench-export-source-2"),
    ],
)
def test_the_default_directory_is_a_plain_name(title: str, begins: str) -> None:
    name = default_directory(title)
    assert name.startswith(begins)
    assert name.endswith("Z")
    assert name.count("/") == 1


@pytest.mark.parametrize(
    ("kind", "number", "text"),
    [
        ("Secret", 1, "secret"),
        ("Secret", 2, "secrets"),
        ("ServiceAccount", 7, "service accounts"),
        ("CloudIdentity", 2, "cloud identities"),
        ("Registry", 1, "registry"),
        ("CronJob", 1, "CronJob"),
        ("CronJob", 0, "CronJobs"),
    ],
)
def test_kinds_are_counted_in_words(kind: str, number: int, text: str) -> None:
    assert named(kind, number) == text


def test_what_was_checked_is_counted_in_words() -> None:
    text = [flat(line) for line in empty_lines([("containers", 1200), ("secrets", 1), ("blocked steps", 0)], [])]
    assert text[1:4] == ["     1,200  containers", "         1  secret", "         0  blocked steps"]
    assert text[4:] == ["", "what this version does not look at: press !"]


async def test_lists_say_what_they_leave_out(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.tui.listing.PATHS_LISTED", 3)
    async with opened(fake.audit()) as (app, pilot):
        found = len(app.session.audit.found)
        said = f"of the worst 3 of {found}"
        await press(pilot, "2")
        listed = app.screen.path_list
        assert (str(listed.border_title), str(listed.border_subtitle)) == ("Paths 3/3  sort risk", said)
        app.screen.filter_text = "is:critical"
        app.screen.apply_filter()
        assert str(listed.border_subtitle) == f"filter: is:critical   {said}"
        await command(pilot, "ns ci")
        assert said in str(listed.border_subtitle), "those of a namespace were looked for among the worst"
        await command(pilot, "path ClusterAdmin")
        assert "of the worst" not in str(listed.border_subtitle), "all paths to it are listed"
        await command(pilot, "pods")
        assert f"paths: {said}" in str(app.screen.table.border_subtitle)
