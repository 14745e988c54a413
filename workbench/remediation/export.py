"""Export: a directory of patches with rollbacks, the records, and a README that says how to apply them.

Layout and order: ``remediation.md`` 1.2. The output is the same for the same input, files are 0600 and
directories 0700, and nothing is written over a directory that is not empty unless asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from workbench.errors import FixError, UsageError
from workbench.inventory.changes import Change, edited, merged
from workbench.inventory.decode import plain
from workbench.inventory.inventory import Inventory
from workbench.remediation.patches import Patch, patch
from workbench.remediation.records import Effect, Fix, Status, as_dict

RESOURCES = {
    "Deployment": "deployments.apps",
    "ReplicaSet": "replicasets.apps",
    "StatefulSet": "statefulsets.apps",
    "DaemonSet": "daemonsets.apps",
    "CronJob": "cronjobs.batch",
    "ReplicationController": "replicationcontrollers",
    "Role": "roles.rbac.authorization.k8s.io",
    "ClusterRole": "clusterroles.rbac.authorization.k8s.io",
    "RoleBinding": "rolebindings.rbac.authorization.k8s.io",
    "ClusterRoleBinding": "clusterrolebindings.rbac.authorization.k8s.io",
    "ServiceAccount": "serviceaccounts",
    "Service": "services",
    "Ingress": "ingresses.networking.k8s.io",
}
"""How kubectl names the resource of a kind without doubt."""

_RBAC = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file of an export."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class Export:
    """All files of an export, not yet written, and what the user should know."""

    files: tuple[ExportFile, ...]
    messages: tuple[str, ...]
    next_command: str
    """What to run in the directory next; empty if there is nothing to apply."""
    patch_files: tuple[tuple[str, str], ...] = ()
    """The id of each patched object and the file that patches it."""

    def patch_of(self, target: str) -> tuple[str, str]:
        """The name and the YAML of an object's patch, both empty if it has none."""
        name = dict(self.patch_files).get(target, "")
        return name, next((file.content for file in self.files if file.name == name), "")


@dataclass(frozen=True, slots=True)
class _Step:
    change: Change
    fixes: tuple[Fix, ...]
    stem: str
    patch: Patch | None
    manifest: str | None


def plan(view: Inventory, fixes: Sequence[Fix], source: str) -> Export:
    """What an export of these fixes would write.

    Args:
        view: The inventory that the fixes were computed on.
        fixes: The chosen fixes.
        source: The source for people, for the README.

    Raises:
        Conflict: Two fixes contradict each other.
        FixError: A fix does not fit its object.
    """
    ready = [fix for fix in fixes if fix.status is Status.READY]
    messages = [f"{fix.title}: no patch: {fix.reason}" for fix in fixes if fix.status is not Status.READY]
    steps = _steps(view, ready)
    files: list[ExportFile] = []
    for step in steps:
        if step.patch is not None:
            files.append(ExportFile(f"patches/{step.stem}.strategic.yaml", _yaml(step.patch.content)))
            files.append(ExportFile(f"rollback/{step.stem}.strategic.yaml", _yaml(step.patch.rollback)))
        elif step.manifest is not None:
            files.append(ExportFile(f"manifests/{step.stem}.yaml", step.manifest))
        else:
            messages.append(
                f"{step.change.target.id}: must be deleted and created anew from its own manifest, which is not in the source"
            )
    records = sorted((as_dict(fix) for fix in fixes), key=lambda record: record["id"])
    files.append(ExportFile("fixes.json", json.dumps(records, indent=2, sort_keys=True) + "\n"))
    files.append(ExportFile("README.md", _readme(steps, fixes, source)))
    first = next((step for step in steps if step.patch is not None), None)
    return Export(
        tuple(sorted(files, key=lambda file: file.name)),
        tuple(messages),
        _command(first, "patches", dry_run=True) if first is not None else "",
        tuple((step.change.target.id, f"patches/{step.stem}.strategic.yaml") for step in steps if step.patch),
    )


def write(export: Export, directory: Path, *, force: bool = False) -> None:
    """Write an export.

    Raises:
        UsageError: The directory cannot be written, or is not empty and ``force`` is not given.
    """
    try:
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())) and not force:
            raise UsageError(f"{directory} is not empty: choose another directory, or use --force")
        for file in export.files:
            path = directory / file.name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(file.content)
    except OSError as error:
        raise UsageError(f"{directory} cannot be written: {error.strerror}") from error


def _steps(view: Inventory, fixes: Sequence[Fix]) -> list[_Step]:
    changes = merged(fix.change for fix in fixes)
    changes.sort(key=lambda change: (_order(change), change.target.namespace, change.target.kind, change.target.name))
    steps: list[_Step] = []
    stems: set[str] = set()
    for number, change in enumerate(changes, 1):
        target = change.target
        obj = view.by_id(target.id)
        if obj is None:
            raise FixError(f"{target.id} is not in {view.source}")
        stem = f"{number:02}-{_slug(target.namespace or '_cluster')}-{target.kind.lower()}-{_slug(target.name)}"
        if stem.lower() in stems:
            stem += "-" + hashlib.sha256(target.id.encode()).hexdigest()[:6]
        stems.add(stem.lower())
        own = tuple(fix for fix in fixes if fix.target.id == target.id)
        recreate = any(fix.effect is Effect.RECREATE for fix in own)
        steps.append(
            _Step(
                change,
                own,
                stem,
                None if recreate else patch(plain(obj), change.ops),
                _whole(view, change) if recreate else None,
            )
        )
    return steps


def _order(change: Change) -> int:
    return 5 if change.target.kind in _RBAC else 3


def _whole(view: Inventory, change: Change) -> str | None:
    """The user's own document with the edits, for an object that must be created anew."""
    origin = view.origin(change.target.id)
    text = origin.text() if origin else None
    if text is None:
        return None
    data = yaml.safe_load(text[0])
    if not isinstance(data, dict) or data.get("kind") != change.target.kind:
        return None
    return _yaml(edited(data, change.ops))


_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def _slug(name: str) -> str:
    return _UNSAFE.sub("-", name)[:80].strip(".-") or "x"


def _yaml(data: object) -> str:
    return yaml.safe_dump(data, sort_keys=False, default_flow_style=False, allow_unicode=False, width=4096)


def _command(step: _Step, directory: str, *, dry_run: bool = False) -> str:
    target = step.change.target
    assert step.patch is not None
    words = ["kubectl", "patch", RESOURCES.get(target.kind, target.kind.lower()), target.name]
    if target.namespace:
        words += ["-n", target.namespace]
    words += ["--type", step.patch.type, "--patch-file", f"{directory}/{step.stem}.{step.patch.type}.yaml"]
    if dry_run:
        words.append("--dry-run=server")
    return shlex.join(words)


_MARKDOWN = str.maketrans({char: f"\\{char}" for char in "\\`*_{}[]<>#|!&"})


def _md(text: str) -> str:
    printable = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return printable.translate(_MARKDOWN)


def _readme(steps: Sequence[_Step], fixes: Sequence[Fix], source: str) -> str:
    lines = [
        f"# Fixes for {_md(source)}",
        "",
        "Run the commands in this directory, in this order. Add `--dry-run=server` to see what the server says first.",
        "",
    ]
    for number, step in enumerate(steps, 1):
        target = step.change.target
        lines += [f"## {number}. {_md(target.id)}", ""]
        for fix in step.fixes:
            lines.append(f"- {fix.fix}: {_md(fix.title)}; closes {fix.paths_cut} paths")
            lines.append(f"  - risk {fix.risk.level}: {_md('; '.join(fix.risk.reasons) or 'no effect at run time expected')}")
            lines += [f"  - note: {_md(note)}" for note in fix.notes]
        lines += [f"- effect: {_effect(step)}", ""]
        if step.patch is not None:
            lines += ["```", _command(step, "patches"), "```", "", "To take it back:", ""]
            lines += ["```", _command(step, "rollback"), "```", ""]
        elif step.manifest is not None:
            lines += [
                "This object cannot be patched while it runs. Delete it and create it anew:",
                "",
                "```",
                _recreate(step),
                "```",
                "",
            ]
        else:
            lines += ["This object cannot be patched while it runs, and its manifest is not in the source.", ""]
    left = [fix for fix in fixes if fix.status is not Status.READY]
    if left:
        lines += ["## Not written", ""]
        lines += [f"- {fix.fix}: {_md(fix.title)}: {fix.status}: {_md(fix.reason)}" for fix in left]
        lines.append("")
    lines += [
        "Take changes back in reverse order. Values that were never read (environment variables, Secrets) are in no file here.",
        "",
    ]
    return "\n".join(lines)


def _effect(step: _Step) -> str:
    effects = {fix.effect for fix in step.fixes}
    if Effect.RECREATE in effects:
        return "recreate: the object is deleted and created anew"
    if Effect.ROLLOUT in effects:
        return "rollout: its pods are replaced"
    return "none on what runs; it counts from the next run" if step.change.target.kind == "CronJob" else "immediate"


def _recreate(step: _Step) -> str:
    target = step.change.target
    namespace = ["-n", target.namespace] if target.namespace else []
    delete = shlex.join(["kubectl", "delete", target.kind.lower(), target.name, *namespace])
    return f"{delete}\n{shlex.join(['kubectl', 'create', '-f', f'manifests/{step.stem}.yaml'])}"
