"""Live clusters: nothing is contacted unasked, progress, cancel, gaps, age, and connections that go."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.kube import fake as kube
from tests.tui.conftest import settled
from tests.tui.test_flow import press
from workbench.errors import Cancelled, LoginError, Unreachable
from workbench.kube.api import ConnectOptions, Endpoint
from workbench.sources import SourceKind, SourceRequest
from workbench.sources.cluster import KindProgress, State
from workbench.tui.app import WorkbenchApp
from workbench.tui.collecting import Collecting, collecting_lines
from workbench.tui.screens.collecting import CollectingScreen
from workbench.tui.screens.connect import ConnectScreen
from workbench.tui.screens.coverage import CoverageSheet
from workbench.tui.screens.dialogs import ChoiceDialog
from workbench.tui.screens.network import NetworkScreen
from workbench.tui.screens.overview import OverviewScreen
from workbench.tui.screens.resources import ResourcesScreen
from workbench.tui.text import flat
from workbench.tui.widgets.frame import Banner, HeaderState, StatusHeader
from workbench.tui.widgets.line_list import RowList
from workbench.tui.widgets.painting import TextPane

LIVE = SourceRequest(SourceKind.CONTEXT, name="prod")

SECRET_OF = {"env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}]}


def objects() -> list[dict[str, Any]]:
    """A pod whose account is an admin, a Secret that it uses, and where they are."""
    web = kube.pod("web", "shop", nodeName="n1", serviceAccountName="web")
    mounts = [{"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]
    web["spec"]["containers"] = [{"name": "main", "image": "web:1", "volumeMounts": mounts, **SECRET_OF}]
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}
    web["spec"]["volumes"] = [{"name": "token", "projected": {"sources": [token]}}]
    return [
        kube.obj("Namespace", "shop"),
        kube.obj("Node", "n1"),
        kube.obj("ServiceAccount", "web", "shop"),
        kube.obj("Secret", "db", "shop"),
        kube.obj("ClusterRole", "ops", rules=[{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]),
        kube.obj(
            "ClusterRoleBinding",
            "ops",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "ops"},
            subjects=[{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}],
        ),
        web,
    ]


class Cluster:
    """A cluster that can be held in the middle of being read."""

    def __init__(self, **more: Any) -> None:
        self.more = more
        self.connections: list[kube.FakeConnection] = []
        self.options: list[ConnectOptions] = []
        self.held = threading.Event()
        """Set while a request waits."""
        self.hold = ""
        """The path of the list that waits."""
        self.release = threading.Event()
        self.endpoint = Endpoint("prod", "https://api.prod:6443", "jane")

    def connect(self, options: ConnectOptions, terminal: Any) -> kube.FakeConnection:
        self.options.append(options)
        connection = kube.FakeConnection(**{"objects": objects(), "script": self._script, **self.more})
        connection.endpoint = replace(self.endpoint, impersonates=options.as_user)
        self.connections.append(connection)
        return connection

    def _script(self, request: kube.Request) -> Any:
        connection = self.connections[-1]
        if self.hold and request.path == self.hold:
            self.held.set()
            while not self.release.wait(0.005):
                if connection.cancelled.is_set():
                    return Cancelled("ended")
        return None


Opening = Callable[..., contextlib.AbstractAsyncContextManager[tuple[WorkbenchApp, Pilot[None]]]]


@pytest.fixture
def opening() -> Opening:
    """Open the app on a cluster; ``wait=False`` leaves it while it is being read."""

    @asynccontextmanager
    async def run(
        cluster: Cluster, *, wait: bool = True, size: tuple[int, int] = (120, 36), **more: Any
    ) -> AsyncIterator[tuple[WorkbenchApp, Pilot[None]]]:
        app = WorkbenchApp(LIVE, connector=cluster.connect, **more)
        try:
            async with app.run_test(size=size) as pilot:
                if wait:
                    await settled(pilot)
                else:
                    while not cluster.held.is_set():
                        await pilot.pause()
                yield app, pilot
        finally:
            cluster.release.set()

    return run


def header(app: WorkbenchApp) -> str:
    return flat(app.screen.query_one(StatusHeader).first_row(app.size.width))


def kubeconfig(path: Path) -> None:
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: prod\n"
        "clusters: [{name: c, cluster: {server: 'https://api.prod:6443', insecure-skip-tls-verify: true}}]\n"
        "users: [{name: jane, user: {token: t}}]\n"
        "contexts:\n- {name: dev, context: {cluster: c, user: jane}}\n"
        "- {name: prod, context: {cluster: c, user: jane}}\n",
        encoding="utf-8",
    )


async def test_nothing_is_contacted_until_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubeconfig(tmp_path / "config")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    cluster = Cluster()
    app = WorkbenchApp(None, connector=cluster.connect)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        listed = app.screen.query_one(RowList)
        assert listed.current.target.source == "context:prod", "the current context is selected"
        text = listed.content_text
        assert "https://api.prod:6443  jane  current  TLS UNVERIFIED" in text
        assert cluster.connections == []
        await press(pilot, "enter")
        assert isinstance(app.screen, OverviewScreen)
        assert [one.context for one in cluster.options] == ["prod"]
        assert app.session.report.total
        assert "context prod" in header(app)
        assert "(0 min)" in header(app)
        assert "FULL" in header(app)
        assert not any(request.method != "GET" for request in cluster.connections[0].requests)


async def test_progress_of_every_kind(opening: Opening) -> None:
    cluster = Cluster()
    cluster.hold = "/api/v1/pods"
    async with opening(cluster, wait=False) as (app, pilot):
        assert isinstance(app.screen, CollectingScreen)
        while not any(one.state == "done" for one in app.collecting.kinds.values()):
            await pilot.pause()
        app.screen.session_changed()
        lines = app.screen.query_one(TextPane).content_text.splitlines()
        assert lines[0].startswith("reading context:prod")
        assert lines[1] == "https://api.prod:6443 as jane"
        states = {line.split()[0]: line.split()[1] for line in lines[4:]}
        assert states["Pods"] in ("waiting", "reading")
        assert "done" in states.values()
        await press_only(pilot, "2")
        while not app.screen.query("#step-detail"):
            await pilot.pause()
        await pilot._wait_for_screen()
        assert "reading context:prod" in app.screen.detail.query_one(TextPane).content_text
        cluster.release.set()
        await settled(pilot)
        assert app.session is not None


async def press_only(pilot: Pilot[None], *keys: str) -> None:
    """Press keys while a job runs that is not to be waited for."""
    for key in keys:
        await pilot.press(key)
        await pilot.pause()


async def test_esc_asks_and_the_reading_goes_on_meanwhile(opening: Opening) -> None:
    cluster = Cluster()
    cluster.hold = "/api/v1/pods"
    async with opening(cluster, wait=False) as (app, pilot):
        await press_only(pilot, "escape")
        assert isinstance(app.screen, ChoiceDialog)
        await press_only(pilot, "escape")
        assert isinstance(app.screen, CollectingScreen)
        assert not cluster.connections[0].cancelled.is_set()
        await press_only(pilot, "escape")
        assert isinstance(app.screen, ChoiceDialog)
        cluster.release.set()
        await settled(pilot)
        assert isinstance(app.screen, OverviewScreen), "once it is read there is nothing to ask"
        assert app.session is not None
        assert not app.session.cancelled


async def test_a_reading_that_ends_takes_nothing_from_what_is_typed(opening: Opening) -> None:
    cluster = Cluster()
    cluster.hold = "/api/v1/pods"
    async with opening(cluster, wait=False) as (app, pilot):
        await press_only(pilot, ":", *"pods")
        cluster.release.set()
        await settled(pilot)
        assert app.session is not None
        assert app.screen.command_bar.value == "pods"
        await press(pilot, "space", *"web", "enter")
        assert isinstance(app.screen, ResourcesScreen)
        assert app.screen.filter_text == "web"


@pytest.mark.parametrize("over", [":", "?", "q"])
async def test_a_reading_that_ends_waits_for_what_is_open(opening: Opening, over: str) -> None:
    cluster = Cluster()
    async with opening(cluster) as (app, pilot):
        await press(pilot, "7", "s")
        assert app.basket, "so that q asks"
        cluster.hold = "/api/v1/pods"
        await press_only(pilot, "r", over)
        cluster.held.wait()
        before, shown = app.session, app.screen
        cluster.release.set()
        await settled(pilot)
        assert app.session is not before
        assert app.screen is shown
        await press(pilot, "escape")
        assert isinstance(app.screen, OverviewScreen)
        assert app.focused is not None


@pytest.mark.parametrize("fails", [False, True])
async def test_a_reading_that_begins_and_ends_below_what_is_typed(opening: Opening, fails: bool) -> None:
    cluster = Cluster()
    async with opening(cluster) as (app, pilot):
        await press(pilot, "6", ":")
        first = app.session
        if fails:
            cluster.more["script"] = lambda request: Unreachable("connection refused")
        app.action_reload()
        await settled(pilot)
        assert isinstance(app.screen, NetworkScreen)
        assert (app.session is first) == fails
        await press(pilot, "escape")
        assert isinstance(app.screen, OverviewScreen)


async def test_a_screen_that_was_chosen_meanwhile_stays(opening: Opening) -> None:
    cluster = Cluster()
    cluster.hold = "/api/v1/pods"
    async with opening(cluster, wait=False) as (app, pilot):
        await press_only(pilot, ":", *"network", "enter", ":")
        cluster.release.set()
        await settled(pilot)
        assert isinstance(app.screen, NetworkScreen)
        await press(pilot, "escape")
        assert isinstance(app.screen, NetworkScreen)


async def test_what_was_read_can_be_kept(opening: Opening) -> None:
    cluster = Cluster()
    cluster.hold = "/api/v1/pods"
    async with opening(cluster, wait=False) as (app, pilot):
        await press_only(pilot, "escape", "enter")
        await settled(pilot)
        assert cluster.connections[0].cancelled.is_set()
        assert isinstance(app.screen, OverviewScreen)
        assert "PARTIAL: cancelled" in header(app)
        assert any(gap.kind == "Pod" and gap.detail == "cancelled" for gap in app.session.coverage)
        assert app.banner == ""
        before = len(cluster.connections[0].requests)
        await press(pilot, "2", "3", "7", "1")
        assert len(cluster.connections[0].requests) == before


async def test_what_was_read_can_be_discarded(opening: Opening) -> None:
    cluster = Cluster()
    cluster.hold = "/api/v1/pods"
    async with opening(cluster, wait=False) as (app, pilot):
        await press_only(pilot, "escape", "down", "down", "enter")
        await settled(pilot)
        assert cluster.connections[0].cancelled.is_set()
        assert isinstance(app.screen, ConnectScreen)
        assert app.session is None
        assert app.failure is None, "a worker that is cancelled posts nothing"


async def test_the_reading_can_be_begun_again(opening: Opening) -> None:
    cluster = Cluster()
    cluster.hold = "/api/v1/pods"
    async with opening(cluster, wait=False) as (app, pilot):
        cluster.held.clear()
        await press_only(pilot, "escape", "down")
        cluster.hold = ""
        await press_only(pilot, "enter")
        await settled(pilot)
        assert len(cluster.connections) == 2
        assert cluster.connections[0].cancelled.is_set()
        assert app.session is not None
        assert "FULL" in header(app)


async def test_a_refusal_of_secrets_leaves_every_screen(opening: Opening) -> None:
    cluster = Cluster(denied=lambda path: "secrets" in path)
    async with opening(cluster) as (app, pilot):
        for view in ("1", "2", "3", "7"):
            await press(pilot, view)
            assert "PARTIAL: 1" in header(app)
        app.run_command("secrets")
        await settled(pilot)
        rows = app.screen.table.rows
        assert [(row.id, row.read) for row in rows.items] == [("Secret:shop/db", False)]
        assert "db ?" in flat(rows.line(0))
        await press(pilot, "exclamation_mark")
        assert isinstance(app.screen, CoverageSheet)
        text = app.screen.query_one(TextPane).content_text
        assert "list  secrets" in text
        assert "403 forbidden" in text
        assert "name: jane" in text


async def test_everything_forbidden_is_one_sentence_with_the_way_out(opening: Opening) -> None:
    cluster = Cluster(denied=lambda path: True)
    async with opening(cluster) as (app, pilot):
        assert isinstance(app.screen, OverviewScreen)
        text = app.screen.query_one("#overview-message", TextPane).content_text
        assert "Nothing could be read from prod as jane:" in text
        assert "requests refused." in text
        assert ":ctx" in text
        await press(pilot, "exclamation_mark")
        assert "kind: ClusterRole\n" in app.screen.query_one(TextPane).content_text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unreachable("connection refused"), "connection refused"),
        (LoginError("the login plugin aws of the user jane failed\n  no \x1b[31msession"), "no \\x1b[31msession"),
    ],
)
async def test_a_cluster_that_cannot_be_reached_is_a_sentence(opening: Opening, error: Exception, said: str) -> None:
    async with opening(Cluster(script=lambda request: error)) as (app, pilot):
        assert isinstance(app.screen, OverviewScreen)
        text = app.screen.query_one("#overview-message", TextPane).content_text
        assert "context:prod cannot be opened." in text
        assert said in text
        await press(pilot, "escape")
        assert isinstance(app.screen, ConnectScreen)


async def test_a_connection_lost_in_the_middle_leaves_what_was_read(opening: Opening) -> None:
    seen: list[str] = []

    def script(request: kube.Request) -> Any:
        seen.append(request.path)
        # Pods come once, and then the server is gone.
        return Unreachable("connection reset") if "/api/v1/pods" in seen[:-1] else None

    async with opening(Cluster(script=script)) as (app, pilot):
        assert app.session is not None
        assert "connection lost: " in app.screen.query_one(Banner).text
        assert app.screen.query_one(Banner).display
        assert any("the connection was lost" in gap.detail for gap in app.session.coverage)
        await press(pilot, "3")
        assert app.screen.query_one(Banner).display


async def test_data_stays_while_the_cluster_is_read_again_and_if_that_fails(opening: Opening) -> None:
    cluster = Cluster()
    async with opening(cluster) as (app, pilot):
        await press(pilot, "3", "r")
        assert len(cluster.connections) == 2
        assert isinstance(app.screen, OverviewScreen)
        first = app.session
        cluster.more["script"] = lambda request: Unreachable("connection refused")
        await press(pilot, "r")
        assert app.session is first
        assert isinstance(app.screen, OverviewScreen)
        assert "reading it again failed" in app.screen.query_one(Banner).text
        await press(pilot, "2")
        assert app.screen.path_list.items
        cluster.more["script"] = lambda request: None
        await press(pilot, "r")
        assert app.session is not first
        assert not app.screen.query_one(Banner).display


async def test_discarding_a_second_reading_keeps_the_first(opening: Opening) -> None:
    cluster = Cluster()
    async with opening(cluster) as (app, pilot):
        first = app.session
        cluster.hold = "/api/v1/pods"
        await press_only(pilot, "r")
        while not cluster.held.is_set():
            await pilot.pause()
        assert isinstance(app.screen, CollectingScreen)
        await press_only(pilot, "escape", "down", "down", "enter")
        await settled(pilot)
        assert app.session is first
        assert isinstance(app.screen, OverviewScreen)
        assert not cluster.connections[0].cancelled.is_set(), "its connection stays"


async def test_what_is_old_is_called_stale(opening: Opening) -> None:
    async with opening(Cluster()) as (app, _):
        read_at = app.session.read_at
        app.now = lambda: read_at + timedelta(minutes=29)
        app.screen.update_frame()
        assert "(29 min)" in header(app)
        assert "STALE" not in header(app)
        app.now = lambda: read_at + timedelta(minutes=95)
        app.screen.update_frame()
        assert "(1 h 35 min)" in header(app)
        assert "STALE" in header(app)


async def test_the_header_says_how_the_cluster_is_met(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Path.cwd() / "config"
    (config / "workbench").mkdir(parents=True)
    (config / "workbench" / "config.yaml").write_text("protected: ['pro*']\nreadOnly: [prod]\n", encoding="utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    cluster = Cluster()
    cluster.endpoint = replace(cluster.endpoint, verified=False)
    async with opening(cluster, size=(80, 24)) as (app, pilot):
        app.open_context(["prod", "--as", "bob"])
        await settled(pilot)
        assert cluster.options[-1].as_user == "bob"
        for size in ((80, 24), (120, 36)):
            await pilot.resize_terminal(*size)
            await settled(pilot)
            for word in ("prod", "as bob", "PROTECTED", "READ-ONLY", "TLS UNVERIFIED", "FULL", "staged 0"):
                assert word in header(app), (size, word)


@pytest.mark.parametrize("cells", [60, 80, 100, 140, 200])
def test_what_the_header_drops(cells: int) -> None:
    bar = StatusHeader()
    bar.set_reactive(
        StatusHeader.state,
        HeaderState(
            source="context prod", age="live 06:10 (4 min)", namespace="shop", coverage="PARTIAL: 3", staged="staged 2"
        ),
    )
    text = flat(bar.first_row(cells))
    for word in ("prod", "PARTIAL: 3", "staged 2"):
        assert word in text
    order = ["workbench", "live 06:10", "ns: shop"]
    kept = [word in text for word in order]
    assert kept == sorted(kept), "the product goes first, the namespace last"


async def test_preferences_that_cannot_be_read_forbid_every_change(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Path.cwd() / "config"
    (config / "workbench").mkdir(parents=True)
    (config / "workbench" / "config.yaml").write_text("protectd: [prod]\n", encoding="utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    said: list[str] = []
    monkeypatch.setattr(WorkbenchApp, "say", lambda _app, text, severity="": said.append(text))
    async with opening(Cluster()) as (app, pilot):
        assert "READ-ONLY" in header(app)
        assert any("unknown key" in text and "nothing is changed" in text for text in said)
        text = app.screen.query_one("#overview-message", TextPane).content_text
        assert "config.yaml:1" in text
        app.open_source("sample:shop")
        await settled(pilot)
        assert "READ-ONLY" in header(app), "what needs no preferences opens all the same"


async def test_a_login_plugin_gets_the_terminal(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    @contextlib.contextmanager
    def suspended(_app: WorkbenchApp) -> Iterator[None]:
        told.append("suspended")
        yield
        told.append("resumed")

    class Asking(Cluster):
        def connect(self, options: ConnectOptions, terminal: Any) -> kube.FakeConnection:
            terminal(lambda: told.append(threading.current_thread().name))
            return super().connect(options, terminal)

    monkeypatch.setattr(WorkbenchApp, "suspend", suspended)
    async with opening(Asking()) as (app, _):
        assert told == ["suspended", "MainThread", "resumed"]
        assert app.session is not None


async def test_without_a_terminal_to_lend_the_plugin_is_not_run(opening: Opening) -> None:
    run: list[str] = []

    class Asking(Cluster):
        def connect(self, options: ConnectOptions, terminal: Any) -> kube.FakeConnection:
            terminal(lambda: run.append("plugin"))
            raise LoginError("the login plugin could not be given the terminal")

    async with opening(Asking()) as (app, _):
        assert run == []
        assert "could not be given the terminal" in app.screen.query_one("#overview-message", TextPane).content_text


async def test_another_source_closes_the_connection(opening: Opening) -> None:
    cluster = Cluster()
    async with opening(cluster) as (app, pilot):
        app.open_source("sample:shop")
        await settled(pilot)
        assert cluster.connections[0].cancelled.is_set()
        assert app.connection is None
        assert app.session.endpoint is None


def test_news_are_told_at_most_ten_times_a_second() -> None:
    now = [100.0]
    reading = Collecting("context:prod", clock=lambda: now[0])
    told = 0
    for page in range(100):
        now[0] += 0.01
        told += reading.hear(KindProgress("Pod", State.READING, page, 100))
    assert told <= 11
    reading.hear(KindProgress("Pod", State.DONE, 100, 100))
    now[0] += 60
    assert reading.kinds["Pod"].elapsed(now[0]) == pytest.approx(0.99)
    assert reading.objects == 100


def test_the_lines_of_a_reading() -> None:
    now = [0.5]
    reading = Collecting("context:prod", clock=lambda: now[0])
    for news in (
        KindProgress("Pod", State.READING, 500, 2000),
        KindProgress("Secret", State.DENIED, 0, 0),
        KindProgress("Role", State.WAITING, 0, 0),
    ):
        reading.hear(news)
    now[0] = 3.0
    text = [flat(line).split() for line in collecting_lines(reading)]
    assert text[0] == ["reading", "context:prod", "2", "s"]
    assert ["500", "objects,", "1", "of", "3", "kinds"] in text
    assert ["Pods", "reading", "███░░░░░░░░░", "500", "of", "~2,000", "2.5", "s"] in text
    assert ["Secrets", "denied"] in text
    assert ["Roles", "waiting"] in text
