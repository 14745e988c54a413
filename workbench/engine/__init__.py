"""The façade that all faces call: load → graph → paths → fixes → what-if → export. It knows no terminal."""

from __future__ import annotations

from workbench.engine.audit import Audit
from workbench.engine.network import NetworkAudit, NetworkView
from workbench.engine.records import (
    Document,
    ExportResult,
    Holder,
    Neighbour,
    PathQuery,
    PathReport,
    Preview,
    Progress,
    WhatIfReport,
)
from workbench.engine.subgraph import Subgraph

__all__ = [
    "Audit",
    "Document",
    "ExportResult",
    "Holder",
    "Neighbour",
    "NetworkAudit",
    "NetworkView",
    "PathQuery",
    "PathReport",
    "Preview",
    "Progress",
    "Subgraph",
    "WhatIfReport",
]
