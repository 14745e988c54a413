"""Why: the rules that decided what one peer may do to another, found by walking one column through the tiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from workbench.network.connections import Network, Workload
from workbench.network.rows import State, applied, ranks
from workbench.network.rules import Direction, Perhaps, Policy, Rule, Tier


@dataclass(frozen=True, slots=True)
class Reason:
    """What one rule, or the lack of one, decided in one direction."""

    direction: Direction
    tier: str
    """``Admin``, ``NetworkPolicy``, ``Baseline``; empty for what no tier decided."""
    action: str
    """``allow``, ``deny`` or ``pass``; ``may allow``, ``may deny`` or ``may pass`` where it is not certain."""
    policy: str
    """The id of the policy's object; empty where none decided."""
    field: str
    """The rule within the policy."""
    ports: int
    """The mask of the ports that it decided."""
    detail: str = ""


def reasons(network: Network, direction: Direction, number: int, column: int) -> list[Reason]:
    """What the policies of one class decided about one column, in the order in which they were asked.

    Args:
        network: The network.
        direction: The direction; ``number`` is its near end.
        number: The class whose policies are asked.
        column: The column of the peer: a class, a range of addresses, the ingress controller.
    """
    reach = network.reach
    policies = reach.selecting(direction, number)
    if not policies:
        if reach.columns.hosts >> number & 1:
            detail = "it is on the network of its node, where policies do not select it"
        else:
            detail = "no policy selects it in this direction"
        return [Reason(direction, "", "allow", "", "", reach.space.all, detail)]
    out: list[Reason] = []
    state: State = (reach.space.all, 0, 0, 0)
    for tier, group in groupby(policies, key=lambda policy: policy.tier):
        of_tier = list(group)
        for together in ranks(tier, of_tier):
            state = _asked(network, direction, together, state, out, number, column)
        state = _tier_done(direction, tier, of_tier, state, out)
    if state[0]:
        out.append(Reason(direction, "", "allow", "", "", state[0], "no rule decides it"))
    return out


def _asked(  # noqa: PLR0917 - the walk's own state
    network: Network,
    direction: Direction,
    together: Sequence[Policy],
    state: State,
    out: list[Reason],
    number: int,
    column: int,
) -> State:
    begin = left = state[0]
    open_order = len(together) > 1
    for policy in together:
        state = (begin, *state[1:]) if open_order else state
        for rule in policy.rules.get(direction, ()):
            for step in network.reach.steps(rule, direction, number):
                taken = state[0] & step.ports
                if not taken or not step.columns >> column & 1:
                    continue
                sure = step.sure and not open_order
                action = step.action.value if sure else f"may {step.action.value}"
                detail = rule.doubt or ("" if step.sure else _doubt(network, rule, column))
                if open_order:
                    detail = detail or "another policy has the same priority"
                out.append(Reason(direction, policy.tier.title, action, policy.object, rule.field, taken, detail))
                state = applied(state, step.action, step.ports, sure=step.sure)
        left &= state[0]
    return (left if open_order else state[0], *state[1:])


def _doubt(network: Network, rule: Rule, column: int) -> str:
    """Why a rule only perhaps matches a column."""
    for peer in rule.peers:
        if isinstance(peer, Perhaps) and network.reach.columns.resolve(peer).perhaps >> column & 1:
            return peer.why
    return "whether it matches is not certain"


def _tier_done(direction: Direction, tier: Tier, policies: Sequence[Policy], state: State, out: list[Reason]) -> State:
    rest, passed, allow, deny = state
    isolating = [policy for policy in policies if direction in policy.isolates]
    if not isolating:
        return rest | passed, 0, allow, deny
    if rest:
        for policy in isolating:
            detail = "it selects the pod, and no rule allows this"
            out.append(Reason(direction, tier.title, "deny", policy.object, "", rest, detail))
    return passed, 0, allow, deny | rest


def why(network: Network, source: Workload | int, target: Workload | int) -> list[Reason]:
    """The reasons for what a peer may do to another, those of egress first.

    Args:
        network: The network.
        source: A workload, or the column of addresses or of the ingress controller.
        target: A workload, or the column of addresses.
    """
    out: dict[Reason, None] = {}
    if isinstance(source, Workload):
        for near in source.classes:
            for far in _columns(target):
                out.update(dict.fromkeys(reasons(network, Direction.EGRESS, near, far)))
    if isinstance(target, Workload):
        for near in target.classes:
            for far in _columns(source):
                out.update(dict.fromkeys(reasons(network, Direction.INGRESS, near, far)))
    return list(out)


def _columns(peer: Workload | int) -> tuple[int, ...]:
    return peer.classes if isinstance(peer, Workload) else (peer,)
