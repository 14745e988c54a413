"""Evidence values in one line: YAML that can be read back, and short."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workbench.report.markdown import code
from workbench.report.values import LIMIT, RULE_LIMIT, TEXT_LIMIT, value_text
from workbench.text import shown

TOKEN = {
    "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}},
        {},
    ]
}


@pytest.mark.parametrize(
    ("value", "default", "text"),
    [
        (None, None, "absent"),
        (None, False, "absent, which means false"),
        (None, "privileged", "absent, which means privileged"),
        (None, 0, "absent, which means 0"),
        (True, None, "true"),
        (False, True, "false"),
        (0, None, "0"),
        ("", None, '""'),
        ("web", None, "web"),
        ("true", None, '"true"'),
        ("12", None, '"12"'),
        ("null", None, '"null"'),
        ("*", None, '"*"'),
        ("a b", None, '"a b"'),
        ("system:masters", None, "system:masters"),
        ("/var/run", None, "/var/run"),
        ("registry.example/web:1@sha256:00", None, "registry.example/web:1@sha256:00"),
        ([], None, "[]"),
        ({}, None, "{}"),
        ({"b": 1, "a": [True, None]}, None, "{a: [true, null], b: 1}"),
        (
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["a"]},
            None,
            '{verbs: [get], resources: [pods], apiGroups: [""], resourceNames: [a]}',
        ),
        (TOKEN, None, "{sources: [{serviceAccountToken: {…}}, {configMap: {…}}, {}]}"),
        (
            {
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                "name": "kube-api-access-vc2r2",
                "readOnly": True,
            },
            None,
            "{mountPath: /var/run/secrets/kubernetes.io/serviceaccount, name: kube-api-access-vc2r2, readOnly: true}",
        ),
        ("a\x1b[31m\nb", None, '"a\\u001b[31m\\nb"'),
        ("x\u202ey", None, '"x\\u202ey"'),
    ],
)
def test_value(value: Any, default: Any, text: str) -> None:
    assert value_text(value, default) == text


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN.filter(lambda value: value is not None))
def test_any_value_is_one_short_line(value: Any) -> None:
    text = value_text(value)
    assert len(text) <= max(LIMIT, RULE_LIMIT, TEXT_LIMIT)
    assert len(text.splitlines()) == 1
    assert shown(text) == text


SIMPLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)


@given(st.dictionaries(SIMPLE, SIMPLE | st.booleans() | st.integers(), max_size=2) | SIMPLE)
def test_a_value_that_is_not_shortened_is_yaml(value: Any) -> None:
    assert yaml.safe_load(value_text(value)) == value


@pytest.mark.parametrize("verbs", [3, 80])
def test_a_rule_has_room(verbs: int) -> None:
    rule = {"verbs": [f"verb{number}" for number in range(verbs)], "resources": ["pods"], "apiGroups": [""]}
    text = value_text(rule)
    assert text.startswith("{verbs: [verb0, verb1, ")
    assert (len(text) == RULE_LIMIT and text.endswith("…")) == (verbs == 80)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "`a`"),
        ("", "` `"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("``a", "``` ``a ```"),
        (" a", "`  a `"),
        ("<b>\n", "`<b>\\x0a`"),
        (8.5, "`8.5`"),
    ],
)
def test_code(value: object, text: str) -> None:
    assert code(value) == text
