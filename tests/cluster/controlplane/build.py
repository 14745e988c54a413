"""Builds etcd, kube-apiserver, kube-controller-manager and kubectl from the Go modules pinned beside this file.

Run it with any Python 3.11: it prints the folder of the binaries, and builds them there if they are not. That takes
about twelve minutes of processor time and 3 GB of memory, once for each set of pins; 800 MB of modules and 4 GB in
Go's build cache need not be kept. ``k8s.io/kubernetes`` cannot be installed by ``go install``, as its go.mod replaces
modules with folders of its own repository; the module here replaces the same ones with their published versions.
"""

from __future__ import annotations

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
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
}
"""What is built, by the name of the program."""
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
    folders = sorted(_cache().glob(key(version)))
    return next((folder for folder in reversed(folders) if folder.is_dir()), None)


def build() -> Path:
    """Build the binaries unless they are in the cache; of two builders at once the second waits for the first's.

    What is done is told on standard error.

    Returns:
        The folder that holds them.

    Raises:
        BuildError: No Go, or Go failed.
    """
    built = find_built()
    if built is not None:
        return built
    go, version = find_go()
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / key(version)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _tell("waiting for another build")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        _tell(f"building with Go {version}, once: some ten minutes")
        for left in cache.glob("building-*"):
            # We hold the lock, so whoever made it was killed.
            shutil.rmtree(left)
        parts = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
        try:
            _compile(go, parts)
            parts.chmod(0o755)
            # Whole or not at all, whatever ends us.
            parts.rename(target)
        except BaseException:
            shutil.rmtree(parts)
            raise
    return target


def _compile(go: str, out: Path) -> None:
    flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {_stamp()}"]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    # One after the other: a linker takes 2.6 GB.
    for name, package in PACKAGES.items():
        _tell(name)
        command = [go, "build", *flags, "-o", str(out / name), package]
        status = subprocess.run(command, cwd=MODULE, env=environment, stdout=sys.stderr, check=False).returncode
        if status != 0:
            raise BuildError(f"{name}: go build ended with status {status}")


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


def _tell(text: str) -> None:
    print(f"control plane: {text}", file=sys.stderr, flush=True)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "workbench" / "control-plane"


def key(go_version: str) -> str:
    """The name of the folder for the present pins, a version of Go and this platform."""
    pins = hashlib.sha256()
    for name in ("go.mod", "go.sum", Path(__file__).name):
        pins.update((MODULE / name).read_bytes())
    return f"{pins.hexdigest()[:16]}-go{go_version}-{platform.system().lower()}-{platform.machine().lower()}"


def main() -> int:
    """Build, and print the folder; the status is 1, with the reason on standard error, where that is not possible."""
    try:
        print(build())
    except BuildError as error:
        _tell(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
