"""v A U on Fixes: dry run, consent, apply object by object, verification, and taking it back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from tests.remediation import live as remote
from tests.remediation.apiserver import FakeServer, Request, lost
from tests.tui.conftest import settled
from tests.tui.test_flow import press, toasts
from workbench.kube.api import Answer
from workbench.preferences import state_directory
from workbench.sources import SourceKind, SourceRequest
from workbench.tui.app import WorkbenchApp
from workbench.tui.screens.apply import ApplyDialog, JournalDialog
from workbench.tui.screens.dialogs import QuitDialog
from workbench.tui.screens.fixes import FixesScreen
from workbench.tui.text import flat
from workbench.tui.widgets.frame import Banner, HintBar
from workbench.tui.widgets.line_list import RowList
from workbench.tui.widgets.painting import TextPane

LIVE = SourceRequest(SourceKind.CONTEXT, name="prod")
HOSTILE = "denied \x1b[31m\u202eby policy"

Opening = Callable[..., contextlib.AbstractAsyncContextManager[tuple[WorkbenchApp, Pilot[None]]]]


@pytest.fixture(autouse=True)
def no_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody replaces pods in memory, so nobody is waited for."""
    monkeypatch.setattr("workbench.remediation.rollout.UNHEEDED", 0.0)


@pytest.fixture
def opening() -> Opening:
    """Open the app on a server in memory, with fixes of some kinds staged, on the Fixes screen."""

    @asynccontextmanager
    async def run(
        server: FakeServer, *kinds: str, size: tuple[int, int] = (120, 36), **more: Any
    ) -> AsyncIterator[tuple[WorkbenchApp, Pilot[None]]]:
        app = WorkbenchApp(LIVE, connector=lambda options, terminal: server, **more)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await press(pilot, "7")
            for fix in app.session.fixes:
                if fix.fix in kinds:
                    app.stage(fix)
            await settled(pilot)
            server.requests.clear()
            yield app, pilot

    return run


def basket(app: WorkbenchApp) -> str:
    screen = app.screen
    assert isinstance(screen, FixesScreen)
    return screen.basket.content_text


def plan(app: WorkbenchApp) -> str:
    assert isinstance(app.screen, ApplyDialog)
    return str(app.screen.query_one(TextPane).content_text)


async def test_a_dry_run_says_for_each_object_what_the_server_makes_of_it(opening: Opening) -> None:
    server = remote.server()
    server.warning = "this will roll out"
    async with opening(server, "F-PRIV") as (app, pilot):
        app.screen.basket.cursor = 1
        await settled(pilot)
        assert "server dry-run: not yet run" in app.screen.query_one("#diff", TextPane).content_text
        assert str(app.screen.basket.border_subtitle) == "applied: none"
        await press(pilot, "v")
        assert server.writes == []
        assert len(server.patches) == 2
        assert basket(app).count("server: accepted") == 2
        assert str(app.screen.basket.border_subtitle) == "dry run: 2 of 2 objects accepted"
        app.screen.basket.cursor = 1
        await settled(pilot)
        diff = app.screen.query_one("#diff", TextPane).content_text
        assert "- spec.template.spec.containers[name=agent].securityContext.privileged: true" in diff
        assert "warning: this will roll out" in diff
        assert "reversible: yes" in diff
        assert remote.CANARY not in diff
        assert toasts(app)[-1] == "the server accepts 2 objects; A applies"


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda server: setattr(server, "admission", lambda data: HOSTILE), "denied \\x1b[31m\\u202eby policy"),
        (lambda server: server.forbidden.add(remote.DEPLOYMENT), "no permission to patch deployments.apps in shop"),
        (lambda server: server.objects.pop(remote.DEPLOYMENT), "not found"),
    ],
)
async def test_what_the_dry_run_stops_cannot_be_applied(
    opening: Opening, break_it: Callable[[FakeServer], Any], said: str
) -> None:
    server = remote.server()
    async with opening(server, "F-PRIV") as (app, pilot):
        break_it(server)
        await press(pilot, "v")
        assert said in basket(app) + app.screen.query_one("#diff", TextPane).content_text + toasts(app)[-1]
        await press(pilot, "A")
        assert isinstance(app.screen, FixesScreen), "there is nothing to agree to"
        assert toasts(app)[-1].startswith("the dry run stopped: ")
        assert server.writes == []


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (220, 60)])
async def test_apply_asks_applies_verifies_and_can_be_taken_back(opening: Opening, size: tuple[int, int]) -> None:
    server = remote.server()
    before = {path: remote.comparable(data) for path, data in server.objects.items()}
    async with opening(server, "F-PRIV", size=size) as (app, pilot):
        fixes = {fix.id for fix in app.session.basket}
        await press(pilot, "A")
        text = plan(app)
        for part in (
            "https://k8s.example:6443",
            "prod",
            "alice@example.com",
            "1. DaemonSet shop/agent",
            "2. Deployment",
        ):
            assert part in text
        assert "accepted" in text
        assert app.screen.query_one(".dialog").region.right <= size[0]
        for key in ("enter", "space", "a"):
            await press(pilot, key)
            assert isinstance(app.screen, ApplyDialog), key
        assert server.writes == []
        await press(pilot, "y")
        assert len(server.writes) == 2
        assert isinstance(app.screen, FixesScreen), "the screen stays while the cluster is read again"
        assert "APPLIED" in basket(app)
        assert basket(app).count("server: verified") == 2
        assert app.session.basket == []
        assert not fixes & {fix.id for fix in app.session.fixes}, "what is mended is no fix any more"
        assert str(app.screen.basket.border_subtitle) == "done 2, failed 0, unknown 0, not started 0"
        assert "privileged" not in json.dumps([remote.comparable(data) for data in server.objects.values()]).replace(
            '"privileged": false', ""
        )
        await press(pilot, "U")
        assert "Take back changes" in str(app.screen.query_one(TextPane).border_title)
        assert "takes back F-PRIV" in plan(app)
        await press(pilot, "y")
        assert {path: remote.comparable(data) for path, data in server.objects.items()} == before
        assert "TAKEN BACK" in basket(app)
        assert fixes <= {fix.id for fix in app.session.fixes}
    journal = remote.texts(state_directory())
    assert '"action":"apply"' in journal
    assert '"action":"undo"' in journal
    assert remote.CANARY not in journal


async def test_consent_after_quitting_changes_nothing(opening: Opening) -> None:
    server = remote.server()
    async with opening(server, "F-PRIV") as (app, pilot):
        await press(pilot, "A")
        assert isinstance(app.screen, ApplyDialog)
        app.post_message(events.Key("ctrl+q", None))
        app.post_message(events.Key("q", "q"))
        app.post_message(events.Key("y", "y"))
        app.post_message(events.Key("y", "y"))
        while app.is_running:
            await pilot.pause()
    assert server.writes == []


async def test_esc_changes_nothing(opening: Opening) -> None:
    server = remote.server()
    async with opening(server, "F-PRIV") as (app, pilot):
        await press(pilot, "A", "escape")
        assert isinstance(app.screen, FixesScreen)
        assert server.writes == []


async def test_a_fresh_dry_run_is_not_made_again_and_an_old_one_is(opening: Opening) -> None:
    server = remote.server()
    async with opening(server, "F-PRIV") as (app, pilot):
        await press(pilot, "v", "A", "escape")
        assert len(server.patches) == 2
        app.changes.rows = [replace(row, at=row.at.replace(year=2020)) for row in app.changes.rows]
        await press(pilot, "A", "escape")
        assert len(server.patches) == 4
        app.unstage(app.session.basket[0])
        await settled(pilot)
        assert app.changes is None, "it was the dry run of another basket"


async def test_an_object_of_the_whole_cluster_takes_the_name_of_the_context(opening: Opening) -> None:
    server = remote.server()
    async with opening(server, "F-BIND-SUBJ") as (app, pilot):
        await press(pilot, "A")
        assert "a cluster-scoped object changes" in plan(app)
        await press(pilot, "y", "enter")
        assert isinstance(app.screen, ApplyDialog)
        assert "that is not prod" in str(app.screen.query_one(TextPane).border_subtitle)
        assert server.writes == []
        app.screen.query_one(Input).value = "prod"
        await press(pilot, "enter")
        assert [request.path for request in server.writes] == [remote.BINDING]
        assert "server: verified" in basket(app)


async def test_a_protected_context_takes_its_name(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    preferences("protected: ['p*']\n", monkeypatch)
    server = remote.server()
    async with opening(server, "F-PRIV") as (app, pilot):
        await press(pilot, "A", "y")
        assert isinstance(app.screen, ApplyDialog)
        assert "the context is protected" in plan(app)


def preferences(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Path.cwd() / "config"
    (config / "workbench").mkdir(parents=True)
    (config / "workbench" / "config.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))


@pytest.mark.parametrize("how", ["flag", "environment", "preferences"])
async def test_read_only_takes_the_keys_away(opening: Opening, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "environment":
        monkeypatch.setenv("WORKBENCH_READ_ONLY", "1")
    if how == "preferences":
        preferences("readOnly: [prod]\n", monkeypatch)
    server = remote.server()
    async with opening(server, "F-PRIV", read_only=how == "flag") as (app, pilot):
        shown = {action.id for action in app.screen.query_one(HintBar).actions}
        assert not {"apply", "undo"} & shown
        for key in ("A", "U"):
            await press(pilot, key)
            assert isinstance(app.screen, FixesScreen)
            assert toasts(app)[-1] == "read-only: nothing is changed in prod"
        assert server.patches == []


async def test_a_file_is_applied_to_a_cluster_that_is_named(isolated: Path) -> None:
    server = remote.server()
    (isolated / "web.yaml").write_text(json.dumps(remote.DAEMON), encoding="utf-8")
    request = SourceRequest(SourceKind.MANIFESTS, paths=("web.yaml",))
    app = WorkbenchApp(request, connector=lambda options, terminal: server)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.stage(next(fix for fix in app.session.fixes if fix.fix == "F-PRIV"))
        await press(pilot, "7", "v")
        assert toasts(app)[-1] == "this source is a file: :apply-to CONTEXT names the cluster to change"
        app.run_command("journal")
        await settled(pilot)
        assert "the journal is one of a cluster" in toasts(app)[-1]
        assert server.requests == []
        app.run_command("apply-to prod")
        await settled(pilot)
        assert server.requests == [], "a connection is made, and nothing is asked"
        await press(pilot, "A", "y")
        assert [one.path for one in server.writes] == [remote.AGENT]
        assert "server: verified" in basket(app)


async def test_what_one_cluster_accepted_is_not_made_in_another(isolated: Path) -> None:
    servers = {"prod": remote.server(), "other": remote.server()}
    (isolated / "web.yaml").write_text(json.dumps(remote.DAEMON), encoding="utf-8")
    request = SourceRequest(SourceKind.MANIFESTS, paths=("web.yaml",))
    app = WorkbenchApp(request, connector=lambda options, terminal: servers[options.context])
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.stage(next(fix for fix in app.session.fixes if fix.fix == "F-PRIV"))
        app.run_command("apply-to prod")
        await settled(pilot)
        await press(pilot, "7", "v")
        app.run_command("apply-to other")
        await settled(pilot)
        assert servers["other"].requests == []
        await press(pilot, "A")
        assert [one.path for one in servers["other"].patches] == [remote.AGENT], "a dry run of its own"
        await press(pilot, "y")
        assert (len(servers["prod"].writes), len(servers["other"].writes)) == (0, 1)


async def test_no_other_source_is_opened_while_a_cluster_is_changed(opening: Opening) -> None:
    server = remote.server()

    def reload(_server: FakeServer, request: Request) -> Answer | None:
        if request.writes:
            app.call_from_thread(app.action_reload)
        return None

    async with opening(server, "F-PRIV") as (app, pilot):
        await press(pilot, "A")
        server.on_patch = reload
        await press(pilot, "y")
        assert len(server.writes) == 2
        assert "a cluster is being changed; esc stops after the object it is at" in toasts(app)
        assert [str(row.state) for row in app.changes.rows] == ["applied", "applied"]


async def test_a_connection_lost_between_two_objects_says_what_is_known(opening: Opening) -> None:
    server = remote.server()
    async with opening(server, "F-PRIV") as (app, pilot):
        server.on_patch = lost(after=1)
        await press(pilot, "A", "y")
        assert [str(row.state) for row in app.changes.rows] == ["applied", "unknown"]
        assert app.changes.summary == "done 1, failed 0, unknown 1, not started 0"
        assert "connection lost" in app.screen.query_one(Banner).text
        assert "server: unknown" in basket(app)
        assert app.session is not None
        assert app.session.report is not None


async def test_esc_stops_a_batch_after_the_object_it_is_at(opening: Opening) -> None:
    server = remote.server()

    def stop(_server: FakeServer, request: Request) -> Answer | None:
        if request.writes:
            app.call_from_thread(app.action_leave)
        return None

    async with opening(server, "F-PRIV") as (app, pilot):
        await press(pilot, "A")
        server.on_patch = stop
        await press(pilot, "y")
        assert len(server.writes) == 1
        assert app.changes.summary == "done 1, failed 0, unknown 0, not started 1"
        assert "stops after the object it is at" in toasts(app)


@pytest.mark.parametrize("view", ["3", "6"])
async def test_reading_again_below_another_window_keeps_what_is_typed(opening: Opening, view: str) -> None:
    async with opening(remote.server(), "F-PRIV") as (app, pilot):
        await press(pilot, view, "slash", "w")
        app.post_message(events.AppBlur())
        await settled(pilot)
        app.reload_quietly()
        await settled(pilot)
        app.post_message(events.AppFocus())
        await settled(pilot)
        await press(pilot, "e", "b")
        assert app.screen.filter_text == "web"


async def test_a_run_is_chosen_from_the_journal_while_the_cluster_is_read_again(opening: Opening) -> None:
    server = remote.server()
    async with opening(server, "F-PRIV") as (app, pilot):
        await press(pilot, "A", "y")
        app.action_journal()
        await settled(pilot)
        assert isinstance(app.screen, JournalDialog)
        app.reload_quietly()
        await settled(pilot)
        await press(pilot, "enter")
        assert isinstance(app.screen, ApplyDialog)
        assert "Take back changes" in str(app.screen.query_one(TextPane).border_title)


async def test_an_export_that_was_asked_before_reading_again_says_so(opening: Opening, isolated: Path) -> None:
    async with opening(remote.server(), "F-PRIV") as (app, pilot):
        await press(pilot, "x")
        app.reload_quietly()
        await settled(pilot)
        await press(pilot, "enter")
        assert "it was read again meanwhile; nothing was done" in toasts(app)
        assert list(isolated.iterdir()) == []


async def test_what_is_under_way_is_not_said_to_be_done(opening: Opening) -> None:
    server = remote.server()
    said: list[str] = []

    def look(_server: FakeServer, request: Request) -> Answer | None:
        if request.writes:
            said.append(app.call_from_thread(basket, app))
        return None

    async with opening(server, "F-PRIV") as (app, pilot):
        await press(pilot, "A")
        server.on_patch = look
        await press(pilot, "y", "U", "y")
        assert ["APPLYING" in text for text in said] == [True, True, False, False]
        assert ["TAKING BACK" in text for text in said] == [False, False, True, True]
        assert not any("APPLIED" in text or "TAKEN BACK" in text for text in said)
        assert "TAKEN BACK" in basket(app)


async def test_quitting_while_a_cluster_is_changed_asks(opening: Opening) -> None:
    server = remote.server()
    asked: list[bool] = []

    def quit_now(_server: FakeServer, request: Request) -> Answer | None:
        if request.writes and not asked:
            app.call_from_thread(app.action_quit)
            asked.append(isinstance(app.screen, QuitDialog))
        return None

    async with opening(server, "F-PRIV") as (app, pilot):
        await press(pilot, "A")
        server.on_patch = quit_now
        await press(pilot, "y")
        assert asked == [True]
        assert "being changed" in app.screen.query_one(TextPane).content_text
        await press(pilot, "escape")
        assert app.is_running


async def test_a_stale_object_is_left_alone(opening: Opening) -> None:
    server = remote.server()
    async with opening(server, "F-PRIV") as (app, pilot):
        server.edit(remote.AGENT, lambda data: data["spec"]["template"]["spec"]["containers"].clear())
        await press(pilot, "v")
        assert "server: stale" in basket(app)
        assert server.writes == []


def not_privileged(data: remote.Data) -> None:
    data["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"privileged": False}


async def test_already_applied_sends_no_patch(opening: Opening) -> None:
    server = remote.server()
    async with opening(server, "F-PRIV") as (app, pilot):
        for path in (remote.AGENT, remote.DEPLOYMENT):
            server.edit(path, not_privileged)
        await press(pilot, "A")
        assert toasts(app)[-1] == "already applied: nothing is left to do"
        assert server.patches == []


async def test_the_journal_lists_the_runs_and_takes_one_back(opening: Opening) -> None:
    server = remote.server()
    async with opening(server, "F-PRIV") as (app, pilot):
        app.run_command("journal")
        await settled(pilot)
        assert isinstance(app.screen, JournalDialog)
        assert "nothing was applied here yet" in app.screen.query_one(RowList).content_text
        await press(pilot, "escape", "A", "y")
        app.run_command("journal")
        await settled(pilot)
        text = app.screen.query_one(RowList).content_text
        assert "F-PRIV: DaemonSet:shop/agent, Deployment:shop/web" in text
        assert "2 of 2" in text
        await press(pilot, "enter")
        assert isinstance(app.screen, ApplyDialog)
        await press(pilot, "y")
        assert len(server.writes) == 4
        await press(pilot, "U")
        assert toasts(app)[-1] == "nothing that was applied in this context is in force"


async def test_what_others_changed_since_is_not_taken_back(opening: Opening) -> None:
    server = remote.server()
    async with opening(server, "F-PRIV") as (app, pilot):
        await press(pilot, "A", "y")
        server.edit(
            remote.AGENT,
            lambda data: data["spec"]["template"]["spec"]["containers"][0].update(securityContext={"privileged": None}),
        )
        writes = len(server.writes)
        await press(pilot, "U")
        assert isinstance(app.screen, FixesScreen)
        assert "was changed by others since" in toasts(app)[-1]
        assert len(server.writes) == writes


async def test_the_diff_shows_what_became_of_an_object(opening: Opening) -> None:
    server = remote.server()
    async with opening(server, "F-PRIV") as (app, pilot):
        await press(pilot, "A", "y")
        shown = app.screen.basket
        shown.cursor = next(at for at, row in enumerate(shown.items) if row.about)
        await settled(pilot)
        text = app.screen.query_one("#diff", TextPane).content_text
        assert "DaemonSet shop/agent  verified" in text
        assert "U takes it back" in text
        assert any("APPLIED" in flat(line) for row in shown.items for line in shown.paint(row, 40))
