"""Names from a cluster are hostile text: no output interprets them, and none shows a control character."""

from __future__ import annotations

import csv
import io
import json
import re
from xml.etree import ElementTree

import networkx
import pytest
from markdown_it import MarkdownIt

from tests.report.hostile import FORMULA, HOSTILE, MARKUP, NEVER, manifests
from workbench.cli import main
from workbench.graph import nodes
from workbench.text import shown

NAMESPACE = "{http://graphml.graphdrawing.org/xmlns}"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(manifests(tmp_path_factory.mktemp("hostile")))


def output(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> bytes:
    capfdbinary.readouterr()
    status = main(arguments)
    out, err = capfdbinary.readouterr()
    assert status == 0, err
    assert not NEVER & set(err.decode())
    return out


COMMANDS = (
    "paths",
    "paths --explain",
    "paths -o json",
    "paths -o csv",
    "paths -o md --explain",
    "graph -o json",
    "graph -o graphml",
    "graph -o dot",
    "graph -o json --hubs",
    "fixes",
    "fixes -o json",
    "who-can bind clusterroles",
    "who-can get pods -o json",
    "who-can get pods",
)


@pytest.mark.parametrize("columns", [None, "80"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_control_character_reaches_standard_output(
    command: str,
    columns: str | None,
    source: str,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    text = output(capfdbinary, *command.split(), "--manifests", source).decode("utf-8")
    assert "owned" in text
    assert not NEVER & set(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ("paths", "--from", f"User:{HOSTILE}x"),
        ("paths", "--from", HOSTILE.replace("\x00", "")),
        ("export", "--fix", HOSTILE.replace("\x00", ""), "-o", "x"),
        ("paths", "--exclude-technique", HOSTILE.replace(",", "")),
        ("who-can", HOSTILE, HOSTILE.replace("/", ""), "-n", HOSTILE),
        ("paths", HOSTILE),
        ("paths", f"--{HOSTILE}"),
        ("paths", "-o", HOSTILE),
        (HOSTILE,),
    ],
)
def test_nor_do_those_of_the_command_line_reach_standard_error(
    arguments: tuple[str, ...], source: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    status = main([*arguments, "--manifests", source])
    out, err = capfdbinary.readouterr()
    assert status == (0 if arguments[0] == "who-can" else 2)
    assert err
    assert not NEVER & set((out + err).decode())


def test_json_keeps_the_names(source: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    document = json.loads(output(capfdbinary, "paths", "-o", "json", "--manifests", source))
    assert f"User:{HOSTILE}" in {path["source"] for path in document["paths"]}
    graph = json.loads(output(capfdbinary, "graph", "--manifests", source))
    names = {node["id"]: (node["kind"], node["namespace"], node["name"]) for node in graph["nodes"]}
    assert names[f"User:{HOSTILE}"] == ("User", None, HOSTILE)
    # A slash in a user's name ends no namespace.
    assert names["User:corp/alice"] == ("User", None, "corp/alice")


def test_csv_holds_no_formula(source: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    text = output(capfdbinary, "paths", "-o", "csv", "--manifests", source).decode()
    rows = list(csv.reader(io.StringIO(text)))
    assert len({len(row) for row in rows}) == 1
    assert any("HYPERLINK" in row[3] for row in rows)
    # Also where a spreadsheet takes semicolons for the separator, quotes or not.
    for cell in (part for row in rows for whole in row for part in whole.split(";")):
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")), cell


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@a", "'@a"),
        (" =1", " '=1"),
        ("a;=1", "a;'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("\t=1", "\\x09=1"),
        ("User:a=b", "User:a=b"),
        ("cn=a,ou=b", "cn=a,ou=b"),
        (-1, "'-1"),
        (8.5, "8.5"),
    ],
)
def test_a_cell(value: object, safe: str) -> None:
    from workbench.report.cells import cell

    assert cell(value) == safe


def test_markdown_is_inert(source: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    text = output(capfdbinary, "paths", "-o", "md", "--explain", "--manifests", source).decode()
    assert "<script>" in text
    tokens = MarkdownIt("commonmark", {"html": True, "linkify": False}).parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    allowed = {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
    assert {token.type for token in inline} <= allowed
    assert not [token for token in tokens if token.type == "html_block"]
    # Outside of code there is no word of theirs.
    plain = " ".join(token.content for token in inline if token.type == "text")
    assert not re.search(r"script|evil|everyone|HYPERLINK|owned|corp", plain)
    code = {token.content for token in inline if token.type == "code_inline"}
    assert shown(f"User:{HOSTILE}") in code
    assert f"User:+{MARKUP}" in code
    assert "User:``tick`` `" in code


def test_graphml_is_read_by_an_xml_parser(source: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    root = ElementTree.fromstring(output(capfdbinary, "graph", "-o", "graphml", "--manifests", source))
    graph = root.find(f"{NAMESPACE}graph")
    assert graph is not None
    assert {element.tag.removeprefix(NAMESPACE) for element in graph} == {"node", "edge"}
    ids = [element.attrib["id"] for element in graph.iter(f"{NAMESPACE}node")]
    assert len(ids) == len(set(ids))
    assert shown(f"User:{HOSTILE}", 10_000) in ids
    for edge in graph.iter(f"{NAMESPACE}edge"):
        assert {edge.attrib["source"], edge.attrib["target"]} <= set(ids)
    keys = {element.attrib["id"] for element in root.iter(f"{NAMESPACE}key")}
    assert {element.attrib["key"] for element in graph.iter(f"{NAMESPACE}data")} == keys


def test_graphml_and_json_are_one_graph(source: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    graph = networkx.parse_graphml(output(capfdbinary, "graph", "-o", "graphml", "--manifests", source).decode())
    document = json.loads(output(capfdbinary, "graph", "--manifests", source))
    assert graph.is_directed()
    assert set(graph) == {shown(node["id"], 10_000) for node in document["nodes"]}
    assert graph.number_of_edges() == len(document["edges"]) > 0
    found = sorted(
        (source, target, data["technique"], data["verdict"], data["effort"], data["missing"])
        for source, target, data in graph.edges(data=True)
    )
    assert found == sorted(
        (
            shown(edge["source"], 10_000),
            shown(edge["target"], 10_000),
            edge["technique"],
            edge["verdict"],
            edge["effort"],
            " ".join(edge["missing"]),
        )
        for edge in document["edges"]
    )
    for node, data in graph.nodes(data=True):
        assert data["kind"] == nodes.kind(node)


_STRING = r'"(?:[^"\\]|\\.)*"'
_ATTRIBUTES = rf"\[label={_STRING}(?:, style=dashed)?\]"
_DOT_LINE = re.compile(
    r"digraph workbench \{"
    r'|  rankdir=LR; node \[shape=box, fontname="monospace"\];'
    rf"|  {_STRING} {_ATTRIBUTES};"
    rf"|  {_STRING} -> {_STRING} {_ATTRIBUTES};"
    r"|\}"
)


def test_dot_is_one_graph_of_quoted_names(source: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    text = output(capfdbinary, "graph", "-o", "dot", "--manifests", source).decode()
    lines = text.splitlines()
    assert [line for line in lines if not _DOT_LINE.fullmatch(line)] == []
    assert sum("digraph" in line and not line.startswith("  ") for line in lines) == 1
    # No escape that a label would read as something else: a backslash only before itself or a quote.
    for string in re.findall(_STRING, text):
        assert set(re.findall(r"\\(.)", string)) <= {"\\", '"'}


def test_the_gate_reads_as_text(source: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["paths", "--manifests", source, "--from", f"User:{FORMULA}", "--fail-on", "high"]) == 1
    out, _ = capfdbinary.readouterr()
    assert FORMULA in out.decode()
