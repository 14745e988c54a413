"""An object's text to look at: the document as it was written, with values masked that must not be shown.

Masked are environment values, the data of Secrets and ConfigMaps, and the values of annotations that no rule
reads. The lines keep their numbers. What has no text of its own is shown as the fields that the analysis reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from workbench.inventory.decode import ANNOTATION_VALUES, plain
from workbench.inventory.fields import parse
from workbench.inventory.objects import KubernetesObject
from workbench.sources.locate import yaml_line

MASK = "(masked)"
_MASKED_MAPS = ("data", "stringData", "binaryData")


def masked(text: str) -> str | None:
    """A YAML or JSON document with secret values masked, ``None`` if it cannot be read well enough to do that."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError):
        return None
    if root is None:
        return None
    lines = text.splitlines(keepends=True)
    spans: list[tuple[int, int]] = []
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    for node in _secret(root, ()):
        begin = starts[min(node.start_mark.line, len(lines))] + node.start_mark.column
        end = starts[min(node.end_mark.line, len(lines))] + node.end_mark.column
        spans.append((begin, end))
    out = text
    for begin, end in sorted(spans, reverse=True):
        old = out[begin:end]
        kept = old[len(old.rstrip()) :] if "\n" in old else ""
        lost = old.count("\n") - kept.count("\n")
        out = out[:begin] + MASK + "\n" * lost + kept + out[end:]
    return out


def _secret(node: Node, path: tuple[str, ...]) -> Iterator[ScalarNode]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            name = str(key.value)
            if _is_secret(path, name) and isinstance(value, ScalarNode):
                if value.value:
                    yield value
            else:
                yield from _secret(value, (*path, name))
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _secret(item, path)


def _is_secret(path: tuple[str, ...], name: str) -> bool:
    if not path:
        return False
    if path[-1] == "env" and name == "value":
        return True
    if path[-1] == "annotations":
        return not ANNOTATION_VALUES.match(name)
    return path[-1] in _MASKED_MAPS and "spec" not in path


def trimmed(obj: KubernetesObject) -> str:
    """The fields that the analysis reads, as YAML."""
    return as_yaml(plain(obj))


def as_yaml(data: dict[str, Any]) -> str:
    """An object as plain data, as YAML; who manages which field is left out."""
    shown = {**data, "metadata": {k: v for k, v in (data.get("metadata") or {}).items() if k != "managedFields"}}
    return yaml.safe_dump(shown, sort_keys=False, default_flow_style=False, width=4096, allow_unicode=True)


def line_of(text: str, field: str) -> int | None:
    """The line (from 0) of a field, or of its nearest parent, within a document's text."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError):
        return None
    return yaml_line(root, parse(field)) if root is not None else None
