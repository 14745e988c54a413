"""What a plain YAML scalar means to kubectl, which is not what PyYAML takes it for.

kubectl reads YAML 1.1 through ``sigs.k8s.io/yaml`` (``goyaml.v2/resolve.go``): ``yes``, ``on`` and ``y`` are
booleans, ``0400`` is octal, ``1_000`` is a thousand, base 60 and timestamps are strings.
"""

from __future__ import annotations

import re

STR = "tag:yaml.org,2002:str"
INT = "tag:yaml.org,2002:int"
FLOAT = "tag:yaml.org,2002:float"
BOOL = "tag:yaml.org,2002:bool"
NULL = "tag:yaml.org,2002:null"
MERGE = "tag:yaml.org,2002:merge"
BINARY = "tag:yaml.org,2002:binary"
TIMESTAMP = "tag:yaml.org,2002:timestamp"

CORE_TAGS = frozenset(
    {STR, INT, FLOAT, BOOL, NULL, MERGE, BINARY, TIMESTAMP}
    | {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "set", "omap", "pairs")}
)
"""The tags that only state a type; any other asks the reader to do something and is never followed."""

_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
WORDS: dict[str, tuple[str, bool | float | None]] = {
    **dict.fromkeys(_TRUE, (BOOL, True)),
    **dict.fromkeys(_FALSE, (BOOL, False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), (NULL, None)),
    **{word: (FLOAT, float("nan")) for word in (".nan", ".NaN", ".NAN")},
    **{word: (FLOAT, float("inf")) for word in (".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF")},
    **{word: (FLOAT, float("-inf")) for word in ("-.inf", "-.Inf", "-.INF")},
    "<<": (MERGE, None),
}

_NUMBER_START = frozenset("0123456789+-.")
_INTEGER = re.compile(r"^[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_MOST_DIGITS = 4000
"""Python refuses to read longer decimal numbers, and no field is as large."""


def tag_of(text: str) -> str:
    """The tag of a plain scalar."""
    word = WORDS.get(text)
    if word is not None:
        return word[0]
    if text[0] not in _NUMBER_START:
        return STR
    plain = text.replace("_", "")
    if len(plain) > _MOST_DIGITS:
        return STR
    if text[0] != "." and _INTEGER.match(plain):
        return INT
    return FLOAT if _FLOAT.match(plain) else STR


def value_of(tag: str, text: str) -> bool | float | int | str | None:
    """The value of a scalar of a core tag; text that is none of that type stays text."""
    if tag in (STR, TIMESTAMP, BINARY):
        return text
    word = WORDS.get(text)
    if word is not None:
        return word[1] if word[0] == tag else text
    plain = text.replace("_", "")
    if tag in (INT, FLOAT) and len(plain) <= _MOST_DIGITS:
        if _INTEGER.match(plain):
            number = _integer(plain)
            return float(number) if tag == FLOAT else number
        if tag == FLOAT and _FLOAT.match(plain):
            return float(plain)
    return text


def _integer(text: str) -> int:
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-").lower()
    if digits.startswith(("0x", "0b", "0o")):
        return sign * int(digits, 0)
    if len(digits) > 1 and digits[0] == "0":
        return sign * int(digits, 8)
    return sign * int(digits)
