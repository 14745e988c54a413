"""The sample clusters that ship with the program."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import workbench
from workbench.errors import UsageError
from workbench.text import shown

_HEADING = re.compile(r"^#+\s*(.+?)\s*#*$")


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample cluster."""

    name: str
    title: str
    """The first heading of its README, the name if there is none."""
    description: str
    """The first paragraph of its README, in one line."""
    path: str
    """The directory of its manifests."""

    def shown(self, path: str) -> str:
        """The name to show for a file of the sample: where it stands in the repository, not on this disk."""
        return f"sample-clusters/{self.name}/cluster/{Path(path).relative_to(self.path).as_posix()}"


def directory() -> Path:
    """Where the samples are: inside the installed package, or beside it in a checkout."""
    package = Path(workbench.__file__).parent
    installed = package / "sample_clusters"
    return installed if installed.is_dir() else package.parent / "sample-clusters"


def samples(root: Path | None = None) -> list[Sample]:
    """All samples, by name.

    Args:
        root: Where to look, if not where the program's own are.
    """
    root = directory() if root is None else root
    if not root.is_dir():
        return []
    return [_sample(path) for path in sorted(root.iterdir()) if (path / "cluster").is_dir()]


def sample(name: str, root: Path | None = None) -> Sample:
    """The sample of a name.

    Raises:
        UsageError: There is none; names the nearest.
    """
    known = {found.name: found for found in samples(root)}
    if name in known:
        return known[name]
    if not known:
        raise UsageError(f"no sample {shown(name)!r}: this installation holds no samples")
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(f"no sample {shown(name)!r}; {hint}the samples are {', '.join(known)}")


def _sample(path: Path) -> Sample:
    title, description = _described(path / "README.md")
    return Sample(path.name, title or path.name, description, os.fspath(path / "cluster"))


def _described(readme: Path) -> tuple[str, str]:
    """The first heading, and the first paragraph after it."""
    title = ""
    paragraph: list[str] = []
    try:
        lines = readme.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "", ""
    for line in lines:
        heading = _HEADING.match(line)
        if heading is not None:
            if paragraph:
                break
            title = title or heading[1]
        elif line.strip():
            paragraph.append(line.strip())
        elif paragraph:
            break
    return title, " ".join(paragraph)
