"""Parts of numpy that scipy asks for by name and does not use, imported only when somebody does.

``scipy.sparse`` takes over all names of numpy, and with them imports a compiler of Fortran and the tools for tests: a
quarter of the time that a command takes to start.
"""

from __future__ import annotations

import importlib.util
import sys

import numpy as np

UNUSED = ("numpy.f2py", "numpy.testing")


def defer() -> None:
    """Put modules in the place of :data:`UNUSED` that load themselves when they are looked into."""
    for name in UNUSED:
        found = importlib.util.find_spec(name) if name not in sys.modules else None
        if found is None or found.loader is None:
            continue
        found.loader = loader = importlib.util.LazyLoader(found.loader)
        module = importlib.util.module_from_spec(found)
        sys.modules[name] = module
        loader.exec_module(module)
        setattr(np, name.partition(".")[2], module)
