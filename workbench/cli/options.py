"""Options that several commands share, and what they mean."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any

from workbench.errors import NotYetSupported, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.engine import Audit, PathQuery
    from workbench.inventory.evidence import Gap
    from workbench.sources import SourceRequest

_LIVE: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--context",), {}),
    (("--kubeconfig",), {}),
    (("-n", "--namespace"), {"action": "append"}),
    (("-A", "--all-namespaces"), {"action": "store_true"}),
    (("--as",), {}),
    (("--as-group",), {"action": "append"}),
    (("--request-timeout",), {}),
)
"""The flags of a live cluster: known, so that the message says what is missing, and not shown in the help."""

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A DNS label (RFC 1123), which a namespace's name must be."""


def add_source(parser: argparse.ArgumentParser) -> None:
    """The source flags, the same for all commands."""
    group = parser.add_argument_group("source")
    group.add_argument(
        "--manifests",
        metavar="PATH",
        nargs="+",
        action="extend",
        help="files and directories of YAML or JSON; - is standard input",
    )
    group.add_argument("--snapshot", metavar="FILE", help="a file that `workbench collect` wrote, or a KubeHound dump")
    group.add_argument("--sample", metavar="NAME", help="a sample cluster that ships with the program")
    group.add_argument("--server-version", metavar="vX.Y.Z", help="the API server's version, if the source lacks it")
    group.add_argument(
        "--default-namespace",
        metavar="NS",
        type=_namespace,
        default="default",
        help="where manifests that name no namespace stand",
    )
    group.add_argument("--keep-going", action="store_true", help="analyse the rest if some input is bad")
    taken = parser._option_string_actions
    for flags, more in _LIVE:
        free = [flag for flag in flags if flag not in taken]
        if free == list(flags):
            parser.add_argument(*free, dest=_live(flags), help=argparse.SUPPRESS, **more)


def _live(flags: tuple[str, ...]) -> str:
    return "live_" + flags[-1].lstrip("-").replace("-", "_")


def _namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a namespace")
    return text


def _instead() -> str:
    from workbench.sources.samples import samples

    names = ", ".join(sample.name for sample in samples())
    return f"--manifests PATH ..., --snapshot FILE or --sample NAME{f' ({names})' if names else ''}"


def request_of(args: argparse.Namespace) -> SourceRequest | None:
    """The source that the flags name, ``None`` if they name none.

    Raises:
        UsageError: More than one source, or one that means nothing.
        NotYetSupported: A live cluster.
    """
    from workbench.sources import SourceKind, SourceRequest, parse_source

    live = [flags[-1] for flags, _ in _LIVE if getattr(args, _live(flags), None) not in (None, False)]
    if live:
        raise NotYetSupported(f"{' and '.join(live)}: live clusters come next; until then name {_instead()}")
    named = {"SOURCE": getattr(args, "source", None)}
    named |= {f"--{flag}": getattr(args, flag) for flag in ("manifests", "snapshot", "sample")}
    given = {flag: value for flag, value in named.items() if value is not None}
    if len(given) > 1:
        raise UsageError("name one source, not " + " and ".join(given))
    common: dict[str, Any] = {
        "default_namespace": args.default_namespace,
        "server_version": args.server_version,
        "keep_going": args.keep_going,
    }
    if not given:
        # Wrong values are wrong without a source, too.
        SourceRequest(kind="manifests", **common)
        return None
    flag, value = next(iter(given.items()))
    if flag == "SOURCE":
        from dataclasses import replace

        request = parse_source(value)
        if request.kind is SourceKind.CONTEXT:
            raise NotYetSupported(f"{value}: live clusters come next; until then name {_instead()}")
        return replace(request, **common)
    if value == "" or (isinstance(value, list) and "" in value):
        raise UsageError(f"{flag} is empty")
    if flag == "--manifests":
        return SourceRequest(kind="manifests", paths=tuple(value), **common)
    if flag == "--snapshot":
        return SourceRequest(kind="snapshot", paths=(value,), **common)
    return SourceRequest(kind="sample", name=value, **common)


def needed(args: argparse.Namespace) -> SourceRequest:
    """The source that the flags name.

    Raises:
        UsageError: They name none; the message names the flags and the samples. Or what ``request_of`` raises.
    """
    request = request_of(args)
    if request is None:
        raise UsageError(f"no source: name one with {_instead()}; live clusters come next (--context, --kubeconfig)")
    return request


def load(args: argparse.Namespace) -> Audit:
    """Load the source that the flags name; progress goes to standard error of a terminal, as do notes and gaps.

    Raises:
        WorkbenchError: The flags or the source are wrong.
    """
    request = needed(args)
    from workbench.engine import Audit

    progress = ProgressLine()
    try:
        audit = Audit.load(request, progress)
    finally:
        progress.clear()
    for note in audit.notes:
        say(note)
    say_gaps(audit.coverage)
    return audit


def say(message: str) -> None:
    """One line on standard error."""
    from workbench.text import shown

    print(f"workbench: {shown(message, 2000)}", file=sys.stderr)


def say_gaps(coverage: Iterable[Gap]) -> None:
    """What was not read, one line a gap on standard error."""
    for gap in coverage:
        where = f" in {gap.namespace}" if gap.namespace else ""
        times = f"{gap.count:,} " if gap.count > 1 else ""
        say(f"not read: {times}{gap.kind}{where}: {gap.problem}{f': {gap.detail}' if gap.detail else ''}")


class ProgressLine:
    """One line of progress on standard error, only where somebody looks."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._drawn = False

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Draw the line anew: what is being done, how much of it, and how much there is (0: unknown)."""
        if self._on:
            amount = f" {done:,} of {total:,}" if total else f" {done:,}" if done else ""
            # A line that wraps could not be taken back.
            width = max(shutil.get_terminal_size().columns - 1, 1)
            sys.stderr.write(f"\r\x1b[K{f'{phase}{amount}'[:width]}")
            sys.stderr.flush()
            self._drawn = True

    def clear(self) -> None:
        """Take the line back."""
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
    group.add_argument(
        "--to",
        dest="targets",
        metavar="SEL",
        nargs="+",
        action="extend",
        help="what must not be lost: the same, jewels, or cluster-admin",
    )
    group.add_argument("--certain", action="store_true", help="only steps that the objects prove")
    group.add_argument("--exclude-technique", metavar="ID", nargs="+", action="extend", help="paths without these")


def query_of(args: argparse.Namespace, limit: int | None) -> PathQuery:
    """The path query that the flags make.

    Raises:
        UsageError: An excluded technique is unknown; names the nearest.
    """
    from workbench.cli import nearest
    from workbench.engine import PathQuery
    from workbench.techniques.registry import public_techniques

    known = {technique.id.upper(): technique.id for technique in public_techniques()}
    excluded = [item for given in args.exclude_technique or () for item in given.split(",") if item]
    for item in excluded:
        if item.upper() not in known:
            raise UsageError(f"no technique {item!r}{nearest(item.upper(), list(known))} (see: workbench techniques)")
    return PathQuery(
        sources=tuple(args.sources or ()),
        targets=tuple(args.targets or ()),
        limit=limit,
        certain=args.certain,
        exclude=tuple(known[item.upper()] for item in excluded),
    )


def write(text: str) -> None:
    """Write the result to standard output."""
    sys.stdout.write(text)
    if text and not text.endswith("\n"):
        sys.stdout.write("\n")
