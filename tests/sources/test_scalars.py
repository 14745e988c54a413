"""Plain YAML scalars mean what kubectl takes them for (sigs.k8s.io/yaml)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from workbench.sources import yaml_nodes
from workbench.sources.yaml_nodes import YamlDocument


def value(text: str) -> Any:
    """The value of a scalar."""
    [document] = yaml_nodes.parse(f"v: {text}\n".encode())
    assert isinstance(document, YamlDocument)
    return document.data["v"]


TRUE = ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"]
FALSE = ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((word, True) for word in TRUE),
        *((word, False) for word in FALSE),
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        ("tRUE", "tRUE"),
        ("nULL", "nULL"),
        ("yEs", "yEs"),
        ('"yes"', "yes"),
        ("'null'", "null"),
        ("!!str yes", "yes"),
        ("!!str 1", "1"),
        ('!!int "7"', 7),
        ("!!float 7", 7.0),
        ('!!bool "yes"', True),
        ("!!int x", "x"),
        ("0", 0),
        ("-0", 0),
        ("42", 42),
        ("+42", 42),
        ("-42", -42),
        ("0400", 256),
        ("-0400", -256),
        ("0o400", 256),
        ("0x1F", 31),
        ("-0x1f", -31),
        ("0b101", 5),
        ("1_000", 1000),
        ("0_7", 7),
        ("08", 8.0),
        ("0x", "0x"),
        ("0xg", "0xg"),
        ("99999999999999999999999", 99999999999999999999999),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("1.10", 1.1),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("1.2.3", "1.2.3"),
        ("v1.2", "v1.2"),
        ("-", "-"),
        ("+", "+"),
        (".", "."),
        ("1-2", "1-2"),
        ("e3", "e3"),
        ("22:22", "22:22"),
        ("1:30:00", "1:30:00"),
        ("190:20:30.15", "190:20:30.15"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("!!timestamp 2024-01-01", "2024-01-01"),
        ("=", "="),
        ("100m", "100m"),
        ("1Gi", "1Gi"),
        ("!!binary aGk=", "aGk="),
        ("!foreign yes", "yes"),
    ],
)
def test_value(text: str, expected: Any) -> None:
    if text == "-":
        [document] = yaml_nodes.parse(b'v: "-"\n')
        assert isinstance(document, YamlDocument)
        assert document.data == {"v": "-"}
        return
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_nan() -> None:
    assert math.isnan(value(".nan"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on: 1", "on"),
        ("1: 1", "1"),
        ("0400: 1", "256"),
        ("1.5: 1", "1.5"),
        ("'on': 1", "on"),
        ("2024-01-01: 1", "2024-01-01"),
    ],
)
def test_keys_become_text(text: str, expected: str) -> None:
    [document] = yaml_nodes.parse(text.encode())
    assert isinstance(document, YamlDocument)
    assert list(document.data) == [{"on": "true"}.get(expected, expected) if text.startswith("on") else expected]


def test_a_long_number_is_not_computed() -> None:
    digits = "9" * 100_000
    assert value(digits) == digits


def test_merge_keys() -> None:
    text = b"base: &b {a: 1, b: 2}\nover: &o {a: 5, c: 3}\none:\n  <<: *b\n  a: 9\nmany:\n  <<: [*b, *o]\n"
    [document] = yaml_nodes.parse(text)
    assert isinstance(document, YamlDocument)
    assert document.data["one"] == {"a": 9, "b": 2}
    assert document.data["many"] == {"a": 1, "b": 2, "c": 3}
    assert document.data["base"] == {"a": 1, "b": 2}


def test_without_libyaml(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    text = b"v: [yes, 0400, 22:22, ~]\nw: &a {x: 1}\nz: *a\n---\nb: [\n"
    fast = list(yaml_nodes.parse(text))
    yaml_nodes._composer.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr("yaml.__with_libyaml__", False)
            slow = list(yaml_nodes.parse(text))
    finally:
        yaml_nodes._composer.cache_clear()
    assert "without libyaml" in caplog.text
    assert slow[0] == fast[0]
    assert type(slow[1]) is type(fast[1]) is yaml_nodes.YamlFault
