"""Versions of programs that known vulnerabilities are fixed in (``versions.json``, catalogue 2.10)."""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from typing import NamedTuple

Version = tuple[int, int, int]
"""Major, minor and patch."""


class Vulnerability(NamedTuple):
    """One or more vulnerabilities that were fixed together."""

    id: str
    cves: tuple[str, ...]
    fixed: tuple[Version, ...]
    """The first fixed version of each minor version that got a fix, in order."""

    def affects(self, version: Version) -> bool:
        """Whether a version is older than what fixes it."""
        for fixed in self.fixed:
            if version[:2] == fixed[:2]:
                return version < fixed
        return version < self.fixed[-1]


@cache
def vulnerabilities(program: str) -> dict[str, Vulnerability]:
    """What is known of a program, by the ids of the data file."""
    from importlib.resources import files  # Costs as much as all the rest, and few sources need it.

    data = json.loads(files(__package__).joinpath("versions.json").read_text("utf-8"))
    return {
        entry["id"]: Vulnerability(entry["id"], tuple(entry["cves"]), tuple(_parsed(text) for text in entry["fixed"]))
        for entry in data[program]
    }


def _parsed(text: str) -> Version:
    major, minor, patch = (int(part) for part in text.split("."))
    return major, minor, patch


@lru_cache(maxsize=4096)
def version_of(image: str) -> Version | None:
    """The version that the tag of an image names in full, ``None`` if it names none."""
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)(?!\d)", tag)
    return (int(match[1]), int(match[2]), int(match[3])) if match is not None else None
