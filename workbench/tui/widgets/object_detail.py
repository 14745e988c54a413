"""What there is to know of one object: summary, paths, YAML, connections, relations."""

from __future__ import annotations

from workbench.tui.widgets.tab_strip import TabStrip
from workbench.tui.widgets.tabbed_detail import TabbedDetail

TABS = ("Summary", "Paths", "YAML", "Network", "Relations")
SUMMARY, PATHS, YAML, NETWORK, RELATIONS = range(5)


class ObjectDetail(TabbedDetail):
    """Tabs over one object."""

    TABS = TABS
    PARTS = "object"

    def count_paths(self, paths: int) -> None:
        """Say in the tab how many paths there are."""
        self.query_one(TabStrip).labels = tuple(f"{label} {paths:,}" if label == "Paths" else label for label in TABS)
