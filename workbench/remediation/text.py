"""How values get into the files of an export: block-style YAML that kubectl reads as meant, and inert Markdown."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import yaml

from workbench.sources.scalars import STR, tag_of

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|!&~@:()])")
_BACKTICKS = re.compile(r"`+")


class _Dumper(yaml.SafeDumper):
    """Without aliases; strings that kubectl's YAML takes for something else (``y``, ``0o7``, ``1e3``) are quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, data: str) -> yaml.ScalarNode:
    style = None if data and tag_of(data) == STR else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


def block_yaml(data: object) -> str:
    """Plain data as block-style YAML, in its own order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=False, width=4096)


def printable(text: str) -> str:
    """Text with everything that a terminal or an editor may interpret written out."""
    return "".join(
        char if char == " " or unicodedata.category(char)[0] not in "CZ" else f"\\u{{{ord(char):x}}}" for char in text
    )


def markdown(text: str) -> str:
    """Text from outside within a line of Markdown: no markup, no HTML, no link, no mention."""
    return _MARKDOWN.sub(r"\\\1", printable(text))


def fenced(text: str) -> list[str]:
    """Lines as a block of code that they cannot end."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}sh", *(printable(line) for line in text.split("\n")), fence]
