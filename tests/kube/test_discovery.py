"""What a server serves, in the new form and in the old one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kube.fake import FakeConnection, Request, answer, refusal
from workbench.errors import Unreachable
from workbench.kube.api import Answer
from workbench.kube.discovery import Served, discover, server_version
from workbench.kube.paging import Garbled, Patient, Refused
from workbench.kube.resources import BUILTIN, Resource


def discovered(connection: FakeConnection) -> Served:
    return discover(Patient(connection), {"", "apps", "batch"})


def scripted(**replies: Any) -> FakeConnection:
    """Answers by path, dots and slashes written as underscores."""

    def script(request: Request) -> Any:
        found = replies.get(request.path.strip("/").replace("/", "_").replace(".", "_"))
        return found if isinstance(found, (Answer, Exception)) else answer(200, found) if found is not None else None

    return FakeConnection(script=script)


def resource(name: str, kind: str, namespaced: bool = True, verbs: tuple[str, ...] = ("get", "list")) -> dict[str, Any]:
    return {"name": name, "kind": kind, "namespaced": namespaced, "verbs": list(verbs)}


OLD: dict[str, Any] = {
    "api": {"kind": "APIVersions", "versions": ["v1"]},
    "api_v1": {"resources": [resource("pods", "Pod"), resource("pods/log", "Pod"), resource("nodes", "Node", False)]},
    "apis": {
        "kind": "APIGroupList",
        "groups": [
            {"name": "apps", "versions": [{"version": "v1"}], "preferredVersion": {"version": "v1"}},
            {
                "name": "batch",
                "versions": [{"version": "v1beta1"}, {"version": "v1"}],
                "preferredVersion": {"version": "v1"},
            },
            {"name": "other.example", "versions": [{"version": "v1"}]},
        ],
    },
    "apis_apps_v1": {"resources": [resource("deployments", "Deployment")]},
    "apis_batch_v1": {"resources": [resource("jobs", "Job")]},
    "apis_batch_v1beta1": {"resources": [resource("jobs", "Job"), resource("cronjobs", "CronJob")]},
}


def test_aggregated() -> None:
    connection = FakeConnection()
    found = discovered(connection)
    assert set(found.resources) == set(BUILTIN)
    assert "apps" in found.groups
    assert [request.path for request in connection.requests] == ["/api", "/apis"]


def test_one_list_a_group() -> None:
    connection = scripted(**OLD)
    found = discovered(connection)
    assert set(found.resources) == {
        Resource("", "v1", "pods", "Pod", True),
        Resource("", "v1", "nodes", "Node", False),
        Resource("apps", "v1", "deployments", "Deployment", True),
        Resource("batch", "v1", "jobs", "Job", True),
        Resource("batch", "v1beta1", "cronjobs", "CronJob", True),
    }
    assert found.groups == {"", "apps", "batch", "other.example"}
    assert "/apis/other.example/v1" not in [request.path for request in connection.requests]


@pytest.mark.parametrize("reply", [Unreachable("cut"), refusal(503, "unavailable")])
def test_a_group_whose_server_does_not_answer(reply: Any) -> None:
    found = discovered(scripted(**{**OLD, "apis_batch_v1": reply, "apis_batch_v1beta1": reply}))
    assert list(found.unread) == ["batch"]
    assert not [one for one in found.resources if one.group == "batch"]


def test_a_stale_group() -> None:
    stale = {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "freshness": "Stale", "resources": None}]}
    found = discovered(scripted(apis={"kind": "APIGroupDiscoveryList", "items": [stale]}))
    assert found.unread == {"apps": "the server behind apps/v1 does not answer"}


def test_versions() -> None:
    assert server_version(Patient(FakeConnection())) == "v1.34.2"
    assert server_version(Patient(scripted(version=refusal(403, "no")))) == ""
    with pytest.raises(Garbled):
        server_version(Patient(scripted(version=Answer(200, b"<html>"))))


def test_who_may_not_know() -> None:
    with pytest.raises(Refused):
        discovered(scripted(api=refusal(403, "no")))
    with pytest.raises(Garbled):
        discovered(scripted(api=OLD["api"], apis={"kind": "Pod"}))
