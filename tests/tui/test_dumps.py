"""KubeHound dumps in the terminal interface: offered at Connect, opened by name, shown as what was read of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.sources.dumps import archive, directory, files, sample_objects
from tests.tui.conftest import settled
from workbench.tui import discovery
from workbench.tui.app import WorkbenchApp


def test_dumps_are_offered(isolated: Path) -> None:
    contents = files(sample_objects("shop"))
    archive(isolated / "kubehound.tar.gz", contents)
    directory(isolated / "dump", contents)
    directory(isolated / "by-hand", files(sample_objects("shop"), by_hand=True))
    found = discovery.offers(isolated).files
    assert {(offer.source, offer.title, offer.note) for offer in found} == {
        ("./by-hand", "by-hand/", "KubeHound dump"),
        ("./dump", "dump/", "KubeHound dump"),
        ("./kubehound.tar.gz", "kubehound.tar.gz", "KubeHound dump"),
    }


@pytest.mark.parametrize("source", ["dump", "dump.tar.gz"])
async def test_a_dump_opens(isolated: Path, source: str) -> None:
    contents = files(sample_objects("shop"))
    if source == "dump":
        directory(isolated / source, contents)
    else:
        archive(isolated / source, contents)
    app = WorkbenchApp(None)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.open_source(source)
        await settled(pilot)
        assert app.session is not None
        audit = app.session.audit
        assert audit.title == "KubeHound dump of shop"
        assert app.session.report.total
        assert app.session.coverage_text.startswith("PARTIAL: ")
        document = audit.document("Node:cp-1")
        assert document is not None
        # The file is one line; its fields are what a reader can look at.
        assert document.title.endswith("nodes.json, fields the analysis reads")
        assert "kind: Node" in document.text.splitlines()
        await pilot.press("2")
        await settled(pilot)


def test_the_text_of_a_dump_made_by_hand_is_its_own(isolated: Path) -> None:
    from workbench.engine import Audit
    from workbench.sources import SourceKind, SourceRequest

    path = archive(isolated / "d.tgz", files(sample_objects("shop"), by_hand=True))
    document = Audit.load(SourceRequest(SourceKind.SNAPSHOT, (str(path),))).document("Node:cp-1")
    assert document is not None
    assert document.file == "nodes.json"
    assert document.title == f"nodes.json:{document.first_line}"
    assert yaml.safe_load(document.text)["kind"] == "Node"
