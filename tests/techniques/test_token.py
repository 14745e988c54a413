"""R8: which API token a container holds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    TOKEN_PATH,
    container,
    deployment,
    inventory,
    mount,
    obj,
    pod,
    token_mount,
    token_volume,
)
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.inventory import Inventory
from workbench.techniques.resolve.token import TokenMount, TokenSource, api_token, api_tokens, token_evidence

ACCOUNT = "ServiceAccount:default/default"
PROJECTED = TokenMount(ACCOUNT, TokenSource.PROJECTED, "kube-api-access-x", TOKEN_PATH)
AUTOMOUNT = TokenMount(ACCOUNT, TokenSource.AUTOMOUNT, "", TOKEN_PATH)


def token(view: Inventory, name: str = "app") -> TokenMount | None:
    found = view.containers.get(f"Container:default/web/{name}")
    assert found is not None
    return api_token(view, found)


def api_server(*arguments: str) -> Any:
    return pod(
        "kube-apiserver-cp",
        container("kube-apiserver", command=["kube-apiserver", *arguments]),
        namespace="kube-system",
        annotations={"kubernetes.io/config.mirror": "x"},
    )


def token_secret(name: str = "legacy", account: str = "robot", **options: Any) -> Any:
    annotations = {"kubernetes.io/service-account.name": account}
    if "account_uid" in options:
        annotations["kubernetes.io/service-account.uid"] = options.pop("account_uid")
    return obj(
        "Secret",
        name,
        annotations=annotations,
        **{"type": "kubernetes.io/service-account-token", **options},
    )


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param(
            pod("web", container(volumeMounts=[token_mount()]), volumes=[token_volume()]), PROJECTED, id="admitted"
        ),
        pytest.param(
            pod(
                "web",
                container(volumeMounts=[token_mount()]),
                volumes=[token_volume()],
                automountServiceAccountToken=False,
            ),
            PROJECTED,
            id="the flags of a live pod are not consulted",
        ),
        pytest.param(pod("web", container()), None, id="live without a volume"),
        pytest.param(pod("web", container(), volumes=[token_volume()]), None, id="declared and not mounted"),
        pytest.param(
            pod("web", container(volumeMounts=[token_mount()]), volumes=[token_volume(audience="vault")]),
            None,
            id="T45 audience vault",
        ),
        pytest.param(
            pod("web", container(volumeMounts=[token_mount()]), volumes=[token_volume(audience="")]),
            PROJECTED,
            id="empty audience",
        ),
        pytest.param(
            pod(
                "web",
                container(volumeMounts=[token_mount()]),
                volumes=[token_volume(audience="https://kubernetes.default.svc.cluster.local")],
            ),
            PROJECTED,
            id="audience of the API server",
        ),
        pytest.param(
            pod(
                "web",
                container(volumeMounts=[token_mount(), mount("empty", f"{TOKEN_PATH}/token")]),
                volumes=[token_volume(), {"name": "empty", "emptyDir": {}}],
            ),
            None,
            id="a mount over the file",
        ),
        pytest.param(
            pod(
                "web",
                container(volumeMounts=[token_mount(), mount("empty", f"{TOKEN_PATH}/tokens")]),
                volumes=[token_volume(), {"name": "empty", "emptyDir": {}}],
            ),
            PROJECTED,
            id="a mount beside the file",
        ),
        pytest.param(
            pod(
                "web",
                container(volumeMounts=[token_mount(), mount("empty", "/var/run")]),
                volumes=[token_volume(), {"name": "empty", "emptyDir": {}}],
            ),
            PROJECTED,
            id="a mount above lies under",
        ),
        pytest.param(
            pod(
                "web",
                container(volumeMounts=[mount("kube-api-access-x", "/token", subPath="token")]),
                volumes=[token_volume()],
            ),
            TokenMount(ACCOUNT, TokenSource.PROJECTED, "kube-api-access-x", "/token"),
            id="subPath of the file",
        ),
        pytest.param(
            pod(
                "web",
                container(volumeMounts=[mount("kube-api-access-x", "/ca", subPath="ca.crt")]),
                volumes=[token_volume()],
            ),
            None,
            id="subPath of another file",
        ),
        pytest.param(
            pod(
                "web",
                container(volumeMounts=[token_mount()]),
                volumes=[token_volume()],
                annotations={"kubernetes.io/config.mirror": "x"},
            ),
            None,
            id="mirror pod",
        ),
        pytest.param(deployment("web"), AUTOMOUNT, id="template"),
        pytest.param(pod("web", live=False), AUTOMOUNT, id="pod manifest"),
        pytest.param(deployment("web", automountServiceAccountToken=False), None, id="template without"),
        pytest.param(
            deployment(
                "web",
                container(volumeMounts=[mount("mine", "/token")]),
                volumes=[token_volume("mine")],
                automountServiceAccountToken=False,
            ),
            TokenMount(ACCOUNT, TokenSource.PROJECTED, "mine", "/token"),
            id="an explicit token beats false",
        ),
        pytest.param(
            deployment(
                "web",
                container(volumeMounts=[mount("empty", TOKEN_PATH)]),
                volumes=[{"name": "empty", "emptyDir": {}}],
            ),
            None,
            id="another volume at the token's path",
        ),
    ],
)
def test_token(item: Any, expected: TokenMount | None) -> None:
    assert token(inventory(item)) == expected


def test_another_volume_hides_the_token_from_its_container_only() -> None:
    view = inventory(
        deployment(
            "web",
            container("app", volumeMounts=[mount("empty", TOKEN_PATH)]),
            container("side"),
            volumes=[{"name": "empty", "emptyDir": {}}],
        )
    )
    assert token(view, "app") is None
    assert token(view, "side") == AUTOMOUNT


@pytest.mark.parametrize(
    ("on_account", "on_pod", "held"),
    [(None, None, True), (False, None, False), (False, True, True), (True, False, False), (True, None, True)],
)
def test_the_pods_flag_goes_before_the_accounts(on_account: bool | None, on_pod: bool | None, held: bool) -> None:
    fields = {} if on_account is None else {"automountServiceAccountToken": on_account}
    spec = {} if on_pod is None else {"automountServiceAccountToken": on_pod}
    view = inventory(obj("ServiceAccount", "default", **fields), deployment("web", **spec))
    assert (token(view) is not None) is held


@pytest.mark.parametrize(
    ("arguments", "held"),
    [
        (["--service-account-issuer=https://issuer.example"], True),
        (["--service-account-issuer", "https://issuer.example"], True),
        (["--api-audiences=other,https://issuer.example"], True),
        (["--api-audiences=other", "--service-account-issuer=https://issuer.example"], False),
        (["--secure-port=6443"], False),
    ],
)
def test_the_api_servers_own_audience(arguments: list[str], held: bool) -> None:
    view = inventory(
        api_server(*arguments),
        pod("web", container(volumeMounts=[token_mount()]), volumes=[token_volume(audience="https://issuer.example")]),
    )
    assert (token(view) is not None) is held


def robot(uid: str | None = "uid-robot") -> Any:
    return obj("ServiceAccount", "robot", uid=uid)


VOLUME = {"name": "legacy", "secret": {"secretName": "legacy"}}
FROM_VOLUME = TokenMount(
    "ServiceAccount:default/robot", TokenSource.SECRET_VOLUME, "legacy", "/legacy", "Secret:default/legacy"
)


@pytest.mark.parametrize(
    ("fields", "spec", "expected"),
    [
        ({"volumeMounts": [mount("legacy", "/legacy")]}, {"volumes": [VOLUME]}, FROM_VOLUME),
        (
            {"volumeMounts": [mount("legacy", "/legacy")]},
            {"volumes": [{"name": "legacy", "projected": {"sources": [{"secret": {"name": "legacy"}}]}}]},
            FROM_VOLUME,
        ),
        (
            {"volumeMounts": [mount("legacy", "/legacy")]},
            {"volumes": [{"name": "legacy", "secret": {"secretName": "legacy", "items": [{"key": "ca.crt"}]}}]},
            None,
        ),
        (
            {"env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "legacy", "key": "token"}}}]},
            {},
            TokenMount(
                "ServiceAccount:default/robot", TokenSource.SECRET_ENVIRONMENT, "TOKEN", "", "Secret:default/legacy"
            ),
        ),
        ({"env": [{"name": "CA", "valueFrom": {"secretKeyRef": {"name": "legacy", "key": "ca.crt"}}}]}, {}, None),
        (
            {"envFrom": [{"secretRef": {"name": "legacy"}}]},
            {},
            TokenMount("ServiceAccount:default/robot", TokenSource.SECRET_ENVIRONMENT, "", "", "Secret:default/legacy"),
        ),
        ({"envFrom": [{"secretRef": {"name": "other"}}]}, {}, None),
    ],
)
def test_token_secrets(fields: dict[str, Any], spec: dict[str, Any], expected: TokenMount | None) -> None:
    view = inventory(robot(), token_secret(account_uid="uid-robot"), pod("web", container(**fields), **spec))
    assert token(view) == expected


@pytest.mark.parametrize(
    ("objects", "coverage", "held"),
    [
        ([robot(), token_secret(account_uid="uid-robot")], [], True),
        ([robot(), token_secret()], [], True),
        ([robot(), token_secret(type=None)], [], True),
        ([robot(), token_secret(account_uid="uid-of-before")], [], False),
        ([robot(), token_secret(type="Opaque")], [], False),
        ([token_secret(uid="uid-secret")], [], False),
        ([token_secret(uid="uid-secret")], [Gap("ServiceAccount", None, Problem.FORBIDDEN)], True),
        ([token_secret()], [], True),
    ],
    ids=["uid", "no uid", "no type", "other uid", "other type", "account gone", "accounts not listed", "manifest"],
)
def test_which_secrets_hold_a_valid_token(objects: list[Any], coverage: list[Gap], held: bool) -> None:
    web = pod("web", container(volumeMounts=[mount("legacy", "/legacy")]), volumes=[VOLUME])
    view = inventory(*objects, web, coverage=coverage)
    assert (token(view) is not None) is held


def test_the_pods_own_account_comes_first_and_each_account_once() -> None:
    view = inventory(
        robot(),
        token_secret(),
        pod(
            "web",
            container(
                volumeMounts=[mount("legacy", "/legacy"), token_mount()],
                envFrom=[{"secretRef": {"name": "legacy"}}],
            ),
            volumes=[VOLUME, token_volume()],
        ),
    )
    found = view.containers.get("Container:default/web/app")
    assert found is not None
    assert [item.account for item in api_tokens(view, found)] == [ACCOUNT, "ServiceAccount:default/robot"]


def test_evidence_of_an_admitted_token() -> None:
    view = inventory(
        pod("web", container(volumeMounts=[token_mount()]), volumes=[token_volume()], serviceAccountName="default")
    )
    found = view.containers.get("Container:default/web/app")
    assert found is not None
    shown = [(item.object, item.field, item.value) for item in token_evidence(view, found, PROJECTED)]
    assert shown == [
        (
            "Pod:default/web",
            "spec.volumes[name=kube-api-access-x].projected",
            {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}]},
        ),
        (
            "Pod:default/web",
            f"spec.containers[name=app].volumeMounts[mountPath={TOKEN_PATH}]",
            {"name": "kube-api-access-x", "mountPath": TOKEN_PATH, "readOnly": True},
        ),
        ("Pod:default/web", "spec.serviceAccountName", "default"),
    ]


def test_evidence_of_a_template_names_the_defaults() -> None:
    view = inventory(deployment("web"))
    found = view.containers.get("Container:default/web/app")
    assert found is not None
    shown = [(item.object, item.field, item.value, item.default) for item in token_evidence(view, found, AUTOMOUNT)]
    assert shown == [
        ("Deployment:default/web", "spec.template.spec.automountServiceAccountToken", None, True),
        ("ServiceAccount:default/default", "automountServiceAccountToken", None, True),
        ("Deployment:default/web", "spec.template.spec.serviceAccountName", None, "default"),
    ]
