"""Workloads and their pods, as the API server, the scheduler and the kubelet leave them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.objects import CREATED, Object, Output, applied, manage, metadata

ACCOUNT_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass
class Workload:
    """What a controller and its pods are made from."""

    kind: str
    namespace: str
    name: str
    replicas: int
    containers: list[Object]
    account: str = "default"
    volumes: list[Object] = field(default_factory=list)
    pod: Object = field(default_factory=dict)
    """More fields of the pod spec: ``hostPID``, ``securityContext``, ..."""
    init_containers: list[Object] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    manager: str = "kubectl-client-side-apply"
    automount: bool = True


class Addresses:
    """The nodes that pods are spread over, in turn, and the addresses that pods get."""

    def __init__(self) -> None:
        self.workers: list[str] = []
        self.node_address: dict[str, str] = {}
        self._next_worker = 0
        self._next_pod = 0

    def worker(self) -> str:
        """The next worker node."""
        self._next_worker = (self._next_worker + 1) % len(self.workers)
        return self.workers[self._next_worker]

    def pod(self) -> str:
        """An address that no pod has yet."""
        self._next_pod += 1
        number = self._next_pod
        return f"10.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


@dataclass(frozen=True)
class Placed:
    """A pod that runs: what an EndpointSlice says of it."""

    name: str
    uid: str
    node: str
    address: str


def container(name: str, image: str, *, ports: Iterable[tuple[str, int]] = (), **more: Any) -> Object:
    """A container with the defaults that the API server writes into it."""
    return {
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "name": name,
        "ports": [{"containerPort": port, "name": of, "protocol": "TCP"} for of, port in ports],
        "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        **more,
    }


def host_path(name: str, path: str) -> Object:
    """A hostPath volume."""
    return {"hostPath": {"path": path, "type": ""}, "name": name}


def probes(port: str) -> Object:
    """The two probes that most containers have."""

    def probe(path: str, period: int) -> Object:
        return {
            "failureThreshold": 3,
            "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
            "initialDelaySeconds": 5,
            "periodSeconds": period,
            "successThreshold": 1,
            "timeoutSeconds": 1,
        }

    return {"livenessProbe": probe("/healthz", 20), "readinessProbe": probe("/readyz", 10)}


def template(workload: Workload) -> Object:
    """The pod template of a workload."""
    spec: Object = {
        "containers": workload.containers,
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "OnFailure" if workload.kind == "Job" else "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "serviceAccount": workload.account,
        "serviceAccountName": workload.account,
        "terminationGracePeriodSeconds": 30,
        **workload.pod,
    }
    if workload.init_containers:
        spec["initContainers"] = workload.init_containers
    if workload.volumes:
        spec["volumes"] = workload.volumes
    if not workload.automount:
        spec["automountServiceAccountToken"] = False
    meta: Object = {"creationTimestamp": None, "labels": dict(workload.labels)}
    if workload.annotations:
        meta["annotations"] = dict(workload.annotations)
    return {"metadata": meta, "spec": spec}


def controllers(output: Output, workload: Workload) -> Object:
    """Write the objects that stand over a workload's pods, and return the one that owns them."""
    match workload.kind:
        case "Deployment":
            return _deployment(output, workload)
        case "Job":
            return _cron_job(output, workload)
        case _:
            return _set(output, workload)


def _top(output: Output, workload: Workload, kind: str, spec: Object, status: Object) -> Object:
    obj: Object = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata(
            output,
            workload.name,
            workload.namespace,
            labels=dict(workload.labels),
            annotations={"deployment.kubernetes.io/revision": "3"} if kind == "Deployment" else None,
        ),
        "spec": spec,
        "status": status,
    }
    if workload.manager == "kubectl-client-side-apply":
        applied(output, obj)
    output.add(manage(obj, workload.manager, "kube-controller-manager"))
    return obj


def _deployment(output: Output, workload: Workload) -> Object:
    count = workload.replicas
    deployment = _top(
        output,
        workload,
        "Deployment",
        {
            "progressDeadlineSeconds": 600,
            "replicas": count,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app.kubernetes.io/name": workload.labels["app.kubernetes.io/name"]}},
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
            "template": template(workload),
        },
        {
            "availableReplicas": count,
            "conditions": [_condition("Available"), _condition("Progressing")],
            "observedGeneration": 3,
            "readyReplicas": count,
            "replicas": count,
            "updatedReplicas": count,
        },
    )
    # Old revisions stay behind with no replicas; a cluster has more ReplicaSets than Deployments.
    for _ in range(output.random.randrange(3)):
        _replica_set(output, workload, deployment, 0)
    return _replica_set(output, workload, deployment, count)


def _replica_set(output: Output, workload: Workload, deployment: Object, replicas: int) -> Object:
    revision = output.suffix(9)
    labels = {**workload.labels, "pod-template-hash": revision}
    inner = template(workload)
    inner["metadata"]["labels"] = labels
    status = {"observedGeneration": 1, "replicas": replicas}
    if replicas:
        status |= {"availableReplicas": replicas, "fullyLabeledReplicas": replicas, "readyReplicas": replicas}
    obj: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": metadata(
            output,
            f"{workload.name}-{revision}",
            workload.namespace,
            labels=labels,
            annotations={"deployment.kubernetes.io/desired-replicas": str(replicas)},
            owner=deployment,
        ),
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": inner},
        "status": status,
    }
    output.add(manage(obj, "kube-controller-manager", "kube-controller-manager"))
    return obj


def _set(output: Output, workload: Workload) -> Object:
    spec: Object = {
        "revisionHistoryLimit": 10,
        "selector": {"matchLabels": {"app.kubernetes.io/name": workload.labels["app.kubernetes.io/name"]}},
        "template": template(workload),
    }
    if workload.kind == "StatefulSet":
        spec |= {"replicas": workload.replicas, "serviceName": workload.name, "podManagementPolicy": "OrderedReady"}
    return _top(output, workload, workload.kind, spec, {"observedGeneration": 1, "numberReady": workload.replicas})


def _cron_job(output: Output, workload: Workload) -> Object:
    job_spec = {"backoffLimit": 6, "completions": workload.replicas, "parallelism": 1, "template": template(workload)}
    cron_job: Object = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(output, workload.name, workload.namespace, labels=dict(workload.labels)),
        "spec": {
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"metadata": {"creationTimestamp": None}, "spec": job_spec},
            "schedule": "17 * * * *",
            "suspend": False,
        },
        "status": {"lastScheduleTime": CREATED},
    }
    output.add(manage(applied(output, cron_job), workload.manager, "kube-controller-manager"))
    job: Object = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(
            output,
            f"{workload.name}-{output.random.randrange(29_000_000, 29_999_999)}",
            workload.namespace,
            labels=dict(workload.labels),
            owner=cron_job,
        ),
        "spec": job_spec,
        "status": {"conditions": [_condition("Complete")], "succeeded": workload.replicas, "startTime": CREATED},
    }
    output.add(manage(job, "kube-controller-manager", "kube-controller-manager"))
    return job


def run(
    output: Output, workload: Workload, owner: Object | None, addresses: Addresses, nodes: Iterable[str]
) -> list[Placed]:
    """Write the pods of a workload, one on each of ``nodes``; those of a Job have finished."""
    finished = workload.kind == "Job"
    placed: list[Placed] = []
    labels = dict(workload.labels)
    if owner is not None and owner["kind"] == "ReplicaSet":
        labels = owner["metadata"]["labels"]
    for ordinal, node in enumerate(nodes):
        name, generate_name = workload.name, ""
        if owner is not None:
            generate_name = f"{owner['metadata']['name']}-"
            name = f"{generate_name}{ordinal if workload.kind == 'StatefulSet' else output.suffix()}"
        host_network = workload.pod.get("hostNetwork", False)
        address = addresses.node_address[node] if host_network else addresses.pod()
        pod: Object = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata(
                output,
                name,
                workload.namespace,
                labels=labels,
                annotations=dict(workload.annotations) or None,
                owner=owner,
                generate_name=generate_name,
            ),
            "spec": _admitted(output, workload, node),
            "status": _status(output, workload, addresses.node_address[node], address, finished),
        }
        output.add(manage(pod, "kube-controller-manager", "kubelet"))
        if not finished:
            placed.append(Placed(name, pod["metadata"]["uid"], node, address))
    return placed


def mirror(output: Output, workload: Workload, node: Object, addresses: Addresses) -> None:
    """Write a static pod's mirror: the kubelet makes it, and its owner is the Node."""
    name = node["metadata"]["name"]
    digest = output.digest()[:32]
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(
            output,
            f"{workload.name}-{name}",
            workload.namespace,
            labels=dict(workload.labels),
            annotations={
                "kubernetes.io/config.hash": digest,
                "kubernetes.io/config.mirror": digest,
                "kubernetes.io/config.seen": CREATED,
                "kubernetes.io/config.source": "file",
            },
            owner=node,
        ),
        "spec": {**template(workload)["spec"], "nodeName": name},
        "status": _status(output, workload, addresses.node_address[name], addresses.node_address[name], False),
    }
    del pod["spec"]["serviceAccount"], pod["spec"]["serviceAccountName"]
    output.add(manage(pod, "kubelet", "kubelet"))


def _admitted(output: Output, workload: Workload, node: str) -> Object:
    """A pod's spec: the template, and what admission and the scheduler add."""
    spec: Object = {**template(workload)["spec"], "nodeName": node, "priority": 0, "enableServiceLinks": True}
    spec["preemptionPolicy"] = "PreemptLowerPriority"
    spec["tolerations"] = [
        {"effect": "NoExecute", "key": f"node.kubernetes.io/{taint}", "operator": "Exists", "tolerationSeconds": 300}
        for taint in ("not-ready", "unreachable")
    ]
    if workload.kind == "DaemonSet":
        spec["tolerations"] = [{"operator": "Exists"}]
        match = {"key": "metadata.name", "operator": "In", "values": [node]}
        required = {"nodeSelectorTerms": [{"matchFields": [match]}]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    if workload.automount:
        volume = f"kube-api-access-{output.suffix()}"
        mount = {"mountPath": ACCOUNT_MOUNT, "name": volume, "readOnly": True}
        for group in ("containers", "initContainers"):
            if group in spec:
                spec[group] = [{**one, "volumeMounts": [*one.get("volumeMounts", ()), mount]} for one in spec[group]]
        spec["volumes"] = [*spec.get("volumes", ()), _account_volume(volume)]
    return spec


def _account_volume(name: str) -> Object:
    field_ref = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}},
        {"downwardAPI": {"items": [{"fieldRef": field_ref, "path": "namespace"}]}},
    ]
    return {"name": name, "projected": {"defaultMode": 420, "sources": sources}}


def _condition(of: str) -> Object:
    return {"lastProbeTime": None, "lastTransitionTime": CREATED, "status": "True", "type": of}


def _status(output: Output, workload: Workload, host: str, address: str, finished: bool) -> Object:
    conditions = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    ended: Object = {"terminated": {"exitCode": 0, "finishedAt": CREATED, "reason": "Completed", "startedAt": CREATED}}
    running: Object = ended if finished else {"running": {"startedAt": CREATED}}

    def statuses(containers: list[Object], state: Object) -> list[Object]:
        return [
            {
                "containerID": f"containerd://{output.digest()}",
                "image": one["image"],
                "imageID": f"{one['image'].rpartition(':')[0]}@sha256:{output.digest()}",
                "lastState": {},
                "name": one["name"],
                "ready": not finished,
                "restartCount": output.random.choice((0, 0, 0, 1, 4)),
                "started": not finished,
                "state": state,
                "volumeMounts": [
                    {key: mount[key] for key in ("mountPath", "name", "readOnly") if key in mount}
                    for mount in one.get("volumeMounts", ())
                ],
            }
            for one in containers
        ]

    status: Object = {
        "conditions": [_condition(of) for of in conditions],
        "containerStatuses": statuses(workload.containers, running),
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "phase": "Succeeded" if finished else "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "qosClass": "Burstable",
        "startTime": CREATED,
    }
    if workload.init_containers:
        status["initContainerStatuses"] = statuses(workload.init_containers, ended)
    return status


def expose_host(workload: Workload, number: int) -> None:
    """One of the ways in which applications get hold of their node."""
    main = workload.containers[0]
    match number % 6:
        case 0:
            main["securityContext"] = {"privileged": True}
        case 1:
            workload.volumes.append(host_path("docker", "/var/run/docker.sock"))
            mount(main, "docker", "/var/run/docker.sock")
        case 2:
            workload.volumes.append(host_path("root", "/"))
            mount(main, "root", "/host")
        case 3:
            workload.pod["hostPID"] = True
            main["securityContext"] = {"capabilities": {"add": ["SYS_PTRACE"]}}
        case 4:
            main["securityContext"] = {"capabilities": {"add": ["SYS_ADMIN", "NET_ADMIN"]}}
        case _:
            workload.volumes.append(host_path("logs", "/var/log"))
            mount(main, "logs", "/host/logs")
            workload.pod["hostNetwork"] = True


def mount(one: Object, volume: str, path: str) -> None:
    """Mount a volume in a container."""
    one["volumeMounts"] = [*one["volumeMounts"], {"mountPath": path, "name": volume}]


def confine(workload: Workload) -> None:
    """What the restricted profile of Pod Security Admission asks for, and a root file system that is read-only."""
    workload.volumes.append({"emptyDir": {}, "name": "tmp"})
    mount(workload.containers[0], "tmp", "/tmp")
    workload.pod["securityContext"] = {
        "fsGroup": 2000,
        "runAsNonRoot": True,
        "runAsUser": 10_001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for one in workload.containers:
        one["securityContext"] = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
