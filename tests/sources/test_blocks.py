"""Large lists are read a block at a time; what is read, and what is wrong with it, must not depend on that."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from workbench.inventory.decode import plain
from workbench.sources.blocks import read_list
from workbench.sources.documents import Document, TextFile, documents
from workbench.sources.objects import ObjectReader

Items = list[dict[str, Any]]


def _pod(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"web-{number}", "namespace": "shop", "annotations": {"note": "}, {" + "x" * 500}},
        "spec": {
            "nodeName": f"node-{number % 7}",
            "containers": [{"name": "web", "image": f"shop/web:{number}", "env": [{"name": "A", "value": "é]}"}]}],
        },
        "status": {"phase": "Running"},
    }


def _pods() -> Items:
    return [_pod(number) for number in range(2000)]


def _list(items: Items, **keys: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}, **keys}


def _flat(items: Items) -> str:
    return json.dumps(_list(items), separators=(",", ":"))


def _pretty(items: Items) -> str:
    return json.dumps(_list(items), indent=4)


def _changed(number: int, change: Callable[[dict[str, Any]], object], write: Callable[[Items], str] = _pretty) -> str:
    items = _pods()
    change(items[number])
    return write(items)


def _inserted(text: str, at: str, part: str) -> str:
    """A text with something put before the place that a string has in its middle."""
    where = text.index(at, len(text) // 2)
    return text[:where] + part + text[where:]


def _read(file: TextFile) -> list[object]:
    """All that is told of a file: objects, the lines of fields, faults."""
    reader = ObjectReader("")
    if not read_list(file, reader):
        for item in documents(file):
            if isinstance(item, Document):
                reader.add(item)
            else:
                reader.faults.append(item)
    found: list[object] = [plain(obj) for obj, _ in reader.objects]
    for _, origin in islice(reader.objects, 0, None, max(1, len(reader.objects) // 20)):
        assert origin is not None
        found.append((origin.document, origin.text()))
        found.extend(origin.line(field) for field in ("", "metadata.name", "spec.containers[name=web].image"))
    return [*found, reader.faults, reader.fault_kinds, reader.other_kinds, reader.no_objects]


def _is_list(path: Path) -> bool:
    reader = ObjectReader("")
    done = read_list(TextFile(str(path), str(path)), reader)
    assert done or not (reader.objects or reader.faults or reader.fault_kinds)
    return done


LISTS = {
    "one line": lambda: _flat(_pods()),
    "pretty": lambda: _pretty(_pods()),
    "less than a block": lambda: _pretty(_pods()[:200]),
    "windows lines": lambda: _pretty(_pods()).replace("\n", "\r\n"),
    "blank lines around": lambda: "\n\n" + _pretty(_pods()) + "\n\n",
    "the kind first": lambda: json.dumps({"kind": "List", "apiVersion": "v1", "items": _pods()}),
    "a wrong field": lambda: _changed(900, lambda pod: pod["spec"]["containers"][0].update(image=5)),
    "no name": lambda: _changed(900, lambda pod: pod["metadata"].pop("name")),
    "a second of the name": lambda: _changed(900, lambda pod: pod["metadata"].update(name="web-7")),
    "made names": lambda: _changed(900, lambda pod: pod["metadata"].update(name=None, generateName="web-")),
}

OTHERS = {
    "small": lambda: _pretty(_pods()[:20]),
    "a byte order mark": lambda: "\ufeff" + _flat(_pods()),
    "cut off": lambda: _flat(_pods())[:-700],
    "two documents": lambda: _flat(_pods()) + "\n" + _flat(_pods()[:2]),
    "something after it": lambda: _flat(_pods()) + "x",
    "another kind": lambda: _flat(_pods()).replace('"List"', '"Heap"'),
    "no kind": lambda: _flat(_pods()).replace('"kind":"List",', ""),
    "no apiVersion": lambda: _flat(_pods()).replace('"apiVersion":"v1",', "", 1),
    "items twice": lambda: json.dumps(_list(_pods()))[:-1] + ', "items": []}',
    "items twice, escaped": lambda: json.dumps(_list(_pods()))[:-1] + ', "\\u0069tems": []}',
    "mixed kinds": lambda: _changed(900, lambda pod: pod.update(kind="Service", spec={})),
    "no object among them": lambda: _inserted(_flat(_pods()), '{"apiVersion"', "7,"),
    "a comma too much": lambda: _inserted(_flat(_pods()), '{"apiVersion"', ","),
    "a comma too few": lambda: _flat(_pods()).replace("}},{", "}}{", 900).replace("}}{", "}},{", 899),
    "a comma at the end": lambda: _flat(_pods()).replace('],"kind":"List"', ',],"kind":"List"'),
    "no JSON within": lambda: _inserted(_flat(_pods()), '"status"', "?"),
    "an object that looks like an item": lambda: _changed(
        900, lambda pod: pod.update(extra=[{"apiVersion": "v1", "kind": "Pod", "metadata": {}}, pod.copy()]), _flat
    ),
    "an object larger than a block": lambda: _changed(900, lambda pod: pod.update(extra="x" * 3_000_000), _flat),
    "a kind that is not analysed": lambda: _flat([{**pod, "kind": "Event"} for pod in _pods()]),
    "items that do not say what they are": lambda: json.dumps(
        {"kind": "PodList", "apiVersion": "v1", "items": [{**pod, "kind": None} for pod in _pods()]}
    ),
}


@pytest.mark.parametrize("name", [*LISTS, *OTHERS])
def test_a_large_list_reads_the_same_as_a_whole_and_in_blocks(name: str, tmp_path: Path) -> None:
    path = tmp_path / "pods.json"
    path.write_bytes((LISTS | OTHERS)[name]().encode())
    whole = TextFile(str(path), str(path), kept=path.read_bytes())
    assert _is_list(path) is (name in LISTS)
    assert _read(TextFile(str(path), str(path))) == _read(whole)


def test_text_that_is_no_utf8_is_reported_with_its_object(tmp_path: Path) -> None:
    path = tmp_path / "pods.json"
    path.write_bytes(_flat(_pods()).encode().replace(b"shop/web:900", b"shop/\xff:900"))
    whole = TextFile(str(path), str(path), kept=path.read_bytes())
    assert not _is_list(path)
    assert _read(TextFile(str(path), str(path))) == _read(whole)


def test_what_stood_before_a_list_that_is_broken_stays(tmp_path: Path) -> None:
    good, broken = tmp_path / "a.json", tmp_path / "b.json"
    good.write_text(_flat(_pods()))
    broken.write_text(_flat([{**pod, "metadata": {"name": f"other-{at}"}} for at, pod in enumerate(_pods())])[:-9])
    reader = ObjectReader("")
    assert read_list(TextFile("a.json", str(good)), reader)
    assert not read_list(TextFile("b.json", str(broken)), reader)
    assert len(reader.objects) == 2000
    assert not read_list(TextFile("-", None, kept=good.read_bytes()), reader)
    assert read_list(TextFile("c.json", str(good)), reader)
    assert [fault.problem for fault in reader.faults[:1]] == [
        "a second Pod shop/web-0; the first is in a.json:1, document 1"
    ]
