"""RBAC on Secrets and tokens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    account,
    container,
    edges,
    expanded,
    grant,
    inventory,
    permission_set,
    pod,
    proof,
    role_binding,
    rule,
    secret,
    targets,
)
from workbench.inventory.evidence import Gap, Problem

P = permission_set("p")
P_DEV = permission_set("p", "dev")
SECRETS = [secret("a", "dev"), secret("b", "dev"), secret("a", "prod")]
DEV = ["Secret:dev/a", "Secret:dev/b"]
ALL = [*DEV, "Secret:prod/a"]


def in_cluster(*rules: Any) -> list[Any]:
    return grant("p", *rules)


def in_dev(*rules: Any) -> list[Any]:
    return grant("p", *rules, namespace="dev")


# --- SECRET_READ --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "source", "expected"),
    [
        pytest.param(in_dev(rule("list", "secrets")), P_DEV, DEV, id="list"),
        pytest.param(in_dev(rule("watch", "secrets")), P_DEV, DEV, id="watch"),
        pytest.param(in_cluster(rule("list", "secrets")), P, ALL, id="all namespaces"),
        pytest.param(in_dev(rule("get list", "*", "*")), P_DEV, DEV, id="wildcards"),
        pytest.param(in_dev(rule("list", "secrets", names="a")), P_DEV, DEV[:1], id="T07 list by name"),
        pytest.param(in_dev(rule("watch", "secrets", names="a")), P_DEV, DEV[:1], id="watch by name"),
        pytest.param(in_dev(rule("get", "secrets", names="b")), P_DEV, DEV[1:], id="get by name"),
        pytest.param(in_cluster(rule("get", "secrets", names="a")), P, [DEV[0], ALL[2]], id="get by name everywhere"),
        pytest.param(in_dev(rule("get", "secrets", names="*")), P_DEV, [], id="T06 no wildcard"),
        pytest.param(in_cluster(rule("get", "secrets", names="*")), P, [], id="T06 no wildcard, everywhere"),
        pytest.param(in_dev(rule("create update delete", "secrets")), P_DEV, [], id="other verbs"),
        pytest.param(in_dev(rule("list", "secrets", "apps")), P_DEV, [], id="another group"),
        pytest.param(in_dev(rule("list", "secrets/status configmaps")), P_DEV, [], id="other resources"),
    ],
)
def test_read(objects: list[Any], source: str, expected: list[str]) -> None:
    view = inventory(*SECRETS, *objects)
    assert targets(view, "SECRET_READ", source) == expected
    for edge in expanded(view, "SECRET_READ").values():
        assert (edge.effort, edge.verdict) == (2, "on")
        assert next(iter(proof(view, edge)))[1] == "rules[0]"


@pytest.mark.parametrize(
    ("objects", "source", "about"),
    [
        pytest.param(in_dev(rule("get", "secrets")), P_DEV, "Secret:dev/*", id="namespace"),
        pytest.param(in_cluster(rule("get", "secrets")), P, "Secret:*", id="cluster"),
    ],
)
def test_get_alone_takes_a_name(objects: list[Any], source: str, about: str) -> None:
    view = inventory(*SECRETS, *objects)
    edge = expanded(view, "SECRET_READ")[source, DEV[0]]
    assert (edge.effort, edge.missing) == (4, (("C-NAME", about),))


def test_names_of_one_rule_are_known_where_another_gets_all() -> None:
    view = inventory(*SECRETS, *in_dev(rule("get", "secrets"), rule("list", "secrets", names="a")))
    found = expanded(view, "SECRET_READ")
    assert found[P_DEV, DEV[0]].verdict == "on"
    assert found[P_DEV, DEV[1]].verdict == "cond"
    assert ("Role:dev/p", "rules[1]") in proof(view, found[P_DEV, DEV[0]])
    assert list(proof(view, found[P_DEV, DEV[1]])) == [
        ("Role:dev/p", "rules[0]"),
        ("RoleBinding:dev/p", "roleRef"),
        ("RoleBinding:dev/p", "subjects[0]"),
    ]


def test_each_named_secret_has_the_evidence_of_its_own_rule() -> None:
    view = inventory(*SECRETS, *in_dev(rule("get", "secrets", names="a"), rule("get", "secrets", names="b")))
    found = expanded(view, "SECRET_READ")
    assert next(iter(proof(view, found[P_DEV, DEV[1]]))) == ("Role:dev/p", "rules[1]")


@pytest.mark.parametrize(
    ("objects", "coverage", "expected"),
    [
        pytest.param([], (), ["Secret:dev/ghost"], id="manifests: it may be in the cluster"),
        pytest.param([secret("a", "dev", uid="u"), pod("web", namespace="dev")], (), [], id="listed: there is none"),
        pytest.param(
            [secret("a", "dev", uid="u"), pod("web", namespace="dev")],
            [Gap("Secret", "dev", Problem.FORBIDDEN)],
            ["Secret:dev/ghost"],
            id="not all could be listed",
        ),
    ],
)
def test_a_named_secret_that_was_not_read(objects: list[Any], coverage: Any, expected: list[str]) -> None:
    view = inventory(*objects, *in_dev(rule("get", "secrets", names="ghost")), coverage=coverage)
    assert targets(view, "SECRET_READ", P_DEV) == expected


@pytest.mark.parametrize(
    ("optional", "uid", "expected"),
    [
        pytest.param(False, None, ["Secret:dev/a", "Secret:dev/mounted"], id="a pod needs it"),
        pytest.param(True, None, ["Secret:dev/a"], id="optional"),
        pytest.param(False, "u", ["Secret:dev/a"], id="Secrets were listed"),
    ],
)
def test_secrets_that_only_pods_name(optional: bool, uid: str | None, expected: list[str]) -> None:
    reference = {"name": "mounted", "key": "k", "optional": optional}
    web = pod("web", container(env=[{"name": "A", "valueFrom": {"secretKeyRef": reference}}]), namespace="dev")
    view = inventory(secret("a", "dev", uid=uid), web, *in_dev(rule("list", "secrets")))
    assert targets(view, "SECRET_READ", P_DEV) == expected


# --- TOKEN_LIST ---------------------------------------------------------------------------------------

TOKENS = [
    account("robot", "dev"),
    account("plain", "dev"),
    secret("robot-token", "dev", token_of="robot"),
    secret("db", "dev"),
    secret("boss-token", "prod", token_of="boss"),
]
ROBOT, BOSS = "ServiceAccount:dev/robot", "ServiceAccount:prod/boss"
NAME = "metadata.annotations[kubernetes.io/service-account.name]"


@pytest.mark.parametrize(
    ("objects", "source", "expected"),
    [
        pytest.param(in_dev(rule("list", "secrets")), P_DEV, [ROBOT], id="list"),
        pytest.param(in_dev(rule("watch", "secrets")), P_DEV, [ROBOT], id="watch"),
        pytest.param(in_cluster(rule("list", "secrets")), P, [ROBOT, BOSS], id="everywhere"),
        pytest.param(in_dev(rule("list", "secrets", names="robot-token")), P_DEV, [ROBOT], id="by name"),
        pytest.param(in_cluster(rule("list", "secrets", names="boss-token")), P, [BOSS], id="by name everywhere"),
        pytest.param(in_dev(rule("list", "secrets", names="db")), P_DEV, [], id="no token"),
        pytest.param(in_dev(rule("get", "secrets")), P_DEV, [], id="get alone"),
    ],
)
def test_list_tokens(objects: list[Any], source: str, expected: list[str]) -> None:
    view = inventory(*TOKENS, *objects)
    assert targets(view, "TOKEN_LIST", source) == expected
    for edge in expanded(view, "TOKEN_LIST").values():
        assert (edge.effort, edge.verdict) == (2, "on")
        found = proof(view, edge)
        assert next(iter(found))[1] == "rules[0]"
        namespace, _, name = edge.target.partition(":")[2].partition("/")
        assert found[f"Secret:{namespace}/{name}-token", NAME] == name


def test_an_account_without_a_token_secret() -> None:
    """T47."""
    view = inventory(account("robot", "dev"), secret("db", "dev"), *in_dev(rule("list", "secrets")))
    assert targets(view, "TOKEN_LIST", P_DEV) == []


# --- SA_TOKEN_CREATE ----------------------------------------------------------------------------------

ACCOUNTS = [account("robot", "dev"), account("robot", "prod"), account("plain", "dev")]


@pytest.mark.parametrize(
    ("objects", "source", "expected"),
    [
        pytest.param(
            in_dev(rule("create", "serviceaccounts/token")), P_DEV, ["ServiceAccount:dev/plain", ROBOT], id="all"
        ),
        pytest.param(in_dev(rule("create", "serviceaccounts/token", names="robot")), P_DEV, [ROBOT], id="by name"),
        pytest.param(
            in_cluster(rule("create", "*/token", names="robot")),
            P,
            [ROBOT, "ServiceAccount:prod/robot"],
            id="by name everywhere",
        ),
        pytest.param(in_dev(rule("create", "serviceaccounts/token", names="gone")), P_DEV, [], id="no such account"),
        pytest.param(in_dev(rule("create", "serviceaccounts")), P_DEV, [], id="accounts, no tokens"),
        pytest.param(in_dev(rule("get update patch", "serviceaccounts/token")), P_DEV, [], id="other verbs"),
    ],
)
def test_create_tokens(objects: list[Any], source: str, expected: list[str]) -> None:
    view = inventory(*ACCOUNTS, *objects)
    assert targets(view, "SA_TOKEN_CREATE", source) == expected
    for edge in expanded(view, "SA_TOKEN_CREATE").values():
        assert (edge.effort, edge.verdict) == (2, "on")
        assert next(iter(proof(view, edge)))[1] == "rules[0]"


@pytest.mark.parametrize("names", [None, "bound"])
@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param([], True, id="manifests: it is in the cluster"),
        pytest.param([account("other", "dev", uid="u"), pod("web", namespace="dev")], False, id="listed: it is gone"),
        pytest.param(
            [account("other", "dev", uid="u"), pod("web", namespace="dev", serviceAccountName="bound")],
            True,
            id="a pod uses it",
        ),
    ],
)
def test_tokens_of_an_account_that_only_a_binding_names(objects: list[Any], expected: bool, names: str | None) -> None:
    view = inventory(
        *objects,
        role_binding("b", "ClusterRole:view", "ServiceAccount:dev/bound", namespace="prod"),
        *in_dev(rule("create", "serviceaccounts/token", names=names)),
    )
    assert ("ServiceAccount:dev/bound" in targets(view, "SA_TOKEN_CREATE", P_DEV)) is expected


def test_nothing_without_the_permission() -> None:
    view = inventory(*SECRETS, *TOKENS[2:], *ACCOUNTS, *in_dev(rule("get list", "pods")))
    assert [edges(view, each) for each in ("SECRET_READ", "TOKEN_LIST", "SA_TOKEN_CREATE")] == [[], [], []]
