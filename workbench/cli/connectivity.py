"""``workbench connectivity``: who can talk to whom."""

from __future__ import annotations

import argparse
from typing import Any

from workbench.cli import options
from workbench.errors import ExitStatus

HELP = "who can talk to whom, and by which rule"
DESCRIPTION = """\
List the connections that network policies allow between workloads, from and to addresses outside, and through
Ingress, Gateway and Route objects. Addresses in policies stand for what is outside of the cluster, never for pods.
What cannot be decided is listed as unknown."""
EPILOG = """\
examples:
  workbench connectivity --sample shop
  workbench connectivity --manifests deploy/ -o json
  workbench connectivity --sample shop --from internet --port 80/tcp
  workbench connectivity --sample shop --from 'shop/*' --to 'payments/*' --explain"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_source(parser)
    group = parser.add_argument_group("selection")
    several: dict[str, Any] = {"nargs": "+", "action": "extend"}
    group.add_argument(
        "--from",
        dest="sources",
        metavar="PEER",
        help="only from these: shop/web, shop/*, Deployment:shop/web, label:k=v, internet, an address or block",
        **several,
    )
    group.add_argument("--to", dest="targets", metavar="PEER", help="only to these", **several)
    group.add_argument("--port", metavar="PORT", help="only these: 80, 80/tcp, 8000-8010/udp", **several)
    parser.add_argument(
        "--explain",
        action="store_true",
        help="the rules that decided; with --from and --to also what keeps the others apart",
    )
    parser.add_argument("-o", "--output", choices=("table", "json", "csv", "dot"), default="table", help="the format")


def run(args: argparse.Namespace) -> int:
    """Print the connections."""
    request = options.needed(args)
    from workbench.engine import NetworkAudit
    from workbench.network import peers
    from workbench.report import connectivity

    ports = peers.ports(args.port or ())
    progress = options.ProgressLine()
    try:
        audit = NetworkAudit.load(request, progress, ports=ports)
    finally:
        progress.clear()
    for note in audit.notes:
        options.say(note)
    options.say_gaps(audit.coverage)
    query = connectivity.Query(
        peers.ends(audit.network, args.sources or ()),
        peers.ends(audit.network, args.targets or ()),
        ports,
        explain=args.explain,
        denied=args.explain and bool(args.sources) and bool(args.targets),
    )
    connectivity.write(audit, query, args.output)
    return ExitStatus.DONE
