"""Fixes of what a pod brings along: the token of its account, and the image that it runs (``catalogue.md`` 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.inventory.changes import TOKEN_VOLUME, Op
from workbench.inventory.objects import Container, ContainerStatus, ServiceAccount
from workbench.inventory.pods import PodInstance
from workbench.remediation.candidates import Candidate
from workbench.remediation.records import Fix, Need, Risk, RiskLevel, Status
from workbench.techniques import access
from workbench.techniques.images import is_pinned
from workbench.techniques.resolve.token import TokenMount, TokenSource, api_token


def automount_off(candidate: Candidate) -> Iterator[Fix]:
    """F-AUTOMOUNT: ``automountServiceAccountToken: false`` on the pod template."""
    flag = candidate.spec.automount_service_account_token
    view = candidate.view
    if flag is False or not _gets_token(candidate):
        return
    account = candidate.pods[0].account if candidate.pods else _account(candidate)
    held = [grant for grant in access.effective(view, account).grants if not view.is_builtin(grant.binding.id)]
    if held:
        risk = Risk(
            RiskLevel.MEDIUM,
            (f"{account} has permissions of its own; whether the workload uses them is unknown (no audit log)",),
        )
    else:
        risk = Risk(RiskLevel.LOW, (f"{account} has no permissions of its own",))
    op = Op("set", candidate.path("automountServiceAccountToken"), False, flag)
    yield candidate.fix("F-AUTOMOUNT", "automountServiceAccountToken: false", [op], risk)


def _account(candidate: Candidate) -> str:
    name = candidate.spec.service_account_name or candidate.spec.service_account or "default"
    return f"ServiceAccount:{candidate.obj.namespace}/{name}"


def _gets_token(candidate: Candidate) -> bool:
    """Whether admission brought a token to one of the pods or, where there is none, would bring one."""
    if not candidate.pods:
        flag = candidate.spec.automount_service_account_token
        if flag is None:
            account = candidate.view.by_id(_account(candidate))
            flag = account.automount_service_account_token if isinstance(account, ServiceAccount) else None
        return flag is not False
    tokens = (api_token(candidate.view, container) for pod in candidate.pods for container in pod.containers)
    return any(token is not None and _automounted(token) for token in tokens)


def _automounted(token: TokenMount) -> bool:
    if token.source is TokenSource.AUTOMOUNT:
        return True
    return token.source is TokenSource.PROJECTED and token.name.startswith(TOKEN_VOLUME)


# --- images -------------------------------------------------------------------------------------------

_DIGEST = re.compile(r"@(sha(?:256|512):[0-9a-f]+)$")
_ANSWER = r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"


def image_pinned(candidate: Candidate) -> Iterator[Fix]:
    """F-IMG-PIN: the digest that runs, after the tag.

    It has to be the digest of a manifest or an index, as the registry knows it: the bare id of an image's
    configuration pulls nothing (``remediation.md`` 2, "Digest pin").
    """
    ops: list[Op] = []
    needs: list[Need] = []
    blocked: list[str] = []
    loose = [(key, c) for key, c in candidate.containers if c.image and not is_pinned(c.image)]
    for key, container in loose:
        image = container.image or ""
        path = candidate.container_path(key, container, "image")
        running = _running(candidate, container)
        digests = sorted({match[1] for match in map(_DIGEST.search, running) if match})
        if len(digests) == 1 and all(map(_DIGEST.search, running)):
            ops.append(Op("set", path, f"{image}@{digests[0]}", image))
            continue
        if running:
            blocked.append(f"{container.name}: {_seen(running)}")
        ops.append(Op("set", path, None, image))
        needs.append(
            Need(
                f"digest.{container.name}",
                f"the digest of {image} (sha256: and 64 hexadecimal digits)",
                path,
                f"{image}@{{}}",
                _ANSWER,
            )
        )
    if not ops:
        return
    if len(needs) == 1:
        needs = [Need("digest", needs[0].question, needs[0].path, needs[0].form, needs[0].pattern)]
    status, reason = Status.READY, ""
    if blocked:
        status, reason = Status.BLOCKED, f"image-digest: {'; '.join(blocked)}"
    elif needs:
        names = ", ".join(need.name for need in needs)
        status, reason = Status.NEEDS_INPUT, f"needs-input: {names}: no running container shows it"
    risk = Risk(RiskLevel.NONE, ("patched builds under the same tag are not picked up any more",))
    what = f"image {', '.join(dict.fromkeys(c.image or '' for _, c in loose))} by digest"
    yield candidate.fix("F-IMG-PIN", what, ops, risk, status=status, reason=reason, needs=needs)


def _running(candidate: Candidate, container: Container) -> dict[str, list[str]]:
    """The image ids that a container of the pods runs, with the pods of each."""
    found: dict[str, list[str]] = {}
    for pod in candidate.pods:
        status = _status(pod, container)
        if status is not None and status.image_id and _same_image(pod, container):
            found.setdefault(status.image_id, []).append(pod.id)
    return dict(sorted(found.items()))


def _same_image(pod: PodInstance, container: Container) -> bool:
    """Whether the pod runs the image of the template: during a rollout the old ones run another."""
    groups = (pod.spec.containers, pod.spec.init_containers)
    return any(c.name == container.name and c.image == container.image for group in groups for c in group or ())


def _status(pod: PodInstance, container: Container) -> ContainerStatus | None:
    status = pod.status
    groups = (status.container_statuses, status.init_container_statuses) if status is not None else ()
    return next((item for group in groups for item in group or () if item.name == container.name), None)


def _seen(running: dict[str, list[str]]) -> str:
    if len(running) == 1:
        return f"{next(iter(running))} is the id of a configuration, not a digest that the registry knows"
    return "replicas run different images: " + ", ".join(
        f"{image} ({', '.join(pods)})" for image, pods in running.items()
    )


FIXES = (automount_off, image_pinned)
