"""A small cluster on the server in memory: its fixes as an audit of the same objects finds them, applied and undone."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.remediation.apiserver import FakeServer
from workbench.inventory.decode import from_data
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KINDS
from workbench.remediation.apply import Outcome, apply, dry_run
from workbench.remediation.catalogue import all_fixes
from workbench.remediation.journal import Journal
from workbench.remediation.records import Fix
from workbench.remediation.steps import Step, fix_steps, undo_steps

CANARY = "canary-5f1d0c"
"""A value of an environment variable, which must not be seen anywhere."""
DEPLOYMENT = "/apis/apps/v1/namespaces/shop/deployments/web"
AGENT = "/apis/apps/v1/namespaces/shop/daemonsets/agent"
BINDING = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/web"

Data = dict[str, Any]


def template(app: str, *containers: Data, **spec: Any) -> Data:
    """A selector and a pod template."""
    labels = {"app": app}
    return {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": list(containers), **spec}},
    }


WEB: Data = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "generation": 1, "annotations": {"team/note": CANARY}},
    "spec": {
        "replicas": 2,
        **template(
            "web",
            {
                "name": "web",
                "image": "registry.example/web:1",
                "args": ["--password", CANARY],
                "env": [{"name": "PASSWORD", "value": CANARY}],
                "securityContext": {"privileged": True},
                "volumeMounts": [{"name": "etc", "mountPath": "/host/etc"}, {"name": "tmp", "mountPath": "/tmp"}],
            },
            {"name": "side", "image": "registry.example/side:1", "terminationMessagePath": "/dev/log"},
            hostPID=True,
            serviceAccountName="web",
            volumes=[{"name": "etc", "hostPath": {"path": "/etc", "type": ""}}, {"name": "tmp", "emptyDir": {}}],
        ),
    },
    "status": {"observedGeneration": 1, "replicas": 2},
}
DAEMON: Data = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "agent", "namespace": "shop", "generation": 1},
    "spec": template(
        "agent", {"name": "agent", "image": "registry.example/agent:1", "securityContext": {"privileged": True}}
    ),
}
ADMIN: Data = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "web"},
    "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}],
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
}


def server(*objects: Data) -> FakeServer:
    """A server with some objects, the three above by default."""
    made = FakeServer()
    made.add(*(objects or (WEB, DAEMON, ADMIN)))
    return made


def inventory_of(made: FakeServer) -> Inventory:
    """What is on a server, as an inventory."""
    decoded = [(from_data(KINDS[data["kind"]], copy.deepcopy(data)), None) for _, data in sorted(made.objects.items())]
    return Inventory(decoded, source="test")


def fixes(made: FakeServer, *kinds: str) -> list[Fix]:
    """The fixes of some kinds."""
    return [fix for fix in all_fixes(inventory_of(made)) if fix.fix in kinds]


def comparable(data: Data) -> Data:
    """An object without what the server keeps for itself."""
    out = copy.deepcopy(data)
    for key in ("resourceVersion", "generation", "managedFields"):
        out["metadata"].pop(key, None)
    return out


def texts(directory: Path) -> str:
    """Everything that stands in the files below a directory."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(directory.rglob("*")) if path.is_file())


def as_text(value: Any) -> str:
    """A value as text, to search it."""
    return json.dumps(value, default=str)


def applied(made: FakeServer, journal: Journal, chosen: list[Fix]) -> Outcome:
    """What comes of a dry run and an apply of some fixes."""
    return changed(made, journal, fix_steps(chosen)[0])


def changed(made: FakeServer, journal: Journal, steps: Sequence[Step], undoes: str = "") -> Outcome:
    """What comes of a dry run and an apply of some steps."""
    rows = dry_run(made, steps).rows
    run = journal.begin("undo" if undoes else "apply", "alice", undoes)
    try:
        return apply(made, rows, run)
    finally:
        run.close()


def undone(made: FakeServer, journal: Journal) -> Outcome:
    """What comes of taking the last run back."""
    entry = journal.last()
    assert entry is not None
    return changed(made, journal, undo_steps(entry.in_force), entry.id)


def states(outcome: Outcome) -> list[str]:
    """How it stands with each object."""
    return [str(row.state) for row in outcome.rows]
