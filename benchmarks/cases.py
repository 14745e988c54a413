"""The cases. Each runs in a process of its own: ``python -m benchmarks.cases CASE --data DIR``.

A case imports what it measures before the clock starts, except where the whole command is measured. Objects are
read in the order of the file names, which never changes. The baselines do with other means what the program does,
so that a slow machine, or one with other work, slows both.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.interactive import fixes, interactive
from benchmarks.live import live, live_far
from benchmarks.measure import PATHS, Result, run_paths
from benchmarks.network import network
from benchmarks.startup import keys, startup

SEARCHES = 10
"""How often the search of the graph runs in one phase, for one alone is over within a tick of some clocks."""


def json_baseline(data: Path) -> Result:
    """The same files with the standard library's ``json``, the collector off, one file at a time."""
    result = Result("json")
    gc.disable()
    objects = 0
    with result.phase("json"):
        for file in sorted(data.glob("*.json")):
            loaded = json.loads(file.read_bytes())
            objects += len(loaded["items"])
    result.counts["objects"] = objects
    return result


def decode(data: Path) -> Result:
    """All files to the inventory, and nothing else."""
    import workbench.sources.manifests  # noqa: F401 - the reader, which is loaded when it is needed
    from workbench.sources import load
    from workbench.sources.request import SourceKind, SourceRequest

    result = Result("decode")
    with result.phase("decode"):
        view = load(SourceRequest(SourceKind.MANIFESTS, paths=(str(data),)))
    result.counts = {"pods": len(view.pods), "containers": len(view.containers)}
    return result


def phases(data: Path) -> Result:
    """From files to the first answer, phase by phase."""
    import workbench.sources.manifests  # noqa: F401 - the reader, which is loaded when it is needed
    from workbench.analysis.choke import choke_points
    from workbench.analysis.session import Analysis
    from workbench.sources import load
    from workbench.sources.memory import collection_paused
    from workbench.sources.request import SourceKind, SourceRequest
    from workbench.techniques import access
    from workbench.techniques.build import build
    from workbench.techniques.registry import all_techniques

    all_techniques()
    result = Result("phases")
    with collection_paused():
        with result.phase("decode"):
            view = load(SourceRequest(SourceKind.MANIFESTS, paths=(str(data),)))
        with result.phase("rbac"):
            access.grants(view)
            for identity in access.identities(view):
                access.effective(view, identity)
        with result.phase("build"):
            graph = build(view)
        with result.phase("compile"):
            analysis = Analysis(view, graph)
        with result.phase("paths"):
            found = analysis.paths()
            shown = found.paths(PATHS)
        with result.phase("choke points"):
            points = choke_points(found, 20)
    result.counts = {"nodes": len(graph.nodes), "edges": len(graph), **found.summary, "paths": found.total}
    result.digest = {
        **result.counts,
        "shown": _hash([path.id for path in shown]),
        "choke points": [[point.source, point.target, point.pairs] for point in points],
    }
    return result


def networkx_baseline(data: Path) -> Result:
    """The same edges in networkx: build both ways, then what leads to the crown jewels, as the program asks it."""
    import networkx
    import numpy as np

    from workbench.analysis.arrays import reached
    from workbench.analysis.compiled import Compiled
    from workbench.analysis.session import Analysis
    from workbench.sources import load
    from workbench.sources.memory import collection_paused
    from workbench.sources.request import SourceKind, SourceRequest
    from workbench.techniques.build import build
    from workbench.techniques.registry import all_techniques

    result = Result("networkx")
    with collection_paused():
        view = load(SourceRequest(SourceKind.MANIFESTS, paths=(str(data),)))
        graph = build(view)
        analysis = Analysis(view, graph)
    jewels = analysis.compiled.numbers(analysis.jewels).tolist()
    with result.phase("compile"):
        compiled = Compiled(graph, all_techniques())
    with result.phase("reach"):
        for _ in range(SEARCHES):
            own = reached(compiled.reverse, jewels)
    rows = np.repeat(np.arange(len(compiled.nodes)), np.diff(compiled.indptr)).tolist()
    weighted = list(zip(rows, compiled.indices.tolist(), compiled.weights.tolist(), strict=True))
    gc.disable()
    with result.phase("networkx build"):
        other: Any = networkx.DiGraph()
        other.add_nodes_from(range(len(compiled.nodes)))
        other.add_weighted_edges_from(weighted)
    with result.phase("networkx reach"):
        for _ in range(SEARCHES):
            leading: set[int] = set()
            for layer in networkx.bfs_layers(other.reverse(copy=False), jewels):
                leading.update(layer)
    if leading != set(np.flatnonzero(own).tolist()):
        raise AssertionError("networkx and the program do not agree on what leads to the crown jewels")
    result.counts = {"pairs of nodes": len(weighted), "leading": len(leading)}
    result.digest = dict(result.counts)
    return result


def answer(data: Path) -> Result:
    """Files to the first answer through the engine, as the terminal interface asks for it."""
    import workbench.sources.manifests  # noqa: F401 - the reader, which is loaded when it is needed
    from workbench.engine import Audit, PathQuery
    from workbench.sources.request import SourceKind, SourceRequest
    from workbench.techniques.registry import all_techniques

    all_techniques()
    result = Result("answer")
    with result.phase("load"):
        audit = Audit.load(SourceRequest(SourceKind.MANIFESTS, paths=(str(data),)))
    with result.phase("first paths"):
        report = audit.paths(PathQuery(limit=PATHS))
    with result.phase("choke points"):
        audit.choke_points()
    result.counts = {"pairs": report.pairs_with_a_path, "paths": report.total}
    result.digest = {**result.counts, "shown": _hash([path.id for path in report.paths])}
    return result


def _hash(ids: list[str]) -> str:
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]


CASES: dict[str, Callable[[Path], Result]] = {
    "json": json_baseline,
    "decode": decode,
    "phases": phases,
    "networkx": networkx_baseline,
    "answer": answer,
    "paths-manifests": lambda data: run_paths("paths --manifests", "--manifests", str(data)),
    "paths-snapshot": lambda data: run_paths("paths --snapshot", "--snapshot", str(data)),
    "live": live,
    "live-far": live_far,
    "interactive": interactive,
    "fixes": fixes,
    "network": network,
    "startup": startup,
    "keys": keys,
}


def main() -> None:
    """Run one case, and print its result as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--data", type=Path, required=True, help="the directory of the cluster, or the snapshot")
    args = parser.parse_args()
    CASES[args.case](args.data).print()


if __name__ == "__main__":
    main()
