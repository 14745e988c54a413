"""The coverage sheet."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.tui import fake
from tests.tui.conftest import Opened, settled
from tests.tui.test_flow import press, toasts
from workbench.errors import ClusterError
from workbench.inventory.evidence import Gap, Problem
from workbench.sources.cluster import NothingReadable
from workbench.tui.screens.coverage import CoverageSheet, write_roles
from workbench.tui.screens.overview import OverviewScreen
from workbench.tui.widgets.frame import HintBar
from workbench.tui.widgets.painting import TextPane

REFUSED = Gap("Secret", None, Problem.FORBIDDEN, 1, 'list secrets: 403: forbidden: User "jane" cannot list')
CUT = Gap("Pod", "shop", Problem.NOT_COLLECTED, 1, "list pods in shop: 500: the server is ill")


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (220, 60)])
async def test_the_sheet_says_what_was_asked_answered_and_weakened(opened: Opened, size: tuple[int, int]) -> None:
    async with opened(fake.audit(coverage=[REFUSED, CUT]), size=size) as (app, pilot):
        for view in ("1", "2", "3", "7"):
            await press(pilot, view, "exclamation_mark")
            assert isinstance(app.screen, CoverageSheet), view
            lines = app.screen.query_one(TextPane).content_text.splitlines()
            assert any(line.split() == ["list", "secrets", "all", "403", "forbidden"] for line in lines)
            assert any(line.split() == ["list", "pods", "shop", "500", "not-collected"] for line in lines)
            text = "\n".join(lines)
            assert "paths in shop that need such an object may be missing" in text
            assert "kind: ClusterRole\n" in text
            assert "- pods" not in text, "no right closes what was not refused"
            assert app.screen.query_one(".dialog").region.right <= size[0]
            await press(pilot, "escape")


async def test_the_roles_can_be_written(opened: Opened, isolated: Path) -> None:
    async with opened(fake.audit(coverage=[REFUSED])) as (app, pilot):
        await press(pilot, "exclamation_mark")
        assert "write_roles" in [action.id for action in app.screen.query_one(HintBar).actions]
        await press(pilot, "x")
        assert isinstance(app.screen, OverviewScreen)
        assert toasts(app)[-1] == "wrote workbench-reader.yaml; next: kubectl apply -f workbench-reader.yaml"
    assert [one["kind"] for one in yaml.safe_load_all((isolated / "workbench-reader.yaml").read_text())] == [
        "ClusterRole",
        "ClusterRoleBinding",
    ]


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    assert [write_roles(text, tmp_path).name for text in ("a", "b")] == [
        "workbench-reader.yaml",
        "workbench-reader-2.yaml",
    ]
    assert (tmp_path / "workbench-reader.yaml").read_text() == "a"


async def test_without_a_refusal_there_is_nothing_to_write(opened: Opened) -> None:
    async with opened(fake.audit(coverage=[CUT])) as (app, pilot):
        await press(pilot, "exclamation_mark")
        assert "write_roles" not in [action.id for action in app.screen.query_one(HintBar).actions]
        await press(pilot, "x")
        assert isinstance(app.screen, CoverageSheet)


async def test_full_coverage_says_so(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "exclamation_mark")
        assert app.screen.query_one(TextPane).content_text.startswith("FULL")


async def test_a_cluster_that_refuses_everything_has_a_sheet_too(opened: Opened) -> None:
    said = "Nothing could be read from prod as jane: 2 of 2 requests refused."
    async with opened(NothingReadable(said, (REFUSED, Gap("Pod", None, Problem.FORBIDDEN)))) as (app, pilot):
        text = app.screen.query_one("#overview-message", TextPane).content_text
        assert said in text
        assert "! lists what was refused" in text
        await press(pilot, "exclamation_mark")
        assert isinstance(app.screen, CoverageSheet)
        assert "- pods\n" in app.screen.query_one(TextPane).content_text
    async with opened(ClusterError("no answer")) as (app, pilot):
        await press(pilot, "exclamation_mark")
        await settled(pilot)
        assert toasts(app)[-1] == "nothing is loaded"
