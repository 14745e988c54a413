"""What the tests of fixes share: the samples, loaded once, and small clusters of manifests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from workbench.engine import Audit
from workbench.sources import SourceRequest, parse_source

SAMPLES = ("shop", "platform", "hardened")


@cache
def sample(name: str) -> Audit:
    """A sample cluster, loaded once."""
    return Audit.load(parse_source(f"sample:{name}"))


def written(directory: Path, *documents: dict[str, Any]) -> Audit:
    """Manifests, written to a directory and loaded."""
    directory.mkdir(exist_ok=True)
    (directory / "all.yaml").write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
    return Audit.load(SourceRequest("manifests", (str(directory),)))
