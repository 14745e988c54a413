"""Volumes, Secrets and ConfigMaps from a container, and what Secrets are good for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import container, deployment, edges, inventory, mount, obj, pairs, pod, proof
from workbench.inventory.evidence import Gap, Problem

APP = "Container:default/web/app"


def secret_volume(name: str, **source: Any) -> dict[str, Any]:
    return {"name": name, "secret": {"secretName": name, **source}}


def test_volumes_that_a_container_mounts() -> None:
    view = inventory(
        pod(
            "web",
            container(
                volumeMounts=[mount("a", "/a"), mount("a", "/again")],
                volumeDevices=[{"name": "raw", "devicePath": "/dev/x"}],
            ),
            container("side"),
            volumes=[
                {"name": "a", "emptyDir": {}},
                {"name": "b", "emptyDir": {}},
                {"name": "raw", "persistentVolumeClaim": {"claimName": "raw"}},
            ],
        )
    )
    found = edges(view, "VOLUME_DISCOVER")
    assert [(edge.source, edge.target, edge.effort) for edge in found] == [
        (APP, "Volume:default/web/a", 1),
        (APP, "Volume:default/web/raw", 1),
    ]
    assert proof(view, found[1]) == {
        ("Pod:default/web", "spec.containers[name=app].volumeDevices[name=raw]"): {
            "name": "raw",
            "devicePath": "/dev/x",
        },
        ("Pod:default/web", "spec.volumes[name=raw]"): {
            "name": "raw",
            "persistentVolumeClaim": {"claimName": "raw"},
        },
    }


@pytest.mark.parametrize(
    ("fields", "spec", "mounts", "env"),
    [
        pytest.param(
            {"volumeMounts": [mount("keys", "/keys")]}, {"volumes": [secret_volume("keys")]}, ["keys"], [], id="volume"
        ),
        pytest.param({}, {"volumes": [secret_volume("keys")]}, [], [], id="declared and not mounted"),
        pytest.param(
            {"volumeMounts": [mount("all", "/all")]},
            {
                "volumes": [
                    {"name": "all", "projected": {"sources": [{"secret": {"name": "a"}}, {"secret": {"name": "b"}}]}}
                ]
            },
            ["a", "b"],
            [],
            id="projected",
        ),
        pytest.param(
            {"env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}]},
            {},
            [],
            ["keys"],
            id="env",
        ),
        pytest.param({"envFrom": [{"secretRef": {"name": "keys"}}]}, {}, [], ["keys"], id="envFrom"),
        pytest.param({}, {"imagePullSecrets": [{"name": "keys"}]}, [], [], id="T46 pull secret"),
        pytest.param(
            {"volumeMounts": [mount("c", "/c")]},
            {"volumes": [{"name": "c", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "keys"}}}]},
            [],
            [],
            id="CSI secret",
        ),
        pytest.param(
            {"volumeMounts": [mount("keys", "/keys")]},
            {"volumes": [secret_volume("keys", optional=True)]},
            [],
            [],
            id="optional and missing",
        ),
        pytest.param(
            {"envFrom": [{"secretRef": {"name": "keys", "optional": True}}, {"secretRef": {"name": "keys"}}]},
            {},
            [],
            ["keys"],
            id="optional and required",
        ),
    ],
)
def test_secrets_that_a_container_reads(
    fields: dict[str, Any], spec: dict[str, Any], mounts: list[str], env: list[str]
) -> None:
    view = inventory(pod("web", container(**fields), **spec))
    assert pairs(view, "SECRET_MOUNT") == [(APP, f"Secret:default/{name}") for name in mounts]
    assert pairs(view, "SECRET_ENV") == [(APP, f"Secret:default/{name}") for name in env]


@pytest.mark.parametrize(
    ("restart_policy", "sources"),
    [(None, []), ("Always", ["Container:default/web/init"])],
    ids=["plain init container", "sidecar"],
)
def test_init_containers(restart_policy: str | None, sources: list[str]) -> None:
    fields = {"restartPolicy": restart_policy} if restart_policy else {}
    init = container("init", envFrom=[{"secretRef": {"name": "keys"}}], **fields)
    view = inventory(pod("web", initContainers=[init]))
    assert [edge.source for edge in edges(view, "SECRET_ENV")] == sources


@pytest.mark.parametrize(
    ("objects", "coverage", "missing"),
    [
        ([obj("Secret", "maybe")], [], ()),
        ([], [Gap("Secret", None, Problem.FORBIDDEN)], (("C-NAME", "Secret:default/maybe"),)),
    ],
    ids=["there", "not listed"],
)
def test_optional_secrets(objects: list[Any], coverage: list[Gap], missing: tuple[Any, ...]) -> None:
    web = pod("web", container(envFrom=[{"secretRef": {"name": "maybe", "optional": True}}]))
    (edge,) = edges(inventory(*objects, web, coverage=coverage), "SECRET_ENV")
    assert edge.missing == missing


def test_evidence_of_secrets() -> None:
    view = inventory(
        deployment(
            "web",
            container(
                volumeMounts=[mount("keys", "/keys", readOnly=True)],
                env=[{"name": "K", "valueFrom": {"secretKeyRef": {"name": "env", "key": "k"}}}],
            ),
            volumes=[secret_volume("keys")],
        )
    )
    (mounted,) = edges(view, "SECRET_MOUNT")
    spec = "spec.template.spec"
    assert proof(view, mounted) == {
        ("Deployment:default/web", f"{spec}.volumes[name=keys].secret"): {"secretName": "keys"},
        ("Deployment:default/web", f"{spec}.containers[name=app].volumeMounts[name=keys]"): {
            "name": "keys",
            "mountPath": "/keys",
            "readOnly": True,
        },
    }
    (env,) = edges(view, "SECRET_ENV")
    assert proof(view, env) == {
        ("Deployment:default/web", f"{spec}.containers[name=app].env[name=K].valueFrom.secretKeyRef"): {
            "name": "env",
            "key": "k",
        }
    }


def test_config_maps() -> None:
    view = inventory(
        pod(
            "web",
            container(
                volumeMounts=[mount("files", "/files"), mount("all", "/all")],
                env=[{"name": "K", "valueFrom": {"configMapKeyRef": {"name": "env", "key": "k"}}}],
                envFrom=[{"configMapRef": {"name": "bulk"}}, {"configMapRef": {"name": "gone", "optional": True}}],
            ),
            volumes=[
                {"name": "files", "configMap": {"name": "files"}},
                {"name": "all", "projected": {"sources": [{"configMap": {"name": "projected"}}]}},
                {"name": "unmounted", "configMap": {"name": "unmounted"}},
            ],
        )
    )
    assert pairs(view, "CONFIGMAP_READ") == [
        (APP, f"ConfigMap:default/{name}") for name in ("bulk", "env", "files", "projected")
    ]
    first = edges(view, "CONFIGMAP_READ")[0]
    assert ("Pod:default/web", "spec.volumes[name=files].configMap") in proof(view, first)


# --- what a Secret is good for ----------------------------------------------------------------------


def token_secret(uid: str, **fields: Any) -> Any:
    return obj(
        "Secret",
        "legacy",
        "ci",
        annotations={"kubernetes.io/service-account.name": "robot", "kubernetes.io/service-account.uid": uid},
        **{"type": "kubernetes.io/service-account-token", **fields},
    )


@pytest.mark.parametrize(
    ("secret", "target"),
    [
        (token_secret("u1"), "ServiceAccount:ci/robot"),
        (token_secret("u0"), None),
        (token_secret("u1", type=None), "ServiceAccount:ci/robot"),
        (token_secret("u1", type="Opaque"), None),
        (obj("Secret", "tls", "ci", type="kubernetes.io/tls"), None),
        (obj("Secret", "kubeconfig", "ci", type="Opaque"), None),
    ],
    ids=["uid matches", "account made anew", "metadata only", "annotated only", "tls", "opaque"],
)
def test_tokens_of_accounts(secret: Any, target: str | None) -> None:
    view = inventory(obj("ServiceAccount", "robot", "ci", uid="u1"), secret)
    found = edges(view, "SECRET_USE")
    assert [(edge.target, edge.verdict, edge.effort) for edge in found] == ([(target, "on", 1)] if target else [])
    for edge in found:
        shown = proof(view, edge)
        assert shown[("Secret:ci/legacy", "metadata.annotations[kubernetes.io/service-account.name]")] == "robot"
        assert shown[("ServiceAccount:ci/robot", "metadata.uid")] == "u1"


@pytest.mark.parametrize(
    ("name", "namespace", "kind", "found"),
    [
        ("bootstrap-token-abcdef", "kube-system", "bootstrap.kubernetes.io/token", True),
        ("bootstrap-token-abcdef", "kube-system", None, True),
        ("bootstrap-token-abcdef", "default", "bootstrap.kubernetes.io/token", False),
        ("bootstrap-token-abcdef", "kube-system", "Opaque", False),
        ("other", "kube-system", None, False),
    ],
)
def test_bootstrap_tokens_expire(name: str, namespace: str, kind: str | None, found: bool) -> None:
    view = inventory(obj("Secret", name, namespace, **({"type": kind} if kind else {})))
    assert [(edge.target, edge.effort, edge.missing) for edge in edges(view, "SECRET_USE")] == (
        [("Group:system:bootstrappers", 3, (("C-EXP", f"Secret:{namespace}/{name}"),))] if found else []
    )
