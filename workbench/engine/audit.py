"""One loaded source, and everything that is asked of it."""

from __future__ import annotations

import difflib
import gc
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from workbench.analysis.arrays import reached
from workbench.analysis.choke import ChokePoint, choke_points
from workbench.analysis.paths import Path, PathStep
from workbench.analysis.session import Analysis
from workbench.analysis.uncollected import uncollected
from workbench.engine.network import NetworkView, invalid_policies
from workbench.engine.records import (
    EVERYTHING,
    Document,
    ExportResult,
    Holder,
    Neighbour,
    PathQuery,
    PathReport,
    Preview,
    Progress,
    WhatIfReport,
)
from workbench.engine.subgraph import Subgraph, members_of, next_to
from workbench.errors import UsageError
from workbench.graph import nodes
from workbench.graph.graph import BlockedEdge, Edge, Graph
from workbench.inventory.changes import edited, merged, overlay, skeleton
from workbench.inventory.decode import plain
from workbench.inventory.evidence import Evidence, Gap, Problem
from workbench.inventory.inventory import Inventory
from workbench.inventory.network_objects import NETWORK_GROUPS
from workbench.inventory.objects import CustomResourceDefinition, KubernetesObject
from workbench.rbac import ResourceQuery, cluster_scoped_customs, custom_groups, parse_resource, who_can
from workbench.sources import SourceRequest, collection_paused, load
from workbench.techniques import access
from workbench.techniques.api import Declaration, Technique
from workbench.techniques.build import build
from workbench.techniques.limits import limits
from workbench.techniques.registry import all_techniques
from workbench.techniques.resolve.reach import READS, network_of

if TYPE_CHECKING:
    # What is asked for after the first answer, if at all, is imported then: a fifth of the time to start would go to
    # its modules.
    from workbench.analysis.blocked import Blocking
    from workbench.analysis.coverage import Weakness
    from workbench.analysis.object_tables import KindCount, ObjectTable
    from workbench.analysis.relations import Relation
    from workbench.analysis.through import Through
    from workbench.remediation.effects import Effects, Ranked
    from workbench.remediation.records import Fix, Turn
    from workbench.sources import Live

_EXPOSING = frozenset({"gateway.networking.k8s.io", "route.openshift.io"})
"""The groups of :data:`NETWORK_GROUPS` that say what is exposed, and not who may reach what."""

_CHECKED = ("Container", "ServiceAccount", "PermissionSet", "Node", "Secret", "Endpoint")


class Audit:
    """One loaded source and everything that is asked of it. Safe to call from several threads."""

    def __init__(
        self,
        request: SourceRequest,
        inventory: Inventory,
        graph: Graph,
        analysis: Analysis,
        invalid: Sequence[Gap] = (),
    ) -> None:
        self.request = request
        self._invalid = invalid
        self.inventory = inventory
        self.graph = graph
        self.analysis = analysis
        self.deny_unobserved = False
        """Whether network policies are made for workloads that nobody is known to talk to; set before fixes are asked
        for."""
        self._lock = threading.RLock()
        # Finding all fixes takes seconds on a large cluster, which nothing else waits for.
        self._finding_fixes = threading.Lock()
        self._known_effects: Effects | None = None

    @classmethod
    def load(cls, request: SourceRequest, progress: Progress | None = None, live: Live | None = None) -> Audit:
        """Read a source and build its graph.

        Args:
            request: What to read, and how.
            progress: Hears what is being done.
            live: What the caller brings along for a live cluster.

        Raises:
            InputError: The source is not what it claims to be; a ``KubeconfigError`` for a live cluster's kubeconfig.
            UsageError: There is no such sample.
            ClusterError: A live cluster cannot be reached, refuses everything, or was lost.
        """
        tell = progress or (lambda phase, done, total: None)
        with collection_paused():
            inventory = load(request, progress, live)
            tell("reading network policies", 0, 0)
            gaps = invalid_policies(request, network_of(inventory))
            tell("building the graph", 0, 0)
            graph = build(inventory)
            tell("finding paths", 0, 0)
            analysis = Analysis(inventory, graph)
        gc.freeze()
        return cls(request, inventory, graph, analysis, gaps)

    # --- what it is -------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """What was read, for people."""
        return self.inventory.source

    @property
    def kind(self) -> str:
        """``manifests``, ``snapshot``, ``sample`` or ``context``."""
        return str(self.request.kind)

    @property
    def coverage(self) -> list[Gap]:
        """What could not be read, or is read in part; empty means everything."""
        out = [*self.inventory.coverage, *self._invalid]
        for name, group in NETWORK_GROUPS.items():
            for kind in group if name not in _EXPOSING else ():
                count = len(self.inventory.all(kind))
                if count and kind.__name__ not in READS:
                    detail = "read by workbench connectivity, not yet for attack paths"
                    out.append(Gap(kind.__name__, None, Problem.SKIPPED, count, detail))
        return out

    def weaknesses(self) -> list[Weakness]:
        """What each gap of the coverage means."""
        from workbench.analysis.coverage import weaknesses

        return weaknesses(self.coverage, all_techniques())

    @property
    def namespaces(self) -> Sequence[str]:
        """Every namespace that exists or that an object names, sorted."""
        return self.inventory.namespaces()

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many nodes of each kind there are."""
        return self.graph.kinds()

    @property
    def notes(self) -> list[str]:
        """What the user should know about the source."""
        out: list[str] = []
        if self.inventory.server_version.assumed:
            out.append(f"server version assumed: {self.inventory.server_version} (say it with --server-version)")
        return out

    @property
    def limits(self) -> list[str]:
        """What no technique looks at, whatever the source holds."""
        return [limit.what for limit in limits()]

    def checked(self) -> list[tuple[str, int]]:
        """What was looked at, for the sentence that there is no path."""
        counts = self.counts
        techniques = sum(1 for technique in all_techniques() if not technique.declaration.internal)
        return [
            ("techniques", techniques),
            *((nodes.PLURAL[kind], counts[kind]) for kind in _CHECKED if counts.get(kind)),
            ("steps", len(self.graph)),
            ("blocked steps", len(self.graph.blocked)),
        ]

    # --- paths ------------------------------------------------------------------------------------

    def paths(self, query: PathQuery = EVERYTHING) -> PathReport:
        """The paths of a query, by risk.

        Raises:
            UsageError: A selector matches nothing, or a technique is unknown.
        """
        with self._lock, uncollected():
            found = self.analysis.paths(query.query)
            summary = found.summary
            return PathReport(
                paths=found.paths(query.limit),
                total=found.total,
                severities=found.severities,
                entry_points=summary["entry_points"],
                crown_jewels=summary["crown_jewels"],
                pairs_with_a_path=summary["pairs_with_a_path"],
            )

    def alternatives(self, path: Path, limit: int = 20) -> list[Path]:
        """Other simple paths between the same two ends, the shortest first."""
        from workbench.analysis.alternatives import alternatives

        with self._lock:
            return alternatives(self.analysis.paths(), path.source, path.target, limit)

    def choke_points(self, limit: int | None = 50) -> list[ChokePoint]:
        """Nodes and single steps by how many pairs of entry point and crown jewel they cut, exactly."""
        with self._lock:
            return choke_points(self.analysis.paths(), limit)

    def blocked(self) -> list[BlockedEdge]:
        """What a mitigation turns off, hubs expanded, sorted."""
        members = members_of(self.graph)
        found = {
            BlockedEdge(edge.source, target, edge.technique, edge.mitigation)
            for edge in self.graph.blocked
            for target in (members.get(edge.target, ()) if nodes.is_hub(edge.target) else (edge.target,))
        }
        return sorted(found, key=lambda edge: (edge.source, edge.target, edge.technique, edge.mitigation))

    def blocking(self, query: PathQuery = EVERYTHING) -> list[Blocking]:
        """The blocked steps that alone would join pairs of a query which have no path.

        Raises:
            UsageError: A selector matches nothing, or a technique is unknown.
        """
        from workbench.analysis.blocked import blocking

        with self._lock:
            denied = [
                BlockedEdge(found.source, found.target, technique.id, found.mitigation)
                for technique in all_techniques()
                for found in technique.denied(self.inventory)
            ]
            return blocking(self.analysis.paths(query.query), [*self.blocked(), *denied])

    # --- nodes and steps --------------------------------------------------------------------------

    def technique(self, identifier: str) -> Technique:
        """The technique of an id."""
        return self._techniques[identifier]

    @cached_property
    def _techniques(self) -> dict[str, Technique]:
        return {technique.id: technique for technique in all_techniques()}

    def declaration(self, identifier: str) -> Declaration:
        """What a technique is."""
        return self.technique(identifier).declaration

    def evidence(self, step: PathStep | Edge) -> list[Evidence]:
        """What proves a step, the principal field first."""
        edges = (step,) if isinstance(step, Edge) else step.edges
        out: list[Evidence] = []
        with self._lock:
            for edge in edges:
                technique = self.technique(edge.technique)
                if technique.declaration.internal:
                    continue
                concrete = Edge(edge.source, step.target, edge.technique, edge.effort, edge.missing, edge.cause)
                out.extend(item for item in technique.evidence(self.inventory, concrete) if item not in out)
        return out

    def properties(self, node: str) -> dict[str, Any]:
        """The properties of a node, as plain data."""
        from workbench.analysis.properties import properties

        return properties(self.inventory, self.analysis.admins, node)

    def describe(self, node: str) -> list[tuple[str, str]]:
        """The properties of a node as rows of label and value."""
        rows = [("id", node), ("kind", nodes.kind(node))]
        return rows + [(key.replace("_", " "), str(value)) for key, value in self.properties(node).items()]

    def neighbours(self, node: str, limit: int = 20) -> list[Neighbour]:
        """The nodes next to a node but for hubs, outgoing ones first; sorted."""
        from workbench.analysis.neighbours import neighbours

        with self._lock:
            found = islice(neighbours(self.analysis.compiled, node), limit)
            return [Neighbour(other, technique, outgoing) for other, technique, outgoing in found]

    def subgraph(
        self,
        sources: Sequence[str] = (),
        targets: Sequence[str] = (),
        around: Sequence[str] = (),
        *,
        hubs: bool = False,
    ) -> Subgraph:
        """A part of the graph: what the sources reach, what reaches the targets, what stands around a node.

        Raises:
            UsageError: A selector matches nothing, or the part has too many edges once its hubs are expanded.
        """
        compiled = self.analysis.compiled
        chosen: set[str] | None = None

        def narrow(found: set[str]) -> None:
            nonlocal chosen
            chosen = found if chosen is None else chosen & found

        if sources:
            mask = reached(compiled.forward, compiled.numbers(self.analysis.select(sources)))
            narrow({compiled.nodes[number] for number in mask.nonzero()[0]})
        if targets:
            mask = reached(compiled.reverse, compiled.numbers(self.analysis.select(targets)))
            narrow({compiled.nodes[number] for number in mask.nonzero()[0]})
        if around:
            narrow(next_to(self.graph, set(self.analysis.select(around)), hubs=hubs))
        return Subgraph(self.graph, chosen, hubs=hubs)

    def document(self, node: str) -> Document | None:
        """The text of an object, masked; ``None`` for what is no object."""
        from workbench.sources.masking import masked, trimmed

        obj = self._object(node)
        if obj is None:
            return None
        origin = self.inventory.origin(obj.id)
        written = origin.text() if origin else None
        text = masked(written[0]) if written else None
        if written is None or text is None:
            where = f"{origin.file}, " if origin and origin.file else ""
            return Document(obj.id, f"{where}fields the analysis reads", trimmed(obj), 1, None)
        file = origin.file if origin else None
        return Document(obj.id, f"{file}:{written[1]}", text, written[1], file)

    def _object(self, node: str) -> KubernetesObject | None:
        found = self.inventory.by_id(node)
        if found is not None:
            return found
        pod = self.inventory.pods.get(node)
        if pod is not None:
            return pod.obj
        container = self.inventory.containers.get(node)
        if container is not None:
            return container.pod.obj
        grant = access.grant(self.inventory, node)
        return grant.binding if grant is not None and not grant.virtual else None

    # --- objects ----------------------------------------------------------------------------------

    def kinds(self) -> list[KindCount]:
        """The kinds of objects that the source holds, or that could not be read, in the order of display."""
        from workbench.analysis.object_tables import kind_counts

        return kind_counts(self.analysis, self.coverage)

    def through(self, paths: Sequence[Path]) -> Through:
        """Which of some paths go through which object."""
        from workbench.analysis.through import Through

        with self._lock:
            return Through(self.analysis, paths)

    def table(self, kind: str, through: Through) -> ObjectTable:
        """The objects of one kind, with the paths through each."""
        from workbench.analysis.object_tables import object_table

        return object_table(self.analysis, kind, through, self.coverage)

    def relations(self, about: str) -> list[Relation]:
        """The objects that an object has to do with."""
        from workbench.analysis.relations import relations

        return relations(self.inventory, about)

    # --- network ----------------------------------------------------------------------------------

    def network(self, fixes: Sequence[Fix] = ()) -> NetworkView:
        """Who reaches whom; with fixes, as it would be with them.

        Raises:
            Conflict: Two fixes contradict each other.
            FixError: A fix does not fit its object.
        """
        view = overlay(self.inventory, merged(fix.change for fix in fixes)) if fixes else self.inventory
        return NetworkView.of(view)

    # --- permissions ------------------------------------------------------------------------------

    def who_can(self, verb: str, resource: str, namespace: str | None = None) -> list[Holder]:
        """Who may do something, and through which binding.

        Raises:
            UsageError: The resource cannot be understood.
        """
        query = self.resource(resource)
        customs = cluster_scoped_customs(list(self.inventory.all(CustomResourceDefinition)))
        grants = access.real_grants(self.inventory)
        out: list[Holder] = []
        for found in who_can(grants, verb, query, namespace=namespace, cluster_scoped=customs):
            grant = found.grant
            out.extend(
                Holder(
                    subject=identity,
                    namespace=grant.namespace,
                    binding=grant.binding.id,
                    role=grant.sources[found.rules[0]].object,
                    rule=grant.sources[found.rules[0]].index,
                    names=tuple(sorted(found.names or ())),
                    builtin=self.inventory.is_builtin(grant.binding.id),
                )
                for identity in found.identities
            )
        return sorted(out, key=lambda holder: (holder.builtin, holder.subject, holder.namespace, holder.binding))

    def resource(self, text: str) -> ResourceQuery:
        """A resource as ``kubectl auth can-i`` writes it, with the custom resources of the source known.

        Raises:
            UsageError: The text cannot be understood.
        """
        try:
            return parse_resource(text, custom_groups(list(self.inventory.all(CustomResourceDefinition))))
        except ValueError as error:
            raise UsageError(str(error)) from error

    def proof_of(self, holder: Holder) -> list[Evidence]:
        """What proves that a subject holds a permission: the rule, and the role that the binding names."""
        out: list[Evidence] = []
        for identifier, field in ((holder.role, f"rules[{holder.rule}]"), (holder.binding, "roleRef")):
            obj = self.inventory.by_id(identifier)
            if obj is not None:
                out.append(self.inventory.evidence(obj, field))
        return out

    # --- fixes ------------------------------------------------------------------------------------

    @property
    def _effects(self) -> Effects:
        return self._all_effects()

    def _all_effects(self, turn: Turn | None = None) -> Effects:
        from workbench.remediation.catalogue import all_fixes
        from workbench.remediation.effects import effects

        with self._finding_fixes:
            if self._known_effects is None:
                with uncollected():
                    fixes = all_fixes(self.inventory, deny_unobserved=self.deny_unobserved, turn=turn)
                    self._known_effects = effects(self.analysis, fixes)
                    # They stay, so that no later search for garbage stops the screen for their sake.
                    gc.freeze()
            return self._known_effects

    def fixes(self, progress: Ranked | None = None, turn: Turn | None = None) -> list[Fix]:
        """Every fix that applies, those that cut most first.

        Args:
            progress: Hears now and then the fixes that are ranked so far, how many they are, and how many there are
                in all; what it raises ends the ranking.
            turn: Called for each fix that is found, and again before it is measured.
        """
        return [effect.fix for effect in self._all_effects(turn).ranked(progress, turn)]

    def fixes_for(self, step: PathStep) -> list[Fix]:
        """The fixes that take a step away, the best recommendation first."""
        effects = self._effects
        with self._lock:
            return effects.for_step(step, {item.object for item in self.evidence(step)})

    def recommended(self, step: PathStep) -> Fix | None:
        """The fix of a step that is ready and cuts most for its risk."""
        from workbench.remediation.records import first_ready

        return first_ready(self.fixes_for(step))

    def select_fixes(self, wanted: Sequence[str], progress: Ranked | None = None) -> list[Fix]:
        """The fixes that ids name: record ids or unique prefixes, F-ids (all of that kind), ``all-ready``.

        Args:
            wanted: The ids.
            progress: Hears how far the ranking has come that ``all-ready`` takes (:meth:`fixes`).

        Raises:
            UsageError: An id names nothing, or several.
        """
        from workbench.remediation.selection import ALL_READY, selected

        chosen: dict[str, Fix] = {}
        for identifier in wanted:
            if identifier == ALL_READY:
                found = selected(self.fixes(progress), [identifier])
            else:
                # What each cuts is asked of no others.
                found = self._effects.measured(selected(self._effects.fixes, [identifier]))
            chosen.update((fix.id, fix) for fix in found)
        return list(chosen.values())

    def fix(self, identifier: str) -> Fix:
        """One fix by its id or a unique prefix of it.

        Raises:
            UsageError: The id names nothing, or several.
        """
        return self.select_fixes([identifier])[0]

    def answered(self, fixes: Sequence[Fix], answers: Sequence[str]) -> list[Fix]:
        """The fixes with their needs answered, each answer written as ``[ID:]NAME=VALUE``.

        Raises:
            UsageError: An answer is not of that form, or to nothing that these fixes ask.
            FixError: A value is none of those that a fix can take.
        """
        from workbench.remediation.answers import answered, parse_answer

        return answered(fixes, [parse_answer(text) for text in answers])

    def what_if(self, fixes: Sequence[Fix], limit: int = 200, *, following: bool = True) -> WhatIfReport:
        """What the fixes do to the paths, proved by recomputing what they touch.

        Args:
            fixes: The fixes, together.
            limit: How many paths of each kind are named.
            following: Whether to name the fixes that would close each path that stays; on a large cluster it takes
                long, unless all fixes are ranked already.

        Raises:
            Conflict: Two fixes contradict each other.
            FixError: A fix does not fit its object.
        """
        from workbench.analysis.whatif import WhatIf
        from workbench.remediation.records import Status

        staged = {fix.id for fix in fixes}
        ready = {fix.id for fix in self.fixes() if fix.status is Status.READY} - staged if following else frozenset()
        closing = self._effects.closing
        with self._lock:
            found = WhatIf(self.analysis, merged(fix.change for fix in fixes))
            before, after = found.before, found.after
            rows = [(f"paths to {jewel}", *count) for jewel, count in found.jewels.items() if any(count)]
            rows.append(("pods reachable from the internet", *found.pods_from_internet))
            rows.append(("new paths introduced", 0, found.counts["opened"]))
            return WhatIfReport(
                paths_before=before.total,
                paths_after=after.total,
                rows=tuple(rows),
                severities=found.severities,
                cut=tuple((path, tuple(closing(path, staged))) for path in found.closed(limit)),
                stays=tuple((path, tuple(closing(path, ready)[:3])) for path in found.left(limit)),
                opened=tuple(found.opened(limit)),
            )

    def previews(self, fixes: Sequence[Fix]) -> list[Preview]:
        """What the fixes make of each object, fixes on one object merged.

        Raises:
            Conflict: Two fixes contradict each other.
        """
        from workbench.remediation import export
        from workbench.sources.masking import as_yaml, trimmed

        plan = export.plan(self.inventory, fixes, self.title)
        out: list[Preview] = []
        for change in merged(fix.change for fix in fixes):
            obj = self.inventory.by_id(change.target.id)
            if obj is None and not change.creates:
                continue
            before = trimmed(obj).splitlines() if obj is not None else []
            data = plain(obj) if obj is not None else skeleton(change.target)
            after = as_yaml(edited(data, change.ops)).splitlines()
            title = f"{change.target.id}  ({'new' if obj is None else 'fields the analysis reads'})"
            name, content = plan.patch_of(change.target.id)
            out.append(Preview(change.target.id, title, tuple(_diff(before, after)), content, name))
        return out

    def export(
        self, fixes: Sequence[Fix], directory: FilePath, *, format: str = "kubectl", force: bool = False
    ) -> ExportResult:
        """Write the fixes as patches with their rollbacks.

        Raises:
            Conflict: Two fixes contradict each other.
            UsageError: The directory cannot be written, or is not empty.
        """
        if format != "kubectl":
            raise UsageError(f"no format {format!r}: kubectl")
        from workbench.remediation import export

        plan = export.plan(self.inventory, fixes, self.title)
        export.write(plan, directory, force=force)
        names = tuple(file.name for file in plan.files)
        return ExportResult(directory, names, plan.messages, plan.next_command)


def _diff(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in difflib.unified_diff(before, after, lineterm="", n=3):
        if line.startswith(("---", "+++")):
            continue
        if line.startswith("@@"):
            yield "@", ""
        else:
            yield line[0], line[1:]
