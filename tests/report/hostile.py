"""A cluster whose every name is hostile, as a file of manifests."""

from __future__ import annotations

import json
from pathlib import Path

CONTROL = "\x1b]0;owned\x07 \x1b[31m \x9b31m \x00 \x7f \r\n \u202e \u2066 \u200b \ufeff \U000e0041"
MARKUP = "[bold red]x[/] <script>alert(1)</script> ![i](http://evil) [l](javascript:x) `code` **b** @everyone | a"
QUOTES = "\" ' \\ \\N }; digraph {a->b} ]]> &amp; <!-- -->"
FORMULA = '=HYPERLINK("http://evil";"x");=1+1'

HOSTILE = f"{CONTROL} {MARKUP} {QUOTES} {FORMULA} \u00e4\u4e2d\U0001f600"
"""One name with everything."""

NEVER = {char for char in CONTROL if char not in " []0123456789;abcdefghijklmnopqrstuvwxyz\n"}
"""The characters of it that a terminal would act on, or hide behind."""


def manifests(directory: Path) -> Path:
    """Write the manifests, and name their file."""
    binding = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    users = [HOSTILE, FORMULA, f"+{MARKUP}", "-1", "@SUM(1)", "\t=1", "\uff1d1", "corp/alice", "`", "``tick`` `", " "]
    objects = [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "b"},
            "subjects": [
                {"kind": kind, "apiGroup": "rbac.authorization.k8s.io", "name": name}
                for name in users
                for kind in ("User", "Group")
            ],
            "roleRef": {**binding, "name": "deputy"},
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "deputy", "labels": {HOSTILE: HOSTILE}, "annotations": {HOSTILE: HOSTILE}},
            "rules": [
                {"verbs": ["bind", HOSTILE], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]},
                {
                    "verbs": ["create"],
                    "apiGroups": ["rbac.authorization.k8s.io"],
                    "resources": ["clusterrolebindings", "rolebindings"],
                },
                {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": [HOSTILE]},
            ],
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": HOSTILE}},
            "spec": {
                "serviceAccountName": "web",
                "hostPID": True,
                "containers": [
                    {"name": "web", "image": f"registry/{HOSTILE}", "securityContext": {"privileged": True}},
                ],
                "volumes": [{"name": "v", "hostPath": {"path": f"/{HOSTILE}"}}],
            },
        },
    ]
    path = directory / "hostile.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}), encoding="utf-8")
    return path
