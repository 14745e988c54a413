"""The control plane does what the tests that use it take for granted."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable

import pytest

from tests.cluster.harness.client import METADATA_LIST, Client
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.objects import deployment, namespace, pod, secret
from tests.cluster.harness.proxy import Proxy
from tests.cluster.harness.rights import READ_ALL, rule

CANARY = "canary-value-that-nobody-may-see"


def test_kubectl_and_the_server_agree_on_their_version(cluster: Cluster) -> None:
    version = json.loads(cluster.kubectl("version", "-o", "json"))
    assert version["clientVersion"]["gitVersion"] == version["serverVersion"]["gitVersion"]
    assert re.fullmatch(r"v1\.\d+\.\d+", version["serverVersion"]["gitVersion"])


def test_an_identity_reads_what_it_was_granted_and_nothing_else(cluster: Cluster) -> None:
    cluster.create_namespaces("shop", "bank")
    reader = cluster.user("jane")
    assert cluster.client(reader).request("GET", "/api/v1/namespaces/shop/pods").status == 403

    cluster.grant(reader, rule("pods"), namespace="shop")

    as_reader = cluster.client(reader)
    assert as_reader.request("GET", "/api/v1/namespaces/shop/pods").status == 200
    assert as_reader.request("GET", "/api/v1/namespaces/bank/pods").status == 403
    assert as_reader.request("GET", "/api/v1/namespaces/shop/secrets").status == 403


def test_rights_end_with_the_test_that_gave_them(cluster: Cluster) -> None:
    reader = cluster.user("jane", "auditors")
    with cluster.restored():
        cluster.grant(reader, READ_ALL)
        assert cluster.client(reader).request("GET", "/api/v1/nodes").status == 200
    assert cluster.client(reader).request("GET", "/api/v1/nodes").status == 403


def test_view_holds_in_a_cluster_without_controllers(cluster: Cluster) -> None:
    account = cluster.service_account("default", "viewer")
    cluster.bind(account, "view")
    assert cluster.client(account).request("GET", "/api/v1/pods").status == 200
    assert cluster.client(account).request("GET", "/api/v1/secrets").status == 403


def test_an_expired_token_is_no_identity(cluster: Cluster) -> None:
    good = cluster.service_account("default")
    assert cluster.client(good).request("GET", "/api/v1/pods").status == 403
    assert cluster.client(cluster.expired_account("default")).request("GET", "/api/v1/pods").status == 401


def test_the_audit_log_holds_all_that_was_sent(cluster: Cluster) -> None:
    """A secret's value is found where it was sent, and not in the list of metadata."""
    cluster.create_namespaces("shop")
    reader = cluster.user("jane")
    cluster.grant(reader, rule("secrets"), namespace="shop")
    cluster.seed([secret("database", "shop", password=CANARY)])
    encoded = secret("database", "shop", password=CANARY)["data"]["password"]
    path = "/api/v1/namespaces/shop/secrets"

    mark = cluster.audit.mark()
    listed = cluster.client(reader).do("GET", path, accept=METADATA_LIST)
    (event,) = cluster.audit.since(mark, user="jane")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["database"]
    assert (event.verb, event.resource, event.namespace, event.status) == ("list", "secrets", "shop", 200)
    assert event.response["kind"] == "PartialObjectMetadataList"
    assert encoded not in event.line

    cluster.client(reader).get(path)
    assert encoded in cluster.audit.since(mark, user="jane")[-1].line


def test_all_seeded_pods_are_listed_at_once_and_in_pages(cluster: Cluster) -> None:
    names = {f"web-{number}" for number in range(2_000)}
    cluster.seed([namespace("shop"), *(pod(name, "shop") for name in sorted(names))])

    listed = cluster.admin.get("/api/v1/pods")["items"]
    pages = list(cluster.admin.walk("/api/v1/pods", limit=500))

    assert {item["metadata"]["name"] for item in listed} == names
    assert {item["status"]["phase"] for item in listed} == {"Running"}
    assert [len(page["items"]) for page in pages] == [500] * 4
    assert pages[0]["metadata"]["remainingItemCount"] == 1_500
    assert {item["metadata"]["name"] for page in pages for item in page["items"]} == names


def test_a_page_expires_when_the_store_was_compacted(cluster: Cluster) -> None:
    cluster.seed([namespace("shop"), *(pod(f"web-{number}", "shop") for number in range(20))])
    first = cluster.admin.get("/api/v1/pods", limit=10)

    cluster.seed([pod("late", "shop")])
    cluster.etcd.compact()

    following = {"limit": 10, "continue": first["metadata"]["continue"]}
    answer = cluster.admin.request("GET", "/api/v1/pods", query=following)
    assert (answer.status, answer.json()["reason"]) == (410, "Expired")


def test_a_proxy_cuts_an_answer_in_the_middle(cluster: Cluster) -> None:
    cluster.seed([namespace("shop"), *(pod(f"web-{number}", "shop") for number in range(500))])
    with Proxy(cluster.server, cut_after=50_000) as proxy:
        client = Client(proxy.url, cluster.admin.ca, cluster.admin.identity)
        assert client.request("GET", "/readyz").status == 200
        with pytest.raises((OSError, http.client.HTTPException)):
            client.request("GET", "/api/v1/pods")
        with pytest.raises((OSError, http.client.HTTPException)):
            client.request("GET", "/readyz")


def test_a_server_of_its_own_can_hang_and_end(start_cluster: Callable[..., Cluster]) -> None:
    private = start_cluster(audit=False)
    client = Client(private.server, private.admin.ca, private.admin.identity, timeout=0.5)
    private.plane.api_server.suspend()
    with pytest.raises(TimeoutError):
        client.request("GET", "/readyz")
    private.plane.api_server.resume()
    assert private.admin.request("GET", "/readyz").status == 200
    private.plane.api_server.kill()
    with pytest.raises(ConnectionRefusedError):
        client.request("GET", "/readyz")


@pytest.mark.parametrize("run", range(2))
def test_nothing_of_another_test_is_left(cluster: Cluster, run: int) -> None:
    """The same names twice: an object of its own, a changed one of Kubernetes and a deleted one."""
    del run
    cluster.create_namespaces("shop")
    assert cluster.admin.get("/api/v1/pods")["items"] == []
    cluster.seed([pod("web", "shop")])
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    assert cluster.admin.get(f"{roles}/cluster-admin")["rules"] != []
    cluster.admin.do("DELETE", f"{roles}/cluster-admin")
    assert cluster.admin.get(f"{roles}/view")["rules"] != []
    cluster.kubectl("patch", "clusterrole", "view", "--type=merge", "-p", '{"rules": []}')


def test_controllers_make_pods_of_a_deployment(managed_cluster: Cluster) -> None:
    managed_cluster.create_namespaces("shop")
    managed_cluster.create(deployment("web", "shop", replicas=2))
    managed_cluster.kubectl("wait", "--for=create", "pod", "-l", "app=web", "-n", "shop", "--timeout=30s")
    pods = managed_cluster.admin.get("/api/v1/namespaces/shop/pods")["items"]
    assert {item["metadata"]["ownerReferences"][0]["kind"] for item in pods} == {"ReplicaSet"}
