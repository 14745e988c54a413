"""Reading a live cluster: everything that may be read, and what could not be, in words."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.kube.fake import FakeConnection, Request, in_turn, obj, pod, refusal
from workbench.errors import Cancelled, ClusterError, LoginError, Unreachable
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.network_objects import CalicoNetworkPolicy
from workbench.inventory.objects import ConfigMap, Pod, Secret
from workbench.kube.api import METADATA_LIST, Answer, Endpoint
from workbench.kube.paging import Lost
from workbench.kube.resources import BUILTIN, Resource
from workbench.sources.cluster import Collected, KindProgress, Scope, State, collect
from workbench.sources.cluster_lists import THREADS

LISTED = len(BUILTIN)


def ids(found: Collected, kind: str = "") -> list[str]:
    return sorted(one.id for one, _ in found.objects if not kind or one.kind == kind)


def of(found: Collected, kind: type) -> Any:
    return {one.id: one for one, _ in found.objects if isinstance(one, kind)}


def gaps(found: Collected, kind: str) -> list[Gap]:
    return [gap for gap in found.gaps if gap.kind == kind]


def world(**more: Any) -> FakeConnection:
    objects = [
        obj("Namespace", "shop"), obj("Namespace", "bank"), obj("Node", "n1"),
        pod("web", "shop"), pod("till", "bank"), obj("ServiceAccount", "default", "shop"),
    ]  # fmt: skip
    return FakeConnection(objects=objects, **more)


def test_all_that_is_there() -> None:
    found = collect(world())
    assert ids(found) == [
        "Namespace:bank", "Namespace:shop", "Node:n1", "Pod:bank/till", "Pod:shop/web", "ServiceAccount:shop/default",
    ]  # fmt: skip
    assert (found.gaps, found.version, found.ended) == ([], "v1.34.2", None)
    assert of(found, Pod)["Pod:shop/web"].api_version == "v1"


def test_nothing_is_asked_but_lists() -> None:
    connection = world()
    collect(connection)
    assert {request.method for request in connection.requests} == {"GET"}
    assert not any("dryRun" in request.query for request in connection.requests)
    assert len(set(connection.paths())) == LISTED


def test_many_pages_and_an_object_that_moves_between_them() -> None:
    connection = FakeConnection(objects=[pod(f"p{at:04}", "shop") for at in range(1200)])
    connection.script = lambda request: None
    again = [pod("p0007", "shop"), *connection.objects]
    connection.objects = [*again[:700], pod("p0007", "shop"), *again[700:]]
    found = collect(connection)
    assert len(ids(found, "Pod")) == len(set(ids(found, "Pod"))) == 1200


def test_a_list_that_begins_anew_forgets_what_it_had() -> None:
    connection = FakeConnection(objects=[pod(f"p{at:04}", "shop") for at in range(700)])

    def script(request: Request) -> Any:
        if request.path == "/api/v1/pods" and request.query.get("continue") and len(connection.objects) == 700:
            connection.objects = connection.objects[:600]
            return refusal(410, "expired", "Expired")
        return None

    connection.script = script
    assert len(ids(collect(connection), "Pod")) == 600


def test_absent_kinds_are_absent() -> None:
    found = collect(world(resources=[one for one in BUILTIN if one.kind not in ("Ingress", "CronJob")]))
    assert found.gaps == []


def test_an_older_version_of_a_kind() -> None:
    old = Resource("batch", "v1beta1", "cronjobs", "CronJob", True)
    job = {**obj("CronJob", "nightly", "shop", spec={"schedule": "x"}), "apiVersion": "batch/v1beta1"}
    found = collect(FakeConnection(objects=[job], resources=[*(one for one in BUILTIN if one.kind != "CronJob"), old]))
    assert ids(found) == ["CronJob:shop/nightly"]


@pytest.mark.parametrize("paths", ["/api", "/apis"])
def test_without_discovery_lists_tell_what_is_absent(paths: str) -> None:
    def script(request: Request) -> Any:
        return refusal(403, "no") if request.path.startswith(paths) and request.path in ("/api", "/apis") else None

    found = collect(world(script=script, resources=[one for one in BUILTIN if one.kind != "Ingress"]))
    assert len(found.objects) == 6
    assert {gap.kind for gap in found.gaps} >= {"CalicoNetworkPolicy", "AdminNetworkPolicy", "ClusterPolicy"}
    assert not {gap.kind for gap in found.gaps} & {resource.kind for resource in BUILTIN}
    assert {gap.detail for gap in found.gaps} == {"what the server serves may not be asked: no (403)"}


def test_kinds_of_custom_resources_that_are_not_analysed_are_a_gap() -> None:
    def definition(plural: str, group: str, kind: str) -> dict[str, Any]:
        spec = {"group": group, "names": {"plural": plural, "kind": kind}, "scope": "Namespaced"}
        return {
            **obj("CustomResourceDefinition", f"{plural}.{group}", spec=spec),
            "apiVersion": "apiextensions.k8s.io/v1",
        }

    found = collect(
        FakeConnection(
            objects=[
                definition("widgets", "example.io", "Widget"),
                definition("applications", "argoproj.io", "Application"),
                definition("ciliumnetworkpolicies", "cilium.io", "CiliumNetworkPolicy"),
            ]
        )
    )
    [gap] = found.gaps
    assert (gap.kind, gap.problem, gap.count) == ("custom resources", Problem.SKIPPED, 2)
    assert gap.detail == "not analysed: applications.argoproj.io, widgets.example.io"


def _calico(group: str, version: str) -> Resource:
    return Resource(group, version, "networkpolicies", "NetworkPolicy", True)


def test_a_kind_of_calico_is_another_than_the_one_whose_name_it_shares() -> None:
    crd = {**obj("NetworkPolicy", "same", "shop", spec={"selector": "all()"}), "apiVersion": "crd.projectcalico.org/v1"}
    own = {**obj("NetworkPolicy", "same", "shop", spec={}), "apiVersion": "networking.k8s.io/v1"}
    found = collect(FakeConnection(objects=[crd, own], resources=[*BUILTIN, _calico("crd.projectcalico.org", "v1")]))
    assert ids(found) == ["CalicoNetworkPolicy:shop/same", "NetworkPolicy:shop/same"]
    assert of(found, CalicoNetworkPolicy)["CalicoNetworkPolicy:shop/same"].spec.selector == "all()"


def test_the_api_server_of_calico_goes_before_the_custom_resources_behind_it() -> None:
    behind = {**obj("NetworkPolicy", "default.a", "shop"), "apiVersion": "crd.projectcalico.org/v1"}
    front = {**obj("NetworkPolicy", "a", "shop"), "apiVersion": "projectcalico.org/v3"}
    both = [_calico("crd.projectcalico.org", "v1"), _calico("projectcalico.org", "v3")]
    assert ids(collect(FakeConnection(objects=[behind, front], resources=[*BUILTIN, *both]))) == [
        "CalicoNetworkPolicy:shop/a"
    ]


def test_a_refusal_names_the_kind_by_its_group() -> None:
    connection = world(
        resources=[*BUILTIN, _calico("crd.projectcalico.org", "v1")], denied=lambda path: "projectcalico" in path
    )
    [gap] = gaps(collect(connection), "CalicoNetworkPolicy")
    assert gap.detail.startswith("list networkpolicies.crd.projectcalico.org: 403: ")


# --- secrets ------------------------------------------------------------------------------------------

CANARY = "canary-of-a-secret"


def secret(name: str, kind: str = "Opaque", **meta: Any) -> dict[str, Any]:
    fields = {"f:data": {".": {}, "f:password": {}, "f:user": {}}, "f:metadata": {}, "f:type": {}}
    managed = [{"manager": "kubectl", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields}]
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": CANARY}
    return obj(
        "Secret", name, "shop", type=kind, data={"password": CANARY, "user": CANARY},
        metadata={"managedFields": managed, "annotations": annotations, **meta},
    )  # fmt: skip


def test_secrets_are_listed_as_metadata_with_keys_and_type_and_no_value() -> None:
    settings = obj("ConfigMap", "settings", "shop", data={"a": CANARY}, metadata={"managedFields": [{"fieldsV1": {
        "f:data": {"f:a": {}}, "f:binaryData": {"f:b": {}}}}]})  # fmt: skip
    objects = [
        secret("a"),
        secret("b", "kubernetes.io/tls"),
        secret("c", "example.com/own", managedFields=None),
        settings,
    ]
    connection = FakeConnection(objects=objects)
    found = collect(connection)
    secrets = of(found, Secret)
    assert {name: (one.type, one.data_keys) for name, one in secrets.items()} == {
        "Secret:shop/a": ("Opaque", ["password", "user"]),
        "Secret:shop/b": ("kubernetes.io/tls", ["password", "user"]),
        "Secret:shop/c": (None, None),
    }
    assert of(found, ConfigMap)["ConfigMap:shop/settings"].data_keys == ["a", "b"]
    assert of(found, ConfigMap)["ConfigMap:shop/settings"].api_version == "v1"
    asked = [one for one in connection.requests if one.path.endswith(("/secrets", "/configmaps"))]
    assert {one.accept for one in asked} == {METADATA_LIST}
    assert CANARY not in repr(found)


def test_named_config_maps_are_read_for_the_keys_that_rules_read() -> None:
    controller = pod("ingress", "edge", containers=[{
        "name": "main", "image": "registry.k8s.io/ingress-nginx/controller:v1",
        "args": ["--configmap=$(POD_NAMESPACE)/ingress-settings"]}])  # fmt: skip
    connection = FakeConnection(
        objects=[
            controller,
            obj("ConfigMap", "ingress-settings", "edge", data={"allow-snippet-annotations": "true", "other": CANARY}),
            obj("ConfigMap", "argocd-cm", "argo", data={"users.anonymous.enabled": "true", "other": CANARY}),
            obj("ConfigMap", "settings", "shop", data={"a": CANARY}),
        ]
    )
    found = of(collect(connection), ConfigMap)
    assert found["ConfigMap:edge/ingress-settings"].data == {"allow-snippet-annotations": "true"}
    assert found["ConfigMap:argo/argocd-cm"].data == {"users.anonymous.enabled": "true"}
    assert found["ConfigMap:shop/settings"].data is None
    read = [path for path in connection.paths() if "/configmaps/" in path]
    assert sorted(read) == [
        "/api/v1/namespaces/argo/configmaps/argocd-cm",
        "/api/v1/namespaces/edge/configmaps/ingress-settings",
    ]


# --- what could not be read ---------------------------------------------------------------------------


def test_an_object_that_cannot_be_decoded_is_a_gap_and_the_page_stays() -> None:
    bad = pod("bad", "shop", containers="none")
    found = collect(FakeConnection(objects=[pod("good", "shop"), bad, {**pod("worse", "shop"), "spec": 3}]))
    assert ids(found) == ["Pod:shop/good"]
    [gap] = found.gaps
    assert (gap.kind, gap.problem, gap.count) == ("Pod", Problem.INVALID, 2)
    assert "shop/bad: expected `array | null`, got `str` - at spec.containers; and 1 more" in gap.detail


def test_a_forbidden_kind_is_a_gap_with_verb_resource_and_status() -> None:
    found = collect(world(denied=lambda path: path.endswith("/nodes")))
    [gap] = found.gaps
    assert gap == Gap("Node", None, Problem.FORBIDDEN, 1, 'list nodes: 403: User "jane" cannot list /api/v1/nodes')


def test_all_namespaces_are_tried_where_the_whole_cluster_is_refused() -> None:
    denied = {"/api/v1/pods", "/api/v1/namespaces/bank/pods", "/apis/apps/v1/deployments"}
    found = collect(world(denied=lambda path: path in denied))
    assert ids(found, "Pod") == ["Pod:shop/web"]
    # Deployments could be read in each namespace: nothing is missing.
    [gap] = found.gaps
    assert (gap.kind, gap.namespace, gap.problem) == ("Pod", "bank", Problem.FORBIDDEN)
    assert gap.detail.startswith("list pods in bank: 403: ")


def test_in_two_namespaces_only() -> None:
    """The context's namespace, and one that a binding there names; namespaces cannot be listed."""
    binding = obj(
        "RoleBinding", "b", "shop", subjects=[{"kind": "ServiceAccount", "name": "x", "namespace": "bank"}],
        roleRef={"kind": "Role", "name": "r"},
    )  # fmt: skip

    def denied(path: str) -> bool:
        return not any(f"/namespaces/{name}/" in path for name in ("shop", "bank"))

    connection = world(denied=denied, endpoint=Endpoint("prod", "https://a", "jane", "shop"))
    connection.objects = [*connection.objects, binding, pod("hidden", "vault")]
    found = collect(connection, Scope(also=("extra",)))
    assert ids(found, "Pod") == ["Pod:bank/till", "Pod:shop/web"]
    [gap] = gaps(found, "Pod")
    assert (gap.namespace, gap.problem) == (None, Problem.FORBIDDEN)
    assert gap.detail.endswith("only these were tried: bank, extra, shop; read in bank, shop")
    [nodes] = gaps(found, "Node")
    assert "tried" not in nodes.detail


def test_the_namespaces_of_the_operator_limit_what_is_read() -> None:
    connection = world()
    found = collect(connection, Scope(only=("shop",)))
    assert ids(found, "Pod") == ["Pod:shop/web"]
    assert ids(found, "Node") == ["Node:n1"]
    assert "/api/v1/pods" not in connection.paths()
    [gap] = gaps(found, "Pod")
    assert (gap.problem, gap.detail) == (Problem.NOT_COLLECTED, "only namespace shop (--namespace)")
    assert not gaps(found, "Node")


def test_nothing_may_be_read() -> None:
    with pytest.raises(ClusterError) as caught:
        collect(world(denied=lambda path: True))
    first, second = str(caught.value).splitlines()
    assert first.startswith("Nothing could be read from prod as jane: ")
    asked = LISTED + sum(one.namespaced for one in BUILTIN)
    assert first.endswith(f": {asked} of {asked} requests refused.")
    assert 'User "jane" cannot list' in second
    assert caught.value.status == 3


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (refusal(500, "storage is broken"), "list pods: 500: storage is broken"),
        (Unreachable("https://a: the connection was cut"), "list pods: https://a: the connection was cut"),
        (Answer(200, b"<html>"), "list pods: the answer is no list of objects"),
    ],
)
def test_other_failures_are_gaps(reply: Any, detail: str) -> None:
    found = collect(world(script=lambda request: reply if request.path == "/api/v1/pods" else None))
    assert gaps(found, "Pod") == [Gap("Pod", None, Problem.NOT_COLLECTED, 1, detail, ())]
    assert len(found.objects) == 4


def test_what_came_before_a_failure_is_kept() -> None:
    connection = FakeConnection(objects=[pod(f"p{at:04}", "shop") for at in range(700)])
    connection.script = lambda request: refusal(500, "no") if request.query.get("continue") else None
    found = collect(connection)
    assert len(found.objects) == 500
    [gap] = found.gaps
    assert (gap.problem, gap.detail) == (Problem.NOT_COLLECTED, "list pods: 500: no, some of it was read")


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    connection = FakeConnection(script=lambda request: Unreachable("https://a: connection refused"))
    with pytest.raises(Unreachable, match="connection refused"):
        collect(connection)
    assert len(connection.requests) == 1


def test_a_server_that_is_something_else() -> None:
    with pytest.raises(ClusterError, match="none of a Kubernetes API server"):
        collect(FakeConnection(script=lambda request: Answer(200, b"<html>")))
    with pytest.raises(ClusterError, match="404"):
        collect(FakeConnection(script=lambda request: refusal(404, "no such page")))


def test_credentials_that_the_server_refuses() -> None:
    with pytest.raises(ClusterError, match=r"prod \(https://api.prod:6443\): .*Unauthorized \(401\)"):
        collect(FakeConnection(script=lambda request: refusal(401, "Unauthorized")))


def test_a_server_that_is_lost_in_the_middle() -> None:
    down = threading.Event()

    def script(request: Request) -> Any:
        if request.path == "/api/v1/pods":
            down.set()
        return Unreachable("https://a: connection refused") if down.is_set() else None

    found = collect(world(script=script))
    assert isinstance(found.ended, Lost)
    assert {gap.problem for gap in found.gaps} == {Problem.NOT_COLLECTED}
    assert gaps(found, "Pod")


def test_a_server_that_is_lost_for_the_last_kind() -> None:
    """One kind without an answer is a gap, unless the server does not answer anything else either."""
    down = threading.Event()

    def script(request: Request) -> Any:
        if request.path.endswith("/validatingadmissionpolicybindings"):
            down.set()
            return Unreachable("https://a: connection refused")
        return Unreachable("https://a: connection refused") if down.is_set() and request.path == "/version" else None

    found = collect(world(script=script))
    assert isinstance(found.ended, Lost)
    assert len(found.objects) == 6


def test_a_server_that_answers_no_list_is_not_waited_for_once_a_kind() -> None:
    """With a limit of 3 s for a request, 45 s are 15 rounds of six requests at once; these are three."""
    connection = world(script=lambda request: Unreachable("no answer") if request.query.get("limit") else None)
    found = collect(connection)
    assert isinstance(found.ended, Lost)
    assert len(connection.paths()) <= 3 * THREADS + 4


def test_a_plugin_that_fails_in_the_middle_ends_the_reading() -> None:
    found = collect(world(script=lambda request: LoginError("no") if request.path == "/api/v1/pods" else None))
    assert isinstance(found.ended, LoginError)
    assert gaps(found, "Pod") == [Gap("Pod", None, Problem.NOT_COLLECTED, 1, "the connection was lost: no", ())]


def test_a_defect_of_a_worker_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        collect(world(script=lambda request: ZeroDivisionError() if request.path == "/api/v1/pods" else None))


def test_cancelled() -> None:
    connection = world()

    def script(request: Request) -> Any:
        if request.path == "/api/v1/nodes":
            connection.cancel()
            return Cancelled("ended")
        return None

    connection.script = script
    found = collect(connection)
    assert isinstance(found.ended, Cancelled)
    assert gaps(found, "Node") == [Gap("Node", None, Problem.NOT_COLLECTED, 1, "cancelled", ())]
    assert all(thread.name.startswith("list-") is False for thread in threading.enumerate())


# --- progress -----------------------------------------------------------------------------------------


def test_progress_of_each_kind() -> None:
    connection = FakeConnection(
        objects=[pod(f"p{at:04}", "shop") for at in range(1200)],
        denied=lambda path: path.endswith("/nodes"),
        script=in_turn([refusal(500, "no")] * 4, lambda request: request.path.endswith("/ingresses")),
    )
    heard: list[KindProgress] = []
    collect(connection, observer=heard.append)
    pods = [(one.state, one.done, one.expected) for one in heard if one.kind == "Pod"]
    assert pods == [
        (State.WAITING, 0, 0), (State.READING, 500, 1200), (State.READING, 1000, 1200), (State.READING, 1200, 1200),
        (State.DONE, 1200, 1200),
    ]  # fmt: skip
    last = {one.kind: one.state for one in heard}
    assert (last["Node"], last["Ingress"], last["Role"]) == (State.DENIED, State.FAILED, State.DONE)


def test_an_observer_that_fails_ends_the_reading() -> None:
    connection = world()

    def observer(progress: KindProgress) -> None:
        if progress.state is State.DONE:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(connection, observer=observer)
    assert connection.cancelled.is_set()
