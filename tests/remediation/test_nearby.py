"""Fixes that are named for an edge: every one that takes it away is among them."""

from __future__ import annotations

import pytest

from tests.remediation.worlds import sample
from workbench.analysis.session import Analysis
from workbench.engine import Audit
from workbench.graph import nodes
from workbench.remediation.catalogue import all_fixes
from workbench.remediation.effects import effects
from workbench.remediation.nearby import Nearby


def fresh(audit: Audit) -> Audit:
    """The same source where nothing is measured yet."""
    return Audit(audit.request, audit.inventory, audit.graph, Analysis(audit.inventory, audit.graph))


@pytest.mark.parametrize("name", ["shop", "platform"])
def test_whatever_takes_an_edge_is_named_for_it(name: str) -> None:
    audit = sample(name)
    fixes = all_fixes(audit.inventory)
    near = Nearby(audit.analysis, fixes)
    paths = audit.analysis.paths()
    leading = paths.compiled.led_to(paths.starts.numbers.tolist())
    leading &= paths.compiled.leading_to(paths.compiled.numbers(paths.jewels).tolist())
    tried = 0
    for effect in effects(audit.analysis, fixes).ranked():
        for source, target in effect.removed:
            if leading[[audit.graph.numbers[source], audit.graph.numbers[target]]].all():
                tried += 1
                named = {fix.id for fix in near.candidates(source, target)}
                assert effect.fix.id in named, (effect.fix.title, source, target)
    assert tried


@pytest.mark.parametrize("name", ["shop", "platform"])
def test_a_step_has_the_same_fixes_whether_all_are_measured_or_not(name: str) -> None:
    measured, lazy = fresh(sample(name)), fresh(sample(name))
    steps = {step: None for path in measured.paths().paths for step in path.steps}
    assert measured.fixes()
    assert any(measured.fixes_for(step) for step in steps)
    for step in steps:
        assert lazy.fixes_for(step) == measured.fixes_for(step), (step.source, step.technique, step.target)


def test_few_are_named() -> None:
    audit = sample("shop")
    fixes = all_fixes(audit.inventory)
    near = Nearby(audit.analysis, fixes)
    step = next(step for path in audit.paths().paths for step in path.steps if nodes.kind(step.source) == "Container")
    named = near.candidates(step.source, step.edges[0].target)
    assert named
    assert len(named) < len(fixes) / 4
    assert not near.candidates("Container:no/such/one", step.target)
