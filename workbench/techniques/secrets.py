"""Volumes, Secrets and ConfigMaps from a container, and what Secrets are good for (catalogue 2.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.fields import literal
from workbench.inventory.inventory import CONTAINERS_BY_TRAIT, Inventory
from workbench.inventory.objects import Secret, ServiceAccount
from workbench.inventory.pods import ContainerInstance, Trait
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique, fact
from workbench.techniques.many import Record, RecordTechnique
from workbench.techniques.pod_fields import API_SERVER, ENVIRONMENT, MOUNTS, TOKENS
from workbench.techniques.resolve.egress import APART, containers_touched, egress_evidence, facts_to_api_server
from workbench.techniques.resolve.references import (
    Reference,
    Where,
    config_maps_of_environment,
    config_maps_of_volume,
    dotted,
    optional,
    secrets_of_environment,
    secrets_of_volume,
)
from workbench.techniques.resolve.token import ACCOUNT_NAME, ACCOUNT_UID, token_secrets, token_volumes

BOOTSTRAPPERS = "Group:system:bootstrappers"
BOOTSTRAP_TOKEN = "bootstrap.kubernetes.io/token"
_BOOTSTRAP_PREFIX = "bootstrap-token-"
_BOOTSTRAP_NAMESPACE = "kube-system"


class VolumeDiscover(RecordTechnique):
    """VOLUME_DISCOVER: a container sees the volumes that it mounts."""

    declaration = Declaration(
        id="VOLUME_DISCOVER",
        title="mounts the volume",
        source=("Container",),
        target=("Volume",),
        description="The container mounts the volume and reads what it holds.",
        mitre=("T1613",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Pod", "Secret", "ServiceAccount"}) | APART,
        subject_type=SubjectType.CONTAINER,
        pod_fields=TOKENS | API_SERVER,
        references=("https://kubehound.io/reference/attacks/VOLUME_DISCOVER/",),
        family="secrets",
    )

    apart = APART

    def touched_apart(self, view: Inventory) -> set[str] | None:
        return containers_touched(view)

    def subjects(self, view: Inventory) -> Iterable[ContainerInstance]:
        index = view.index(CONTAINERS_BY_TRAIT)
        found = index[Trait.MOUNTS]
        devices = index[Trait.DEVICES]
        if devices:
            return [*found, *(container for container in devices if Trait.MOUNTS not in container.traits)]
        return found

    from_subject = True

    def records(self, view: Inventory, subjects: Iterable[ContainerInstance]) -> Iterator[Record | Blocked]:
        missing = facts_to_api_server(view)
        known: dict[ContainerInstance, list[str]] = {}
        for container in subjects:
            pod = container.pod
            names = known.get(container.alike)
            if names is None:
                spec = container.alike.spec
                seen = [each.name for each in (*(spec.volume_mounts or ()), *(spec.volume_devices or ()))]
                names = known[container.alike] = [f"{name}" for name in dict.fromkeys(seen)]
            prefix = f"Volume:{pod.namespace}/{pod.name}/"
            # A token that the container cannot use against the API server is no way to its account by this volume.
            shut = missing(pod) if missing is not None else ()
            tokens = {name for name, _, _ in token_volumes(view, pod)} if shut else ()
            for each in names:
                name = pod.own_volume(each) if pod.renamed else each
                yield container, prefix + name, 1, shut if name in tokens else (), None

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.source)
        if container is None:
            return []
        pod = container.pod
        volume = edge.target.rpartition("/")[2]
        mounted = any(pod.volume_id(f"{name}") == edge.target for name in _mounted(container))
        return [
            view.evidence(pod.obj, container.field(f"{'volumeMounts' if mounted else 'volumeDevices'}[name={volume}]")),
            view.evidence(pod.obj, pod.field(f"volumes[name={volume}]")),
            *(egress_evidence(view, pod) if edge.missing else ()),
        ]


def _mounted(container: ContainerInstance) -> set[str | None]:
    return {mount.name for mount in container.spec.volume_mounts or ()}


class _Reads(RecordTechnique):
    """A technique by which a container reads one kind of object, through volumes, the environment, or both."""

    trait: ClassVar[Trait]

    def references(self, container: ContainerInstance) -> list[Reference]:
        """What the container refers to in the way that the technique is about."""
        raise NotImplementedError

    def subjects(self, view: Inventory) -> Iterable[ContainerInstance]:
        return view.index(CONTAINERS_BY_TRAIT)[self.trait]

    from_subject = True

    def records(self, view: Inventory, subjects: Iterable[ContainerInstance]) -> Iterator[Record | Blocked]:
        known: dict[ContainerInstance, list[tuple[str, tuple[Fact, ...]]]] = {}
        for container in subjects:
            found = known.get(container.alike)
            if found is None:
                resolved = self._resolved(view, container.alike)
                found = known[container.alike] = [(target, missing) for target, missing, _ in resolved]
            if found:
                for target, missing in found:
                    yield container, target, 1, missing, None

    def _resolved(self, view: Inventory, container: ContainerInstance) -> Iterator[tuple[str, tuple[Fact, ...], Where]]:
        """What is there of the references, or may be: the object, what that takes, and the place."""
        seen: set[str] = set()
        for target, where, is_optional in self.references(container):
            if target in seen:
                continue
            missing = optional(view, target) if is_optional else ()
            if missing is None:
                continue
            if not missing:
                seen.add(target)
            yield target, missing, where

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.source)
        if container is None:
            return []
        places = [
            (missing, where) for target, missing, where in self._resolved(view, container) if target == edge.target
        ]
        if not places:
            return []
        pod = container.pod
        _, where = min(places, key=lambda place: place[0] != edge.missing)
        path = dotted(where)
        if where[0] != "volumes":
            return [view.evidence(pod.obj, container.field(path))]
        return [
            view.evidence(pod.obj, pod.field(path)),
            view.evidence(pod.obj, container.field(f"volumeMounts[name={where[1]}]")),
        ]


class SecretMount(_Reads):
    """SECRET_MOUNT: a container reads the Secrets in its volumes."""

    trait = Trait.SECRET
    declaration = Declaration(
        id="SECRET_MOUNT",
        title="mounts the secret",
        source=("Container",),
        target=("Secret",),
        description="A volume of the container, projected ones included, holds the Secret's values.",
        mitre=("T1552",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Pod", "Secret"}),
        subject_type=SubjectType.CONTAINER,
        pod_fields=MOUNTS,
        fixes=("F-SEC-UNMOUNT",),
        references=("https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets",),
        family="secrets",
    )

    def references(self, container: ContainerInstance) -> list[Reference]:
        found: list[Reference] = []
        mounted = _mounted(container)
        for volume in container.pod.spec.volumes or ():
            if (volume.secret is not None or volume.projected is not None) and volume.name in mounted:
                secrets_of_volume(volume, container.pod.namespace, found)
        return found


class SecretEnv(_Reads):
    """SECRET_ENV: a container reads the Secrets in its environment."""

    trait = Trait.SECRET
    declaration = Declaration(
        id="SECRET_ENV",
        title="has in its environment the secret",
        source=("Container",),
        target=("Secret",),
        description="Environment variables of the container hold values of the Secret.",
        mitre=("T1552",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Pod", "Secret"}),
        subject_type=SubjectType.CONTAINER,
        pod_fields=ENVIRONMENT,
        fixes=("F-SEC-UNMOUNT",),
        references=(
            "https://kubernetes.io/docs/tasks/inject-data-application/distribute-credentials-secure/"
            "#define-container-environment-variables-using-secret-data",
        ),
        family="secrets",
    )

    def references(self, container: ContainerInstance) -> list[Reference]:
        found: list[Reference] = []
        secrets_of_environment(container.spec, container.pod.namespace, found)
        return found


class ConfigMapRead(_Reads):
    """CONFIGMAP_READ: a container reads the ConfigMaps in its volumes and environment."""

    trait = Trait.CONFIG_MAP
    declaration = Declaration(
        id="CONFIGMAP_READ",
        title="reads the config map",
        source=("Container",),
        target=("ConfigMap",),
        description="A volume or the environment of the container holds the ConfigMap's values.",
        mitre=("T1552",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Pod", "ConfigMap"}),
        subject_type=SubjectType.CONTAINER,
        pod_fields=MOUNTS | ENVIRONMENT,
        references=("https://kubernetes.io/docs/concepts/configuration/configmap/",),
        family="secrets",
    )

    def references(self, container: ContainerInstance) -> list[Reference]:
        found: list[Reference] = []
        namespace = container.pod.namespace
        mounted = _mounted(container)
        for volume in container.pod.spec.volumes or ():
            if (volume.config_map is not None or volume.projected is not None) and volume.name in mounted:
                config_maps_of_volume(volume, namespace, found)
        config_maps_of_environment(container.spec, namespace, found)
        return found


class SecretUse(Technique):
    """SECRET_USE: what a Secret is a credential of, where its type or annotations prove it."""

    declaration = Declaration(
        id="SECRET_USE",
        title="is a credential of",
        source=("Secret",),
        target=("ServiceAccount", "Group"),
        description=(
            "The Secret holds a credential that the API server accepts: the token of a service account, or a "
            "bootstrap token, which speaks for the group system:bootstrappers until it expires."
        ),
        mitre=("T1552.007",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Secret", "ServiceAccount"}),
        subject_type=SubjectType.OBJECT,
        subject_kinds=("Secret",),
        fixes=("F-SEC-DEL",),
        references=(
            "https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/",
            "https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/",
        ),
        family="secrets",
    )

    def subjects(self, view: Inventory) -> Iterable[Secret]:
        tokens = token_secrets(view)
        for secret in view.all(Secret):
            if secret.id in tokens or _is_bootstrap_token(secret):
                yield secret

    def detect(self, view: Inventory, subject: Secret) -> Iterator[Found | Blocked]:
        secret = subject.id
        account = token_secrets(view).get(secret)
        if account is not None:
            yield Found(secret, account, 1, (), "token")
        elif _is_bootstrap_token(subject):
            yield Found(secret, BOOTSTRAPPERS, 1, fact("C-EXP", secret), "bootstrap")

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        if edge.cause == "bootstrap":
            return [view.evidence(edge.source, "type"), view.evidence(edge.source, "metadata.name")]
        found = [
            view.evidence(edge.source, f"metadata.annotations{literal(ACCOUNT_NAME)}"),
            view.evidence(edge.source, "type"),
            view.evidence(edge.source, f"metadata.annotations{literal(ACCOUNT_UID)}"),
        ]
        if isinstance(view.by_id(edge.target), ServiceAccount):
            found.append(view.evidence(edge.target, "metadata.uid"))
        return found


def _is_bootstrap_token(secret: Secret) -> bool:
    """By type, or by name where a metadata-only list gave no type; the authenticator looks in kube-system only."""
    if secret.namespace != _BOOTSTRAP_NAMESPACE:
        return False
    if secret.type is None:
        return secret.name.startswith(_BOOTSTRAP_PREFIX)
    return secret.type == BOOTSTRAP_TOKEN


TECHNIQUES: tuple[Technique, ...] = (
    VolumeDiscover(),
    SecretMount(),
    SecretEnv(),
    ConfigMapRead(),
    SecretUse(),
)
