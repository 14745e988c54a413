"""What the RBAC techniques share: permission sets as subjects, and the targets of a permission."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.graph import nodes
from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.rbac import Ability, Grant
from workbench.techniques import access
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique
from workbench.techniques.members import ACCOUNTS, CONTROLLER_ACCOUNTS

RBAC_FIXES = ("F-BIND-SUBJ", "F-RBAC-RULE", "F-RBAC-NARROW", "F-RBAC-NAMES", "F-RBAC-SCOPE")
RBAC_DOCS = "https://kubernetes.io/docs/concepts/security/rbac-good-practices/"


def scope_of(grant: Grant) -> str:
    """Where a permission set counts, as the scope of a hub."""
    return grant.namespace or nodes.ANYWHERE


class GrantTechnique(Technique):
    """A technique that takes one permission set and starts at it."""

    abilities: tuple[Ability, ...] = ()
    """Any of them makes a permission set a candidate, and is its evidence."""

    def subjects(self, view: Inventory) -> Iterable[Grant]:
        return access.grants_with(view, *self.abilities)

    def detect(self, view: Inventory, subject: Grant) -> Iterator[Found | Blocked]:
        if subject.compiled.has_any(self.abilities):
            yield from self.edges(view, subject)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        """The edges of a permission set that holds one of the abilities."""
        raise NotImplementedError

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        grant = access.grant(view, edge.source)
        if grant is None:
            return []
        used = tuple(ability for ability in self.abilities if grant.has(ability))
        return [*access.grant_evidence(view, grant, *used), *self.more_evidence(view, edge, grant)]

    def more_evidence(self, view: Inventory, edge: Edge, grant: Grant) -> list[Evidence]:
        """What proves the edge beside the permission."""
        return []


def declare(  # noqa: PLR0913 - the columns of the catalogue
    identifier: str,
    title: str,
    target: tuple[str, ...],
    description: str,
    *,
    effort: int,
    mitre: tuple[str, ...],
    reason: Reason,
    reads: Iterable[str] = (),
    fixes: tuple[str, ...] = (),
    references: tuple[str, ...] = (),
    source: tuple[str, ...] = ("PermissionSet",),
    subject_type: SubjectType = SubjectType.GRANT,
    family: str = "rbac",
) -> Declaration:
    """The declaration of an RBAC technique."""
    return Declaration(
        id=identifier,
        title=title,
        source=source,
        target=target,
        description=description,
        mitre=mitre,
        effort=effort,
        reason=reason,
        reads=access.RBAC_KINDS | frozenset(reads),
        subject_type=subject_type,
        fixes=(*RBAC_FIXES, *fixes),
        references=(*references, RBAC_DOCS),
        family=family,
        api_only=True,
    )


def account_edges(
    view: Inventory, source: str, scope: str, effort: int, missing: tuple[Fact, ...] = (), cause: object = None
) -> Iterator[Found]:
    """The edges to every account of a scope; those of Kubernetes' controllers if they are used (C-CTRLSA)."""
    yield Found(source, nodes.hub(ACCOUNTS, scope), effort, missing, cause)
    if scope in (nodes.ANYWHERE, "kube-system") and access.controller_accounts(view):
        facts: tuple[Fact, ...] = tuple(sorted({*missing, ("C-CTRLSA", "Cluster")}))
        yield Found(source, nodes.hub(CONTROLLER_ACCOUNTS, "kube-system"), effort, facts, cause)


