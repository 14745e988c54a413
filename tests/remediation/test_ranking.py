"""Ranking all fixes takes long on a large cluster: it tells what it knows, can be ended, and is not waited for."""

from __future__ import annotations

import pytest

from workbench.analysis.compiled import Compiled
from workbench.analysis.whatif import WhatIf
from workbench.engine import Audit, PathQuery
from workbench.errors import FixError
from workbench.graph.nodes import is_hub
from workbench.remediation.catalogue import all_fixes
from workbench.remediation.effects import WORST, effects
from workbench.remediation.records import RISK_WEIGHT, Fix
from workbench.sources import SourceKind, SourceRequest


def shop() -> Audit:
    return Audit.load(SourceRequest(SourceKind.SAMPLE, name="shop"))


def test_ranking_tells_what_is_known_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.remediation.effects._EVERY", -1.0)
    analysis = shop().analysis
    fixes = all_fixes(analysis.view)
    told: list[tuple[list[Fix], int, int]] = []
    ranked = [
        effect.fix for effect in effects(analysis, fixes).ranked(lambda *each: told.append((list(each[0]), *each[1:])))
    ]
    assert [done for _, done, _ in told] == list(range(1, len(fixes) + 1))
    assert {total for _, _, total in told} == {len(fixes)}
    for known, done, _ in told:
        ids = {fix.id for fix in known}
        assert known == [fix for fix in ranked if fix.id in ids], "the best first, with the numbers that stay"
        assert len(known) == done
    assert told[-1][0] == ranked
    best = next(done for known, done, _ in told if ranked[0] in known)
    assert best <= len(fixes) / 2, "what cuts most is known early"


def test_what_ends_the_ranking_ends_it_and_it_can_begin_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.remediation.effects._EVERY", -1.0)
    analysis = shop().analysis
    found = effects(analysis, all_fixes(analysis.view))

    def stop(*_: object) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        found.ranked(stop)
    assert [each.fix for each in found.ranked()] == shop().fixes()


def test_a_fix_that_is_named_does_not_wait_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = shop().fixes()
    pinned = [fix for fix in wanted if fix.fix == "F-IMG-PIN"]
    audit = shop()

    def refuse(*_: object) -> None:
        raise AssertionError("all fixes were ranked")

    monkeypatch.setattr("workbench.remediation.effects.Effects.ranked", refuse)
    assert audit.fix(wanted[0].id[:10]) == wanted[0]
    assert audit.select_fixes(["F-IMG-PIN"]) == pinned
    report = audit.what_if([wanted[0]], following=False)
    assert report.paths_after < report.paths_before
    assert {by for _, by in report.cut} == {(wanted[0].id,)}
    assert {by for _, by in report.stays} == {()}


def joined(compiled: Compiled, source: str, target: str) -> bool:
    """Whether a node leads to another, directly or by hubs."""
    seen, queue = {source}, [source]
    while queue:
        number = compiled.number(queue.pop())
        if number is None:
            continue
        for other in compiled.indices[compiled.indptr[number] : compiled.indptr[number + 1]].tolist():
            node = compiled.nodes[other]
            if node == target:
                return True
            if is_hub(node) and node not in seen:
                seen.add(node)
                queue.append(node)
    return False


@pytest.mark.parametrize("name", ["shop", "platform"])
def test_a_fix_reroutes_the_worst_paths_of_which_it_takes_a_step(name: str) -> None:
    audit = Audit.load(SourceRequest(SourceKind.SAMPLE, name=name))
    worst = audit.paths(PathQuery(limit=WORST)).paths
    steps = {(step.source, step.target) for path in worst for step in path.steps}
    tried = 0
    for fix in audit.fixes():
        try:
            changed = WhatIf(audit.analysis, [fix.change]).changed.compiled
        except FixError:
            # An advisory without edits.
            assert fix.reroutes == 0
            continue
        gone = {step for step in steps if not joined(changed, *step)}
        assert fix.reroutes == sum(any((s.source, s.target) in gone for s in path.steps) for path in worst), fix.title
        tried += fix.reroutes > 0
    assert tried > 10


def test_of_what_cuts_nothing_what_reroutes_most_for_its_risk_comes_first() -> None:
    idle = [fix for fix in shop().fixes() if not fix.paths_cut]
    merits = [fix.reroutes / RISK_WEIGHT[fix.risk.level] for fix in idle]
    assert merits == sorted(merits, reverse=True)
    assert merits[0] > 0
