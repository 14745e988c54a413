"""What there is to know of a cell: why, what its row reaches, who reaches its column."""

from __future__ import annotations

from workbench.tui.widgets.tabbed_detail import TabbedDetail

WHY, REACHES, REACHED = range(3)


class CellDetail(TabbedDetail):
    """Tabs over one cell."""

    TABS = ("Why", "Row reaches", "Reaches column")
    PARTS = "cell"
