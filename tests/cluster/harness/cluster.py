"""What tests do with a control plane: identities and their rights, kubeconfigs, objects, a way back to the start."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.harness import registry, rights, tokens
from tests.cluster.harness.audit import AuditLog
from tests.cluster.harness.client import MERGE_PATCH, Client
from tests.cluster.harness.control_plane import ISSUER, ControlPlane
from tests.cluster.harness.etcd import Etcd
from tests.cluster.harness.identity import Identity, write_kubeconfig

_NEVER_RESTORED = tuple(
    registry.PREFIX + name
    for name in ("leases/", "masterleases/", "peerserverleases/", "flowschemas/", "prioritylevelconfigurations/")
)
"""What the servers write for themselves all the time."""
_MADE_AT_START = (
    *(f"/api/v1/namespaces/{name}" for name in ("kube-system", "kube-public", "kube-node-lease")),
    "/api/v1/namespaces/default/services/kubernetes",
    "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
)
"""What the API server makes soon after it is ready."""


class Cluster:
    """A running cluster.

    Without controllers it is a still picture: nothing makes pods of Deployments, removes what a namespace or an owner
    leaves, or changes anything else. The ``default`` account of each namespace and the rules of ``view``, ``edit``
    and ``admin``, which controllers would make, are made here.

    Args:
        plane: The servers; :meth:`close` ends them.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.admin = plane.admin
        """May do all; by client certificate, of ``system:masters``."""
        self.etcd = Etcd(plane.etcd_socket)
        self.audit = AuditLog(
            plane.audit_log, lambda marker: self.admin.get("/api/v1/namespaces/default", marker=marker)
        )
        self._numbers = itertools.count(1)
        self._granted: list[rights.Review] = []
        self._prepare()

    @property
    def server(self) -> str:
        """The URL of the API server, ``https://127.0.0.1:PORT``."""
        return self.admin.server

    @property
    def ca(self) -> Path:
        """The certificate that the server's is signed with, PEM."""
        return self.plane.authority.pair.certificate

    def close(self) -> None:
        """End the servers and remove all that they kept."""
        self.plane.close()

    # --- identities -----------------------------------------------------------------------------------

    def user(self, name: str, *groups: str) -> Identity:
        """A user by client certificate, with no rights but those of its groups."""
        return Identity(name, groups, self.plane.authority.for_client(name, groups))

    def service_account(self, namespace: str, name: str = "default") -> Identity:
        """A service account by token; made if it does not exist. Its namespace does."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        if self.admin.request("GET", f"{path}/{name}").status == 404:
            self.admin.create(
                {
                    "apiVersion": "v1",
                    "kind": "ServiceAccount",
                    "metadata": {"name": name, "namespace": namespace},
                }
            )
        return tokens.issued(self.admin, namespace, name)

    def expired_account(self, namespace: str, name: str = "default") -> Identity:
        """A service account, which exists, by a token that was good until an hour ago."""
        return tokens.expired(self.admin, self.plane.token_key, ISSUER, namespace, name)

    def client(self, identity: Identity) -> Client:
        """Requests as somebody."""
        return Client(self.server, self.admin.ca, identity)

    def grant(self, identity: Identity, *rules: rights.Rule, namespace: str = "", name: str = "") -> None:
        """Give rights by a new role and a binding, and wait until the server knows of them.

        Args:
            identity: Whom.
            rules: What, see :func:`tests.cluster.harness.rights.rule`.
            namespace: Where; empty for everywhere, by ClusterRole and ClusterRoleBinding.
            name: Of both objects; made from the user's if empty.
        """
        name = name or f"{identity.user.replace(':', '-')}-{next(self._numbers)}"
        with self._granting(identity, rules, namespace):
            self.admin.create(
                rights.role(name, rules, namespace),
                rights.binding(identity, "Role" if namespace else "ClusterRole", name, namespace, name),
            )

    def bind(self, identity: Identity, cluster_role: str, *, namespace: str = "", name: str = "") -> None:
        """Give the rights of a ClusterRole that exists, such as ``view``; as :meth:`grant`."""
        name = name or f"{identity.user.replace(':', '-')}-{next(self._numbers)}"
        rules = self.admin.read("ClusterRole", cluster_role, api_version=rights.RBAC)["rules"] or []
        with self._granting(identity, rules, namespace):
            self.admin.create(rights.binding(identity, "ClusterRole", cluster_role, namespace, name))

    @contextmanager
    def _granting(self, identity: Identity, rules: Iterable[rights.Rule], namespace: str) -> Iterator[None]:
        reviews = [
            review for review in rights.reviews(identity, rules, namespace) if not rights.allowed(self.admin, review)
        ]
        yield
        rights.wait_until_known(self.admin, reviews, granted=True)
        self._granted += reviews

    # --- kubeconfigs ----------------------------------------------------------------------------------

    def kubeconfig(
        self,
        who: Identity | Mapping[str, Any] | None = None,
        *,
        context: str = "test",
        namespace: str = "",
        server: str = "",
        ca: Path | None = None,
        cluster: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write a kubeconfig of one context into a file of its own.

        Args:
            who: An identity, or the ``user`` of a kubeconfig as it is (see ``identity.exec_plugin``); ``None`` for
                the administrator.
            context: The context's name.
            namespace: The context's namespace; empty for none.
            server: Another URL than the server's, such as a proxy's before it.
            ca: Other certificates to trust than the right one.
            cluster: Further fields of the ``cluster``.

        Returns:
            The file; it goes with the cluster.
        """
        who = self.admin.identity if who is None else who
        folder = self.plane.directory / "kubeconfigs"
        folder.mkdir(exist_ok=True)
        return write_kubeconfig(
            folder / f"{next(self._numbers)}.yaml",
            server=server or self.server,
            ca=ca or self.ca,
            credentials=who.credentials() if isinstance(who, Identity) else who,
            context=context,
            namespace=namespace,
            cluster=cluster,
        )

    def kubectl(self, *arguments: str, who: Identity | None = None, data: str | None = None) -> str:
        """Run kubectl as somebody, the administrator if nobody is named, and give its output; it must succeed."""
        done = subprocess.run(
            [self.plane.binaries / "kubectl", *arguments],
            input=data,
            capture_output=True,
            text=True,
            env={"HOME": str(self.plane.directory), "KUBECONFIG": str(self.kubeconfig(who))},
            check=False,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    # --- objects --------------------------------------------------------------------------------------

    def create(self, *objects: Mapping[str, Any]) -> list[Any]:
        """Create objects through the API, in order; of a pod's ``status`` nothing stays."""
        return self.admin.create(*objects)

    def create_namespaces(self, *names: str, labels: Mapping[str, str] | None = None) -> None:
        """Create namespaces, each with its ``default`` account."""
        for name in names:
            self.admin.create(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels or {})}}
            )
            self._default_account(name)

    def seed(self, objects: Iterable[Mapping[str, Any]]) -> int:
        """Put objects straight into the store, status included: 10,000 pods in a second. Gives how many.

        Nothing is checked or added: their namespaces must exist or be among them, pods need all that is required. Lists
        show them at once.
        """
        values = registry.entries(self.admin, objects)
        self.etcd.put(values)
        return len(values)

    @contextmanager
    def restored(self) -> Iterator[Cluster]:
        """Bring every object back at the end to what it is now; by the store, so that no policy can deny it."""
        before = self.etcd.read(registry.PREFIX)
        granted = len(self._granted)
        try:
            yield self
        finally:
            after = self.etcd.read(registry.PREFIX)
            self.etcd.delete(key for key in after.keys() - before.keys() if not key.startswith(_NEVER_RESTORED))
            self.etcd.put(
                {
                    key: stored.value
                    for key, stored in before.items()
                    if (key not in after or after[key].value != stored.value) and not key.startswith(_NEVER_RESTORED)
                }
            )
            rights.wait_until_known(self.admin, self._granted[granted:], granted=False)
            del self._granted[granted:]

    def _prepare(self) -> None:
        self.admin.wait_for(*_MADE_AT_START)
        self._default_account("default")
        if not self.plane.options.controllers:
            for name, rules in rights.aggregated(self.admin).items():
                path = f"/apis/{rights.RBAC}/clusterroles/{name}"
                self.admin.do("PATCH", path, {"rules": rules}, content_type=MERGE_PATCH)

    def _default_account(self, namespace: str) -> None:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        if self.plane.options.controllers:
            self.admin.wait_for(f"{path}/default")
        else:
            self.admin.do("POST", path, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
