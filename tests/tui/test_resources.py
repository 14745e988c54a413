"""Resources: tables that hold any number of objects, their detail, and the ways to other screens and objects."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from tests.tui import fake
from tests.tui.conftest import Opened, settled
from tests.tui.test_flow import press, toasts
from workbench.analysis.object_columns import NAME, NAMESPACE, PATHS, Column
from workbench.tui.app import WorkbenchApp
from workbench.tui.commands import KIND, Command, Known, candidates, parse
from workbench.tui.filtering import matching
from workbench.tui.kinds import SHORT, kind_named, plural
from workbench.tui.screens.dialogs import ChoiceDialog
from workbench.tui.screens.fixes import FixesScreen
from workbench.tui.screens.paths import PathsScreen
from workbench.tui.screens.resources import ResourcesScreen
from workbench.tui.text import flat
from workbench.tui.widgets.frame import StatusHeader
from workbench.tui.widgets.line_list import RowList
from workbench.tui.widgets.object_table import ObjectRows, TableHead, fitted_columns
from workbench.tui.widgets.painting import TextPane


def listed(app: WorkbenchApp) -> list[str]:
    screen = app.screen
    assert isinstance(screen, ResourcesScreen)
    return [row.id for row in screen.table.rows.items] if screen.table.rows.display else []


def title(app: WorkbenchApp) -> str:
    return str(app.screen.query_one("#table").border_title)


def said(app: WorkbenchApp) -> str:
    return str(app.screen.query_one("#objects-message", TextPane).content_text)


async def type_filter(app: WorkbenchApp, pilot: object, text: str) -> None:
    await press(pilot, "slash")
    app.screen.query_one("#filter", Input).value = text
    await press(pilot, "enter")


async def test_the_table_has_the_keys_and_the_object_with_most_paths_is_first(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "3")
        assert isinstance(app.screen, ResourcesScreen)
        assert isinstance(app.focused, ObjectRows)
        assert listed(app)[0] == "Pod:shop/web-0"
        assert title(app) == "Pods 4/4"
        head = app.screen.query_one(TableHead).text
        assert "PATHS ↓" in head
        assert "RISKS" in head
        kinds = app.screen.query_one("#kinds", RowList).content_text
        assert "4  Pods" in kinds
        assert str(app.screen.detail.border_title) == "Pod shop/web-0"
        assert app.session.audit.main_thread_calls == []


async def test_the_columns_follow_the_width_that_the_rows_get_after_they_are_shown(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "3")
        table = app.screen.table
        for width in (40, 70):
            table.say([])
            table.rows.styles.width = width
            await settled(pilot)
            table.rows.display = True
            await settled(pilot)
            rows = table.rows
            assert rows.table is not None
            assert rows.columns_shown == fitted_columns(rows.table.columns, table._natural, rows.cells)


async def test_thirty_thousand_rows_cost_no_more_than_what_is_seen(opened: Opened) -> None:
    async with opened(fake.audit(pods=30_000)) as (app, pilot):
        await press(pilot, "3")
        rows = app.screen.table.rows
        assert len(rows.items) == 30_000
        assert rows.virtual_size.height == 30_000
        await press(pilot, "G")
        assert rows.cursor == 29_999
        assert rows.cursor - round(rows.scroll_y) < rows.size.height
        await type_filter(app, pilot, "web-2999")
        assert len(rows.items) == 10
        assert title(app) == "Pods 10/30,000"
        await press(pilot, "escape")
        assert len(rows.items) == 30_000


async def test_filter_by_text_its_inverse_and_labels(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "3")
        await type_filter(app, pilot, "ci")
        assert listed(app) == ["Pod:ci/runner"]
        await press(pilot, "escape")
        await type_filter(app, pilot, "!ci")
        assert "Pod:ci/runner" not in listed(app)
        await type_filter(app, pilot, "-l app=run")
        assert listed(app) == ["Pod:ci/runner"]
        await type_filter(app, pilot, "nothing-like-it")
        assert listed(app) == []
        assert said(app) == "no Pod matches 'nothing-like-it'\nesc clears it"
        assert app.focused is not None
        await press(pilot, "escape")
        assert len(listed(app)) == 4
        assert isinstance(app.focused, ObjectRows)


async def test_the_cursor_stays_on_its_object(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "3", "down")
        chosen = app.screen.row.id
        await type_filter(app, pilot, "web")
        assert app.screen.row.id == chosen
        await press(pilot, "O")
        assert app.screen.row.id == chosen


async def test_sorting_by_menu_by_click_and_the_other_way_round(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "3", "o")
        assert isinstance(app.screen, ChoiceDialog)
        assert [row.lines[0][0][0] for row in app.screen.query_one(RowList).items][:3] == ["NAMESPACE", "NAME", "PATHS"]
        await press(pilot, "g", "down", "enter")
        assert listed(app) == ["Pod:ci/runner", "Pod:shop/web-0", "Pod:shop/web-1", "Pod:shop/web-2"]
        assert "NAME ↑" in app.screen.query_one(TableHead).text
        await press(pilot, "O")
        assert listed(app)[-1] == "Pod:ci/runner"
        assert "NAME ↓" in app.screen.query_one(TableHead).text
        head = app.screen.query_one(TableHead)
        start = {name: at for at, name in head.titles}["PATHS"]
        await pilot.click(TableHead, offset=(start + 1, 0))
        await settled(pilot)
        assert "PATHS ↓" in head.text
        await press(pilot, "o", "escape")
        assert "PATHS ↓" in head.text


async def test_the_tabs_of_the_detail(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "3")
        detail = app.screen.detail
        assert "namespace  shop" in detail.query_one(TextPane).content_text
        await press(pilot, "greater_than_sign")
        rows = detail.query_one("#object-rows", RowList)
        assert rows.display
        assert len(rows.items) == 3
        await press(pilot, "greater_than_sign")
        assert "kind: Deployment" in detail.query_one(TextPane).content_text
        await press(pilot, "greater_than_sign")
        assert "nothing connects to it" in detail.query_one(TextPane).content_text
        await press(pilot, "greater_than_sign")
        assert "Deployment shop/web" in rows.content_text
        assert "not read" in rows.content_text
        await press(pilot, "greater_than_sign")
        assert "namespace  shop" in detail.query_one(TextPane).content_text
        await press(pilot, "y")
        assert app.screen.pane.id == "detail"
        assert "kind: Deployment" in detail.query_one(TextPane).content_text


async def test_an_object_that_was_only_referred_to_says_so(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "3")
        rows = app.screen.table.rows
        rows.cursor = next(at for at, row in enumerate(rows.items) if not row.read)
        await settled(pilot)
        assert "web-2" in flat(rows.line(rows.cursor))
        assert "?" in flat(rows.line(rows.cursor))
        assert "was not read" in app.screen.detail.query_one(TextPane).content_text


async def test_a_path_of_an_object_opens_in_paths_and_esc_comes_back(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "3", "greater_than_sign", "enter", "down", "enter")
        assert isinstance(app.screen, PathsScreen)
        assert len(app.screen.path_list.items) == 3
        assert app.screen.path_list.current.id == fake.shop()[0][1].id
        assert "through Pod shop/web-0 x" in app.screen.query_one(StatusHeader).state.chip
        await press(pilot, "escape")
        assert len(app.screen.path_list.items) == 5
        await press(pilot, "escape")
        assert isinstance(app.screen, ResourcesScreen)
        assert app.screen.row.id == "Pod:shop/web-0"
        await press(pilot, "escape", "p")
        assert isinstance(app.screen, PathsScreen)
        assert len(app.screen.path_list.items) == 3


async def test_relations_walk_to_other_objects_and_back(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "3", "less_than_sign", "enter", "enter")
        assert app.screen.kind == "Deployment"
        assert listed(app) == ["Deployment:shop/web"]
        assert isinstance(app.focused, ObjectRows)
        await press(pilot, "escape")
        assert app.screen.kind == "Pod"
        assert app.screen.row.id == "Pod:shop/web-0"
        await press(pilot, "enter", "down", "enter")
        assert toasts(app)[-1] == "User eve is no object that was read"


async def test_the_fix_of_an_object(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "3", "f")
        assert toasts(app)[-1] == "no fix changes Pod shop/web-0"
        app.run_command("deploy")
        await settled(pilot)
        await press(pilot, "f")
        assert isinstance(app.screen, FixesScreen)
        assert app.screen.basket.fix.target.id == "Deployment:shop/web"
        assert app.screen.basket.fix.fix == "F-AUTOMOUNT", "the one that cuts most"


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (220, 60)])
async def test_a_command_from_elsewhere_leads_to_the_table(opened: Opened, size: tuple[int, int]) -> None:
    async with opened(fake.audit(), size=size) as (app, pilot):
        app.run_command("pods web")
        await settled(pilot)
        assert isinstance(app.focused, ObjectRows)
        assert app.screen.pane.id == "table"
        assert app.focused.region.area


async def test_a_fix_that_cuts_little_is_listed_where_it_is_asked_for(opened: Opened) -> None:
    audit = fake.audit()
    audit.known_fixes += [
        fake.fix("F-MANY", f"fix {number}", f"Deployment:many/web-{number}", 5) for number in range(400)
    ]
    wanted = fake.fix("F-PRIV", "privileged: false", "Pod:shop/web-0", 0)
    audit.known_fixes.append(wanted)
    async with opened(audit) as (app, pilot):
        await press(pilot, "3", "f")
        assert isinstance(app.screen, FixesScreen)
        assert app.screen.basket.fix.id == wanted.id


async def test_kinds_are_chosen_from_the_list_or_by_command(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        app.run_command("deploy")
        await settled(pilot)
        assert isinstance(app.screen, ResourcesScreen)
        assert title(app) == "Deployments 1/1"
        app.run_command("po ci")
        await settled(pilot)
        assert listed(app) == ["Pod:ci/runner"]
        assert app.screen.filter_text == "ci"
        await press(pilot, "escape", "shift+tab")
        assert app.screen.pane.id == "kinds"
        await press(pilot, "down", "enter")
        assert title(app) == "Deployments 1/1"
        assert isinstance(app.focused, ObjectRows)


async def test_a_kind_that_was_refused_is_never_an_empty_table(opened: Opened) -> None:
    async with opened(fake.partial()) as (app, pilot):
        app.run_command("secrets")
        await settled(pilot)
        assert title(app) == "Secrets 0/0  PARTIAL"
        assert "Secrets were not read" in said(app)
        assert "secrets is forbidden" in said(app)
        assert "0  Secrets not read" in app.screen.query_one("#kinds", RowList).content_text


async def test_a_namespace_limits_what_is_listed_everywhere(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        app.session.namespaces = ("ci", "shop")
        await press(pilot, "3")
        app.run_command("ns ci")
        await settled(pilot)
        assert listed(app) == ["Pod:ci/runner"]
        assert title(app) == "Pods 1/4  ns ci"
        assert app.screen.query_one(StatusHeader).state.namespace == "ci"
        await press(pilot, "2")
        assert app.screen.path_list.items == []
        assert "no path touches namespace ci" in app.screen.detail.query_one(TextPane).content_text
        app.run_command("ns shop")
        await settled(pilot)
        assert len(app.screen.path_list.items) == 5
        await press(pilot, "3", "0")
        assert len(listed(app)) == 4
        assert app.screen.query_one(StatusHeader).state.namespace == ""
        app.run_command("ns shpo")
        await settled(pilot)
        assert toasts(app)[-1] == "no namespace shpo; did you mean shop?"


async def test_a_relation_into_another_namespace_takes_the_limit_back(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        app.session.namespaces = ("ci", "shop")
        await press(pilot, "3")
        app.run_command("ns ci")
        await settled(pilot)
        await press(pilot, "less_than_sign", "enter", "enter")
        assert listed(app) == ["Deployment:shop/web"]
        assert app.session.namespace == ""


async def test_the_limit_survives_a_reload(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        app.run_command("ns shop")
        await settled(pilot)
        await press(pilot, "r")
        assert app.session.namespace == "shop"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (200, ["NAMESPACE", "NAME", "PATHS", "RISKS", "NODE"]),
        (75, ["NAMESPACE", "NAME", "PATHS", "RISKS"]),
        (45, ["NAME", "PATHS"]),
        (10, ["NAME", "PATHS"]),
    ],
)
def test_columns_that_matter_least_go_first(cells: int, expected: list[str]) -> None:
    columns = (NAMESPACE, NAME, PATHS, Column("RISKS", keep=7), Column("NODE", keep=2))
    places = fitted_columns(columns, (14, 60, 8, 40, 20), cells)
    assert [columns[at].title for at, _ in places] == expected
    assert all(size > 0 for _, size in places)
    if cells >= 45:
        assert sum(size + 2 for _, size in places) <= cells


def test_the_filter_language() -> None:
    hay = ["shop/web privileged", "ci/runner", "shop/cart"]
    assert matching(hay, "") == [0, 1, 2]
    assert matching(hay, "SHOP !priv") == [2]
    assert matching(hay, "-f rnr") == [1]
    assert matching(hay, "is:odd", {"is": lambda at, value: value == "odd" and at == 1}) == [1]
    assert matching(hay, "!is:odd", {"is": lambda at, value: at == 1}) == [0, 2]
    assert matching(hay, "-l A=b", labels=lambda at, parts: parts == ["A=b"] and at == 0) == [0]


def test_every_kind_has_words_of_its_own() -> None:
    words = [word for kind, own in SHORT.items() for word in (kind.lower(), *own)]
    assert len(set(words)) >= len(words) - sum(kind.lower() in own for kind, own in SHORT.items())
    assert kind_named("netpol") == "NetworkPolicy"
    assert kind_named("ns") is None
    assert [plural(kind) for kind in ("Pod", "NetworkPolicy", "Ingress", "SecurityContextConstraints")] == [
        "Pods",
        "NetworkPolicies",
        "Ingresses",
        "SecurityContextConstraints",
    ]


def test_commands_of_kinds_and_namespaces() -> None:
    assert parse("pods shop web") == Command(KIND, ("Pod", "shop web"))
    assert parse("ns shop") == Command("ns", ("shop",))
    assert parse("ns") == Command(KIND, ("Namespace",))
    assert parse("svc") == Command(KIND, ("Service", ""))
    assert "deployments" in set(candidates("dep", Known()))
    assert list(candidates("ns s", Known(namespaces=("shop",)))) == ["ns all", "ns shop"]
