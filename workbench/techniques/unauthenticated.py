"""Servers that ask nobody who it is (catalogue 2.2): who connects to them has what they can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import ContainerInstance
from workbench.techniques.api import Blocked, Declaration, Reason, SubjectType, Technique
from workbench.techniques.endpoints import ALL_READS, EndpointNode, endpoints_of
from workbench.techniques.listeners import listener_evidence
from workbench.techniques.many import Record, RecordTechnique
from workbench.techniques.pod_fields import API_SERVER, LISTENING, TOKENS
from workbench.techniques.resolve import Answer, all_of, distinct, gateway_routes
from workbench.techniques.resolve.egress import APART, egress_evidence, namespaces_touched, reaches_api_server
from workbench.techniques.resolve.token import TokenMount, api_tokens, token_evidence
from workbench.techniques.resolve.unguarded import SERVERS, SETTINGS, Server, lets_everybody_in, listens, server_of


class EndpointUnauthenticated(RecordTechnique):
    """ENDPOINT_UNAUTH: a known server behind an Endpoint lets in whoever connects."""

    declaration = Declaration(
        id="ENDPOINT_UNAUTH",
        title="asks nobody who it is, and so gives",
        source=("Endpoint",),
        target=("Container", "ServiceAccount"),
        description=(
            "The server behind the endpoint is known, and as it is started asks nobody who it is. It runs what the "
            "attacker wants in its container (Jupyter, Redis, Elasticsearch, the Docker daemon), or sends what the "
            "attacker asks for to the API server with its own account (Kubernetes Dashboard, Argo Workflows, Kubeflow)."
        ),
        mitre=("T1133",),
        effort=2,
        reason=Reason.API_CALL,
        reads=ALL_READS | {"ServiceAccount", "Secret"} | APART,
        subject_type=SubjectType.SCOPE,
        pod_fields=LISTENING | TOKENS | API_SERVER,
        fixes=("F-ING-AUTH", "F-NP-IN"),
        references=(
            "https://github.com/kubernetes/dashboard/blob/v2.7.0/docs/common/arguments.md",
            "https://argo-workflows.readthedocs.io/en/latest/argo-server-auth-mode/",
            "https://jupyter-server.readthedocs.io/en/latest/operators/security.html",
            "https://redis.io/docs/latest/operate/oss_and_stack/management/security/",
            "https://docs.docker.com/engine/security/protect-access/",
        ),
        family="exposure",
    )

    # Where the API server is, which an EndpointSlice of one namespace says, concerns the pods of all.
    apart = gateway_routes.READS | APART

    def subjects(self, view: Inventory) -> Iterable[str]:
        return view.index(SERVERS).keys()

    def touched_apart(self, view: Inventory) -> set[str] | None:
        if "EndpointSlice" in view.replaced:
            return None
        shut_in = namespaces_touched(view)
        return None if shut_in is None else shut_in | gateway_routes.changed_namespaces(view)

    def records(self, view: Inventory, subjects: Iterable[str]) -> Iterator[Record | Blocked]:
        for namespace in subjects:
            known = {container.id for container in view.index(SERVERS)[namespace]}
            if known:
                for endpoint in endpoints_of(view, namespace):
                    for target in endpoint.targets:
                        for container in target.containers:
                            if container.id in known:
                                yield from _given(view, endpoint, container, target.port)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        owner, where, container_id = edge.cause
        container = view.containers.get(container_id)
        if container is None:
            return []
        pod = container.pod
        found = listener_evidence(view, edge.source, container, owner, where)
        found[1:1] = [view.evidence(pod.obj, container.field(key), "the image's own") for key in ("command", "args")]
        for variable in container.spec.env or ():
            if variable.name in SETTINGS:
                found.append(view.evidence(pod.obj, container.field(f"env[name={variable.name}].name")))
        token = _token(view, container)
        if token is not None and edge.target == token.account:
            found += [*token_evidence(view, container, token), *egress_evidence(view, pod)]
        return distinct(found)


def _given(
    view: Inventory, endpoint: EndpointNode, container: ContainerInstance, port: int | None
) -> Iterator[Record | Blocked]:
    """What an Endpoint gives by a known server in one of its containers."""
    server = server_of(container)
    if server is None or (endpoint.http and not server.http) or not listens(container, server, port):
        return
    token = _token(view, container)
    if server.account and token is None:
        return
    target = token.account if server.account and token is not None else container.id
    answer = _open(view, container, server)
    if answer.off is not None:
        yield Blocked(endpoint.id, target, f"{server.name}: {answer.off}")
        return
    missing = all_of(answer, Answer(endpoint.missing)).missing
    yield endpoint.id, target, 2, missing, (endpoint.object, endpoint.where, container.id)


def _open(view: Inventory, container: ContainerInstance, server: Server) -> Answer:
    answer = lets_everybody_in(container, server)
    if not server.account:
        return answer
    return all_of(answer, Answer(reaches_api_server(view, container.pod)))


def _token(view: Inventory, container: ContainerInstance) -> TokenMount | None:
    """The token that a container speaks to the API server with."""
    return next(iter(api_tokens(view, container)), None)


TECHNIQUES: tuple[Technique, ...] = (EndpointUnauthenticated(),)
