"""Ranking all fixes takes long on a large cluster: it tells what it knows, can be ended, and is not waited for."""

from __future__ import annotations

import pytest

from workbench.engine import Audit
from workbench.remediation.catalogue import all_fixes
from workbench.remediation.effects import effects
from workbench.remediation.records import Fix
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
