"""Calico's selector expressions: ``app == 'web' && !has(test) || tier in {'a', 'b'}``.

Source: Calico documentation, NetworkPolicy, "Selectors".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from workbench.network.labels import LabelIndex


class SelectorError(ValueError):
    """The text is no selector."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A condition on one label."""

    key: str
    operator: str
    """``==``, ``!=``, ``in``, ``not in``, ``has``, ``contains``, ``starts with`` or ``ends with``."""
    values: tuple[str, ...] = ()

    def bits(self, index: LabelIndex) -> int:
        values = self.values
        match self.operator:
            case "has":
                return index.has(self.key)
            case "contains":
                return index.where(self.key, lambda value: values[0] in value)
            case "starts with":
                return index.where(self.key, lambda value: value.startswith(values[0]))
            case "ends with":
                return index.where(self.key, lambda value: value.endswith(values[0]))
        found = 0
        for value in values:
            found |= index.value(self.key, value)
        return found if self.operator in ("==", "in") else index.all & ~found


@dataclass(frozen=True, slots=True)
class Combined:
    """Conditions joined by ``&&``, ``||`` or turned around by ``!``."""

    operator: str
    parts: tuple[Node, ...]

    def bits(self, index: LabelIndex) -> int:
        found = [part.bits(index) for part in self.parts]
        if self.operator == "!":
            return index.all & ~found[0]
        out = index.all if self.operator == "&&" else 0
        for each in found:
            out = out & each if self.operator == "&&" else out | each
        return out


@dataclass(frozen=True, slots=True)
class Constant:
    """``all()``, which is everything, and ``global()``, which is nothing that has a namespace."""

    everything: bool

    def bits(self, index: LabelIndex) -> int:
        return index.all if self.everything else 0


Node: TypeAlias = Compared | Combined | Constant


@dataclass(frozen=True, slots=True)
class Expression:
    """A whole expression, as a matcher."""

    root: Node

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(_keys(self.root))

    @property
    def everything(self) -> bool:
        return isinstance(self.root, Constant) and self.root.everything

    @property
    def only_global(self) -> bool:
        """Whether it is ``global()``."""
        return isinstance(self.root, Constant) and not self.root.everything

    def bits(self, index: LabelIndex) -> int:
        return self.root.bits(index)


ALL = Expression(Constant(True))

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"[^"]*"|'[^']*')
    | (?P<symbol>\|\||&&|==|!=|[!(){},])
    | (?P<word>[A-Za-z0-9_./-]+)
    )""",
    re.VERBOSE,
)

_DEEPEST = 64


def parse(text: str | None) -> Expression:
    """An expression; an empty one is ``all()``.

    Raises:
        SelectorError: The text is no selector.
    """
    if text is None or not text.strip():
        return ALL
    return Expression(_Parser(text).parse())


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None:
                raise SelectorError(f"what stands at character {at + 1} is not understood")
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind]))
            at = match.end()

    def parse(self) -> Node:
        found = self._any(0)
        if self._at < len(self._tokens):
            raise SelectorError(f"{self._tokens[self._at][1]} is not expected")
        return found

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise SelectorError("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _takes(self, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] in (("symbol", text), ("word", text)):
            self._at += 1
            return True
        return False

    def _needs(self, text: str) -> None:
        if not self._takes(text):
            raise SelectorError(f"{text} is expected")

    def _any(self, depth: int) -> Node:
        parts = [self._all(depth)]
        while self._takes("||"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else Combined("||", tuple(parts))

    def _all(self, depth: int) -> Node:
        parts = [self._one(depth)]
        while self._takes("&&"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Combined("&&", tuple(parts))

    def _one(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise SelectorError("it is nested too deeply")
        if self._takes("!"):
            return Combined("!", (self._one(depth + 1),))
        if self._takes("("):
            found = self._any(depth + 1)
            self._needs(")")
            return found
        kind, key = self._next()
        if kind != "word":
            raise SelectorError(f"{key} is not expected")
        if key in ("all", "global", "has") and self._takes("("):
            if key != "has":
                self._needs(")")
                return Constant(key == "all")
            kind, key = self._next()
            if kind != "word":
                raise SelectorError("has() needs the key of a label")
            self._needs(")")
            return Compared(key, "has")
        return Compared(key, *self._condition())

    def _condition(self) -> tuple[str, tuple[str, ...]]:
        for operator in ("==", "!=", "contains"):
            if self._takes(operator):
                return operator, (self._string(),)
        for first in ("starts", "ends"):
            if self._takes(first):
                self._needs("with")
                return f"{first} with", (self._string(),)
        negated = self._takes("not")
        self._needs("in")
        return "not in" if negated else "in", tuple(self._set())

    def _string(self) -> str:
        kind, text = self._next()
        if kind != "string":
            raise SelectorError(f"{text} should stand in quotes")
        return text[1:-1]

    def _set(self) -> Iterator[str]:
        self._needs("{")
        while not self._takes("}"):
            yield self._string()
            if not self._takes(","):
                self._needs("}")
                return


def _keys(node: Node) -> Iterator[str]:
    if isinstance(node, Compared):
        yield node.key
    elif isinstance(node, Combined):
        for part in node.parts:
            yield from _keys(part)
