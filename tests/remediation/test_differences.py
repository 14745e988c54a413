"""Field by field: what differs, what is the same to the API, and what is never shown."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.remediation.apiserver import dropped, json_patched, merged
from tests.remediation.live import CANARY, WEB, as_text
from workbench.inventory.changes import Op, edited
from workbench.remediation.differences import (
    FieldChange,
    already,
    change_lines,
    differences,
    environment_values,
    holds,
    keeps_values,
    marked,
    masked_change,
    masked_patch,
    same,
    without_values,
)
from workbench.remediation.patches import patch

SPEC = "/spec/template/spec"


def after(change: Any) -> dict[str, Any]:
    out = copy.deepcopy(WEB)
    change(out)
    return out


def spec(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = data["spec"]["template"]["spec"]
    return found


CASES: list[tuple[str, Any, list[FieldChange]]] = [
    ("nothing", lambda data: None, []),
    (
        "what the server keeps for itself",
        lambda data: (
            data["metadata"].update(resourceVersion="2", generation=7, managedFields=[{}]) or data.pop("status")
        ),
        [],
    ),
    ("a scalar", lambda data: data["spec"].update(replicas=3), [FieldChange("/spec/replicas", 2, 3)]),
    ("false is absent", lambda data: spec(data).update(hostNetwork=False), []),
    ("true goes", lambda data: spec(data).pop("hostPID"), [FieldChange(f"{SPEC}/hostPID", True, None)]),
    (
        "false is a decision elsewhere",
        lambda data: spec(data).update(automountServiceAccountToken=False),
        [FieldChange(f"{SPEC}/automountServiceAccountToken", None, False)],
    ),
    ("empty is absent", lambda data: spec(data).update(securityContext={}, tolerations=[], nodeName=None), []),
    (
        "an item of a keyed list",
        lambda data: spec(data)["volumes"].pop(1),
        [FieldChange(f"{SPEC}/volumes[name=tmp]", {"name": "tmp", "emptyDir": {}}, None)],
    ),
    (
        "a field of an item, whatever its place",
        lambda data: spec(data)["containers"].reverse() or spec(data)["containers"][1].update(image="x"),
        [FieldChange(f"{SPEC}/containers[name=web]/image", "registry.example/web:1", "x")],
    ),
    (
        "an atomic list as a whole",
        lambda data: spec(data).update(tolerations=[{"key": "a"}]),
        [FieldChange(f"{SPEC}/tolerations", None, [{"key": "a"}])],
    ),
    (
        "a key with a slash",
        lambda data: data["metadata"].update(labels={"a/b.c": "x"}),
        [FieldChange("/metadata/labels[a/b.c]", None, "x")],
    ),
]


@pytest.mark.parametrize(("name", "change", "expected"), CASES, ids=[case[0] for case in CASES])
def test_differences(name: str, change: Any, expected: list[FieldChange]) -> None:
    assert list(differences(WEB, after(change))) == expected


def test_two_items_of_one_key_make_the_list_count_as_a_whole() -> None:
    twice = after(lambda data: spec(data)["volumes"].append({"name": "tmp", "emptyDir": {"medium": "Memory"}}))
    (change,) = differences(WEB, twice)
    assert change.path == f"{SPEC}/volumes"


def test_what_the_server_brings_is_told_from_ours() -> None:
    wanted = [FieldChange("/spec/replicas", 2, 3), FieldChange("/spec/paused", None, True)]
    changes, missing = marked(WEB, after(lambda data: data["spec"].update(replicas=3, minReadySeconds=5)), wanted)
    assert {change.path: change.ours for change in changes} == {"/spec/replicas": True, "/spec/minReadySeconds": False}
    assert [change.path for change in missing] == ["/spec/paused"]
    changes, missing = marked(WEB, after(lambda data: data["spec"].update(replicas=9)), wanted[:1])
    assert [change.ours for change in changes] == [False]
    assert missing == (wanted[0],)


OPS = [
    (Op("set", f"{SPEC}/hostPID", False, True), False, True),
    (Op("set", f"{SPEC}/hostNetwork", False, True), True, False),
    (Op("set", f"{SPEC}/hostPID", True, None), True, False),
    (Op("set", f"{SPEC}/automountServiceAccountToken", False, None), False, True),
    (Op("set", f"{SPEC}/containers[name=gone]/image", None, "x"), False, False),
    (Op("remove", f"{SPEC}/volumes[name=etc]", None, {"name": "etc", "hostPath": {"path": "/etc"}}), False, False),
    (
        Op("remove", f"{SPEC}/volumes[name=etc]", None, {"name": "etc", "hostPath": {"path": "/etc", "type": ""}}),
        False,
        True,
    ),
    (Op("remove", f"{SPEC}/volumes[name=gone]", None, {}), True, True),
    (Op("set", "/rules", [], [{"verbs": ["get"]}]), True, False),
]


@pytest.mark.parametrize(("op", "done", "as_found"), OPS)
def test_whether_an_edit_is_made_and_whether_the_field_is_as_it_was(op: Op, done: bool, as_found: bool) -> None:
    assert (already(WEB, op), holds(WEB, op)) == (done, as_found)


def test_one_is_not_true() -> None:
    assert not same((), 1, True)
    assert not same((), {"a": 0}, {"a": False})
    assert same((), {"a": [], "b": {"c": None}}, None)


# --- a patch and its reverse, as differences see them -------------------------------------------------

values = st.sampled_from([True, False, 7, "x", ["ALL"], [], {"type": "RuntimeDefault"}, {}])
containers = st.sampled_from(["web", "side"])
edits = st.one_of(
    st.builds(
        lambda name, key, value: Op("set", f"{SPEC}/containers[name={name}]/securityContext/{key}", value),
        containers,
        st.sampled_from(["privileged", "runAsUser", "seccompProfile", "capabilities/drop", "capabilities/add"]),
        values,
    ),
    st.builds(lambda name: Op("remove", f"{SPEC}/containers[name={name}]/securityContext"), containers),
    st.builds(lambda key, value: Op("set", f"{SPEC}/{key}", value), st.sampled_from(["hostPID", "hostIPC"]), values),
    st.just(Op("remove", f"{SPEC}/volumes[name=etc]")),
    st.just(Op("remove", f"{SPEC}/containers[name=web]/volumeMounts[mountPath=/host/etc]")),
)


@given(edits, st.booleans())
def test_a_patch_makes_what_its_edit_makes_and_its_reverse_takes_it_back(op: Op, twice: bool) -> None:
    before = copy.deepcopy(WEB)
    if twice:
        spec(before)["containers"].append({"name": "web", "image": "second"})
    made = patch(before, [op])
    apply = json_patched if made.type == "json" else merged
    done = dropped(apply(before, made.content))
    assert differences(done, dropped(edited(before, [op]))) == ()
    assert differences(before, dropped(apply(done, made.rollback))) == ()


# --- what is never shown ------------------------------------------------------------------------------

SIDECAR = {
    "name": "mesh",
    "args": ["--token", CANARY],
    "command": ["sh", "-c", f"echo {CANARY}"],
    "env": [{"name": "K", "value": CANARY}],
}


@pytest.mark.parametrize(
    "change",
    [
        FieldChange(f"{SPEC}/containers[name=web]/env[name=PASSWORD]/value", CANARY, CANARY),
        FieldChange(f"{SPEC}/containers[name=web]/env[name=PASSWORD]", None, {"name": "PASSWORD", "value": CANARY}),
        FieldChange(f"{SPEC}/containers[name=web]/env", [{"name": "PASSWORD", "value": CANARY}], None),
        FieldChange(f"{SPEC}/containers[name=mesh]", None, SIDECAR, ours=False),
        FieldChange(f"{SPEC}/containers", None, [SIDECAR], ours=False),
        FieldChange("/metadata/annotations[team/note]", None, CANARY, ours=False),
        FieldChange("/metadata/annotations", None, {"team/note": CANARY}, ours=False),
        FieldChange(f"{SPEC}/containers[name=web]/args", None, ["--password", CANARY]),
    ],
)
def test_values_are_masked(change: FieldChange) -> None:
    assert CANARY in as_text([change.before, change.after])
    assert CANARY not in as_text(change_lines([change]))
    assert CANARY not in as_text([masked_change(change).before, masked_change(change).after])
    assert not keeps_values([change])


def test_names_and_other_values_stay() -> None:
    lines = change_lines([FieldChange(f"{SPEC}/containers[name=web]/env[name=A]", None, {"name": "A", "value": "1"})])
    assert lines == [("+", 'spec.template.spec.containers[name=web].env[name=A]: {"name": "A", "value": "(masked)"}')]
    assert keeps_values([FieldChange(f"{SPEC}/volumes[name=etc]", {"name": "etc", "hostPath": {"path": "/"}}, None)])


def test_patches_are_masked() -> None:
    strategic = {"spec": {"template": {"spec": {"containers": [SIDECAR]}}}}
    assert CANARY not in as_text(masked_patch(strategic))
    ops = [
        {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "web"},
        {"op": "replace", "path": "/spec/template/spec/containers/0/env/1/value", "value": CANARY},
        {"op": "add", "path": "/spec/template/spec/containers/0/env", "value": [{"name": "A", "value": CANARY}]},
        {"op": "remove", "path": "/spec/template/spec/volumes/0"},
    ]
    masked = masked_patch(ops)
    assert CANARY not in as_text(masked)
    assert (masked[0], masked[3]) == (ops[0], ops[3])


def test_messages_of_the_server() -> None:
    values = environment_values({"spec": {"containers": [SIDECAR, {"env": [{"name": "B", "value": "on"}, {}]}, {}]}})
    assert values == {CANARY, "on"}
    assert without_values(f"value {CANARY} on line true", {*values, "true", ""}) == "value (masked) on line true"


def test_an_atomic_list_is_shown_by_the_items_that_come_and_go() -> None:
    lines = change_lines([FieldChange("/subjects", [{"name": "a"}, {"name": "b"}], [{"name": "b"}])])
    assert lines == [("-", 'subjects: {"name": "a"}')]
    assert change_lines([FieldChange("/x", ["a", "b"], ["b", "a"])]) == [("+", "x: another order")]
