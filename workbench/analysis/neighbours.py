"""The nodes next to a node."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.analysis.compiled import Compiled


def neighbours(compiled: Compiled, node: str) -> Iterator[tuple[str, str, bool]]:
    """The nodes next to a node but for hubs, the outgoing ones first, by id; each once for each technique.

    Args:
        compiled: The graph.
        node: The node.

    Returns:
        The other node, the technique, and whether it leads there.
    """
    number = compiled.number(node)
    if number is None or compiled.hub[number]:
        return
    for outgoing, matrix in ((True, compiled.forward), (False, compiled.reverse)):
        row = matrix.indices[matrix.indptr[number] : matrix.indptr[number + 1]]
        others = row[~compiled.hub[row]].tolist()
        for other in sorted(others, key=compiled.nodes.__getitem__):
            ends = (number, other) if outgoing else (other, number)
            for technique in sorted({edge.technique for edge in compiled.records(*ends)}):
                yield compiled.nodes[other], technique, outgoing
