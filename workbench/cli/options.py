"""Options that several commands share, and what they mean."""

from __future__ import annotations

import argparse
import gc
import re
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workbench.engine import Audit, PathQuery
    from workbench.inventory.evidence import Gap
    from workbench.kube.api import Connection
    from workbench.remediation.effects import Ranked
    from workbench.sources import Live, SourceRequest

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
    live = parser.add_argument_group("live cluster (without a source: the current context of the kubeconfig)")
    live.add_argument("--context", metavar="NAME", help="a context of the kubeconfig")
    live.add_argument("--kubeconfig", metavar="PATH", help="instead of KUBECONFIG and ~/.kube/config")
    flags = ["-n", "--namespace"]
    # The namespace that `who-can` asks about does not limit what is read.
    if not set(flags) & set(parser._option_string_actions):
        live.add_argument(
            *flags,
            dest="namespaces",
            metavar="NS",
            type=_namespace,
            action="append",
            help="read this namespace only (and what belongs to none); may be repeated",
        )
    live.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces, which is the default")
    live.add_argument("--as", dest="as_user", metavar="USER", help="impersonate a user")
    live.add_argument("--as-group", metavar="GROUP", action="append", help="impersonate a group; may be repeated")
    live.add_argument("--request-timeout", metavar="TIME", help="for one request: 30, 3s, 1m; 0 for none")


_LIVE = {
    "context": "--context",
    "kubeconfig": "--kubeconfig",
    "namespaces": "--namespace",
    "all_namespaces": "--all-namespaces",
    "as_user": "--as",
    "as_group": "--as-group",
    "request_timeout": "--request-timeout",
}
"""The flags of a live cluster, by where their values are."""


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
    """
    from dataclasses import replace

    from workbench.sources import SourceKind, SourceRequest, parse_source

    named = {"SOURCE": getattr(args, "source", None)}
    named |= {f"--{flag}": getattr(args, flag) for flag in ("manifests", "snapshot", "sample")}
    given = {flag: value for flag, value in named.items() if value is not None}
    live = [flag for name, flag in _LIVE.items() if getattr(args, name, None) not in (None, False)]
    if len(given) > 1:
        raise UsageError("name one source, not " + " and ".join(given))
    common: dict[str, Any] = {
        "default_namespace": args.default_namespace,
        "server_version": args.server_version,
        "keep_going": args.keep_going,
    }
    if not given:
        # Wrong values are wrong without a source, too.
        request = _live_request(args, SourceRequest(kind="context", **common))
        return request if live else None
    flag, value = next(iter(given.items()))
    if value == "" or (isinstance(value, list) and "" in value):
        raise UsageError(f"{flag} is empty")
    if flag == "SOURCE":
        request = replace(parse_source(value), **common)
        if request.kind is SourceKind.CONTEXT:
            if args.context is not None:
                raise UsageError(f"name one context, not {value} and --context")
            return _live_request(args, request)
    if live:
        raise UsageError(f"name one source, not {flag} and {live[0]}, which is about a live cluster")
    if flag == "SOURCE":
        return request
    if flag == "--manifests":
        return SourceRequest(kind="manifests", paths=tuple(value), **common)
    if flag == "--snapshot":
        return SourceRequest(kind="snapshot", paths=(value,), **common)
    return SourceRequest(kind="sample", name=value, **common)


def _live_request(args: argparse.Namespace, request: SourceRequest) -> SourceRequest:
    """A request with what the flags say of the live cluster."""
    from dataclasses import replace

    from workbench.kube.api import ConnectOptions
    from workbench.kube.durations import parse_timeout

    for name in ("context", "kubeconfig", "as_user", "request_timeout"):
        if getattr(args, name) == "":
            raise UsageError(f"{_LIVE[name]} is empty")
    if args.as_group and not args.as_user:
        raise UsageError("--as-group needs --as: groups are impersonated together with a user")
    options = ConnectOptions(
        kubeconfig=args.kubeconfig or "",
        as_user=args.as_user or "",
        as_groups=tuple(args.as_group or ()),
        request_timeout=parse_timeout(args.request_timeout) if args.request_timeout else None,
    )
    only = () if args.all_namespaces else tuple(dict.fromkeys(getattr(args, "namespaces", None) or ()))
    return replace(request, name=args.context or request.name, connect=options, namespaces=only)


def needed(args: argparse.Namespace) -> SourceRequest:
    """The source that the flags name; the current context of the kubeconfig if they name none.

    Raises:
        UsageError: As ``request_of``; or no source is named and there is no kubeconfig either.
    """
    request = request_of(args)
    if request is not None:
        return request
    from workbench.kube import kubeconfig
    from workbench.sources import SourceRequest

    if kubeconfig.is_absent() and not kubeconfig.in_cluster():
        looked = " and ".join(kubeconfig.default_paths())
        raise UsageError(
            f"no source: name one with {_instead()}, or a live cluster with --context or --kubeconfig "
            f"(there is no kubeconfig: {looked})"
        )
    return SourceRequest(
        kind="context",
        default_namespace=args.default_namespace,
        server_version=args.server_version,
        keep_going=args.keep_going,
    )


def load(args: argparse.Namespace, connection: Connection | None = None) -> Audit:
    """Load the source that the flags name; progress goes to standard error of a terminal, as do notes and gaps.

    Args:
        args: The flags.
        connection: An open one to the cluster that they name, which stays open.

    Raises:
        WorkbenchError: The flags or the source are wrong, or the cluster cannot be read.
    """
    request = needed(args)
    with _importing():
        from workbench.engine import Audit
    progress = ProgressLine()
    try:
        lent = live(progress, connection) if request.kind == "context" else None
        audit = Audit.load(request, progress, lent)
    finally:
        progress.clear()
    _keep(audit)
    audit.deny_unobserved = getattr(args, "deny_unobserved", False)
    for note in audit.notes:
        say(note)
    say_gaps(audit.coverage)
    return audit


@contextmanager
def _importing() -> Iterator[None]:
    """Keep the collector from looking again and again through modules that all stay: a tenth of the time to start."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _keep(audit: Audit) -> None:
    """Spare the end of the command to take millions of objects apart one by one, while the process gives all back.

    A circle is the collector's to find, and it does not look through what is frozen until the next source is read.
    """
    circle: list[object] = [audit]
    circle.append(circle)
    gc.freeze()


def live(progress: ProgressLine, connection: Connection | None = None) -> Live:
    """What a command brings along to read a live cluster: its terminal, for a login plugin that asks."""
    from workbench.kube.credentials import terminal_of_process
    from workbench.sources import Live

    terminal = terminal_of_process()
    if terminal is None or connection is not None:
        return Live(connection)

    def lend(action: Callable[[], None]) -> None:
        progress.clear()
        terminal(action)

    return Live(terminal=lend)


def say(message: str) -> None:
    """One line on standard error."""
    from workbench.text import shown

    print(f"workbench: {shown(message, 2000)}", file=sys.stderr)


def say_gaps(coverage: Iterable[Gap]) -> None:
    """What was not read, on standard error: a line for each gap, one for kinds that are missing for one reason."""
    lines: dict[tuple[str, str, str, int], list[str]] = {}
    for gap in coverage:
        key = (gap.namespace or "", gap.problem, gap.detail, gap.count)
        lines.setdefault(key, []).append(gap.kind)
    for (namespace, problem, detail, count), kinds in lines.items():
        where = f" in {namespace}" if namespace else ""
        times = f"{count:,} " if count > 1 else ""
        say(f"not read: {times}{', '.join(kinds)}{where}: {problem}{f': {detail}' if detail else ''}")


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


@contextmanager
def ranking() -> Iterator[Ranked]:
    """What hears how far the ranking of fixes has come: a line of progress."""
    progress = ProgressLine()
    try:
        yield lambda fixes, done, total: progress("ranking fixes", done, total)
    finally:
        progress.clear()


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


def add_fixes(parser: argparse.ArgumentParser) -> None:
    """Which fixes, and the answers to what they ask for."""
    parser.add_argument(
        "--fix",
        metavar="ID",
        nargs="+",
        action="extend",
        required=True,
        help="record ids (a unique prefix will do), F-ids (all of that kind), or all-ready",
    )
    parser.add_argument(
        "--set",
        dest="answers",
        metavar="NAME=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="answer what a fix asks for, such as digest=sha256:...; ID:NAME=VALUE answers one fix only",
    )
    add_policies(parser)


def add_policies(parser: argparse.ArgumentParser) -> None:
    """What network policies are made of."""
    parser.add_argument(
        "--deny-unobserved",
        action="store_true",
        help="make network policies also for workloads that nobody is known to talk to",
    )


def check_fixes(args: argparse.Namespace) -> None:
    """Refuse what is wrong before anything is read.

    Raises:
        UsageError: An id is empty, or an answer is not of its form.
    """
    if "" in args.fix:
        raise UsageError("--fix is empty")
    from workbench.remediation.answers import parse_answer

    for text in args.answers:
        parse_answer(text)


def query_of(args: argparse.Namespace, limit: int | None) -> PathQuery:
    """The path query that the flags make.

    Raises:
        UsageError: An excluded technique is unknown; names the nearest.
    """
    from workbench.cli import nearest

    with _importing():
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


def write(text: str | Iterable[str]) -> None:
    """Write the result to standard output, all at once or in parts."""
    last = ""
    for part in (text,) if isinstance(text, str) else text:
        sys.stdout.write(part)
        last = part or last
    if last and not last.endswith("\n"):
        sys.stdout.write("\n")
