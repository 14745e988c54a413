"""What can be opened from here: samples, files in the working directory, contexts of the kubeconfig.

All of it reads files only and runs in a worker; no cluster is contacted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.tui.text import count

OTHERWISE = "enter opens a sample or a file"
SCANNED = 400
"""How many entries of the working directory are looked at."""

HEAD = 4096
SKIPPED = frozenset({"node_modules", "__pycache__", "venv"})


@dataclass(frozen=True, slots=True)
class Offer:
    """Something to open."""

    source: str
    """A SOURCE, as ``:open`` takes it."""
    title: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Offers:
    """All that can be opened."""

    samples: tuple[Offer, ...] = ()
    files: tuple[Offer, ...] = ()
    contexts: tuple[Offer, ...] = ()
    kubeconfig: str = ""
    """What is wrong with the kubeconfig, as a sentence; or where the contexts come from."""


def offers(directory: Path) -> Offers:
    """Look around."""
    contexts, said = contexts_of_kubeconfig()
    return Offers(tuple(_samples()), tuple(_files(directory)), contexts, said)


def _samples() -> Iterator[Offer]:
    from workbench.sources.samples import samples

    for sample in samples():
        yield Offer(f"sample:{sample.name}", sample.name, sample.description)


def _files(directory: Path) -> Iterator[Offer]:
    """Snapshots and dumps by content, directories that hold manifests, and the manifests right here as one entry."""
    try:
        with os.scandir(directory) as scan:
            entries = sorted(
                (entry for entry, _ in zip(scan, range(SCANNED), strict=False)), key=lambda entry: entry.name
            )
    except OSError:
        return
    here = 0
    for entry in entries:
        if entry.name.startswith(".") or entry.name in SKIPPED:
            continue
        if entry.is_dir():
            what = _content(entry.path)
            found = 0 if what else _manifests_in(entry.path)
            if what:
                yield Offer(f"./{entry.name}", f"{entry.name}/", what)
            elif found:
                yield Offer(f"./{entry.name}", f"{entry.name}/", count(found, "file") + " of manifests")
        elif entry.is_file():
            what = _content(entry.path)
            if what == "manifests":
                here += 1
            elif what:
                yield Offer(f"./{entry.name}", entry.name, what)
    if here:
        yield Offer(".", "./", count(here, "file") + " of manifests here, and those below")


def _manifests_in(directory: str) -> int:
    found = 0
    seen = 0
    for where, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        for name in sorted(names):
            seen += 1
            if seen > SCANNED:
                return found
            found += _is_manifest(os.path.join(where, name))
    return found


def _content(path: str) -> str:
    from workbench.sources.detect import Content, detect

    what = detect(path)
    if what is Content.MANIFESTS:
        return "manifests" if _is_manifest(path) else ""
    return what.value if what in (Content.SNAPSHOT, Content.KUBEHOUND_DUMP) else ""


def _is_manifest(path: str) -> bool:
    if not path.endswith((".yaml", ".yml", ".json")):
        return False
    try:
        with open(path, "rb") as stream:
            head = stream.read(HEAD)
    except OSError:
        return False
    return b"apiVersion" in head and b"kind" in head


def contexts_of_kubeconfig() -> tuple[tuple[Offer, ...], str]:
    """The contexts, the current one first, and one sentence: where they come from, or what is wrong and what to do."""
    from workbench.errors import KubeconfigError
    from workbench.kube import kubeconfig

    if kubeconfig.is_absent():
        looked = ", ".join(kubeconfig.default_paths())
        return (), f"no kubeconfig ({looked}); {OTHERWISE}"
    try:
        found = kubeconfig.read()
    except KubeconfigError as error:
        return (), f"{'; '.join(map(str, error.faults))}; {OTHERWISE}"
    where = ", ".join(found.files)
    if not found.contexts:
        return (), f"{where}: no contexts in it; {OTHERWISE}"
    offers_found = []
    for name in sorted(found.contexts, key=lambda name: name != found.current):
        endpoint = found.endpoint(name)
        marks = ["current"] if name == found.current else []
        marks += [] if endpoint.verified else ["TLS UNVERIFIED"]
        note = "  ".join(part for part in (endpoint.server, endpoint.user, *marks) if part)
        offers_found.append(Offer(f"context:{name}", name, note))
    if found.current not in found.contexts:
        said = f"the current-context {found.current} is not in" if found.current else "no current-context in"
        return tuple(offers_found), f"{said} {where}: choose one and press enter"
    return tuple(offers_found), where
