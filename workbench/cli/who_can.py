"""``workbench who-can``: who holds a permission, and through which binding."""

from __future__ import annotations

import argparse

from workbench.cli import options
from workbench.errors import ExitStatus

HELP = "who holds a permission, and through which binding"
DESCRIPTION = "List the subjects that may do something, with the binding, the role and the rule that let them."
EPILOG = """\
examples:
  workbench who-can create pods --sample shop -n shop
  workbench who-can get secrets/db --sample shop -n payments
  workbench who-can create pods/exec --sample shop"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("verb", metavar="VERB", help="get, list, create, ...")
    parser.add_argument(
        "resource", metavar="RESOURCE", help="deployments.apps, pods/exec, secrets/db"
    )
    parser.add_argument("-n", "--namespace", metavar="NS", help="in this namespace; without it, in any")
    options.add_source(parser)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="the format")


def run(args: argparse.Namespace) -> int:
    """Print the holders."""
    audit = options.load(args)
    from workbench.report import who_can

    holders = audit.who_can(args.verb, args.resource, args.namespace)
    if args.output == "json":
        options.write(who_can.as_json(audit, args.verb, args.resource, args.namespace, holders))
    else:
        who_can.print_table(args.verb, args.resource, args.namespace, holders)
    return ExitStatus.DONE
