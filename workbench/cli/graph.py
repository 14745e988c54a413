"""``workbench graph``: the graph in an exchange format."""

from __future__ import annotations

import argparse
from typing import Any

from workbench.cli import options
from workbench.errors import ExitStatus

HELP = "the graph, as JSON, GraphML or DOT"
DESCRIPTION = "Write the graph, hubs expanded into the concrete nodes and edges unless --hubs is given."
EPILOG = """\
examples:
  workbench graph --sample shop -o json
  workbench graph --sample shop --from internet --to cluster-admin -o graphml
  workbench graph --sample shop --around Node:worker-1 -o dot"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_source(parser)
    group = parser.add_argument_group("selection")
    several: dict[str, Any] = {"metavar": "SEL", "nargs": "+", "action": "extend"}
    group.add_argument("--from", dest="sources", help="only what these reach", **several)
    group.add_argument("--to", dest="targets", help="only what reaches these", **several)
    group.add_argument("--around", help="only these and their neighbours", **several)
    parser.add_argument("--hubs", action="store_true", help="leave hubs as they are")
    parser.add_argument("-o", "--output", choices=("json", "graphml", "dot"), default="json", help="the format")


def run(args: argparse.Namespace) -> int:
    """Print the graph."""
    audit = options.load(args)
    from workbench.report import graph

    selection = audit.subgraph(args.sources or (), args.targets or (), args.around or (), hubs=args.hubs)
    graph.write(audit, selection, args.output)
    return ExitStatus.DONE
