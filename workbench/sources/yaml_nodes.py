"""YAML to plain data by way of nodes: kubectl's types, no tag is run, aliases are bounded, no key stands twice."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from workbench.sources.scalars import CORE_TAGS, MERGE, STR, tag_of, value_of
from workbench.text import shown

_LOG = logging.getLogger(__name__)

MAX_DEPTH = 200
"""How deep a document may nest; the deepest schema of a CustomResourceDefinition in use has about 60 levels."""
MAX_EXPANDED = 1_000_000
"""How many nodes a document with aliases may have once they are expanded."""

Place: TypeAlias = tuple[str, int]


class _Resolve:
    """What PyYAML's composers ask for: the tag of a node that carries none."""

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        if kind is ScalarNode:
            return tag_of(value) if implicit[0] else STR
        return "tag:yaml.org,2002:map" if kind is MappingNode else "tag:yaml.org,2002:seq"

    def descend_resolver(self, current: Any, index: Any) -> None:
        return None

    def ascend_resolver(self) -> None:
        return None


@cache
def _composer() -> Any:
    """The class that turns text into nodes: libyaml's parser, or PyYAML's own where that is missing."""
    if yaml.__with_libyaml__:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]

        return type("Composer", (_Resolve, CParser), {})
    from yaml.composer import Composer
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    _LOG.warning("PyYAML was built without libyaml: reading YAML takes about ten times as long")

    class _Composer(_Resolve, Reader, Scanner, Parser, Composer):
        def __init__(self, stream: Any) -> None:
            Reader.__init__(self, stream)
            Scanner.__init__(self)
            Parser.__init__(self)
            Composer.__init__(self)

        def dispose(self) -> None:
            return None

    return _Composer


@dataclass(frozen=True, slots=True)
class YamlFault:
    """Why a document does not parse; lines count from 0."""

    problem: str
    line: int


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One document as plain data; lines count from 0."""

    data: Any
    line: int
    foreign: Place | None


class _Refused(Exception):
    def __init__(self, problem: str, node: Node) -> None:
        super().__init__(problem)
        self.fault = YamlFault(problem, node.start_mark.line)


def compose(text: bytes) -> Iterator[Node]:
    """The root node of each document.

    Raises:
        yaml.YAMLError: The text is no YAML.
        RecursionError: It nests too deeply for the parser without libyaml.
    """
    loader = _composer()(text)
    try:
        while loader.check_node():
            yield loader.get_node()
    finally:
        loader.dispose()


def parse(text: bytes) -> Iterator[YamlDocument | YamlFault]:
    """Every document of a text; a fault ends it, as nothing is known of what follows."""
    anchors = b"&" in text
    try:
        for node in compose(text):
            builder = _Builder(anchors)
            try:
                data = builder.build(node, 0)
            except _Refused as refused:
                fault = refused.fault
                yield YamlFault(_with_hint(fault.problem, text, fault.line), fault.line)
                continue
            yield YamlDocument(data, node.start_mark.line, builder.foreign)
    except yaml.YAMLError as error:
        yield _fault(error, text)
    except RecursionError:
        yield YamlFault("nested too deeply", 0)


def _fault(error: yaml.YAMLError, text: bytes) -> YamlFault:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        parts = [part for part in (error.context, error.problem) if part]
        line = min(mark.line, text.rstrip().count(b"\n")) if mark else 0
        return YamlFault(_with_hint("not YAML: " + ", ".join(shown(part) for part in parts), text, line), line)
    line = 0
    try:
        decoded = text.decode()
    except UnicodeDecodeError as wrong:
        line = text.count(b"\n", 0, wrong.start)
        return YamlFault(f"not UTF-8 text: byte 0x{text[wrong.start]:02x}", line)
    for char in decoded:
        if char == "\n":
            line += 1
        elif char not in "\t\r\x85" and (char < " " or "\x7f" <= char < "\xa0" or char in "\ufffe\uffff"):
            return YamlFault(f"not YAML: the control character {shown(char)} is not allowed", line)
    return YamlFault(f"not YAML: {shown(str(error))}", 0)


def _with_hint(problem: str, text: bytes, line: int) -> str:
    lines = text.split(b"\n", line + 1)
    here = b"\n".join(lines[max(0, line - 1) : line + 1])
    if b"{{" in here:
        return f"{problem}; it looks like a Helm template: render it first (helm template)"
    return problem


class _Builder:
    """From one document's nodes to plain data."""

    def __init__(self, anchors: bool) -> None:
        self.foreign: Place | None = None
        self._anchors = anchors
        self._done: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()
        self._expanded = 0

    def build(self, node: Node, depth: int) -> Any:
        if node.__class__ is ScalarNode:
            tag = node.tag
            if tag == STR:
                return node.value
            if tag not in CORE_TAGS:
                self._note(node)
                return node.value
            return value_of(tag, node.value)
        if not self._anchors:
            return self._collection(node, depth)
        key = id(node)
        known = self._done.get(key)
        if known is not None:
            self._count(known[1], node)
            return known[0]
        if key in self._open:
            raise _Refused("an alias refers to what it stands in", node)
        self._open.add(key)
        before = self._expanded
        data = self._collection(node, depth)
        self._open.discard(key)
        self._done[key] = (data, self._expanded - before + 1)
        self._count(1, node)
        return data

    def _count(self, size: int, node: Node) -> None:
        self._expanded += size
        if self._expanded > MAX_EXPANDED:
            raise _Refused(f"aliases expand to more than {MAX_EXPANDED:,} values", node)

    def _note(self, node: Node) -> None:
        if self.foreign is None:
            self.foreign = (node.tag, node.start_mark.line)

    def _collection(self, node: Node, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise _Refused(f"nested more than {MAX_DEPTH} levels deep", node)
        if node.tag not in CORE_TAGS:
            self._note(node)
        build = self.build
        depth += 1
        if isinstance(node, SequenceNode):
            if self._anchors:
                self._count(len(node.value), node)
            return [build(item, depth) for item in node.value]
        out: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        if self._anchors:
            self._count(len(node.value), node)
        for key_node, value_node in node.value:
            if key_node.tag == MERGE:
                merged.extend(self._merged(value_node, depth))
                continue
            key = key_node.value if key_node.tag == STR else self._key(key_node)
            if key in out:
                raise _Refused(f"the key {shown(key)!r} stands twice in one mapping", key_node)
            out[key] = build(value_node, depth)
        for mapping in merged:
            for key, value in mapping.items():
                out.setdefault(key, value)
        return out

    def _merged(self, node: Node, depth: int) -> list[dict[str, Any]]:
        value = self.build(node, depth)
        mappings = value if isinstance(value, list) else [value]
        for mapping in mappings:
            if not isinstance(mapping, dict):
                raise _Refused("a merge key (<<) needs a mapping", node)
            if self._anchors:
                self._count(len(mapping), node)
        return mappings

    def _key(self, node: Node) -> str:
        """A key as JSON has it: sigs.k8s.io/yaml turns numbers and booleans into text."""
        if not isinstance(node, ScalarNode):
            raise _Refused("a key of a mapping must be a plain value", node)
        if node.tag not in CORE_TAGS:
            self._note(node)
            return str(node.value)
        value = value_of(node.tag, node.value)
        if value is None:
            raise _Refused("a key of a mapping must not be null", node)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return f"{value:g}"
        return str(value)
