"""The project's own benchmark.

    python -m benchmarks --pods 1000 10000 30000 --repeat 5 --json out.json

For each size it generates a cluster, which is not timed, and runs every case in a process of its own, so that no
cache is warm and each has its own peak of memory; one that is not done after ten minutes is ended and has failed. The
cases take turns, so that a baseline and what is compared with it meet the same other work on the machine. What-ifs,
alternatives, fixes and keys are many small runs within one process and run once for each size.

The live cases read the cluster from a server in another process, whose time does not count; one answers after a tenth
of a second each time, as a server far away. Nothing is compressed there: on the loopback interface nobody asks for it.

Exit status: 0 if all gates passed; 1 if a ratio to a baseline is over its limit, a figure is over twice its budget,
a case fails, or answers differ between runs (with ``--expect``: from those of an earlier ``--json`` file).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.generate import LEAST_PODS, SEED, generate
from benchmarks.measure import CaseFailed, run_case, run_command
from benchmarks.report import Size

CASES = (
    "json",
    "decode",
    "phases",
    "networkx",
    "network",
    "answer",
    "paths-manifests",
    "paths-snapshot",
    "live",
    "live-far",
    "interactive",
    "fixes",
    "keys",
)
GENERATOR = tuple(Path(__file__).parent / f"{name}.py" for name in ("generate", "objects", "pods", "system"))
ONCE = frozenset({"live-far", "interactive", "fixes", "keys"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark, and return the exit status."""
    args = _parser().parse_args(argv)
    expected = _expected(args.expect)
    sizes: list[Size] = []
    faults: list[str] = []
    if "startup" in args.cases:
        sizes.append(Size(0))
        for _ in range(args.repeat):
            _run(sizes[-1], "startup", Path())
        faults += sizes[-1].faults()
    for pods in args.pods:
        with _data(args.data, pods) as directory:
            size = _measure(directory, pods, args)
        sizes.append(size)
        faults += [f"{pods:,} pods: {fault}" for fault in size.faults(expected.get(pods))]
    report.print_table(sizes, faults)
    if args.json:
        args.json.write_text(json.dumps(_document(sizes, faults, args), indent=2) + "\n", encoding="utf-8")
    return 1 if faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pods", type=_pods, nargs="+", default=[1_000, 10_000, 30_000], help="the sizes")
    parser.add_argument("--repeat", type=int, default=5, help="how often each case runs (5)")
    parser.add_argument("--cases", nargs="+", choices=(*CASES, "startup"), default=[*CASES, "startup"], metavar="CASE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the generated clusters here, and use them again")
    parser.add_argument(
        "--expect", type=Path, metavar="FILE", help="an earlier --json file whose answers must come out"
    )
    return parser


def _pods(text: str) -> int:
    number = int(text)
    if number < LEAST_PODS:
        raise argparse.ArgumentTypeError(f"at least {LEAST_PODS}")
    return number


@contextmanager
def _data(kept: Path | None, pods: int) -> Iterator[Path]:
    if kept is not None:
        yield kept / f"{pods}-{SEED}"
        return
    with tempfile.TemporaryDirectory(prefix="workbench-benchmark-") as directory:
        yield Path(directory) / str(pods)


def _measure(directory: Path, pods: int, args: argparse.Namespace) -> Size:
    cluster, snapshot = directory / "cluster", directory / "snapshot.jsonl.gz"
    size = _generated(directory, cluster, pods)
    # What an earlier version collected may lack what this one reads.
    snapshot.unlink(missing_ok=True)
    for turn in range(args.repeat):
        for case in CASES:
            if case not in args.cases or (turn and case in ONCE):
                continue
            _say(f"{pods:,} pods: {case}, {turn + 1} of {args.repeat}")
            if case != "paths-snapshot":
                _run(size, case, cluster)
            elif _collected(size, cluster, snapshot):
                _run(size, case, snapshot)
    return size


def _generated(directory: Path, cluster: Path, pods: int) -> Size:
    """The cluster, made anew unless the same generator left it here complete."""
    note = directory / "generated.json"
    sources = b"".join(file.read_bytes() for file in GENERATOR)
    made_by = hashlib.sha256(sources).hexdigest()
    if note.exists():
        known = json.loads(note.read_bytes())
        if known["generator"] == made_by:
            return Size(pods, known["bytes"], known["objects"])
    _say(f"{pods:,} pods: generating")
    note.unlink(missing_ok=True)
    summary = generate(cluster, pods)
    note.write_text(json.dumps({"generator": made_by, "bytes": summary.bytes, "objects": summary.counts}))
    return Size(pods, summary.bytes, summary.counts)


def _collected(size: Size, cluster: Path, snapshot: Path) -> bool:
    if not snapshot.exists():
        try:
            run_command(["collect", "--manifests", str(cluster), "-o", str(snapshot)])
        except CaseFailed as error:
            _fail(size, error)
    return snapshot.exists()


def _run(size: Size, case: str, data: Path) -> None:
    try:
        size.runs.setdefault(case, []).append(run_case(case, "--data", str(data)))
    except CaseFailed as error:
        _fail(size, error)
        if not size.runs[case]:
            del size.runs[case]


def _fail(size: Size, error: CaseFailed) -> None:
    _say(str(error))
    size.failures.append(str(error).partition("\n")[0])


def _expected(file: Path | None) -> dict[int, dict[str, Any]]:
    if file is None:
        return {}
    return {size["pods"]: size["cases"] for size in json.loads(file.read_bytes())["sizes"]}


def _document(sizes: Sequence[Size], faults: Sequence[str], args: argparse.Namespace) -> dict[str, Any]:
    return {
        "schema": report.SCHEMA,
        "machine": {
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "platform": platform.platform(),
            "cores": os.cpu_count(),
        },
        "seed": SEED,
        "repeat": args.repeat,
        "sizes": [size.as_data() for size in sizes],
        "faults": list(faults),
    }


def _say(text: str) -> None:
    print(f"benchmarks: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
