"""R2: the effective user."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import IMAGE, container, inventory, pod
from workbench.techniques.resolve.user import as_root, effective_user, user_evidence

CASES: list[tuple[str, dict[str, Any], dict[str, Any], bool | None]] = [
    ("nothing said", {}, {}, None),
    ("container root", {"runAsUser": 0}, {}, True),
    ("container not root", {"runAsUser": 1000}, {}, False),
    ("pod root", {}, {"runAsUser": 0}, True),
    ("container wins over pod", {"runAsUser": 1000}, {"runAsUser": 0}, False),
    ("container root wins over pod", {"runAsUser": 0}, {"runAsUser": 1000}, True),
    ("number wins over runAsNonRoot", {"runAsUser": 0, "runAsNonRoot": True}, {}, True),
    ("runAsNonRoot", {"runAsNonRoot": True}, {}, False),
    ("runAsNonRoot of the pod", {}, {"runAsNonRoot": True}, False),
    ("container takes runAsNonRoot back", {"runAsNonRoot": False}, {"runAsNonRoot": True}, None),
    ("runAsGroup is no user", {"runAsGroup": 1000}, {"fsGroup": 1000}, None),
]


@pytest.mark.parametrize(("own", "of_pod", "root"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_effective_user(own: dict[str, Any], of_pod: dict[str, Any], root: bool | None) -> None:
    view = inventory(pod("web", container(securityContext=own), securityContext=of_pod))
    (found,) = view.containers
    assert effective_user(found).root is root


@pytest.mark.parametrize(
    ("own", "missing", "off"),
    [
        ({"runAsUser": 0}, (), False),
        ({"runAsUser": 0, "allowPrivilegeEscalation": False}, (), False),
        ({}, (("C-USER", f"Image:{IMAGE}"),), False),
        ({"allowPrivilegeEscalation": False}, (("C-USER", f"Image:{IMAGE}"),), False),
        ({"runAsUser": 1000}, (("C-SETUID", f"Image:{IMAGE}"),), False),
        ({"runAsUser": 1000, "allowPrivilegeEscalation": True}, (("C-SETUID", f"Image:{IMAGE}"),), False),
        ({"runAsNonRoot": True}, (("C-SETUID", f"Image:{IMAGE}"),), False),
        ({"runAsUser": 1000, "allowPrivilegeEscalation": False}, (), True),
        ({"runAsNonRoot": True, "allowPrivilegeEscalation": False}, (), True),
    ],
)
def test_as_root(own: dict[str, Any], missing: tuple[tuple[str, str], ...], off: bool) -> None:
    (found,) = inventory(pod("web", container(securityContext=own))).containers
    answer = as_root(found)
    assert answer.missing == missing
    assert (answer.off is not None) is off


def test_mitigation_names_the_fields() -> None:
    own = {"runAsUser": 1000, "allowPrivilegeEscalation": False}
    (found,) = inventory(pod("web", container(securityContext=own))).containers
    assert as_root(found).off == "runAsUser: 1000 with allowPrivilegeEscalation: false leaves no way to root"


def test_evidence_names_the_deciding_field() -> None:
    view = inventory(pod("web", container(securityContext={"runAsUser": 1000}), securityContext={"runAsUser": 0}))
    (found,) = view.containers
    assert [(e.field, e.value, e.default) for e in user_evidence(view, found)] == [
        ("spec.containers[name=app].securityContext.runAsUser", 1000, None),
        ("spec.containers[name=app].securityContext.allowPrivilegeEscalation", None, True),
    ]


def test_evidence_of_an_unknown_user_holds_the_absent_fields() -> None:
    view = inventory(pod("web"))
    (found,) = view.containers
    assert [(e.field, e.value, e.default) for e in user_evidence(view, found)] == [
        ("spec.containers[name=app].securityContext.runAsUser", None, "the image's user"),
        ("spec.securityContext.runAsUser", None, "the image's user"),
        ("spec.containers[name=app].securityContext.runAsNonRoot", None, False),
    ]
