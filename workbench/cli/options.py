"""Options that several commands share, and what they mean."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.engine import Audit, PathQuery
    from workbench.sources import SourceRequest

NO_SOURCE = (
    "no source: name one with --manifests, --snapshot or --sample (live clusters come next; samples: workbench samples)"
)


def add_source(parser: argparse.ArgumentParser) -> None:
    """The source flags, the same for all commands."""
    group = parser.add_argument_group("source")
    group.add_argument("--manifests", metavar="PATH", nargs="+", action="extend", help="YAML or JSON; - is stdin")
    group.add_argument("--snapshot", metavar="FILE", help="a file that `workbench collect` wrote")
    group.add_argument("--sample", metavar="NAME", help="a sample cluster that ships with the program")
    group.add_argument("--kubeconfig", metavar="PATH", help=argparse.SUPPRESS)
    group.add_argument("--context", metavar="NAME", help=argparse.SUPPRESS)
    group.add_argument("--server-version", metavar="vX.Y.Z", help="the API server's version")
    group.add_argument("--default-namespace", metavar="NS", default="default", help="for manifests that name none")
    group.add_argument("--keep-going", action="store_true", help="analyse the rest if some input is bad")


def request_of(args: argparse.Namespace) -> SourceRequest | None:
    """The source that the flags name, ``None`` if they name none.

    Raises:
        UsageError: More than one source, or one that this version cannot read.
    """
    from workbench.sources import SourceRequest

    given = [flag for flag in ("manifests", "snapshot", "sample", "context", "kubeconfig") if getattr(args, flag, None)]
    if getattr(args, "source", None):
        given.insert(0, "source")
    if len(given) > 1 and set(given) != {"context", "kubeconfig"}:
        raise UsageError("name one source, not " + " and ".join(f"--{flag}" for flag in given))
    common: dict[str, Any] = {
        "default_namespace": args.default_namespace,
        "server_version": args.server_version,
        "keep_going": args.keep_going,
    }
    if not given:
        return None
    if given[0] == "source":
        from dataclasses import replace

        from workbench.sources import parse_source

        return replace(parse_source(args.source), **common)
    if given[0] == "manifests":
        return SourceRequest(kind="manifests", paths=tuple(args.manifests), **common)
    if given[0] == "snapshot":
        return SourceRequest(kind="snapshot", paths=(args.snapshot,), **common)
    if given[0] == "sample":
        return SourceRequest(kind="sample", name=args.sample, **common)
    return SourceRequest(kind="context", name=args.context or "", **common)


def load(args: argparse.Namespace) -> Audit:
    """Load the source that the flags name; progress goes to standard error of a terminal."""
    request = request_of(args)
    if request is None:
        raise UsageError(NO_SOURCE)
    from workbench.engine import Audit

    progress = _Line()
    try:
        audit = Audit.load(request, progress)
    finally:
        progress.clear()
    from workbench.text import shown

    for note in audit.notes:
        print(f"workbench: {shown(note)}", file=sys.stderr)
    for gap in audit.coverage:
        where = f" in {gap.namespace}" if gap.namespace else ""
        print(f"workbench: not read: {shown(f'{gap.kind}{where}: {gap.problem}: {gap.detail}')}", file=sys.stderr)
    return audit


class _Line:
    """One line of progress, only where somebody looks."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._drawn = False

    def __call__(self, phase: str, done: int, total: int) -> None:
        if self._on:
            text = f"{phase} {done:,}" + (f" of {total:,}" if total else "")
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            self._drawn = True

    def clear(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Where paths start and end, and what they may use."""
    group = parser.add_argument_group("selection")
    group.add_argument(
        "--from",
        dest="sources",
        metavar="SEL",
        nargs="+",
        action="extend",
        help="where the attacker starts: a node id, with * too (Container:shop/*), a kind, label:k=v, internet",
    )
    group.add_argument("--to", dest="targets", metavar="SEL", nargs="+", action="extend", help="what must not be lost")
    group.add_argument("--certain", action="store_true", help="only steps that the objects prove")
    group.add_argument("--exclude-technique", metavar="ID", nargs="+", action="extend", help="paths without these")


def query_of(args: argparse.Namespace, limit: int | None) -> PathQuery:
    """The path query that the flags make."""
    from workbench.engine import PathQuery

    return PathQuery(
        sources=tuple(args.sources or ()),
        targets=tuple(args.targets or ()),
        limit=limit,
        certain=args.certain,
        exclude=tuple(args.exclude_technique or ()),
    )


def write(text: str) -> None:
    """Write the result to standard output."""
    sys.stdout.write(text)
    if text and not text.endswith("\n"):
        sys.stdout.write("\n")


def directory(text: str) -> Path:
    """A directory argument."""
    return Path(text).expanduser()
