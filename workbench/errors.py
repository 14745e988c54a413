"""The exception tree: everything that can go wrong and that a person can act on.

    WorkbenchError
    ├── UsageError              the command line or a selector is wrong
    ├── InputError              a file is wrong: carries every place (file, document, line, field)
    │   ├── SnapshotError       a snapshot is cut off, of a newer version, or no snapshot
    │   └── KubeconfigError     a kubeconfig is missing or wrong
    ├── ClusterError            the cluster refuses everything
    │   ├── Unreachable         no answer from it
    │   ├── LoginError          no credentials: a plugin of the kubeconfig failed
    │   └── Cancelled           the user ended the connection
    ├── ConfigError             workbench.yaml is wrong
    ├── NotYetSupported         something that this version says it cannot do
    └── FixError                a change does not fit the object
        └── Conflict            two changes set one field differently

The command line turns each into one message on standard error and an exit status (see ``ExitStatus``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class ExitStatus(enum.IntEnum):
    """What the process's exit status means to a script."""

    DONE = 0
    """Done, and nothing over the gate."""
    GATE = 1
    """The gate failed, or something was refused, stale or failed while applying."""
    USAGE = 2
    """Wrong usage or bad input; the message says what and where."""
    CLUSTER = 3
    """The cluster could not be reached or refused everything."""
    INTERNAL = 70
    """A defect of the program itself."""
    INTERRUPTED = 130
    """Ended by the user (ctrl+c)."""


class WorkbenchError(Exception):
    """The root: a message for people, a short title, and the status the command ends with."""

    title = "error"
    status = ExitStatus.USAGE


class UsageError(WorkbenchError):
    """A flag, a selector, a sample name or an id that means nothing here."""

    title = "usage"


@dataclass(frozen=True, slots=True)
class Fault:
    """One place in the input that is wrong, and why."""

    file: str
    problem: str
    document: int | None = None
    """The document's number within the file, counted from 1."""
    line: int | None = None
    """The line, counted from 1."""
    field: str | None = None
    """The field as a path, such as ``spec.containers[0].image``."""

    def __str__(self) -> str:
        where = self.file
        if self.line is not None:
            where += f":{self.line}"
        parts = [where]
        if self.document is not None:
            parts.append(f"document {self.document}")
        if self.field:
            parts.append(self.field)
        return ": ".join((", ".join(parts), self.problem))


class InputError(WorkbenchError):
    """Input that cannot be taken for what it claims to be; every such place is listed."""

    title = "bad input"

    def __init__(self, faults: list[Fault] | Fault) -> None:
        self.faults = [faults] if isinstance(faults, Fault) else faults
        super().__init__("\n".join(str(fault) for fault in self.faults))


class SnapshotError(InputError):
    """A snapshot that is cut off, damaged, or written by a newer version."""

    title = "bad snapshot"


class KubeconfigError(InputError):
    """There is no kubeconfig, or what it says cannot be followed; names the file and the entry."""

    title = "bad kubeconfig"


class ClusterError(WorkbenchError):
    """The cluster could not be read or changed at all; the message gives the server's reason."""

    title = "cluster"
    status = ExitStatus.CLUSTER


class Unreachable(ClusterError):
    """No answer came: no connection, a certificate that does not fit, a time limit, a connection that was cut."""

    title = "no answer"


class LoginError(ClusterError):
    """There are no credentials to send: a plugin of the kubeconfig is missing, failed, or took too long."""

    title = "login"


class Cancelled(ClusterError):
    """The user ended the connection while something was under way."""

    title = "cancelled"
    status = ExitStatus.INTERRUPTED


class ConfigError(InputError):
    """``workbench.yaml`` has an unknown key or a wrong value."""

    title = "bad configuration"


class NotYetSupported(WorkbenchError):
    """Something that this version knows of and does not do; the message names what works instead."""

    title = "not available"


class FixError(WorkbenchError):
    """A change that does not fit the object it is aimed at."""

    title = "fix"


class Conflict(FixError):
    """Two changes that set one field of one object to different values."""

    title = "conflict"
