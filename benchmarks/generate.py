"""Generate a believable cluster of N pods, as ``kubectl get -o json`` prints it, one file a kind.

The same number and seed always give the same bytes. What a cluster's owners do wrong is in it too, in about the
share that audits find: containers that are privileged or mount the host, bindings that grant too much, tokens
that lie in Secrets, services that face the internet. So there are attack paths to look for. Every value of a
Secret is made up.

Its pods are as large as those that the budgets were measured on (30,000 in 260 MB, ``performance.md``). The other
objects come on top, as in a cluster that is read whole: a workload for each five pods, ReplicaSets of earlier
revisions (one for each Deployment, where Kubernetes keeps up to ten), managed fields. An ``emptyDir`` at ``/tmp`` is
where the root file system is read-only, as in real clusters, and not in every container: each volume is a node of the
graph with two edges or more.
"""

from __future__ import annotations

import base64
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks import system
from benchmarks.objects import Object, Output, manage, metadata, simple
from benchmarks.pods import Addresses, Placed, Workload, confine, container, controllers, expose_host, probes, run
from benchmarks.system import account, bind, group, role, rule, user

SEED = 20_260_302
PODS_PER_NODE = 30
PODS_PER_NAMESPACE = 55
LEAST_PODS = 100
"""The control plane, the agents and the add-ons leave no place for applications in a smaller cluster."""

_TEAM_NAMES = """
billing cart catalog checkout claims content delivery fraud identity inventory invoices ledger loyalty mail media offers
orders partners payments pricing profile rating returns risk search sessions settlement shipping stock tax voucher
"""
_TEAMS = _TEAM_NAMES.split()
_ENVIRONMENTS = ("prod", "staging", "dev")
_COMPONENT_NAMES = """
api worker web gateway sync indexer scheduler importer exporter consumer projector mailer reporter proxy cache renderer
router auditor resolver monitor
"""
_COMPONENTS = _COMPONENT_NAMES.split()
_MANAGERS = ("kubectl-client-side-apply", "helm", "argocd-controller")


@dataclass(frozen=True)
class Summary:
    """What was written.

    Attributes:
        directory: Where it is.
        pods: How many pods there are, exactly as many as were asked for.
        counts: How many objects of each kind.
        bytes: The size of all files.
        pod_bytes: The size of the file of the pods.
    """

    directory: Path
    pods: int
    counts: dict[str, int]
    bytes: int
    pod_bytes: int


def generate(directory: Path, pods: int, seed: int = SEED) -> Summary:
    """Write a cluster.

    Args:
        directory: Where the files go; made if it is not there, and files of the same names are replaced.
        pods: How many pods to make.
        seed: Which cluster of that size.

    Raises:
        ValueError: Fewer pods than the smallest cluster has.
    """
    if pods < LEAST_PODS:
        raise ValueError(f"a generated cluster has at least {LEAST_PODS} pods")
    directory.mkdir(parents=True, exist_ok=True)
    with Output(directory, Random(f"{seed}/{pods}")) as output:
        addresses = Addresses()
        for name in system.NAMESPACES:
            system.namespace(output, name)
        control_planes = system.nodes(output, -(-pods // PODS_PER_NODE), addresses)
        system.control_plane(output, control_planes, addresses)
        made = len(control_planes) * len(system.MIRRORED)
        made += system.agents(output, addresses) + system.add_ons(output, addresses)
        system.cluster_rbac(output)
        _ingress_class(output)
        _Applications(output, addresses, pods - made).write()
    files = sorted(directory.glob("*.json"))
    size = sum(file.stat().st_size for file in files)
    return Summary(directory, output.counts["Pod"], output.counts, size, (directory / "pods.json").stat().st_size)


def _ingress_class(output: Output) -> None:
    simple(
        output,
        "IngressClass",
        "nginx",
        api_version="networking.k8s.io/v1",
        manager="helm",
        spec={"controller": "k8s.io/ingress-nginx"},
    )
    simple(
        output,
        "Service",
        "ingress-nginx-controller",
        "ingress-nginx",
        manager="helm",
        spec={
            "clusterIP": "10.96.0.80",
            "ports": [{"name": "http", "nodePort": 30080, "port": 80, "protocol": "TCP", "targetPort": "http"}],
            "selector": {"app.kubernetes.io/name": "ingress-nginx-controller"},
            "type": "LoadBalancer",
        },
        status={"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}},
    )


class _Applications:
    """The namespaces of teams, filled until all pods are made."""

    def __init__(self, output: Output, addresses: Addresses, pods: int) -> None:
        self.output = output
        self.random = output.random
        self.addresses = addresses
        self.left = pods
        self.number = 0
        """Of workloads so far; addresses and ports of services follow from it."""

    def write(self) -> None:
        """Write them all."""
        ordinal = 0
        while self.left > 0:
            team, environment = _TEAMS[ordinal % len(_TEAMS)], _ENVIRONMENTS[ordinal // len(_TEAMS) % 3]
            cell = ordinal // (len(_TEAMS) * 3)
            name = f"{team}-{environment}" + (f"-{cell}" if cell else "")
            self._namespace(name, team, environment)
            ordinal += 1

    def _namespace(self, name: str, team: str, environment: str) -> None:
        chance = self.random.random
        labels = {"team": team, "environment": environment}
        if chance() < 0.15:
            labels["pod-security.kubernetes.io/enforce"] = "baseline"
        system.namespace(self.output, name, labels)
        restricted = "pod-security.kubernetes.io/enforce" in labels
        budget = min(self.left, int(PODS_PER_NAMESPACE * (0.4 + 1.2 * chance())))
        components = self.random.sample(_COMPONENTS, len(_COMPONENTS))
        for component in components:
            if budget <= 0:
                break
            budget -= self._workload(name, component, team, budget, restricted)
        self._people(name, team, environment)
        if chance() < 0.4:
            self._policies(name)

    # --- workloads --------------------------------------------------------------------------------

    def _workload(self, namespace: str, component: str, team: str, most: int, restricted: bool) -> int:
        output, random = self.output, self.random
        self.number += 1
        kind = random.choices(("Deployment", "StatefulSet", "Job", "Pod"), (86, 8, 4, 2))[0]
        replicas = 1 if kind in ("Job", "Pod") else min(most, random.choice((1, 2, 2, 3, 3, 4, 6, 8, 12)))
        own_account = random.random() < 0.65
        main, volumes = self._main_container(namespace, component, team)
        workload = Workload(
            kind,
            namespace,
            component,
            replicas,
            [main],
            account=component if own_account else "default",
            volumes=volumes,
            labels={
                "app.kubernetes.io/name": component,
                "app.kubernetes.io/instance": f"{component}-{namespace}",
                "app.kubernetes.io/part-of": team,
                "app.kubernetes.io/version": f"2.{self.number % 40}.0",
            },
            annotations={
                "prometheus.io/scrape": "true",
                "prometheus.io/port": "9090",
                "checksum/config": output.digest(),
            },
            manager=random.choice(_MANAGERS),
            automount=random.random() < 0.75,
        )
        if random.random() < 0.3:
            workload.containers.append(self._sidecar())
        if random.random() < 0.2:
            waiting = container(
                "wait-for-db", "docker.io/library/busybox:1.36", command=["sh", "-c", "until nc -z db 5432"]
            )
            workload.init_containers.append(waiting)
        if not restricted and random.random() < 0.011:
            expose_host(workload, self.number)
        elif random.random() < 0.25:
            confine(workload)
        if own_account:
            self._account(workload)
        owner = None if kind == "Pod" else controllers(output, workload)
        nodes = [self.addresses.worker() for _ in range(replicas)]
        placed = run(output, workload, owner, self.addresses, nodes)
        if kind in ("Deployment", "StatefulSet") and random.random() < 0.85:
            self._service(workload, placed)
        self.left -= replicas
        return replicas

    def _main_container(self, namespace: str, component: str, team: str) -> tuple[Object, list[Object]]:
        random = self.random
        environment: list[Object] = [
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "DATABASE_URL", "value": f"postgres://db.{namespace}.svc.cluster.local:5432/{team}"},
            {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector.monitoring.svc.cluster.local:4317"},
            {"name": "FEATURES", "value": ",".join(f"{component}-feature-{number}" for number in range(8))},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
        ]
        mounts: list[Object] = []
        volumes: list[Object] = []
        if random.random() < 0.6:
            secret = self._secret(namespace, f"{component}-credentials")
            environment.append(
                {"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"key": "password", "name": secret}}}
            )
        if random.random() < 0.3:
            secret = self._secret(namespace, f"{component}-keys")
            mounts.append({"mountPath": "/etc/keys", "name": "keys", "readOnly": True})
            volumes.append({"name": "keys", "secret": {"defaultMode": 420, "secretName": secret}})
        if random.random() < 0.7:
            self._config_map(namespace, f"{component}-config")
            mounts.append({"mountPath": "/etc/config", "name": "config"})
            volumes.append({"configMap": {"defaultMode": 420, "name": f"{component}-config"}, "name": "config"})
        if random.random() < 0.1:
            self._claim(namespace, f"data-{component}")
            mounts.append({"mountPath": "/var/lib/data", "name": "data"})
            volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": f"data-{component}"}})
        image = f"registry.example/{team}/{component}:2.{self.number % 40}.0"
        main = container(
            component,
            image,
            ports=[("http", 8080), ("metrics", 9090)],
            args=[f"--config=/etc/config/{component}.yaml", "--listen=:8080", f"--zone=zone-{self.number % 3}"],
            env=environment,
            volumeMounts=mounts,
            **probes("http"),
        )
        return main, volumes

    def _sidecar(self) -> Object:
        image = self.random.choice(
            ("envoyproxy/envoy:v1.33.0", "open-telemetry/collector:0.119.0", "vault-agent:1.18.3")
        )
        context = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 1337}
        name = image.rpartition("/")[2].partition(":")[0]
        return container(
            name, f"registry.example/sidecars/{image}", ports=[("sidecar", 15090)], securityContext=context
        )

    # --- what a workload refers to ----------------------------------------------------------------

    def _secret(self, namespace: str, name: str) -> str:
        jewel = {"workbench/crown-jewel": "true"} if self.number % 397 == 7 else None
        values = {key: self._made_up(size) for key, size in (("password", 24), ("username", 8), ("key.pem", 900))}
        simple(self.output, "Secret", name, namespace, labels=jewel, data=values, type="Opaque")
        return name

    def _made_up(self, size: int) -> str:
        text = "".join(self.random.choices(string.ascii_letters, k=size))
        return base64.b64encode(text.encode()).decode()

    def _config_map(self, namespace: str, name: str) -> None:
        lines = "\n".join(f"setting.{number}: value-{self.random.randrange(10**9)}" for number in range(30))
        simple(self.output, "ConfigMap", name, namespace, manager="helm", data={"application.yaml": lines})

    def _claim(self, namespace: str, name: str) -> None:
        volume = f"pvc-{self.output.uid()}"
        capacity = {"storage": "20Gi"}
        modes = ["ReadWriteMany"]
        simple(
            self.output,
            "PersistentVolumeClaim",
            name,
            namespace,
            spec={
                "accessModes": modes,
                "storageClassName": "standard",
                "volumeName": volume,
                "volumeMode": "Filesystem",
            },
            status={"accessModes": modes, "capacity": capacity, "phase": "Bound"},
        )
        on_host = self.number % 50 == 3
        simple(
            self.output,
            "PersistentVolume",
            volume,
            manager="csi-provisioner",
            spec={
                "accessModes": modes,
                "capacity": capacity,
                "claimRef": {"kind": "PersistentVolumeClaim", "name": name, "namespace": namespace},
                "storageClassName": "standard",
                "persistentVolumeReclaimPolicy": "Delete",
                **(
                    {"hostPath": {"path": f"/srv/{name}", "type": ""}}
                    if on_host
                    else {"csi": {"driver": "csi.storage.example", "fsType": "ext4", "volumeHandle": volume}}
                ),
            },
            status={"phase": "Bound"},
        )

    def _account(self, workload: Workload) -> None:
        output, random = self.output, self.random
        namespace, name = workload.namespace, workload.account
        made = simple(output, "ServiceAccount", name, namespace, manager="helm")
        if random.random() < 0.03:
            uid = made["metadata"]["uid"]
            simple(
                output,
                "Secret",
                f"{name}-token-{output.suffix()}",
                namespace,
                manager="kube-controller-manager",
                annotations={"kubernetes.io/service-account.name": name, "kubernetes.io/service-account.uid": uid},
                data={"ca.crt": self._made_up(900), "namespace": self._made_up(8), "token": self._made_up(900)},
                type="kubernetes.io/service-account-token",
            )
        if random.random() < 0.33:
            rules = [
                rule("core", "configmaps endpoints", "get list watch"),
                rule("coordination.k8s.io", "leases", "get update"),
            ]
            excess = random.random()
            if excess < 0.08:
                rules.append(rule("core", "secrets", "get list"))
            elif excess < 0.12:
                rules.append(rule("core", "pods pods/exec", "get list create"))
            elif excess < 0.14:
                rules.append(rule("*", "*", "*"))
            elif excess < 0.3:
                rules.append(rule("core", "secrets", "get", f"{workload.name}-credentials"))
            role(output, namespace, workload.name, *rules)
            bind(output, namespace, workload.name, f"Role/{workload.name}", account(namespace, name))
        if random.random() < 0.008:
            wide = random.choice(
                ("corp:backup", "view", "edit", "corp:node-operator", "corp:token-broker", "cluster-admin")
            )
            bind(output, "", f"{namespace}-{workload.name}", f"ClusterRole/{wide}", account(namespace, name))

    # --- network ----------------------------------------------------------------------------------

    def _service(self, workload: Workload, placed: Sequence[Placed]) -> None:
        random, number = self.random, self.number
        of = random.choices(("ClusterIP", "NodePort", "LoadBalancer"), (96, 2, 2))[0]
        ports: list[Object] = [
            {"name": name, "port": port, "protocol": "TCP", "targetPort": name}
            for name, port in (("http", 80), ("metrics", 9090))
        ]
        if of != "ClusterIP":
            ports = [{**ports[0], "nodePort": 30_000 + number % 2_700}]
        status: Object = {"loadBalancer": {}}
        if of == "LoadBalancer":
            status = {"loadBalancer": {"ingress": [{"ip": f"203.0.113.{number % 200 + 20}"}]}}
        service = simple(
            self.output,
            "Service",
            workload.name,
            workload.namespace,
            manager=workload.manager,
            labels=dict(workload.labels),
            spec={
                "clusterIP": f"10.{96 + (number >> 16)}.{number >> 8 & 255}.{number & 255}",
                "internalTrafficPolicy": "Cluster",
                "ipFamilies": ["IPv4"],
                "ports": ports,
                "selector": {"app.kubernetes.io/name": workload.labels["app.kubernetes.io/name"]},
                "sessionAffinity": "None",
                "type": of,
            },
            status=status,
        )
        self._endpoint_slice(service, placed)
        if random.random() < 0.1:
            self._ingress(workload)

    def _endpoint_slice(self, service: Object, placed: Sequence[Placed]) -> None:
        where, name = service["metadata"]["namespace"], service["metadata"]["name"]
        endpoints: list[Object] = [
            {
                "addresses": [pod.address],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": pod.node,
                "targetRef": {"kind": "Pod", "name": pod.name, "namespace": where, "uid": pod.uid},
            }
            for pod in placed
        ]
        made: Object = {
            "addressType": "IPv4",
            "apiVersion": "discovery.k8s.io/v1",
            "endpoints": endpoints,
            "kind": "EndpointSlice",
            "metadata": metadata(
                self.output,
                f"{name}-{self.output.suffix()}",
                where,
                labels={
                    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                    "kubernetes.io/service-name": name,
                },
                owner=service,
            ),
            "ports": [
                {"name": "http", "port": 8080, "protocol": "TCP"},
                {"name": "metrics", "port": 9090, "protocol": "TCP"},
            ],
        }
        self.output.add(manage(made, "kube-controller-manager"))

    def _ingress(self, workload: Workload) -> None:
        backend = {"service": {"name": workload.name, "port": {"name": "http"}}}
        host = f"{workload.name}.{workload.namespace}.example"
        paths = [{"backend": backend, "path": "/", "pathType": "Prefix"}]
        simple(
            self.output,
            "Ingress",
            workload.name,
            workload.namespace,
            api_version="networking.k8s.io/v1",
            manager=workload.manager,
            annotations={"cert-manager.io/cluster-issuer": "letsencrypt"},
            spec={
                "ingressClassName": "nginx",
                "rules": [{"host": host, "http": {"paths": paths}}],
                "tls": [{"hosts": [host], "secretName": f"{workload.name}-tls"}],
            },
            status={"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}},
        )

    def _policies(self, namespace: str) -> None:
        own: Object = {"from": [{"podSelector": {}}]}
        nginx = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}
        for name, ingress in (("default-deny", []), ("allow-namespace", [own]), ("allow-ingress", [{"from": [nginx]}])):
            simple(
                self.output,
                "NetworkPolicy",
                name,
                namespace,
                api_version="networking.k8s.io/v1",
                spec={"ingress": ingress, "podSelector": {}, "policyTypes": ["Ingress"]},
            )

    # --- people -----------------------------------------------------------------------------------

    def _people(self, namespace: str, team: str, environment: str) -> None:
        output, random = self.output, self.random
        developers, owners = group(f"corp:{team}-developers"), group(f"corp:{team}-owners")
        bind(
            output,
            namespace,
            "developers",
            "ClusterRole/view" if environment == "prod" else "ClusterRole/edit",
            developers,
        )
        bind(output, namespace, "owners", "ClusterRole/admin", owners, user(f"{team}.lead@corp.example"))
        simple(output, "ServiceAccount", "deployer", namespace)
        bind(output, namespace, "deployer", "ClusterRole/edit", account(namespace, "deployer"))
        bind(output, namespace, "auditors", "ClusterRole/view", group("corp:auditors"))
        role(output, namespace, "scraper", rule("core", "endpoints pods services", "get list watch"))
        bind(output, namespace, "scraper", "Role/scraper", account("monitoring", "prometheus-operator"))
        if random.random() < 0.3:
            role(output, namespace, "debug", rule("core", "pods/exec pods/ephemeralcontainers", "create patch update"))
            bind(output, namespace, "debug", "Role/debug", group("corp:on-call"))
        if random.random() < 0.03:
            bind(output, namespace, "everybody", "ClusterRole/view", group("system:authenticated"))
        if random.random() < 0.02:
            bind(output, namespace, "default-admin", "ClusterRole/cluster-admin", account(namespace, "default"))
