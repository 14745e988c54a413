"""The list of sample clusters."""

from __future__ import annotations

from workbench.report.documents import document
from workbench.sources.samples import samples


def as_json() -> str:
    """The document of ``samples -o json``."""
    found = [{"name": sample.name, "description": sample.description} for sample in samples()]
    return document("samples", samples=found)


def as_text() -> str:
    """One line a sample, and how to open one."""
    found = samples()
    width = max((len(sample.name) for sample in found), default=0)
    lines = [f"{sample.name:<{width}}  {sample.description}" for sample in found]
    return "\n".join([*lines, "", "open one with: workbench --sample NAME"])
