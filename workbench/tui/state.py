"""The state directory: the log, and what the program remembers between two starts."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from workbench.preferences import PRIVATE_DIRECTORY, PRIVATE_FILE, state_directory

LOGGER = logging.getLogger("workbench")


def log_path() -> Path:
    """Where the log is written."""
    return state_directory() / "workbench.log"


def open_log() -> logging.Handler | None:
    """Begin to write the log, readable by its owner only; ``None`` where the directory cannot be written."""
    path = log_path()
    try:
        path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        path.parent.chmod(PRIVATE_DIRECTORY)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE))
        handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    except OSError:
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    LOGGER.addHandler(handler)
    LOGGER.propagate = False
    return handler


def close_log(handler: logging.Handler | None) -> None:
    """End the log."""
    if handler is not None:
        LOGGER.removeHandler(handler)
        handler.close()
        LOGGER.propagate = True


def first_run() -> bool:
    """Whether this is the first start of this user; the next one is not."""
    marker = state_directory() / "started"
    try:
        marker.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
    except FileExistsError:
        return False
    except OSError:
        return True
    return True
