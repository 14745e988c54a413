"""R8: which API token a container holds, and where it comes from."""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Sequence
from typing import NamedTuple

from workbench.inventory import fields
from workbench.inventory.evidence import Evidence
from workbench.inventory.fields import literal
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KeyToPath, Secret, ServiceAccount, VolumeMount
from workbench.inventory.pods import ContainerInstance, PodInstance, Trait
from workbench.techniques.resolve.nodes import api_server_flag

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where the API server's admission mounts the token (Kubernetes documentation, "Managing Service Accounts")."""

TOKEN_SECRET = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"

_API_AUDIENCES = (
    "https://kubernetes.default",
    "kubernetes.default",
    # Managed clusters name their API server by a URL of the provider.
    "https://container.googleapis.com/",
)


class TokenSource(enum.StrEnum):
    """Where a container's token comes from."""

    PROJECTED = "projected"
    """A projected volume with a ``serviceAccountToken``: admission's own, or an explicit one."""
    SECRET_VOLUME = "secret-volume"
    """A volume from a Secret of type ``kubernetes.io/service-account-token``."""
    SECRET_ENVIRONMENT = "secret-environment"
    """Environment variables from such a Secret."""
    AUTOMOUNT = "automount"
    """The volume that admission will add to a pod that is not yet admitted."""


class TokenMount(NamedTuple):
    """A token of the Kubernetes API that a container can read."""

    account: str
    """The id of the service account that the token speaks for."""
    source: TokenSource
    name: str = ""
    """The volume, or the environment variable (empty for ``envFrom`` and for what admission will add)."""
    mount_path: str = ""
    secret: str = ""
    """The id of the Secret, where the token is one's."""


def api_token(view: Inventory, container: ContainerInstance) -> TokenMount | None:
    """The token of a container, that of the pod's own account first, or ``None`` if it holds none.

    Args:
        view: An inventory, or an overlay.
        container: A running container, or one of a representative pod.
    """
    found = api_tokens(view, container)
    return found[0] if found else None


_READS = frozenset({"Pod", "Secret", "ServiceAccount"})


def api_tokens(view: Inventory, container: ContainerInstance) -> Sequence[TokenMount]:
    """Every token of a container, one for each account, that of the pod's own account first (R8).

    The automount flags are not consulted for live pods: admission has already turned them into a volume.
    """
    found = tokens_of_replicas(view, container)
    pod = container.pod
    if pod.renamed and found:
        return [
            TokenMount(token.account, token.source, pod.own_volume(token.name), token.mount_path, token.secret)
            if token.source is TokenSource.PROJECTED
            else token
            for token in found
        ]
    return found


def tokens_of_replicas(view: Inventory, container: ContainerInstance) -> Sequence[TokenMount]:
    """As :func:`api_tokens`, with the volumes called as in ``container.alike``: for the accounts alone."""
    memo = view.memo("tokens of containers", _READS)
    found: Sequence[TokenMount] | None = memo.get(container.alike)
    if found is None:
        found = memo[container.alike] = tuple(_api_tokens(view, container.alike))
    return found


def _api_tokens(view: Inventory, container: ContainerInstance) -> list[TokenMount]:
    pod = container.pod
    if pod.mirror:
        return []
    found: list[TokenMount] = []
    mounts = container.spec.volume_mounts
    if mounts:
        projected = _projected(view, container, mounts)
        if projected is not None:
            found.append(projected)
    if not found and not pod.live:
        automounted = _automounted(view, container)
        if automounted is not None:
            found.append(automounted)
    if Trait.SECRET in container.traits:
        _add_from_secrets(view, container, found)
    return found


def token_volumes(view: Inventory, pod: PodInstance) -> list[tuple[str, str, str]]:
    """The volumes of a pod that hold an API token: name, id of the account, id of the Secret (empty if projected)."""
    found = token_volumes_of_replicas(view, pod)
    if pod.renamed and found:
        return [(pod.own_volume(name), account, secret) for name, account, secret in found]
    return found


def token_volumes_of_replicas(view: Inventory, pod: PodInstance) -> list[tuple[str, str, str]]:
    """As :func:`token_volumes`, with the volumes called as in ``pod.alike``."""
    memo = view.memo("volumes with tokens", _READS)
    found: list[tuple[str, str, str]] | None = memo.get(pod.alike)
    if found is None:
        found = memo[pod.alike] = _token_volumes(view, pod.alike)
    return found


def _token_volumes(view: Inventory, pod: PodInstance) -> list[tuple[str, str, str]]:
    if pod.mirror:
        return []
    found: list[tuple[str, str, str]] = []
    for volume in pod.spec.volumes or ():
        projected = volume.projected
        if projected is not None:
            for source in projected.sources or ():
                token = source.service_account_token
                if token is not None:
                    if not token.audience or is_api_audience(view, token.audience):
                        found.append((volume.name or "", pod.account, ""))
                elif source.secret is not None:
                    secret = f"Secret:{pod.namespace}/{source.secret.name}"
                    account = token_secrets(view).get(secret)
                    if account is not None and _holds_token(source.secret.items):
                        found.append((volume.name or "", account, secret))
        elif volume.secret is not None:
            secret = f"Secret:{pod.namespace}/{volume.secret.secret_name}"
            account = token_secrets(view).get(secret)
            if account is not None and _holds_token(volume.secret.items):
                found.append((volume.name or "", account, secret))
    return found


def automount(view: Inventory, pod: PodInstance) -> bool:
    """Whether admission adds a token to a pod: the pod's ``automountServiceAccountToken``, the account's, or true."""
    flag = pod.spec.automount_service_account_token
    if flag is None:
        account = view.by_id(pod.account)
        if isinstance(account, ServiceAccount):
            flag = account.automount_service_account_token
    return flag is not False


def is_api_audience(view: Inventory, audience: str) -> bool:
    """Whether the API server takes tokens of an audience: its own, by its arguments where they were read.

    Source: kube-apiserver's ``--api-audiences``, which defaults to ``--service-account-issuer``.
    """
    if audience.startswith(_API_AUDIENCES):
        return True
    named = api_server_flag(view, "--api-audiences") or api_server_flag(view, "--service-account-issuer")
    return named is not None and audience in named.split(",")


def token_secrets(view: Inventory) -> dict[str, str]:
    """The ids of the Secrets that hold a valid token, with the id of the account each speaks for.

    The token controller deletes a token whose account is gone, and the API server refuses one whose account has
    another uid, so the account has to match (Kubernetes documentation, "Managing Service Accounts").
    """
    found: dict[str, str] = view.derived(
        "token secrets", frozenset({"Secret", "ServiceAccount"}), _compute_token_secrets
    )
    return found


def token_account(view: Inventory, secret: Secret) -> str | None:
    """The id of the account that a Secret holds a valid token of, or ``None``."""
    annotations = secret.metadata.annotations
    if not annotations or (secret.type is not None and secret.type != TOKEN_SECRET):
        return None
    name = annotations.get(ACCOUNT_NAME)
    if not name:
        return None
    account = view.get(ServiceAccount, name, secret.namespace)
    if account is None:
        # Manifests need not repeat an account that is in the cluster already; a live list is complete unless it
        # says that it is not.
        if view.is_live(secret) and not any(gap.kind == "ServiceAccount" for gap in view.coverage):
            return None
        return f"ServiceAccount:{secret.namespace}/{name}"
    wanted = annotations.get(ACCOUNT_UID)
    if wanted and account.metadata.uid and wanted != account.metadata.uid:
        return None
    return account.id


def _compute_token_secrets(view: Inventory) -> dict[str, str]:
    found: dict[str, str] = {}
    for secret in view.all(Secret):
        if secret.metadata.annotations:
            account = token_account(view, secret)
            if account is not None:
                found[secret.id] = account
    return found


def token_evidence(view: Inventory, container: ContainerInstance, token: TokenMount) -> list[Evidence]:
    """What proves that a container holds a token: the volume or variable first, then the account."""
    pod = container.pod
    account = view.evidence(pod.obj, pod.field("serviceAccountName"), "default")
    match token.source:
        case TokenSource.PROJECTED:
            return [
                view.evidence(pod.obj, pod.field(f"volumes[name={token.name}].projected")),
                view.evidence(pod.obj, _mount_field(container, token.mount_path)),
                account,
            ]
        case TokenSource.AUTOMOUNT:
            return [
                view.evidence(pod.obj, pod.field("automountServiceAccountToken"), True),
                view.evidence(pod.account, "automountServiceAccountToken", True),
                account,
            ]
        case TokenSource.SECRET_VOLUME:
            first = [
                view.evidence(pod.obj, pod.field(f"volumes[name={token.name}]")),
                view.evidence(pod.obj, _mount_field(container, token.mount_path)),
            ]
        case TokenSource.SECRET_ENVIRONMENT:
            path = f"env[name={token.name}].valueFrom.secretKeyRef" if token.name else "envFrom"
            first = [view.evidence(pod.obj, container.field(path))]
    return [
        *first,
        view.evidence(token.secret, "type"),
        view.evidence(token.secret, f"metadata.annotations{literal(ACCOUNT_NAME)}"),
    ]


def _mount_field(container: ContainerInstance, mount_path: str) -> str:
    return fields.dotted((*fields.parse(container.field("volumeMounts")), (("mountPath", mount_path),)))


def _projected(view: Inventory, container: ContainerInstance, mounts: list[VolumeMount]) -> TokenMount | None:
    for volume in container.pod.spec.volumes or ():
        projected = volume.projected
        if projected is None:
            continue
        for source in projected.sources or ():
            token = source.service_account_token
            if token is None or (token.audience and not is_api_audience(view, token.audience)):
                continue
            for mount in mounts:
                if mount.name == volume.name and _readable(mount, token.path or "token", mounts):
                    return TokenMount(
                        container.pod.account, TokenSource.PROJECTED, volume.name or "", mount.mount_path or ""
                    )
    return None


def _automounted(view: Inventory, container: ContainerInstance) -> TokenMount | None:
    if not automount(view, container.pod):
        return None
    for mount in container.spec.volume_mounts or ():
        # Admission leaves a container alone that mounts something at the token's path; a mount below hides the file.
        if (mount.mount_path or "").rstrip("/") in (TOKEN_PATH, f"{TOKEN_PATH}/token"):
            return None
    return TokenMount(container.pod.account, TokenSource.AUTOMOUNT, "", TOKEN_PATH)


def _readable(mount: VolumeMount, path: str, mounts: list[VolumeMount]) -> bool:
    """Whether a mount shows the token's file and no other mount lies over it."""
    where = (mount.mount_path or "").rstrip("/")
    rest = path
    if mount.sub_path:
        inside = posixpath.normpath(mount.sub_path)
        if inside == path:
            rest = ""
        elif path.startswith(f"{inside}/"):
            rest = path[len(inside) + 1 :]
        elif inside != ".":
            return False
    file = ""
    for other in mounts:
        # The runtime mounts shorter paths first, so only what lies at or below this mount can hide the file.
        if other is mount or not (other.mount_path or "").startswith(where):
            continue
        file = file or f"{where}/{rest}".rstrip("/")
        over = (other.mount_path or "").rstrip("/")
        if file == over or file.startswith(f"{over}/"):
            return False
    return True


def _holds_token(items: list[KeyToPath] | None) -> bool:
    return not items or any(item.key == "token" for item in items)


def _add_from_secrets(view: Inventory, container: ContainerInstance, found: list[TokenMount]) -> None:
    secrets = token_secrets(view)
    if not secrets:
        return
    pod = container.pod
    known = {token.account for token in found}
    volumes = {name: (account, secret) for name, account, secret in token_volumes(view, pod) if secret}
    if volumes:
        for mount in container.spec.volume_mounts or ():
            account, secret = volumes.get(mount.name or "", ("", ""))
            if account and account not in known and mount.sub_path in (None, "", "token"):
                known.add(account)
                found.append(
                    TokenMount(account, TokenSource.SECRET_VOLUME, mount.name or "", mount.mount_path or "", secret)
                )
    for variable in container.spec.env or ():
        ref = variable.value_from.secret_key_ref if variable.value_from else None
        if ref is not None and ref.key == "token":
            secret = f"Secret:{pod.namespace}/{ref.name}"
            account = secrets.get(secret, "")
            if account and account not in known:
                known.add(account)
                found.append(TokenMount(account, TokenSource.SECRET_ENVIRONMENT, variable.name or "", "", secret))
    for bulk in container.spec.env_from or ():
        if bulk.secret_ref is not None:
            secret = f"Secret:{pod.namespace}/{bulk.secret_ref.name}"
            account = secrets.get(secret, "")
            if account and account not in known:
                known.add(account)
                found.append(TokenMount(account, TokenSource.SECRET_ENVIRONMENT, "", "", secret))
