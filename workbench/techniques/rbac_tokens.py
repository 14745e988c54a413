"""RBAC on Secrets and tokens (catalogue 2.6)."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.graph import nodes
from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.fields import literal
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Secret
from workbench.rbac import Ability, Grant
from workbench.techniques import access
from workbench.techniques.api import Blocked, Found, Reason
from workbench.techniques.members import SECRETS, TOKEN_ACCOUNTS
from workbench.techniques.rbac_common import GrantTechnique, account_edges, declare, scope_of
from workbench.techniques.resolve.token import ACCOUNT_NAME, token_secrets

_LISTING = (Ability.LIST_SECRETS, Ability.WATCH_SECRETS)


def _named_secrets(view: Inventory, grant: Grant, names: frozenset[str]) -> Iterator[str]:
    """The named Secrets of a permission set's scope; in a namespace also those that were not read."""
    for name in sorted(names):
        if grant.namespace:
            yield f"Secret:{grant.namespace}/{name}"
        else:
            for namespace in view.namespaces():
                if view.get(Secret, name, namespace) is not None:
                    yield f"Secret:{namespace}/{name}"


class SecretRead(GrantTechnique):
    """SECRET_READ: the content of Secrets."""

    declaration = declare(
        "SECRET_READ",
        "reads",
        ("Secret",),
        "get, list and watch all return the content of Secrets. With get alone and no resourceNames the attacker has "
        "to know a name, which leaks from pod specs.",
        effort=2,
        mitre=("T1552.007",),
        reason=Reason.API_CALL,
        reads={"Secret", "Pod"},
        fixes=("F-SEC-RBAC",),
        references=("https://kubernetes.io/docs/concepts/security/rbac-good-practices/#listing-secrets",),
    )
    abilities = (Ability.LIST_SECRETS, Ability.WATCH_SECRETS, Ability.GET_SECRETS)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        listed = access.names_for(grant, _LISTING)
        got = grant.names_for(Ability.GET_SECRETS)
        scope = scope_of(grant)
        if listed is None:
            yield Found(grant.id, nodes.hub(SECRETS, scope), 2)
            return
        for target in _named_secrets(view, grant, listed | (got or frozenset())):
            yield Found(grant.id, target, 2)
        if got is None:
            about = f"Secret:{scope}/*" if grant.namespace else "Secret:*"
            yield Found(grant.id, nodes.hub(SECRETS, scope), 2, (("C-NAME", about),))


class TokenList(GrantTechnique):
    """TOKEN_LIST: the tokens that are kept in Secrets."""

    declaration = declare(
        "TOKEN_LIST",
        "lists the token of",
        ("ServiceAccount",),
        "list or watch on Secrets returns the long-lived tokens that Secrets of type service-account-token hold, and "
        "with them the accounts. Accounts without such a Secret are not reached.",
        effort=2,
        mitre=("T1528",),
        reason=Reason.API_CALL,
        reads={"Secret", "ServiceAccount"},
        fixes=("F-SEC-DEL", "F-SEC-RBAC"),
        references=("https://kubehound.io/reference/attacks/TOKEN_LIST/",),
    )
    abilities = _LISTING

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        names = access.names_for(grant, _LISTING)
        if names is None:
            yield Found(grant.id, nodes.hub(TOKEN_ACCOUNTS, scope_of(grant)), 2)
            return
        tokens = token_secrets(view)
        for secret in _named_secrets(view, grant, names):
            if secret in tokens:
                yield Found(grant.id, tokens[secret], 2, (), secret)

    def more_evidence(self, view: Inventory, edge: Edge, grant: Grant) -> list[Evidence]:
        secrets = [edge.cause] if edge.cause else [s for s, account in token_secrets(view).items() if account == edge.target]
        return [view.evidence(secret, f"metadata.annotations{literal(ACCOUNT_NAME)}") for secret in secrets[:1]]


class AccountTokenCreate(GrantTechnique):
    """SA_TOKEN_CREATE: a fresh token of an account."""

    declaration = declare(
        "SA_TOKEN_CREATE",
        "requests a token of",
        ("ServiceAccount",),
        "create on serviceaccounts/token gives a token of any account it covers: the TokenRequest API asks for "
        "nothing else.",
        effort=2,
        mitre=("T1528",),
        reason=Reason.API_CALL,
        reads={"ServiceAccount", "Pod"},
        references=("https://kubernetes.io/docs/concepts/security/rbac-good-practices/#token-request",),
    )
    abilities = (Ability.CREATE_SERVICEACCOUNTS_TOKEN,)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        names = grant.names_for(Ability.CREATE_SERVICEACCOUNTS_TOKEN)
        if names is None:
            yield from account_edges(view, grant.id, scope_of(grant), 2)
            return
        for name in sorted(names):
            for namespace in (grant.namespace,) if grant.namespace else view.namespaces():
                account = f"ServiceAccount:{namespace}/{name}"
                if access.identity_exists(view, account):
                    yield Found(grant.id, account, 2)


TECHNIQUES = (SecretRead(), TokenList(), AccountTokenCreate())
