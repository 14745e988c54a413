"""Tokens of service accounts: those that the server issues, and one whose time is over."""

from __future__ import annotations

import base64
import json
import time

from tests.cluster.harness.certificates import TokenKey
from tests.cluster.harness.client import Client
from tests.cluster.harness.identity import Identity


def issued(admin: Client, namespace: str, name: str, seconds: int = 3600) -> Identity:
    """A token by TokenRequest, for an account that exists; the server's least life is 600 seconds."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
    answer = admin.do("POST", path, request)
    return Identity(user_name(namespace, name), token=answer["status"]["token"])


def expired(admin: Client, key: TokenKey, issuer: str, namespace: str, name: str) -> Identity:
    """A token with a good signature, for an account that exists, that ended an hour ago."""
    account = admin.read("ServiceAccount", name, namespace)
    ended = int(time.time()) - 3600
    claims = {
        "iss": issuer,
        "aud": [issuer],
        "sub": user_name(namespace, name),
        "iat": ended - 3600,
        "nbf": ended - 3600,
        "exp": ended,
        "kubernetes.io": {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]},
        },
    }
    signed = f"{_part(json.dumps({'alg': 'RS256'}).encode())}.{_part(json.dumps(claims).encode())}"
    return Identity(user_name(namespace, name), token=f"{signed}.{_part(key.sign(signed.encode()))}")


def user_name(namespace: str, name: str) -> str:
    """The user that a service account is."""
    return f"system:serviceaccount:{namespace}:{name}"


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
