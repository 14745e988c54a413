"""The part of a generated cluster that every cluster has: nodes, the control plane, agents, built-in roles."""

from __future__ import annotations

from benchmarks.objects import CREATED, Object, Output, simple
from benchmarks.pods import Addresses, Workload, container, controllers, host_path, mirror, probes, run

RBAC = "rbac.authorization.k8s.io/v1"
VERSION = "v1.34.2"
CONTROL_PLANES = 3
MIRRORED = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def rule(groups: str, resources: str, verbs: str, names: str = "") -> Object:
    """A policy rule; several values are separated by blanks, ``core`` is the core group."""
    made: Object = {
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
        "verbs": verbs.split(),
    }
    if names:
        made["resourceNames"] = names.split()
    return made


def account(namespace: str, name: str) -> Object:
    """A service account as the subject of a binding."""
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def group(name: str) -> Object:
    """A group as the subject of a binding."""
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}


def user(name: str) -> Object:
    """A user as the subject of a binding."""
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}


def role(output: Output, namespace: str, name: str, *rules: Object) -> None:
    """Write a Role, or with no namespace a ClusterRole."""
    kind = "Role" if namespace else "ClusterRole"
    simple(output, kind, name, namespace, api_version=RBAC, rules=list(rules))


def bind(output: Output, namespace: str, name: str, role_ref: str, *subjects: Object) -> None:
    """Write a RoleBinding to ``Role/NAME`` or ``ClusterRole/NAME``, or with no namespace a ClusterRoleBinding."""
    role_kind, _, role_name = role_ref.partition("/")
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role_name}
    simple(
        output,
        "RoleBinding" if namespace else "ClusterRoleBinding",
        name,
        namespace,
        api_version=RBAC,
        roleRef=reference,
        subjects=list(subjects),
    )


def namespace(output: Output, name: str, labels: dict[str, str] | None = None) -> None:
    """Write a Namespace and what Kubernetes puts into each."""
    simple(
        output,
        "Namespace",
        name,
        labels={"kubernetes.io/metadata.name": name, **(labels or {})},
        spec={"finalizers": ["kubernetes"]},
        status={"phase": "Active"},
    )
    simple(output, "ServiceAccount", "default", name, manager="kube-controller-manager")
    certificate = "".join(
        output.random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", k=1_000)
    )
    simple(
        output,
        "ConfigMap",
        "kube-root-ca.crt",
        name,
        manager="kube-controller-manager",
        annotations={
            "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver."
        },
        data={"ca.crt": f"-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n"},
    )


def nodes(output: Output, workers: int, addresses: Addresses) -> list[Object]:
    """Write the Nodes, and return the control planes."""
    control_planes: list[Object] = []
    for number in range(CONTROL_PLANES + workers):
        is_control_plane = number < CONTROL_PLANES
        name = f"control-plane-{number + 1}" if is_control_plane else f"worker-{number - CONTROL_PLANES + 1:04d}"
        address = f"10.0.{number >> 8}.{number & 255}"
        addresses.node_address[name] = address
        if not is_control_plane:
            addresses.workers.append(name)
        labels = {
            "beta.kubernetes.io/arch": "amd64",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "topology.kubernetes.io/zone": f"zone-{'abc'[number % 3]}",
        }
        if is_control_plane:
            labels |= {"node-role.kubernetes.io/control-plane": ""}
        taint = {"effect": "NoSchedule", "key": "node-role.kubernetes.io/control-plane"}
        node = simple(
            output,
            "Node",
            name,
            labels=labels,
            annotations={"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
            manager="kubelet",
            status_manager="kubelet",
            spec={"podCIDR": f"10.64.{number & 255}.0/24", **({"taints": [taint]} if is_control_plane else {})},
            status=_node_status(output, name, address),
        )
        if is_control_plane:
            control_planes.append(node)
    return control_planes


def _node_status(output: Output, name: str, address: str) -> Object:
    conditions = [
        {
            "lastHeartbeatTime": CREATED,
            "lastTransitionTime": CREATED,
            "message": f"kubelet has {problem}",
            "reason": f"Kubelet{problem}",
            "status": "True" if of == "Ready" else "False",
            "type": of,
        }
        for of, problem in (
            ("MemoryPressure", "HasSufficientMemory"),
            ("DiskPressure", "HasNoDiskPressure"),
            ("PIDPressure", "HasSufficientPID"),
            ("Ready", "IsReady"),
        )
    ]
    images = [
        {"names": [f"registry.example/base/image-{number}@sha256:{output.digest()}"], "sizeBytes": 104_857_600}
        for number in range(50)
    ]
    return {
        "addresses": [{"address": address, "type": "InternalIP"}, {"address": name, "type": "Hostname"}],
        "capacity": {"cpu": "16", "memory": "64Gi", "pods": "110"},
        "conditions": conditions,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "images": images,
        "nodeInfo": {
            "architecture": "amd64",
            "containerRuntimeVersion": "containerd://2.1.4",
            "kernelVersion": "6.8.0-45-generic",
            "kubeletVersion": VERSION,
            "operatingSystem": "linux",
            "osImage": "Ubuntu 24.04.1 LTS",
        },
    }


def control_plane(output: Output, control_planes: list[Object], addresses: Addresses) -> None:
    """Write the mirror pods of the static pods that kubeadm makes."""
    for node in control_planes:
        for component in MIRRORED:
            image = f"registry.k8s.io/{component}:{VERSION}"
            arguments = [component, "--bind-address=127.0.0.1", "--kubeconfig=/etc/kubernetes/admin.conf"]
            if component == "kube-apiserver":
                arguments = [component, "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"]
            mount = {"mountPath": "/etc/kubernetes/pki", "name": "pki", "readOnly": True}
            mirror(
                output,
                Workload(
                    "Pod",
                    "kube-system",
                    component,
                    1,
                    [container(component, image, command=arguments, volumeMounts=[mount])],
                    volumes=[host_path("pki", "/etc/kubernetes/pki")],
                    pod={"hostNetwork": True, "priorityClassName": "system-node-critical"},
                    labels={"component": component, "tier": "control-plane"},
                ),
                node,
                addresses,
            )


_PRIVILEGED: Object = {"privileged": True}
_AGENTS: dict[str, tuple[str, dict[str, str], Object, Object]] = {
    "kube-system/kube-proxy": (
        f"registry.k8s.io/kube-proxy:{VERSION}",
        {"xtables": "/run/xtables.lock"},
        _PRIVILEGED,
        {},
    ),
    "kube-system/cilium": (
        "quay.io/cilium/cilium:v1.17.2",
        {"bpf": "/sys/fs/bpf", "cni-bin": "/opt/cni/bin", "cni-conf": "/etc/cni/net.d", "run": "/var/run/cilium"},
        _PRIVILEGED,
        {},
    ),
    "kube-system/csi-node": (
        "registry.k8s.io/sig-storage/csi-node:v2.4.0",
        {"kubelet": "/var/lib/kubelet", "dev": "/dev"},
        _PRIVILEGED,
        {},
    ),
    "monitoring/node-exporter": ("quay.io/prometheus/node-exporter:v1.9.0", {"root": "/"}, {}, {"hostPID": True}),
    "logging/fluent-bit": (
        "docker.io/fluent/fluent-bit:3.2.2",
        {"logs": "/var/log", "state": "/var/lib/docker/containers"},
        {},
        {"hostNetwork": False},
    ),
}
"""The image, host paths, security context and pod fields of what runs on every node."""


def agents(output: Output, addresses: Addresses) -> int:
    """Write the DaemonSets that clusters have and their pods, one on each node; return how many pods there are."""
    nodes_of = list(addresses.node_address)
    for where_and_name, (image, paths, context, fields) in _AGENTS.items():
        where, _, name = where_and_name.partition("/")
        mounts: list[Object] = [{"mountPath": f"/host/{of}", "name": of} for of in paths]
        workload = Workload(
            "DaemonSet",
            where,
            name,
            len(nodes_of),
            [container(name, image, ports=[("metrics", 9100)], securityContext=context, volumeMounts=mounts)],
            account=name,
            volumes=[host_path(of, path) for of, path in paths.items()],
            pod={"hostNetwork": True, "priorityClassName": "system-node-critical", **fields},
            labels={"app.kubernetes.io/name": name, "k8s-app": name},
        )
        simple(output, "ServiceAccount", name, where)
        run(output, workload, controllers(output, workload), addresses, nodes_of)
    return len(_AGENTS) * len(nodes_of)


DEPLOYMENTS = (
    ("kube-system", "coredns", 2),
    ("kube-system", "metrics-server", 1),
    ("ingress-nginx", "ingress-nginx-controller", 2),
    ("argocd", "argocd-server", 1),
    ("monitoring", "prometheus-operator", 1),
    ("cert-manager", "cert-manager", 1),
    ("ci", "runner", 3),
)
"""Namespace, name and replicas of what is deployed once in a cluster."""

NAMESPACES = (
    *("default", "kube-public", "kube-node-lease", "kube-system"),
    *sorted({"logging"} | {where for where, _, _ in DEPLOYMENTS} - {"kube-system"}),
)


def add_ons(output: Output, addresses: Addresses) -> int:
    """Write the Deployments that clusters have, with their pods; return how many pods there are."""
    for where, name, replicas in DEPLOYMENTS:
        simple(output, "ServiceAccount", name, where)
        image = f"registry.example/add-ons/{name}:1.9.{len(name)}"
        labels = {"app.kubernetes.io/name": name}
        ports = [("http", 8080), ("metrics", 9090)]
        arguments = ["--controller-class=k8s.io/ingress-nginx"] if where == "ingress-nginx" else ["--v=2"]
        workload = Workload(
            "Deployment",
            where,
            name,
            replicas,
            [container(name, image, ports=ports, args=arguments, **probes("http"))],
            account=name,
            labels=labels,
            manager="helm",
        )
        run(output, workload, controllers(output, workload), addresses, [addresses.worker() for _ in range(replicas)])
    return sum(replicas for _, _, replicas in DEPLOYMENTS)


def cluster_rbac(output: Output) -> None:
    """Write built-in roles, the operators' roles, and bindings, some of which grant too much."""
    workloads = "deployments daemonsets statefulsets replicasets"
    read, write = "get list watch", "get list watch create update patch delete deletecollection"
    core = "pods services configmaps persistentvolumeclaims endpoints serviceaccounts"
    everything = rule("*", "*", "*")
    role(output, "", "cluster-admin", everything, {"nonResourceURLs": ["*"], "verbs": ["*"]})
    edit = (
        rule("core", f"{core} pods/exec pods/attach pods/portforward secrets replicationcontrollers", write),
        rule("core", "serviceaccounts", "impersonate"),
        rule("apps", workloads, write),
        rule("batch", "jobs cronjobs", write),
        rule("networking.k8s.io", "ingresses networkpolicies", write),
    )
    role(output, "", "edit", *edit)
    role(output, "", "admin", *edit, rule("rbac.authorization.k8s.io", "roles rolebindings", write))
    role(
        output,
        "",
        "view",
        rule("core", core, read),
        rule("apps", workloads, read),
        rule("batch", "jobs cronjobs", read),
    )
    bind(output, "", "cluster-admin", "ClusterRole/cluster-admin", group("system:masters"))

    operators = {
        "cilium": ("kube-system", [rule("core", "nodes pods services endpoints namespaces", read)]),
        "csi-node": (
            "kube-system",
            [rule("core", "nodes", "get patch"), rule("storage.k8s.io", "volumeattachments", read)],
        ),
        "coredns": ("kube-system", [rule("core", "services endpoints pods namespaces", read)]),
        "metrics-server": ("kube-system", [rule("core", "nodes/metrics nodes pods", read)]),
        "kube-proxy": ("kube-system", [rule("core", "services nodes", read)]),
        "node-exporter": ("monitoring", [rule("core", "nodes/proxy nodes", read)]),
        "fluent-bit": ("logging", [rule("core", "pods namespaces", read)]),
        "ingress-nginx-controller": (
            "ingress-nginx",
            [rule("core", "configmaps endpoints nodes pods secrets namespaces services", read)],
        ),
        "cert-manager": (
            "cert-manager",
            [rule("core", "secrets", write), rule("core", "pods services", "create delete get")],
        ),
        "prometheus-operator": (
            "monitoring",
            [rule("apps", "statefulsets daemonsets", "*"), rule("core", "secrets configmaps", "*")],
        ),
    }
    for name, (where, rules) in operators.items():
        role(output, "", name, *rules)
        bind(output, "", name, f"ClusterRole/{name}", account(where, name))
    bind(output, "", "argocd-server", "ClusterRole/cluster-admin", account("argocd", "argocd-server"))
    bind(output, "", "platform-admins", "ClusterRole/cluster-admin", group("corp:platform"), user("root@corp.example"))
    bind(output, "", "ci-runner-admin", "ClusterRole/cluster-admin", account("ci", "runner"))
    requests = "certificatesigningrequests"
    too_wide = {
        "support": rule("core", "pods pods/log pods/exec", "get list create"),
        "helpdesk": rule("core", "users groups serviceaccounts", "impersonate"),
        "role-manager": rule(RBAC.partition("/")[0], "clusterroles clusterrolebindings", "bind escalate create update"),
        "token-broker": rule("core", "serviceaccounts/token", "create"),
        "node-operator": rule("core", "nodes nodes/proxy", "get list create update patch"),
        "backup": rule("core", "secrets configmaps", "get list"),
        "signer": rule("certificates.k8s.io", f"{requests} {requests}/approval", "create update"),
    }
    for name, one in too_wide.items():
        role(output, "", f"corp:{name}", one)
        bind(output, "", f"corp:{name}", f"ClusterRole/corp:{name}", group(f"corp:{name}"))
