"""What is kept of environment values and arguments: the Services that they name, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.inventory.connectivity import addresses, kept, service_names
from workbench.inventory.decode import from_data, plain
from workbench.inventory.gathered import Gathered
from workbench.inventory.objects import Deployment, KubernetesObject, Service
from workbench.sources.strangers import forget_strangers


@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("X", "db:5432", "db:5432"),
        ("X", "db.data.svc", "db.data.svc"),
        ("X", "http://web", "web:80"),
        ("X", "https://user:pass@web.shop/path?token=abc", "web.shop:443"),
        ("X", "redis://:geheim@redis-master:6379/0", "redis-master:6379"),
        ("X", "kafka-0.kafka:9092,kafka-1.kafka:9092", "kafka-0.kafka:9092,kafka-1.kafka:9092"),
        ("X", "app:geheim@tcp(mysql:3306)/shop", "mysql:3306"),
        ("DB_HOST", "db", "db"),
        ("db-host", "db", "db"),
        ("X", "db", None),
        ("PASSWORD", "hunter2", None),
        ("X", "a:b:c", None),
        ("X", "web:99999", None),
        ("X", "", None),
        ("X", "x" * 5000 + ":80", None),
        ("X", None, None),
        ("X", 5432, None),
        ("X", {"a": "db:5432"}, None),
    ],
)
def test_what_is_kept_of_a_value(name: str, value: object, left: str | None) -> None:
    assert kept(name, value) == left
    if left is not None:
        assert kept(name, left) == left, "a snapshot is read like what it was made from"


@pytest.mark.parametrize(
    ("host", "namespace", "services"),
    [
        ("db", "shop", [("shop", "db")]),
        ("db.data", "shop", [("data", "db"), ("shop", "data")]),
        ("db-0.db.data", "shop", [("data", "db")]),
        ("db.data.svc", "shop", [("data", "db")]),
        ("db-0.db.data.svc.cluster.local", "shop", [("data", "db")]),
        ("a.b.c.d", "shop", []),
    ],
)
def test_which_services_a_host_may_be(host: str, namespace: str, services: list[tuple[str, str]]) -> None:
    assert list(service_names(host, namespace)) == services


def objects(container: dict[str, Any]) -> list[KubernetesObject]:
    template = {"spec": {"containers": [{"name": "c", **container}]}}
    data = {"apiVersion": "apps/v1", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"template": template}}
    service = {"apiVersion": "v1", "metadata": {"name": "db", "namespace": "shop"}, "spec": {"ports": [{"port": 5432}]}}
    return [from_data(Deployment, data), from_data(Service, service)]


def of_container(found: list[KubernetesObject]) -> dict[str, Any]:
    out: dict[str, Any] = plain(found[0])["spec"]["template"]["spec"]["containers"][0]
    return out


def test_what_is_no_service_of_the_source_is_forgotten() -> None:
    found = objects({
        "env": [
            {"name": "LOGIN", "value": "admin:12345"}, {"name": "DB", "value": "postgres://u:p@db:5432/x"},
            {"name": "BOTH", "value": "db:5432,vault.example:8200"}, {"name": "TOKEN", "value": "geheim"},
        ],
        "args": ["--db=db:5432", "--login=admin:12345", "--host", "db", "--secret", "admin:1"],
    })  # fmt: skip
    forget_strangers(Gathered((each, None) for each in found))
    container = of_container(found)
    assert container["env"] == [
        {"name": "LOGIN"}, {"name": "DB", "value": "db:5432"}, {"name": "BOTH", "value": "db:5432"}, {"name": "TOKEN"},
    ]  # fmt: skip
    assert container["args"] == ["--db=db:5432", "--login", "--host", "db", "--secret", "…"]


def test_an_address_needs_a_port_or_a_word_for_it() -> None:
    assert [str(each) for each in addresses("UPSTREAM", "web api:90")] == ["web", "api:90"]
    assert list(addresses("MODE", "web")) == []


PARTS = ("http", "jdbc:mysql", "://", ":", "@", "/", "?", ".", "-", "a", "db", ".svc", ",", " ", "'", "tcp(", ")", "80")
VALUES = st.builds(
    "".join, st.tuples(st.sampled_from(["", "http://", "jdbc:mysql://"]), st.lists(st.sampled_from(PARTS)).map("".join))
)


@given(st.sampled_from(["DB_HOST", "COLOUR"]), VALUES)
def test_what_is_kept_are_the_addresses(name: str, value: str) -> None:
    assert kept(name, value) == (",".join(dict.fromkeys(map(str, addresses(name, value)))) or None)
