"""The fixes that a user names."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from workbench.errors import UsageError
from workbench.remediation.records import Fix, ready_together

ALL_READY = "all-ready"


def selected(known: Sequence[Fix], wanted: Sequence[str]) -> list[Fix]:
    """The fixes that ids name: record ids or unique prefixes, F-ids (all of that kind), ``all-ready``.

    Args:
        known: The fixes that apply.
        wanted: The ids.

    Returns:
        Each fix once, in the order of the ids.

    Raises:
        UsageError: An id names nothing, or several.
    """
    chosen: dict[str, Fix] = {}
    for identifier in wanted:
        if identifier == ALL_READY:
            found = ready_together(known)
        elif identifier.upper().startswith("F-"):
            found = [fix for fix in known if fix.fix == identifier.upper()]
            if not found:
                kinds = ", ".join(sorted({fix.fix for fix in known})) or "none does"
                raise UsageError(f"no fix {identifier.upper()} applies here; those that do: {kinds}")
        else:
            found = [fix for fix in known if fix.id.startswith(identifier)]
            if len(found) > 1:
                raise UsageError(f"{identifier} begins the ids of {len(found)} fixes: give more of it")
            if not found:
                near = difflib.get_close_matches(identifier, [fix.id for fix in known], 3, 0.3)
                hint = f"; did you mean {' or '.join(near)}?" if near else " (workbench fixes lists them)"
                raise UsageError(f"no fix {identifier!r}{hint}")
        chosen.update((fix.id, fix) for fix in found)
    return list(chosen.values())
