"""The API server's version as people and servers write it."""

from __future__ import annotations

import re

from workbench.errors import UsageError
from workbench.inventory.inventory import ServerVersion
from workbench.text import shown

_VERSION = re.compile(r"^v?(\d{1,3})\.(\d{1,3})\+?(?:\.(\d{1,5}))?(?:[-+.][0-9A-Za-z.+-]*)?$")


def parse_version(text: str) -> ServerVersion:
    """The version that a text such as ``v1.34.2-eks-113cf36``, ``1.33`` or ``v1.31+`` names.

    Raises:
        UsageError: The text is no Kubernetes version.
    """
    match = _VERSION.match(text.strip())
    if match is None or match[1] != "1":
        raise UsageError(f"{shown(text)!r} is no Kubernetes version; write it as v1.34.2")
    return ServerVersion(int(match[1]), int(match[2]), int(match[3] or 0))
