"""Builds etcd, kube-apiserver, kube-controller-manager and kubectl from the Go modules pinned beside this file.

Run it with any Python 3.11: it prints the folder of the binaries, and builds them there if they are not. Once for each
set of pins: about twelve minutes of processor time, 3 GB of memory and 4 GB in Go's own build cache, which need not be
kept. ``k8s.io/kubernetes`` cannot be installed by ``go install``, as its go.mod replaces modules with folders of its
own repository; the module here replaces the same ones with their published versions.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MODULE = Path(__file__).resolve().parent
SERVER = "k8s.io/kubernetes/cmd/"
COMMANDS = ("kube-apiserver", "kubectl", "kube-controller-manager")
ETCD = "go.etcd.io/etcd/server/v3"
BINARIES = ("etcd", *COMMANDS)
GO_PLACES = ("/usr/local/go/bin",)
"""Where Go's own installer puts it, for shells whose PATH lacks it."""


class BuildError(Exception):
    """The binaries cannot be built; the message says what is missing or what failed."""


def needed_go() -> str:
    """The oldest Go that builds the pinned versions, such as ``1.26.0``."""
    found = re.search(r"^go (\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def find_go() -> tuple[str, str]:
    """The Go command to use and its version, such as ``1.26.8``.

    Raises:
        BuildError: There is none, or only an older one.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *GO_PLACES])
    command = shutil.which("go", path=path)
    if command is None:
        raise BuildError(f"needs Go {needed_go()} or newer: no go on the PATH or in {', '.join(GO_PLACES)}")
    # In another folder and without switching: what is installed, not what our go.mod would make it fetch.
    told = subprocess.run(
        [command, "env", "GOVERSION"],
        cwd="/",
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    version = told.stdout.strip().removeprefix("go").partition(" ")[0]
    if _numbers(version) < _numbers(needed_go()):
        raise BuildError(f"needs Go {needed_go()} or newer: {command} is {version or 'of no known version'}")
    return command, version


def find_built() -> Path | None:
    """The folder in the cache that holds the binaries of the present pins; ``None`` if they are not built.

    Without Go any version of Go will do, so that a machine may be given the binaries alone.
    """
    try:
        _, version = find_go()
    except BuildError:
        version = "*"
    folders = sorted(_cache().glob(_key(version)))
    return next((folder for folder in reversed(folders) if folder.is_dir()), None)


def build(jobs: int | None = None) -> Path:
    """Build the binaries unless they are in the cache; of two builders at once the second waits and takes the first's.

    Args:
        jobs: How many compilers and linkers at once, 2.6 GB of memory for each; ``None`` for one a processor.

    Returns:
        The folder that holds them.

    Raises:
        BuildError: No Go, or Go failed; what it said is on standard error.
    """
    built = find_built()
    if built is not None:
        return built
    go, version = find_go()
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        target = cache / _key(version)
        if target.is_dir():
            return target
        with tempfile.TemporaryDirectory(prefix="building-", dir=cache) as folder:
            parts = Path(folder) / "parts"
            parts.mkdir()
            _compile(go, parts, jobs)
            # Whole or not at all, whatever ends us.
            parts.rename(target)
        return target


def _compile(go: str, out: Path, jobs: int | None) -> None:
    flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", *([f"-p={jobs}"] if jobs else [])]
    bare = "-s -w"
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    steps = (
        (["-ldflags", f"{bare} {_stamp()}", "-o", f"{out}{os.sep}"], [SERVER + name for name in COMMANDS]),
        # Its package would name the file "server".
        (["-ldflags", bare, "-o", str(out / "etcd")], [ETCD]),
    )
    for options, packages in steps:
        done = subprocess.run(
            [go, "build", *flags, *options, *packages], cwd=MODULE, env=environment, stdout=sys.stderr, check=False
        )
        if done.returncode != 0:
            raise BuildError(f"go build ended with status {done.returncode}")


def _stamp() -> str:
    """The linker flags that tell the binaries their version; without it no client can parse what the server says."""
    found = re.search(r"^\s*k8s\.io/kubernetes v(\d+)\.(\d+)(\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert found is not None
    major, minor, rest = found.groups()
    values = {"gitVersion": f"v{major}.{minor}{rest}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in values.items())


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "workbench" / "control-plane"


def _key(go_version: str) -> str:
    pins = hashlib.sha256()
    for name in ("go.mod", "go.sum", Path(__file__).name):
        pins.update((MODULE / name).read_bytes())
    return f"{pins.hexdigest()[:16]}-go{go_version}-{platform.system().lower()}-{platform.machine().lower()}"


def main() -> int:
    """Build, and print the folder; the status is 1, with the reason on standard error, where that is not possible."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--jobs", type=int, help="compilers at once (default: one a processor)")
    try:
        print(build(arguments.parse_args().jobs))
    except BuildError as error:
        print(f"control plane: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
