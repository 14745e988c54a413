"""What can be opened from here: samples, files in the working directory, contexts of the kubeconfig.

All of it reads files only and runs in a worker; no cluster is contacted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.tui.text import count

LIVE_LATER = "live clusters come next"
KUBECONFIG_LIMIT = 4 * 1024 * 1024
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
    available: bool = True


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
    """The contexts, and one sentence: where they come from, or what is wrong and what to do.

    Follows kubectl: ``KUBECONFIG`` is a list, missing files of it are passed over, of two entries with one name the
    first counts. Reading the files is all that happens.
    """
    named = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    paths = [Path(part) for part in named] or [Path.home() / ".kube" / "config"]
    contexts: dict[str, Offer] = {}
    current = ""
    read: list[str] = []
    for path in paths:
        if not path.exists():
            continue
        try:
            data = _yaml(path)
        except ValueError as error:
            return (), f"{path}: {error}; samples and files can be opened"
        read.append(str(path))
        current = current or str(data.get("current-context") or "")
        clusters = {str(one.get("name")): one.get("cluster") for one in _items(data, "clusters")}
        for one in _items(data, "contexts"):
            name = str(one.get("name"))
            body = one.get("context")
            body = body if isinstance(body, dict) else {}
            cluster = clusters.get(str(body.get("cluster")))
            server = str(cluster.get("server") or "") if isinstance(cluster, dict) else ""
            contexts.setdefault(
                name, Offer(f"context:{name}", name, f"{server}  {body.get('user') or ''}".strip(), False)
            )
    if not read:
        return (), f"no kubeconfig ({', '.join(map(str, paths))}); samples and files can be opened"
    where = ", ".join(read)
    if not contexts:
        return (), f"{where}: no contexts in it; samples and files can be opened"
    if current not in contexts:
        said = f"current-context {current} is not in" if current else "no current-context in"
        return tuple(contexts.values()), f"{said} {where}"
    ordered = sorted(contexts.values(), key=lambda offer: offer.title != current)
    return tuple(ordered), where


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        if path.is_dir():
            raise ValueError("is a directory")
        if path.stat().st_size > KUBECONFIG_LIMIT:
            raise ValueError("is larger than 4 MiB")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(getattr(error, "strerror", None) or "is not text") from error
    try:
        data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"line {mark.line + 1}: not YAML" if mark is not None else "not YAML") from error
    if not isinstance(data, dict):
        raise ValueError("holds no kubeconfig")
    return data


def _items(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = data.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
