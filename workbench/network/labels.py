"""Selectors over labels, evaluated once for all items through an inverted index."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from workbench.inventory.records import LabelSelector
from workbench.network.bits import bits_of

NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The label that the API server gives every namespace (Kubernetes documentation, Namespaces, "Automatic labelling")."""


class LabelIndex:
    """Which items have a label; a set of items is an integer with bit ``n`` for the ``n``-th.

    Attributes:
        all: The set of all items.
    """

    def __init__(self, items: Sequence[Mapping[str, str]]) -> None:
        self.all = (1 << len(items)) - 1
        self._fill(enumerate(items), len(items))

    def _fill(self, items: Iterable[tuple[int, Mapping[str, str]]], size: int) -> None:
        found: dict[str, dict[str, list[int]]] = {}
        for number, labels in items:
            for key, value in labels.items():
                found.setdefault(key, {}).setdefault(value, []).append(number)
        self._values = {
            key: {value: bits_of(numbers, size) for value, numbers in values.items()} for key, values in found.items()
        }
        self._has: dict[str, int] = {}
        for key, values in self._values.items():
            bits = 0
            for each in values.values():
                bits |= each
            self._has[key] = bits

    def overlaid(self, items: Mapping[int, Mapping[str, str]], size: int, gone: int) -> LabelIndex:
        """This index with more items, more labels of some, and without others.

        Args:
            items: New items by their numbers; of old ones only labels with keys that they did not have.
            size: How many items there are then, those that are gone counted too.
            gone: The set of items that are none any more.
        """
        return _OverlaidIndex(self, items, size, gone)

    def has(self, key: str) -> int:
        """The items with a label of this key."""
        return self._has.get(key, 0)

    def value(self, key: str, value: str) -> int:
        """The items with this label."""
        return self._values.get(key, {}).get(value, 0)

    def where(self, key: str, holds: Callable[[str], bool]) -> int:
        """The items whose value of a key fulfils a condition."""
        out = 0
        for value, bits in self._values.get(key, {}).items():
            if holds(value):
                out |= bits
        return out


class _OverlaidIndex(LabelIndex):
    def __init__(self, base: LabelIndex, items: Mapping[int, Mapping[str, str]], size: int, gone: int) -> None:
        self._below = base
        self._keep = ~gone
        self.all = ((1 << size) - 1) & ~gone
        self._fill(items.items(), size)

    def has(self, key: str) -> int:
        return self._below.has(key) & self._keep | super().has(key)

    def value(self, key: str, value: str) -> int:
        return self._below.value(key, value) & self._keep | super().value(key, value)

    def where(self, key: str, holds: Callable[[str], bool]) -> int:
        return self._below.where(key, holds) & self._keep | super().where(key, holds)


class Matcher(Protocol):
    """What picks items by their labels; hashable, so that equal ones are evaluated once."""

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the labels that it looks at."""

    @property
    def everything(self) -> bool:
        """Whether it matches whatever the labels are."""

    def bits(self, index: LabelIndex) -> int:
        """The items that it matches."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a key."""

    key: str
    operator: str
    """``In``, ``NotIn``, ``Exists`` or ``DoesNotExist``."""
    values: tuple[str, ...] = ()

    def bits(self, index: LabelIndex) -> int:
        """The items that fulfil it. ``NotIn`` holds where the key is absent (API types, LabelSelectorRequirement)."""
        match self.operator:
            case "Exists":
                return index.has(self.key)
            case "DoesNotExist":
                return index.all & ~index.has(self.key)
        found = 0
        for value in self.values:
            found |= index.value(self.key, value)
        return found if self.operator == "In" else index.all & ~found


@dataclass(frozen=True, slots=True)
class Selector:
    """A label selector of Kubernetes: all requirements have to hold."""

    requirements: tuple[Requirement, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Selectors are keys of all that is evaluated once: their hash is asked for far more often than they are made.
        object.__setattr__(self, "_hash", hash(self.requirements))

    def __hash__(self) -> int:
        return self._hash

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(requirement.key for requirement in self.requirements)

    @property
    def everything(self) -> bool:
        return not self.requirements

    def bits(self, index: LabelIndex) -> int:
        out = index.all
        for requirement in self.requirements:
            out &= requirement.bits(index)
        return out


EVERYTHING = Selector()

Report = Callable[[str, str], None]
"""Told of a field (dotted path) and what is wrong with it."""

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SYNTAX = "at most 63 letters, digits, -, _ and ., a letter or a digit at both ends"
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@lru_cache(maxsize=8192)
def key_problem(key: str) -> str | None:
    """What is wrong with a label's key, ``None`` if nothing is (Kubernetes documentation, Labels, "Syntax")."""
    prefix, slash, name = key.rpartition("/")
    if slash and not (_PREFIX.fullmatch(prefix) and len(prefix) <= 253):
        return f"{key!r} is no key of a label: its prefix is no DNS subdomain"
    if not _NAME.fullmatch(name):
        return f"{key!r} is no key of a label: {_SYNTAX}"
    return None


@lru_cache(maxsize=8192)
def value_problem(value: str) -> str | None:
    """What is wrong with a label's value, ``None`` if nothing is."""
    if value and not _NAME.fullmatch(value):
        return (
            f"{value!r} is no value of a label: at most 63 letters, digits, -, _ and ., a letter or digit at both ends"
        )
    return None


def selector(found: LabelSelector | None, field: str, report: Report) -> Selector:
    """A selector as read, checked as the API server does; ``None`` is the empty one, which matches everything.

    Args:
        found: As decoded.
        field: Where it stands, for faults.
        report: Told of every fault.
    """
    simple = simple_selector(found)
    if simple is not None or found is None:
        return simple or EVERYTHING
    out: list[Requirement] = []
    for key, value in sorted((found.match_labels or {}).items()):
        where = f"{field}.matchLabels"
        _check(report, f"{where}[{key}]", key_problem(key), value_problem(value or ""))
        out.append(Requirement(key, "In", (value or "",)))
    for index, each in enumerate(found.match_expressions or ()):
        where = f"{field}.matchExpressions[{index}]"
        operator, values = each.operator or "", tuple(sorted(each.values or ()))
        _check(report, f"{where}.key", key_problem(each.key or ""))
        if operator not in _OPERATORS:
            report(f"{where}.operator", f"{operator!r} is none of {', '.join(_OPERATORS)}")
        elif operator in ("In", "NotIn"):
            if not values:
                report(f"{where}.values", f"{operator} needs at least one value")
            _check(report, f"{where}.values", *map(value_problem, values))
        elif values:
            report(f"{where}.values", f"{operator} takes no values")
        out.append(Requirement(each.key or "", operator, values))
    return Selector(tuple(sorted(out, key=lambda item: (item.key, item.operator, item.values))))


def simple_selector(found: LabelSelector | None) -> Selector | None:
    """As :func:`selector` for one that has nothing but labels, as most do; ``None`` for others, and for faulty ones."""
    if found is None:
        return EVERYTHING
    if found.match_expressions:
        return None
    labels = found.match_labels
    return _of_labels(tuple(labels.items())) if labels else EVERYTHING


@lru_cache(maxsize=8192)
def _of_labels(labels: tuple[tuple[str, str | None], ...]) -> Selector | None:
    if any(key_problem(key) is not None or value_problem(value or "") is not None for key, value in labels):
        return None
    return _of_plain(tuple(sorted((key, value or "") for key, value in labels)))


@lru_cache(maxsize=8192)
def _of_plain(labels: tuple[tuple[str, str], ...]) -> Selector:
    return Selector(tuple(Requirement(key, "In", (value,)) for key, value in labels))


def _check(report: Report, field: str, *problems: str | None) -> None:
    for problem in problems:
        if problem is not None:
            report(field, problem)


def plain_labels(labels: Mapping[str, str | None] | None) -> dict[str, str]:
    """Labels with ``null`` for what it means, the empty value."""
    return {key: value or "" for key, value in (labels or {}).items()}
