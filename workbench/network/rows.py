"""Verdict rows: for one list of policies, what each column is allowed, by running the tiers over all columns at once.

A row is a partition: masks of ports as keys, disjoint sets of columns as values. It starts as one part and is refined
rule by rule. Where a rule may or may not match, both outcomes are followed, so a port can come out as *allowed*,
*denied*, or, where both are possible, as *unknown*.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, TypeAlias

from workbench.network.bits import doubled
from workbench.network.classes import NamedPorts
from workbench.network.columns import Columns, meant_by
from workbench.network.ports import NamedPort, PortSpace
from workbench.network.rules import Action, Direction, Policy, Rule, Tier

Verdict: TypeAlias = tuple[int, int]
"""Masks of ports: allowed, and unknown. All others are denied."""

Row: TypeAlias = dict[Verdict, int]
"""Columns by verdict; every column is in one set."""

State: TypeAlias = tuple[int, int, int, int]
"""Masks of ports while the tiers run: those that go on, those that passed the tier, and those for which some outcome
so far allows, and denies."""


class Step(NamedTuple):
    """One rule over the columns: an action for some ports of some columns, surely or perhaps."""

    action: Action
    columns: int
    ports: int
    sure: bool


@dataclass(frozen=True, slots=True)
class _Allowances:
    """What a policy allows."""

    only: bool
    """Whether it does nothing but allow; if not, the steps are not worked out."""
    steps: tuple[Step, ...]


class Evaluator:
    """Computes rows; the rules as steps are worked out once for all of them."""

    def __init__(
        self, columns: Columns, space: PortSpace, *, like: Evaluator | None = None, among: int | None = None
    ) -> None:
        """Make one.

        Args:
            columns: The columns.
            space: The ports.
            like: Another one for the same columns and ports, whose steps are used; it must stay alive.
            among: The columns that rows are asked of, if not all; few of them take less time.
        """
        self._columns = columns
        self._space = space
        self._among = among
        self._known: MutableMapping[tuple[int, Direction, NamedPorts | None], tuple[Step, ...]]
        self._known = ChainMap({}, like._known) if like is not None else {}
        self._allowing: MutableMapping[tuple[Policy, Direction, NamedPorts], _Allowances]
        self._allowing = ChainMap({}, like._allowing) if like is not None else {}
        # A rule's identity is the key, so each must stay alive.
        self._rules: list[Rule] = []

    def steps(self, rule: Rule, direction: Direction, named: NamedPorts) -> tuple[Step, ...]:
        """What a rule does.

        Args:
            rule: The rule.
            direction: Its direction.
            named: The named ports of the row's own class, by which ingress rules are read.
        """
        by_name = (
            bool(named)
            and direction is Direction.INGRESS
            and any(isinstance(port, NamedPort) for port in rule.ports or ())
        )
        key = (id(rule), direction, named if by_name else None)
        known = self._known.get(key)
        if known is None:
            self._rules.append(rule)
            known = self._known[key] = tuple(self._compile(rule, direction, named))
        return known

    def _compile(self, rule: Rule, direction: Direction, named: NamedPorts) -> Iterator[Step]:
        sure = perhaps = 0
        among = self._among
        for peer in rule.peers:
            found = self._columns.resolve(peer) if among is None else self._columns.resolve_among(peer, among)
            sure |= found.sure
            perhaps |= found.perhaps
        perhaps &= ~sure
        if rule.doubt:
            sure, perhaps = 0, sure | perhaps
        if not sure and not perhaps:
            return
        pieces = self._ports(rule, direction, named)
        for columns, is_sure in ((sure, True), (perhaps, False)):
            if columns:
                for within, ports in pieces:
                    if columns & within:
                        yield Step(rule.action, columns & within, ports, is_sure)

    def _ports(self, rule: Rule, direction: Direction, named: NamedPorts) -> list[tuple[int, int]]:
        """The ports of a rule as columns with a mask each."""
        everybody = self._columns.all
        if rule.ports is None:
            return [(everybody, self._space.all)]
        out: list[tuple[int, int]] = []
        mask = 0
        for port in rule.ports:
            if not isinstance(port, NamedPort):
                mask |= self._space.mask(port)
            elif direction is Direction.INGRESS:
                meant = meant_by(port, named)
                mask |= self._space.mask(meant) if meant is not None else 0
            else:
                out.extend((columns, self._space.mask(meant)) for columns, meant in self._columns.named(port))
        if mask:
            out.append((everybody, mask))
        return out

    def row(self, policies: Sequence[Policy], direction: Direction, named: NamedPorts) -> Row:
        """The verdicts of pods that some policies select, over the columns.

        Args:
            policies: The policies that touch the direction, by tier and rank.
            direction: The direction.
            named: The named ports of the pods.
        """
        columns = self._columns.all if self._among is None else self._among
        if not policies:
            return {(self._space.all, 0): columns}
        if policies[0].tier is policies[-1].tier and any(direction in policy.isolates for policy in policies):
            steps = self._only_allowing(policies, direction, named)
            if steps is not None and all(step.sure for step in steps):
                return _with_hosts(_allowed(steps, columns), self._columns, self._space)
        parts: dict[State, int] = {(self._space.all, 0, 0, 0): columns}
        for tier, group in groupby(policies, key=lambda policy: policy.tier):
            of_tier = list(group)
            allowing = self._only_allowing(of_tier, direction, named)
            if allowing is not None:
                for step in allowing:
                    _refine(parts, step)
            else:
                parts = self._by_rank(parts, tier, of_tier, direction, named)
            parts = _tier_done(parts, any(direction in policy.isolates for policy in of_tier))
        out: Row = {}
        for (rest, _, allow, deny), found in parts.items():
            possible = allow | rest
            verdict = (possible & ~deny, possible & deny)
            out[verdict] = out.get(verdict, 0) | found
        return _with_hosts(out, self._columns, self._space)

    def _only_allowing(self, policies: Sequence[Policy], direction: Direction, named: NamedPorts) -> list[Step] | None:
        """The steps of policies that only allow, in whose order nothing lies: one for all that allow the same ports.

        ``None`` if one of them does anything else.
        """
        merged: dict[tuple[int, bool], int] = {}
        for policy in policies:
            key = (policy, direction, named)
            known = self._allowing.get(key)
            if known is None:
                known = self._allowing[key] = self._allowances(policy, direction, named)
            if not known.only:
                return None
            for step in known.steps:
                what = step.ports, step.sure
                merged[what] = merged.get(what, 0) | step.columns
        return [Step(Action.ALLOW, columns, ports, sure) for (ports, sure), columns in merged.items()]

    def _allowances(self, policy: Policy, direction: Direction, named: NamedPorts) -> _Allowances:
        rules = policy.rules.get(direction, ())
        if any(rule.action is not Action.ALLOW for rule in rules):
            return _Allowances(False, ())
        return _Allowances(True, tuple(step for rule in rules for step in self.steps(rule, direction, named)))

    def _by_rank(
        self,
        parts: dict[State, int],
        tier: Tier,
        policies: Sequence[Policy],
        direction: Direction,
        named: NamedPorts,
    ) -> dict[State, int]:
        for together in ranks(tier, policies):
            if len(together) == 1:
                for step in self._steps(together[0], direction, named):
                    _refine(parts, step)
            else:
                parts = self._in_any_order(parts, together, direction, named)
        return parts

    def _steps(self, policy: Policy, direction: Direction, named: NamedPorts) -> Iterator[Step]:
        for rule in policy.rules.get(direction, ()):
            yield from self.steps(rule, direction, named)

    def _in_any_order(
        self, parts: dict[State, int], together: Sequence[Policy], direction: Direction, named: NamedPorts
    ) -> dict[State, int]:
        """Policies whose order is open: whichever of those that decide a port comes first decides it."""
        out: dict[State, int] = {}
        for state, found in parts.items():
            begin = state[0]
            # Each is asked as if it were the first; a port goes on only if all of them let it.
            asked: dict[tuple[State, int], int] = {(state, begin): found}
            for policy in together:
                after: dict[tuple[State, int], int] = {}
                for (before, left), columns in asked.items():
                    fresh: dict[State, int] = {(begin, *before[1:]): columns}
                    for step in self._steps(policy, direction, named):
                        _refine(fresh, step)
                    for made, hit in fresh.items():
                        key = (made, left & made[0])
                        after[key] = after.get(key, 0) | hit
                asked = after
            for (made, left), columns in asked.items():
                done = (left, *made[1:])
                out[done] = out.get(done, 0) | columns
        return out


class Lift:
    """What a row becomes over the columns and ports of an overlay.

    Attributes:
        fresh: The columns of classes that are new, of which the row says nothing yet.
    """

    def __init__(
        self, below: Columns, above: Columns, addresses: Sequence[int], ports: Sequence[int], fresh: range
    ) -> None:
        """Make one.

        Args:
            below: The columns of the row.
            above: The columns that it is to be over.
            addresses: The ranges of addresses that were cut.
            ports: The pieces of ports that were cut.
            fresh: The classes that are new.
        """
        self.fresh = (1 << fresh.stop) - (1 << fresh.start)
        self._size = below.first_address
        self._classes = above.all & ((1 << below.first_address) - 1)
        self._new_size = above.first_address
        self._addresses = addresses
        self._ports = ports
        self._masks: dict[int, int] = {}
        self._same = not addresses and above.all == below.all

    def row(self, row: Row) -> Row:
        """The row over the other columns; those of classes that are gone are left out."""
        return {
            (self._mask(allowed), self._mask(unknown)): self._columns(bits) for (allowed, unknown), bits in row.items()
        }

    def _columns(self, bits: int) -> int:
        if self._same:
            return bits
        return bits & self._classes | doubled(bits >> self._size, self._addresses) << self._new_size

    def _mask(self, mask: int) -> int:
        if not self._ports:
            return mask
        known = self._masks.get(mask)
        if known is None:
            known = self._masks[mask] = doubled(mask, self._ports)
        return known


def _allowed(steps: Iterable[Step], columns: int) -> Row:
    """The verdicts of one tier that isolates and allows, which most rows are: what no step allows is denied."""
    parts: dict[int, int] = {0: columns}
    for step in steps:
        ports, within = step.ports, step.columns
        for mask, found in list(parts.items()):
            hit = found & within
            after = mask | ports
            if hit and after != mask:
                if hit == found:
                    del parts[mask]
                else:
                    parts[mask] = found ^ hit
                parts[after] = parts.get(after, 0) | hit
    return {(mask, 0): found for mask, found in parts.items()}


def ranks(tier: Tier, policies: Sequence[Policy]) -> Iterator[list[Policy]]:
    """The policies one by one, those together whose order the API leaves open."""
    if tier is Tier.NAMESPACE:
        yield from ([policy] for policy in policies)
        return
    for _, group in groupby(policies, key=lambda policy: policy.rank[0]):
        yield list(group)


def applied(state: State, action: Action, ports: int, *, sure: bool) -> State:
    """What a rule for some ports makes of a state."""
    rest, passed, allow, deny = state
    taken = rest & ports
    match action:
        case Action.ALLOW:
            allow |= taken
        case Action.DENY:
            deny |= taken
        case Action.PASS:
            passed |= taken
    return (rest & ~taken if sure else rest, passed, allow, deny)


def _refine(parts: dict[State, int], step: Step) -> None:
    """Split, in place, the parts that a step says something about."""
    columns, ports = step.columns, step.ports
    touched = [(state, found, hit) for state, found in parts.items() if state[0] & ports and (hit := found & columns)]
    for state, found, hit in touched:
        if hit == found:
            del parts[state]
        else:
            parts[state] = found ^ hit
    for state, _, hit in touched:
        after = applied(state, step.action, ports, sure=step.sure)
        parts[after] = parts.get(after, 0) | hit


def _tier_done(parts: dict[State, int], isolates: bool) -> dict[State, int]:
    out: dict[State, int] = {}
    for (rest, passed, allow, deny), found in parts.items():
        state = (passed, 0, allow, deny | rest) if isolates else (rest | passed, 0, allow, deny)
        out[state] = out.get(state, 0) | found
    return out


def _with_hosts(found: Row, columns: Columns, space: PortSpace) -> Row:
    """Pods on their node's network are the node to a policy: what is not open to everybody is open to question.

    Source: Kubernetes documentation, "Network Policies": their behaviour "is undefined".
    """
    if not columns.hosts:
        return found
    out: Row = {}
    for verdict, bits in found.items():
        hosts = bits & columns.hosts
        if bits != hosts:
            out[verdict] = out.get(verdict, 0) | (bits ^ hosts)
        if hosts:
            open_to = (verdict[0], space.all & ~verdict[0])
            out[open_to] = out.get(open_to, 0) | hosts
    return out
