"""What is not looked at is said, and nothing that is."""

from __future__ import annotations

from workbench.techniques.limits import limit_of, limits
from workbench.techniques.registry import all_techniques


def test_no_technique_that_is_there_counts_as_missing() -> None:
    named = [identifier for limit in limits() for identifier in limit.techniques]
    assert len(named) == len(set(named))
    assert not set(named) & {technique.id for technique in all_techniques()}


def test_a_technique_of_the_catalogue_is_found_with_what_it_belongs_to() -> None:
    limit = limit_of("pod_portforward")
    assert limit is not None
    assert limit.what.startswith("what else the network")
    assert limit_of("CE_PRIV_MOUNT") is None
    assert limit_of("NOPE") is None
