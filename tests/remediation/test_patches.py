"""Patches as kubectl applies them: to the object that the preview shows, and back to what was there."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.remediation.worlds import SAMPLES, sample
from workbench.errors import FixError
from workbench.inventory.changes import Op, edited
from workbench.inventory.decode import from_data, plain
from workbench.inventory.gathered import Gathered
from workbench.inventory.objects import KINDS, KubernetesObject, Service
from workbench.remediation.patches import patch
from workbench.remediation.records import Effect, Fix, Status
from workbench.remediation.text import block_yaml
from workbench.sources.strangers import forget_strangers
from workbench.sources.yaml_nodes import YamlDocument, parse

KUBECTL = shutil.which("kubectl")
with_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
SPEC = "/spec/template/spec"


def apply(directory: Path, name: str, original: dict[str, Any], kind: str, content: Any) -> dict[str, Any]:
    """What kubectl makes of an object and a patch, without a cluster."""
    target, file = directory / f"{name}.object.yaml", directory / f"{name}.patch.yaml"
    target.write_text(block_yaml(original), encoding="utf-8")
    file.write_text(block_yaml(content), encoding="utf-8")
    assert KUBECTL is not None
    command = [KUBECTL, "patch", "--local", "-f", str(target), "--type", kind, "--patch-file", str(file), "-o", "yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"HOME": str(directory)})
    assert done.returncode == 0, done.stderr + file.read_text(encoding="utf-8")
    (document,) = parse(done.stdout.encode())
    assert isinstance(document, YamlDocument)
    return dict(document.data)


@with_kubectl
@pytest.mark.parametrize("name", SAMPLES)
def test_every_fix_of_every_sample(name: str, tmp_path: Path) -> None:
    audit = sample(name)
    ready = [fix for fix in audit.fixes() if fix.status is Status.READY and not fix.creates]
    fixes = [fix for fix in ready if fix.effect is not Effect.RECREATE]
    assert len(fixes) > 15
    services = list(audit.inventory.all(Service))

    def read(data: dict[str, Any], obj: KubernetesObject) -> KubernetesObject:
        found = from_data(KINDS[obj.kind], data, obj.namespace)
        # Of its environment only the Services of the source are kept.
        forget_strangers(Gathered((each, None) for each in (found, *services)))
        return found

    def check(fix: Fix) -> None:
        obj = audit.inventory.by_id(fix.target.id)
        origin = audit.inventory.origin(fix.target.id)
        assert obj is not None
        assert origin is not None
        text = origin.text()
        assert text is not None
        (document,) = parse(text[0].encode())
        assert isinstance(document, YamlDocument)
        original = document.data
        made = patch(plain(obj), fix.ops)
        assert made.type == "strategic"
        after = apply(tmp_path, f"{fix.id}-forward", original, made.type, made.content)
        assert plain(read(after, obj)) == edited(plain(obj), fix.ops), fix.title
        assert apply(tmp_path, f"{fix.id}-back", after, made.type, made.rollback) == original, fix.title

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check, fixes))


def workload(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A Deployment as plain data."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": list(containers), **spec}}},
    }


WEB = {
    "name": "web",
    "image": "i",
    "securityContext": {"privileged": True, "capabilities": {"add": ["NET_ADMIN"], "drop": ["MKNOD"]}},
}
SIDE = {"name": "side", "image": "i", "env": [{"name": "A", "value": "1"}]}
MOUNTS = workload(
    {"name": "a", "image": "i", "volumeMounts": [{"name": n, "mountPath": f"/{n}"} for n in ("x", "y", "z")]},
    volumes=[{"name": n, "hostPath": {"path": f"/{n}"}} for n in ("x", "y", "z")],
)

CASES = [
    pytest.param(
        workload(WEB, SIDE),
        [Op("set", f"{SPEC}/containers[name=web]/securityContext/privileged", False)],
        {"spec": {"template": {"spec": {"containers": [{"name": "web", "securityContext": {"privileged": False}}]}}}},
        id="acceptance 1: nothing but the field",
    ),
    pytest.param(
        workload(WEB),
        [
            Op("set", f"{SPEC}/containers[name=web]/securityContext/capabilities/add", ["NET_BIND_SERVICE"]),
            Op("set", f"{SPEC}/containers[name=web]/securityContext/capabilities/drop", ["ALL"]),
        ],
        None,
        id="acceptance 3: atomic lists",
    ),
    pytest.param(
        workload(SIDE),
        [Op("set", f"{SPEC}/containers[name=side]/securityContext/capabilities/drop", ["ALL"])],
        None,
        id="parents that the patch makes",
    ),
    pytest.param(
        workload(WEB),
        [Op("remove", f"{SPEC}/containers[name=web]/securityContext/capabilities/add")],
        None,
        id="a field that goes",
    ),
    pytest.param(
        MOUNTS,
        [
            Op("remove", f"{SPEC}/containers[name=a]/volumeMounts[mountPath=/y]"),
            Op("remove", f"{SPEC}/volumes[name=y]"),
        ],
        None,
        id="acceptance 4: from the middle of two lists",
    ),
    pytest.param(
        MOUNTS,
        [
            *(Op("remove", f"{SPEC}/containers[name=a]/volumeMounts[mountPath=/{n}]") for n in "xyz"),
            *(Op("remove", f"{SPEC}/volumes[name={n}]") for n in "xyz"),
        ],
        None,
        id="all items of a list",
    ),
    pytest.param(
        workload({**SIDE, "name": "y"}, {**SIDE, "name": "1e3"}, {**SIDE, "name": "0"}),
        [Op("set", f"{SPEC}/containers[name={n}]/securityContext/privileged", False) for n in ("y", "1e3", "0")],
        None,
        id="names that YAML takes for something else",
    ),
]


@with_kubectl
@pytest.mark.parametrize(("data", "ops", "content"), CASES)
def test_cases(data: dict[str, Any], ops: list[Op], content: Any, tmp_path: Path) -> None:
    made = patch(data, ops)
    if content is not None:
        assert made.content == content
    after = apply(tmp_path, "forward", data, made.type, made.content)
    assert after == edited(data, ops)
    assert apply(tmp_path, "back", after, made.type, made.rollback) == data


TWICE = workload(
    {"name": "a", "image": "1"},
    {"name": "a", "image": "2"},
    {"name": "b", "image": "3"},
)


@with_kubectl
def test_two_items_of_one_key_take_json_patch(tmp_path: Path) -> None:
    ops = [Op("set", f"{SPEC}/containers[name=b]/securityContext/privileged", False)]
    made = patch(TWICE, ops)
    assert made.type == "json"
    assert made.content == [
        {"op": "test", "path": f"{SPEC}/containers/2/name", "value": "b"},
        {"op": "add", "path": f"{SPEC}/containers/2/securityContext", "value": {"privileged": False}},
    ]
    after = apply(tmp_path, "forward", TWICE, made.type, made.content)
    assert after == edited(TWICE, ops)
    assert apply(tmp_path, "back", after, made.type, made.rollback) == TWICE


@with_kubectl
def test_an_item_that_goes_by_json_patch_comes_back_to_its_place(tmp_path: Path) -> None:
    ops = [Op("remove", f"{SPEC}/containers[name=b]"), Op("set", "/metadata/labels[a/b]", "c")]
    data = workload(
        TWICE["spec"]["template"]["spec"]["containers"][2], *TWICE["spec"]["template"]["spec"]["containers"][:2]
    )
    made = patch(data, ops)
    after = apply(tmp_path, "forward", data, made.type, made.content)
    assert after == edited(data, ops)
    assert apply(tmp_path, "back", after, made.type, made.rollback) == data


def test_a_rollback_takes_every_parent_that_the_patch_made() -> None:
    made = patch(
        workload(SIDE), [Op("set", f"{SPEC}/containers[name=side]/securityContext/capabilities/drop", ["ALL"])]
    )
    back = made.rollback["spec"]["template"]["spec"]["containers"][0]
    assert back == {"name": "side", "securityContext": None}


def test_what_does_not_fit() -> None:
    with pytest.raises(FixError):
        patch(workload(SIDE), [Op("set", f"{SPEC}/containers[name=gone]/image", "x")])


@pytest.mark.parametrize(
    "text",
    ["y", "no", "0o7", "010", "1e3", "1_000", "22:22", "null", "~", "", "<<", "true", ".5", "a: b", "- x", "é\u202e"],
)
def test_strings_stay_strings(text: str) -> None:
    (document,) = parse(block_yaml({text: [text]}).encode())
    assert isinstance(document, YamlDocument)
    assert document.data == {text: [text]}
