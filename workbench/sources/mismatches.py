"""Every field of an object that has the wrong type, with its exact path.

Decoding stops at the first wrong field and names no map keys; this walk runs only over what failed to decode.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from workbench.inventory import fields
from workbench.inventory.fields import Path

_NAMES: dict[type[inspect.Type], str] = {
    inspect.StrType: "a string",
    inspect.IntType: "an integer",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.ListType: "a list",
    inspect.VarTupleType: "a list",
    inspect.DictType: "a mapping",
    inspect.StructType: "a mapping",
}


@cache
def _type(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


def mismatches(kind: type[msgspec.Struct], data: Any) -> Iterator[tuple[str, str]]:
    """The dotted path and the problem of every field whose type is wrong.

    Args:
        kind: The class that the data should decode to.
        data: Plain data.
    """
    for path, expected, value in _walk(_type(kind), data, ()):
        yield fields.dotted(path), f"expected {expected}, got {_got(value)}"


def _walk(type_: inspect.Type, value: Any, path: Path) -> Iterator[tuple[Path, str, Any]]:
    options = type_.types if isinstance(type_, inspect.UnionType) else (type_,)
    option = next((candidate for candidate in options if _fits(candidate, value)), None)
    if option is None:
        names = [_NAMES[type(candidate)] for candidate in options if type(candidate) in _NAMES]
        yield path, " or ".join(dict.fromkeys(names)), value
    elif isinstance(option, inspect.StructType):
        for field in option.fields:
            if field.encode_name in value:
                yield from _walk(field.type, value[field.encode_name], (*path, field.encode_name))
    elif isinstance(option, inspect.DictType):
        for key, item in value.items():
            yield from _walk(option.value_type, item, (*path, key))
    elif isinstance(option, (inspect.ListType, inspect.VarTupleType)):
        for index, item in enumerate(value):
            yield from _walk(option.item_type, item, (*path, index))


def _fits(type_: inspect.Type, value: Any) -> bool:
    match type_:
        case inspect.AnyType():
            return True
        case inspect.NoneType():
            return value is None
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case inspect.FloatType():
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case inspect.StrType():
            return isinstance(value, str)
        case inspect.ListType() | inspect.VarTupleType():
            return isinstance(value, list)
        case inspect.DictType() | inspect.StructType():
            return isinstance(value, dict)
    return True


def _got(value: Any) -> str:
    """What a value is, without the value itself, which may be a secret that stands in the wrong place."""
    match value:
        case None:
            return "null"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int():
            return "an integer"
        case float():
            return "a number with a fraction"
        case str():
            return "a string"
        case list():
            return "a list"
    return "a mapping"
