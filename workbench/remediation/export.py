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
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import FixError, UsageError
from workbench.inventory.changes import Change, edited, skeleton
from workbench.inventory.decode import plain
from workbench.inventory.inventory import Inventory
from workbench.remediation.batches import batches
from workbench.remediation.patches import Patch, patch
from workbench.remediation.records import Effect, Fix, Status, as_dict, proof_line
from workbench.remediation.text import block_yaml, fenced, markdown, printable
from workbench.sources import yaml_nodes

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
    "NetworkPolicy": "networkpolicies.networking.k8s.io",
}
"""How kubectl names the resource of a kind without doubt."""


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
        fixes: The chosen fixes; those that are not ready are listed and have no file.
        source: The source for people, for the README.

    Raises:
        Conflict: Two fixes contradict each other.
        FixError: A fix does not fit its object.
    """
    fixes = sorted({fix.id: fix for fix in fixes}.values(), key=lambda fix: (fix.fix, fix.id))
    ready = [fix for fix in fixes if fix.status is Status.READY]
    messages = [_left_out(fix) for fix in fixes if fix.status is not Status.READY]
    messages += [
        f"{fix.id} {fix.title}: contradicts {', '.join(fix.conflicts_with)}, left out"
        for fix in ready
        if fix.conflicts_with
    ]
    steps = _steps(view, ready)
    files: list[ExportFile] = []
    for step in steps:
        if step.patch is not None:
            files.append(ExportFile(f"patches/{step.stem}.{step.patch.extension}.yaml", block_yaml(step.patch.content)))
            files.append(
                ExportFile(f"rollback/{step.stem}.{step.patch.extension}.yaml", block_yaml(step.patch.rollback))
            )
        elif step.manifest is not None:
            files.append(ExportFile(f"manifests/{step.stem}.yaml", step.manifest))
            if step.change.creates:
                files.append(ExportFile(f"rollback/{step.stem}.yaml", _identity(step)))
        else:
            messages.append(
                f"{step.change.target.id}: has to be created anew from its manifest, which is not in the source"
            )
    records = sorted((as_dict(fix) for fix in fixes), key=lambda record: record["id"])
    files.append(ExportFile("fixes.json", json.dumps(records, indent=2, sort_keys=True) + "\n"))
    files.append(ExportFile("README.md", _readme(steps, fixes, source)))
    first = next((step for step in steps if step.patch is not None or step.change.creates), None)
    return Export(
        tuple(sorted(files, key=lambda file: file.name)),
        tuple(messages),
        _command(first, "patches", dry_run=True) if first is not None else "",
        tuple((step.change.target.id, _file(step, "patches")) for step in steps if step.patch or step.change.creates),
    )


def _left_out(fix: Fix) -> str:
    asked = " ".join(f"--set {fix.id}:{need.name}=VALUE" for need in fix.needs if fix.is_answerable)
    return f"{fix.id} {fix.title}: no patch: {fix.reason}{f'; {asked} gives it' if asked else ''}"


def write(export: Export, directory: Path, *, force: bool = False) -> None:
    """Write an export.

    Raises:
        UsageError: The directory cannot be written, or is not empty and ``force`` is not given.
    """
    try:
        if directory.exists() and not directory.is_dir():
            raise UsageError(f"{directory} is not a directory")
        if directory.exists() and any(directory.iterdir()) and not force:
            raise UsageError(f"{directory} is not empty: choose another directory, or use --force")
        _make(directory, follow=True)
        for part in _PARTS:
            if (directory / part).exists() or (directory / part).is_symlink():
                _make(directory / part)
                _clear(directory / part)
        for file in export.files:
            path = directory / file.name
            if path.parent != directory:
                _make(path.parent)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
                os.fchmod(handle, 0o600)
                out.write(file.content)
    except OSError as error:
        where = (
            f"{directory}: {error.filename}" if error.filename and error.filename != str(directory) else str(directory)
        )
        raise UsageError(f"{where} cannot be written: {(error.strerror or str(error)).lower()}") from error


_PARTS = ("patches", "rollback", "manifests")
_OURS = re.compile(r"\d{2,}-.+\.yaml")


def _make(directory: Path, *, follow: bool = False) -> None:
    """A directory that only its owner may read; never through a link that somebody laid below the one given."""
    for parent in reversed(directory.parents):
        if not parent.exists():
            parent.mkdir(mode=0o700)
    if not directory.exists() and not directory.is_symlink():
        directory.mkdir(mode=0o700)
    found = directory.stat() if follow else directory.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise UsageError(f"{directory} is not a directory")
    if not follow or not any(directory.iterdir()):
        directory.chmod(0o700)


def _clear(directory: Path) -> None:
    """Take away the numbered files of an export before, or its patches would be applied together with the new ones."""
    for path in directory.iterdir():
        if _OURS.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            path.unlink()


def _steps(view: Inventory, fixes: Sequence[Fix]) -> list[_Step]:
    found = batches(fixes)
    steps: list[_Step] = []
    stems: set[str] = set()
    width = max(2, len(str(len(found))))
    for number, batch in enumerate(found, 1):
        change, own = batch.change, batch.fixes
        target = change.target
        obj = view.by_id(target.id)
        if obj is None and not change.creates:
            raise FixError(f"{target.id} is not in {view.source}")
        stem = f"{number:0{width}}-{_slug(target.namespace or '_cluster')}-{target.kind.lower()}-{_slug(target.name)}"
        if stem.lower() in stems:
            stem += "-" + hashlib.sha256(target.id.encode()).hexdigest()[:6]
        stems.add(stem.lower())
        if obj is None:
            steps.append(_Step(change, own, stem, None, _new(change, own)))
            continue
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


def _new(change: Change, fixes: Sequence[Fix]) -> str:
    """The object that a change creates; what warns of it stands in the file, too."""
    warnings = dict.fromkeys(note for fix in fixes for note in fix.notes if note.startswith(_IN_FILES))
    head = "".join(f"# {printable(note)}\n" for note in warnings)
    return head + block_yaml(edited(skeleton(change.target), change.ops))


_IN_FILES = ("warning:", "volatile:")
"""How the notes begin that whoever sees only the file has to know."""


def _identity(step: _Step) -> str:
    """What ``kubectl delete -f`` needs to take a new object away."""
    return block_yaml(skeleton(step.change.target))


def _file(step: _Step, directory: str) -> str:
    """The file of a step: a patch or its rollback, or a new object or what takes it away."""
    if step.patch is not None:
        return f"{directory}/{step.stem}.{step.patch.extension}.yaml"
    return f"{'manifests' if directory == 'patches' else directory}/{step.stem}.yaml"


def _whole(view: Inventory, change: Change) -> str | None:
    """The user's own document with the edits, for an object that must be created anew."""
    origin = view.origin(change.target.id)
    text = origin.text() if origin else None
    if text is None:
        return None
    document = next(yaml_nodes.parse(text[0].encode()), None)
    data = document.data if isinstance(document, yaml_nodes.YamlDocument) else None
    if not isinstance(data, dict) or data.get("kind") != change.target.kind:
        return None
    return block_yaml(edited(data, change.ops))


_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def _slug(name: str) -> str:
    return _UNSAFE.sub("-", name)[:80].strip(".-") or "x"


def _command(step: _Step, directory: str, *, dry_run: bool = False) -> str:
    target = step.change.target
    if step.patch is None:
        verb = "create" if directory == "patches" else "delete"
        words = ["kubectl", verb, "-f", _file(step, directory)]
        return shlex.join([*words, *(["--dry-run=server"] if dry_run else [])])
    words = ["kubectl", "patch", *_named(RESOURCES.get(target.kind, target.kind.lower()), target.name)]
    if target.namespace:
        words += ["-n", target.namespace]
    words += ["--type", step.patch.type, "--patch-file", _file(step, directory)]
    if dry_run:
        words.append("--dry-run=server")
    return shlex.join(words)


def _named(resource: str, name: str) -> list[str]:
    """A resource and a name, as one word where the name could be taken for a flag."""
    return [f"{resource}/{name}"] if name.startswith("-") else [resource, name]


def _readme(steps: Sequence[_Step], fixes: Sequence[Fix], source: str) -> str:
    lines = [
        f"# Fixes for {markdown(source)}",
        "",
        "Run the commands in this directory, in this order. Add `--dry-run=server` to see what the server says first.",
        "",
    ]
    for number, step in enumerate(steps, 1):
        lines += [f"## {number}. {markdown(step.change.target.id)}", "", *_about(step), ""]
        if step.patch is not None or step.change.creates:
            lines += [f"`{_file(step, 'patches')}`", "", *fenced(_command(step, "patches")), ""]
            lines += ["To take it back:", "", *fenced(_command(step, "rollback")), ""]
        elif step.manifest is not None:
            lines += ["Its fields cannot change while it exists. Delete it and create it anew:", ""]
            lines += [*fenced(_recreate(step)), ""]
            lines += ["There is no rollback file: your own manifest, as it is, takes it back the same way.", ""]
        else:
            lines += ["Its fields cannot change while it exists, and its manifest is not in the source.", ""]
    left = [fix for fix in fixes if fix.status is not Status.READY]
    if left:
        lines += ["## Not written", ""]
        for fix in left:
            lines.append(f"- {fix.fix} {fix.id}: {markdown(fix.title)}: {fix.status.value}: {markdown(fix.reason)}")
            for need in fix.needs:
                how = f" (`--set {fix.id}:{need.name}=VALUE`)" if fix.is_answerable and "`" not in need.name else ""
                lines.append(f"  - asks for {markdown(need.name)}: {markdown(need.question)}{how}")
        lines.append("")
    lines += [
        "Take changes back in reverse order. Values that were never read (environment variables, Secrets) are in no",
        "file here, and no patch or rollback touches them.",
        "",
    ]
    return "\n".join(lines)


def _about(step: _Step) -> list[str]:
    lines: list[str] = []
    for fix in step.fixes:
        lines.append(f"- {fix.fix} {fix.id}: {markdown(fix.title)}")
        pairs = "1 pair" if fix.paths_cut == 1 else f"{fix.paths_cut} pairs"
        lines.append(f"  - alone it leaves {pairs} of entry point and target without a path")
        reasons = "; ".join(fix.risk.reasons) or "no effect at run time expected"
        lines.append(f"  - risk {fix.risk.level.value}: {markdown(reasons)}")
        if fix.route.value != "direct":
            lines.append(f"  - managed by {markdown(', '.join(fix.managed_by))}: route {fix.route.value}")
        lines += [f"  - note: {markdown(note)}" for note in fix.notes]
        if fix.proof is not None:
            lines.append(f"  - proof: {proof_line(fix.proof)}")
    target = step.change.target
    needed = f"Namespace:{target.namespace}" if step.change.creates else target.id
    lines.append(f"- must exist before: {markdown(needed)}")
    lines.append(f"- effect: {_effect(step)}")
    return lines


def _effect(step: _Step) -> str:
    effects = {fix.effect for fix in step.fixes}
    if Effect.RECREATE in effects:
        return "recreate: the object is deleted and created anew"
    if Effect.ROLLOUT in effects:
        return "rollout: its pods are replaced"
    if step.change.creates:
        return "none on pods: they stay, and what may reach them changes at once"
    if step.change.target.kind == "CronJob":
        return "none on what runs: it counts from the next run"
    return "none on pods: it counts at once"


def _recreate(step: _Step) -> str:
    target = step.change.target
    namespace = ["-n", target.namespace] if target.namespace else []
    delete = shlex.join(["kubectl", "delete", *_named(target.kind.lower(), target.name), *namespace])
    return f"{delete}\n{shlex.join(['kubectl', 'create', *namespace, '-f', f'manifests/{step.stem}.yaml'])}"
