"""The list of sample clusters."""

from __future__ import annotations

from workbench.report.documents import document
from workbench.report.tables import Output
from workbench.sources.samples import samples


def as_json() -> str:
    """The document of ``samples -o json``."""
    found = [{"name": sample.name, "title": sample.title, "description": sample.description} for sample in samples()]
    return document("samples", samples=found)


def print_table() -> None:
    """Print one line a sample, and how to open one."""
    out = Output()
    out.table(("SAMPLE", "WHAT IT IS"), [(sample.name, sample.description) for sample in samples()])
    out.line()
    out.line("open one with: workbench --sample NAME")
