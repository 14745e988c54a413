"""Hostile and damaged archives: nothing is written, nothing passes for whole that is not, and sizes are bounded."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sources.dumps import NODES, PODS, archive, directory, member, typed
from workbench.cli import main
from workbench.errors import ExitStatus, InputError, SnapshotError
from workbench.inventory.evidence import Problem
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Node
from workbench.sources import SourceKind, SourceRequest, load
from workbench.sources.archive import Archive, ArchiveLimits, MemberType, members
from workbench.sources.kubehound import read_dump

NODE = json.dumps(typed([{"metadata": {"name": "n"}}])).encode()
GOOD = {NODES: NODE, f"shop/{PODS}": b'{"items":[]}'}


def loaded(path: Path) -> Inventory:
    return load(SourceRequest(SourceKind.SNAPSHOT, (str(path),)))


def everything(root: Path) -> dict[str, int]:
    """Every path below a directory with its size."""
    return {
        os.path.relpath(os.path.join(folder, name), root): os.lstat(os.path.join(folder, name)).st_size
        for folder, folders, names in os.walk(root)
        for name in [*folders, *names]
    }


# --- members that are no regular files within it ------------------------------------------------------

MEMBERS: dict[str, tuple[tuple[tarfile.TarInfo, bytes], str]] = {
    "above it": (member(f"../{PODS}", NODE), "../pods.json (its path leads out of the archive)"),
    "far above it": (member(f"a/../../../etc/{PODS}", NODE), "leads out of the archive"),
    "absolute": (member(f"/etc/{PODS}", NODE), "/etc/pods.json (its path leads out of the archive)"),
    "symbolic link": (
        member(f"shop/{PODS}", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "shop/pods.json (a symbolic link)",
    ),
    "hard link": (member(f"shop/{PODS}", type=tarfile.LNKTYPE, linkname=NODES), "shop/pods.json (a hard link)"),
    "device": (member(f"shop/{PODS}", type=tarfile.CHRTYPE), "shop/pods.json (a device)"),
    "block device": (member(f"shop/{PODS}", type=tarfile.BLKTYPE), "shop/pods.json (a device)"),
    "pipe": (member(f"shop/{PODS}", type=tarfile.FIFOTYPE), "shop/pods.json (a pipe)"),
    "unknown type": (member(f"shop/{PODS}", NODE, type=b"Z"), "shop/pods.json (a special entry)"),
    "control sequence": (member("\x1b[1m\u202e", type=tarfile.SYMTYPE), r"\x1b[1m\u202e (a symbolic link)"),
}


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_other_members_are_passed_over_and_said(tmp_path: Path, name: str, form: int) -> None:
    hostile, said = MEMBERS[name]
    inside = tmp_path / "inside"
    inside.mkdir()
    path = archive(inside / "d.tgz", [hostile, member(NODES, NODE)], form=form)
    before = everything(tmp_path)
    view = loaded(path)
    assert everything(tmp_path) == before
    assert [node.name for node in view.all(Node)] == ["n"]
    assert not list(view.pods)
    (gap,) = [gap for gap in view.coverage if gap.problem is Problem.SKIPPED]
    assert (gap.kind, gap.count) == ("Document", 1)
    assert gap.detail.startswith("no regular files within it: ")
    assert said in gap.detail


def test_links_in_a_directory_are_not_followed(tmp_path: Path) -> None:
    outside = directory(tmp_path / "outside", {PODS: NODE, "shop/x.json": b""})
    dump = directory(tmp_path / "dump", {NODES: NODE})
    (dump / PODS).symlink_to(outside / PODS)
    (dump / "shop").symlink_to(outside, target_is_directory=True)
    (dump / "round").symlink_to(dump, target_is_directory=True)
    os.mkfifo(dump / "roles.rbac.authorization.k8s.io.json")
    view = loaded(dump)
    assert [node.name for node in view.all(Node)] == ["n"]
    (gap,) = [gap for gap in view.coverage if gap.problem is Problem.SKIPPED]
    assert gap.count == 4
    assert "pods.json (a symbolic link)" in gap.detail


# --- cut off and damaged ------------------------------------------------------------------------------


def packed(contents: dict[str, bytes] = GOOD) -> bytes:
    """An archive, not compressed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in contents.items():
            tar.addfile(*((info := member(name, content))[0], io.BytesIO(info[1])))
    return out.getvalue()


def sealed(header: bytes) -> bytes:
    """A header with its checksum made to fit."""
    blank = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(blank) + header[156:]


def patched(at: int, value: bytes) -> bytes:
    """An archive whose first header has other bytes, and a checksum that fits."""
    whole = packed()
    header = whole[:at] + value + whole[at + len(value) : 512]
    return sealed(header) + whole[512:]


def extended(records: bytes, flag: bytes = b"x") -> bytes:
    """An archive whose first member has an extended header of these records."""
    header = tarfile.TarInfo("x")
    header.size = len(records)
    header.type = flag
    return header.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512) + packed()


DAMAGED: dict[str, tuple[bytes, str]] = {
    "no end": (packed()[:2048], "cut off"),
    "within a header": (packed()[:600], "cut off"),
    "within the content": (packed()[:550], "cut off"),
    "within a later header": (packed()[:1200], "cut off"),
    "within the padding": (packed()[:1000], "cut off"),
    "compressed, cut off": (gzip.compress(packed())[:-20], "cut off"),
    "compressed, without its checksum": (gzip.compress(packed())[:-1], "cut off"),
    "compressed, damaged": (gzip.compress(packed(), mtime=0)[:-6] + b"\0\0\0\0\0\0", "compressed data is damaged"),
    "checksum": (packed()[:5] + b"X" + packed()[6:], "does not fit its checksum"),
    "a number": (patched(124, b"0000000008\0 "), "a number that is none"),
    "negative size": (patched(124, b"\xff" * 12), "a number that is none"),
    "huge size": (patched(124, b"\x80" + b"\x7f" * 11), "too large"),
    "more after its end": (packed() + b"x", "more after its end"),
    "a second archive after it": (packed() + packed({"a": b""}), "more after its end"),
    "rubbish after the compressed data": (gzip.compress(packed()) + b"rubbish", "compressed data is damaged"),
    "sparse": (patched(156, b"S"), "a sparse file"),
    "sparse in pax": (extended(b"22 GNU.sparse.major=1\n"), "a sparse file"),
    "record without a length": (extended(b"path=x\n"), "an extended header cannot be read"),
    "record without an end": (extended(b"10 path=x"), "an extended header cannot be read"),
    "record beyond the header": (extended(b"900 path=x\n"), "an extended header cannot be read"),
    "record of no length": (extended(b"0 path=x\n"), "an extended header cannot be read"),
    "size that is none": (extended(b"11 size=-1\n"), "a size that is none"),
    "huge size in pax": (extended(b"24 size=999999999999999\n"), "too large"),
    "path for all members": (extended(b"10 path=x\n", b"g"), "a header for all members"),
    "huge header": (sealed(patched(156, b"x")[:124] + b"77777777777\0" + patched(156, b"x")[136:512]), "a header of"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_archives_are_refused(tmp_path: Path, name: str) -> None:
    content, said = DAMAGED[name]
    path = tmp_path / "d.tgz"
    path.write_bytes(content)
    with pytest.raises(SnapshotError, match=said) as caught:
        loaded(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_every_cut_is_found(tmp_path: Path, compress: Callable[[bytes], bytes], data: st.DataObject) -> None:
    """Of a plain archive the padding after the first empty block may go: nothing is lost by that."""
    whole = compress(packed())
    needed = 2048 + 512 if compress is bytes else len(whole)
    end = data.draw(st.integers(1, needed - 1))
    path = tmp_path / "d"
    path.write_bytes(whole[:end])
    with pytest.raises(InputError):
        read_dump(str(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(data=st.data())
def test_no_bytes_break_the_reader(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(packed())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "d"
    path.write_bytes(whole)
    # Nothing else is raised, and it ends.
    with contextlib.suppress(InputError):
        read_dump(str(path))


def test_two_members_of_one_path(tmp_path: Path) -> None:
    for first, second in ((NODES, NODES), (NODES, f"./{NODES}"), (f"shop/{PODS}", f"shop//./{PODS}")):
        path = archive(tmp_path / "d.tgz", [member(first, NODE), member(second, NODE)])
        with pytest.raises(SnapshotError, match=f"two members have the path .*{first}"):
            loaded(path)
    hidden = [member(NODES, NODE), member(NODES, type=tarfile.SYMTYPE, linkname="x")]
    with pytest.raises(SnapshotError, match="two members have the path"):
        loaded(archive(tmp_path / "d.tgz", hidden))


def test_several_compressed_streams_count_as_one(tmp_path: Path) -> None:
    whole = packed()
    path = tmp_path / "d.tgz"
    path.write_bytes(b"".join(gzip.compress(whole[at : at + 700]) for at in range(0, len(whole), 700)))
    assert [node.name for node in loaded(path).all(Node)] == ["n"]


# --- bounds -------------------------------------------------------------------------------------------


def bomb(size: int) -> bytes:
    """An archive with one member of so many zeros, made without holding them."""
    squeeze = zlib.compressobj(9, wbits=31)
    parts = [squeeze.compress(packed()[:1024])]
    info = tarfile.TarInfo(f"shop/{PODS}")
    info.size = size
    parts.append(squeeze.compress(info.tobuf(tarfile.GNU_FORMAT)))
    zeros = bytes(1 << 20)
    parts.extend(squeeze.compress(zeros) for _ in range(size >> 20))
    parts.append(squeeze.compress(bytes(1024)))
    parts.append(squeeze.flush())
    return b"".join(parts)


@pytest.mark.parametrize("name", [f"shop/{PODS}", "some/thing-else"], ids=["read", "passed over"])
def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, name: str) -> None:
    limits = ArchiveLimits(unpacked=4 << 20)
    path = tmp_path / "d.tgz"
    path.write_bytes(bomb(64 << 20))
    assert path.stat().st_size < 100_000
    with pytest.raises(SnapshotError, match="too large: more than the 4,194,304 bytes that are read, unpacked"):
        read_dump(str(path), limits=limits)
    # Neither does it help to state a size that is smaller, or to have many members.
    many = archive(tmp_path / "many.tgz", [member(f"{name}{number}", bytes(1 << 19)) for number in range(9)])
    with pytest.raises(SnapshotError, match="too large"):
        read_dump(str(many), limits=limits)
    few = archive(tmp_path / "few.tgz", {NODES: NODE, name: b'{"items":[]}' + b" " * (1 << 20)})
    assert len(read_dump(str(few), limits=limits).objects) == 1


def test_the_limit_is_two_gibibytes() -> None:
    assert ArchiveLimits().unpacked == 2 << 30


def test_a_member_that_says_it_is_huge_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "d.tar"
    path.write_bytes(patched(124, b"17777777777\0"))
    with pytest.raises(SnapshotError, match="cut off"):
        loaded(path)


def test_zeros_after_the_end_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "d.tgz"
    path.write_bytes(gzip.compress(packed() + bytes(8 << 20)))
    assert len(read_dump(str(path)).objects) == 1
    with pytest.raises(SnapshotError, match="too large"):
        read_dump(str(path), limits=ArchiveLimits(unpacked=4 << 20))


def test_members_are_bounded(tmp_path: Path) -> None:
    limits = ArchiveLimits(members=10)
    path = archive(tmp_path / "d.tgz", [member(NODES, NODE), *(member(f"f{number}") for number in range(9))])
    assert len(read_dump(str(path), limits=limits).objects) == 1
    path = archive(tmp_path / "d.tgz", [member(NODES, NODE), *(member(f"f{number}") for number in range(10))])
    with pytest.raises(SnapshotError, match="more than the 10 members"):
        read_dump(str(path), limits=limits)


def test_a_directory_is_bounded(tmp_path: Path) -> None:
    directory(tmp_path, {NODES: NODE, f"shop/{PODS}": b'{"items":[]}' + b" " * 2000})
    with pytest.raises(InputError, match="too large: more than the 1,000 bytes"):
        read_dump(str(tmp_path), limits=ArchiveLimits(unpacked=1000))
    with pytest.raises(InputError, match="more than the 2 files"):
        read_dump(str(tmp_path), limits=ArchiveLimits(members=2))
    assert len(read_dump(str(tmp_path), limits=ArchiveLimits(members=3)).objects) == 1


# --- reading ------------------------------------------------------------------------------------------


def test_members_and_their_types(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "d.tar",
        [
            member("a/", type=tarfile.DIRTYPE),
            member("a/b", b"12345"),
            member("a/c", b"x" * 600),
            member("./a//d", b""),
            member("é/" + "n" * 200, b"long"),
        ],
        "w",
    )
    found = [(item.path, item.type, bytes(item.read())) for item in members(str(path))]
    assert found == [
        ("a", MemberType.DIRECTORY, b""),
        ("a/b", MemberType.FILE, b"12345"),
        ("a/c", MemberType.FILE, b"x" * 600),
        ("a/d", MemberType.FILE, b""),
        ("é/" + "n" * 200, MemberType.FILE, b"long"),
    ]
    # What is not taken is passed over.
    assert [item.path for item in members(str(path))] == [path for path, _, _ in found]


def test_an_absent_archive(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="no such file"):
        list(members(str(tmp_path / "absent")))


def test_a_member_is_read_again(tmp_path: Path) -> None:
    path = archive(tmp_path / "d.tgz", GOOD)
    again = Archive(str(path))
    assert again.text(NODES) == NODE
    assert again.text("absent") is None
    os.utime(path, (1, 1))
    assert again.text(NODES) == NODE
    assert again.text(f"shop/{PODS}") is None


def test_a_cut_off_archive_ends_the_command(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "d.tgz"
    path.write_bytes(gzip.compress(packed())[:-9])
    assert main(["paths", "--snapshot", str(path)]) == ExitStatus.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{path}: the archive is cut off: its end is missing" in err


def test_a_dump_becomes_a_snapshot_on_the_command_line(tmp_path: Path, capsys: Any) -> None:
    path = archive(tmp_path / "d.tgz", GOOD)
    target = tmp_path / "s.gz"
    assert main(["collect", "--snapshot", str(path), "-o", str(target)]) == ExitStatus.DONE
    out, err = capsys.readouterr()
    assert out == ""
    assert "not read: Secret: not-collected: not in a dump" in err
    assert "1 objects of KubeHound dump of d in" in err
    assert [node.name for node in loaded(target).all(Node)] == ["n"]
