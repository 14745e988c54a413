"""Paths to fields: both written forms read back as the same steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.inventory import fields

_KEYS = st.one_of(
    st.sampled_from(["spec", "workbench/crown-jewel", "a.b", "12", ".x", "a=b", "²", "x[0]", "back\\", "", "a\n"]),
    st.text(max_size=6),
)
_VALUES = st.one_of(st.sampled_from(["web", "a,b", "x\\", "]", "[", "/var/run", "=", ""]), st.text(max_size=6))
_NAMES = st.sampled_from(["name", "mountPath", "kind", "containerPort"])
_SELECTORS = st.lists(st.tuples(_NAMES, _VALUES), min_size=1, max_size=3).map(tuple)
_PATHS = st.lists(st.one_of(_KEYS, st.integers(0, 50), _SELECTORS), max_size=5).map(tuple)


@given(_PATHS)
def test_both_forms_read_back(path: fields.Path) -> None:
    assert fields.parse(fields.dotted(path)) == path
    assert fields.parse(fields.pointer(path)) == path


@pytest.mark.parametrize(
    ("path", "dotted", "pointer"),
    [
        (
            ("spec", "containers", (("name", "web"),), "image"),
            "spec.containers[name=web].image",
            "/spec/containers[name=web]/image",
        ),
        (("rules", 0, "verbs"), "rules[0].verbs", "/rules[0]/verbs"),
        (
            ("metadata", "labels", "pod-security.kubernetes.io/enforce"),
            "metadata.labels[pod-security.kubernetes.io/enforce]",
            "/metadata/labels[pod-security.kubernetes.io/enforce]",
        ),
        (("subjects", (("kind", "User"), ("name", "a,b"))), r"subjects[kind=User,name=a\,b]", None),
    ],
)
def test_as_people_write_them(path: fields.Path, dotted: str, pointer: str | None) -> None:
    assert fields.dotted(path) == dotted
    assert fields.parse(dotted) == path
    if pointer is not None:
        assert fields.pointer(path) == pointer


DATA = {"spec": {"containers": [{"name": "a"}, {"name": "web", "ports": [{"containerPort": 80}]}], "empty": None}}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("spec.containers[name=web].ports[containerPort=80]", (True, {"containerPort": 80})),
        ("spec.containers[1].name", (True, "web")),
        ("spec.empty", (True, None)),
        ("spec.containers[name=other]", (False, None)),
        ("spec.containers[2]", (False, None)),
        ("spec.containers.name", (False, None)),
        ("spec[name=x]", (False, None)),
        ("spec.empty.more", (False, None)),
    ],
)
def test_find(path: str, found: tuple[bool, object]) -> None:
    assert fields.find(DATA, fields.parse(path)) == found


def test_an_absent_key_is_an_empty_one() -> None:
    subjects = [{"kind": "ServiceAccount", "name": "x", "namespace": "other"}, {"kind": "ServiceAccount", "name": "x"}]
    selector = (("kind", "ServiceAccount"), ("namespace", ""), ("name", "x"))
    assert fields.index_of(subjects, selector) == 1
