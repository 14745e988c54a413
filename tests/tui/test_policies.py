"""A network policy in the terminal interface: staged, looked at, and written, like every other fix."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.tui.conftest import settled
from workbench.tui.app import WorkbenchApp
from workbench.tui.widgets.basket import Basket
from workbench.tui.widgets.painting import TextPane

MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: i}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: i, env: [{name: DB, value: 'db:5432'}]}]}
"""


async def test_a_policy_is_staged_shown_whole_and_written(isolated: Path) -> None:
    (isolated / "shop.yaml").write_text(MANIFESTS, encoding="utf-8")
    app = WorkbenchApp(None)
    async with app.run_test(size=(140, 40), notifications=True) as pilot:
        await settled(pilot)
        app.open_source("shop.yaml")
        await settled(pilot)
        await pilot.press("7")
        await settled(pilot)
        basket = app.screen.query_one(Basket)
        basket.focus()
        basket.cursor = next(
            at for at, row in enumerate(basket.items) if row.fix is not None and row.fix.fix == "F-NP-IN"
        )
        await settled(pilot)
        await pilot.press("space")
        await settled(pilot)
        assert app.session is not None
        assert [fix.target.name for fix in app.session.basket] == ["wb-deployment-db"]
        diff = app.screen.query_one("#diff", TextPane).content_text
        assert "+ kind: NetworkPolicy" in diff
        assert "- " not in {line[:2] for line in diff.splitlines()}
        await pilot.press("x")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        (file,) = isolated.rglob("manifests/01-shop-networkpolicy-wb-deployment-db.yaml")
        assert yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]["podSelector"] == {"matchLabels": {"app": "db"}}
