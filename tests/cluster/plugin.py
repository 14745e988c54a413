"""Where the binaries of the control plane come from, and a loud word, or a failure, where tests have to do without.

A folder named by ``KUBEBUILDER_ASSETS`` comes first, then what ``controlplane/build.py`` has built. It builds now,
before the first test, if the tests of this folder are asked for by name or must not be skipped: where ``CI`` is set, or
``WORKBENCH_CLUSTER_TESTS`` is ``required``, as ``.ci/run`` does. In any other run missing binaries skip these tests,
since a build takes ten minutes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.controlplane import build

ASSETS = "KUBEBUILDER_ASSETS"
_FOLDER = Path(__file__).resolve().parent
_NO_BINARIES = "no control plane: "
"""How the reason of every skip starts that this file speaks of at the end."""


class _Skipped:
    """Counts, over all workers, the tests that did without."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple | list):
            reason = str(report.longrepr[2]).removeprefix("Skipped: ")
            if reason.startswith(_NO_BINARIES):
                self.reasons.append(reason.removeprefix(_NO_BINARIES))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.reasons and _required() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.reasons:
            return
        terminalreporter.section("NOT TESTED AGAINST A REAL API SERVER", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(self.reasons)} tests did not run: {'; '.join(sorted(set(self.reasons)))}.")
        terminalreporter.line(f"To build the servers, once: python {_script()}, with Go {build.needed_go()} or newer.")
        if _required():
            terminalreporter.line("They must not be skipped here, so this run has failed.", red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Watch the whole run from the one place that sees all of it."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Skipped(), "workbench-skipped-cluster-tests")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Build, where that is called for: before the workers and outside the time limit of a test."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly or not _wanted(config):
        return
    if os.environ.get(ASSETS) or build.find_built() is not None:
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            build.build()
        except build.BuildError as error:
            # The tests say it again as they skip.
            print(f"control plane: {error}", flush=True)


@dataclass(frozen=True)
class Binaries:
    """The folder of the programs, or why there is none."""

    folder: Path | None
    reason: str = ""

    def having(self, *needed: str) -> Path:
        """The folder, if it has all of some programs.

        Raises:
            pytest.skip.Exception: It has not, or there is none.
        """
        if self.folder is None:
            pytest.skip(_NO_BINARIES + self.reason)
        lacking = [name for name in needed if not os.access(self.folder / name, os.X_OK)]
        if lacking:
            pytest.skip(f"{_NO_BINARIES}{self.folder} has no {', '.join(lacking)}")
        return self.folder


def find_binaries() -> Binaries:
    """What ``KUBEBUILDER_ASSETS`` names, or what was built; to be asked before a test gets a home of its own."""
    if os.environ.get(ASSETS):
        return Binaries(Path(os.environ[ASSETS]))
    built = build.find_built()
    if built is not None:
        return Binaries(built)
    try:
        build.find_go()
    except build.BuildError as error:
        return Binaries(None, str(error))
    return Binaries(None, "not built yet")


def _wanted(config: pytest.Config) -> bool:
    """Whether the run is worth a build: it asks for these tests by name, or for a whole that may not lack them."""
    if config.option.markexpr == "cluster":
        return True
    here = config.invocation_params.dir
    asked = [(here / argument.partition("::")[0]).resolve() for argument in config.args]
    return any(path.is_relative_to(_FOLDER) or (_required() and _FOLDER.is_relative_to(path)) for path in asked)


def _required() -> bool:
    if os.environ.get("WORKBENCH_CLUSTER_TESTS") == "required":
        return True
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def _script() -> str:
    return os.path.relpath(build.__file__)
