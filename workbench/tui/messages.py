"""Messages that are not those of one widget: what workers report to the app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textual.message import Message
from textual.worker import Worker


@dataclass
class JobDone(Message):
    """A job in a worker has a result."""

    worker: Worker[Any]
    deliver: Callable[[Any], None]
    result: Any


@dataclass
class JobFailed(Message):
    """A job in a worker raised."""

    worker: Worker[Any]
    deliver: Callable[[Exception], None]
    error: Exception


@dataclass
class Progress(Message):
    """How far loading has come; only the last one counts."""

    worker: Worker[Any]
    phase: str
    done: int
    total: int
    """0 where it is not known."""

    def can_replace(self, message: Message) -> bool:
        """Whether this one makes an older one in the queue superfluous."""
        return isinstance(message, Progress)


@dataclass
class KindsRead(Message):
    """Kinds of a cluster are further on; the reading itself says how far. Only the last one counts."""

    worker: Worker[Any]

    def can_replace(self, message: Message) -> bool:
        """Whether this one makes an older one in the queue superfluous."""
        return isinstance(message, KindsRead)


@dataclass
class RowsChanged(Message):
    """Rows of a batch of changes stand otherwise; the batch itself says how. Only the last one counts."""

    worker: Worker[Any]

    def can_replace(self, message: Message) -> bool:
        """Whether this one makes an older one in the queue superfluous."""
        return isinstance(message, RowsChanged)
