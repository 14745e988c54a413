"""``workbench who-can``: who holds a permission, and through which binding."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from workbench.cli import nearest, options
from workbench.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from workbench.engine import Audit

HELP = "who holds a permission, and through which binding"
DESCRIPTION = """\
List the subjects that may do something, with the binding, the role and the rule that let them. Rights that come
with a group are listed with the group."""
EPILOG = """\
examples:
  workbench who-can create pods --sample shop -n shop
  workbench who-can get secrets/payment-gateway-keys --sample shop -n payments
  workbench who-can create pods/exec --sample shop -o json
  workbench who-can get /metrics --sample shop"""

_VERBS = frozenset(
    {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*"}
    | {"bind", "escalate", "impersonate", "use", "approve", "sign", "attest"}
    | {"put", "post", "head", "options"}
)
"""Those of the API, of its special checks (RBAC good practices), of certificates, and of paths."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("verb", metavar="VERB", help="get, list, create, ...; * for all at once")
    parser.add_argument(
        "resource", metavar="RESOURCE", help="deployments.apps, pods/exec, secrets/db, or a path such as /metrics"
    )
    parser.add_argument("-n", "--namespace", metavar="NS", help="in this namespace; without it, in any")
    options.add_source(parser)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="the format")


def run(args: argparse.Namespace) -> int:
    """Print the holders.

    Raises:
        UsageError: The verb or the resource is empty or cannot be understood.
    """
    if not args.verb or not args.resource:
        raise UsageError(f"{'RESOURCE' if args.verb else 'VERB'} is empty")
    audit = options.load(args)
    _doubt(audit, args)
    from workbench.report import who_can

    holders = audit.who_can(args.verb, args.resource, args.namespace)
    if args.output == "json":
        options.write(who_can.as_json(audit, args.verb, args.resource, args.namespace, holders))
    else:
        who_can.print_table(args.verb, args.resource, args.namespace, holders)
    return ExitStatus.DONE


def _doubt(audit: Audit, args: argparse.Namespace) -> None:
    """Say what is probably misspelt: as with kubectl no error, for the source may not know everything."""
    from workbench.inventory.objects import Namespace
    from workbench.rbac.resources import resource_names

    if args.verb not in _VERBS:
        options.say(f"{args.verb!r} is no verb that Kubernetes has{nearest(args.verb, sorted(_VERBS))}")
    if not audit.resource(args.resource).known:
        head = args.resource.partition("/")[0]
        options.say(f"no resource {head!r} is known here{nearest(head, resource_names())}")
    if args.namespace is not None:
        known = sorted(obj.name for obj in audit.inventory.all(Namespace))
        if known and args.namespace not in known:
            options.say(f"no namespace {args.namespace!r} is in the source{nearest(args.namespace, known)}")
