"""All fixes that apply to a source (``catalogue.md`` section 4): one record for each fix and target.

A fix of a pod's spec is aimed at the top owner of the pod, with an op for every container that needs it. Of bindings
there is one record for each subject; of network policies one for each workload, aimed at the policy to come.
"""

from __future__ import annotations

from itertools import chain

from workbench.inventory.inventory import Inventory
from workbench.remediation import identity, permissions, pods
from workbench.remediation.candidates import candidates
from workbench.remediation.policies.fixes import policy_fixes
from workbench.remediation.records import Fix, Turn, with_conflicts

FAMILIES = (*pods.FIXES, *identity.FIXES)
"""The fixes of pod specs."""


def all_fixes(view: Inventory, *, deny_unobserved: bool = False, turn: Turn | None = None) -> list[Fix]:
    """Every fix that applies to an object of the inventory, also one that cuts nothing; sorted by id.

    Args:
        view: The objects.
        deny_unobserved: Whether a workload that nobody is known to talk to is denied everything, too.
        turn: Called after each fix; others wait for what is found here.
    """
    found: list[Fix] = []
    for fix in chain(
        (fix for candidate in candidates(view) for make in FAMILIES for fix in make(candidate)),
        permissions.binding_subjects(view),
        permissions.role_rules(view),
        policy_fixes(view, deny_unobserved=deny_unobserved),
    ):
        found.append(fix)
        if turn is not None:
            turn(True)
    return sorted(with_conflicts(found), key=lambda fix: fix.id)
