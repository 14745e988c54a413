"""RBAC on Secrets and tokens (catalogue 2.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from workbench.graph import nodes
from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.fields import literal
from workbench.inventory.inventory import IndexOf, Inventory
from workbench.inventory.objects import Secret
from workbench.rbac import Ability, Grant
from workbench.techniques import access
from workbench.techniques.api import Blocked, Found, Reason, Technique, fact
from workbench.techniques.members import SECRETS, TOKEN_ACCOUNTS
from workbench.techniques.rbac_common import GrantTechnique, account_edges, declare, scope_of
from workbench.techniques.resolve import CLUSTER, permissions
from workbench.techniques.resolve.token import ACCOUNT_NAME, token_secrets

_LISTING = (Ability.LIST_SECRETS, Ability.WATCH_SECRETS)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
"""What an object may be called: resourceNames are literal, so that ``*`` names nothing."""
_SECRETS_BY_NAME: IndexOf[str, Secret] = IndexOf("secrets by name", "Secret", lambda secret: (secret.name,))


def _named_secrets(view: Inventory, grant: Grant, names: Iterable[str]) -> Iterator[str]:
    """The Secrets of some names that a permission set covers.

    In a namespace also those that were not read: the rule names them, as a mount would. Where the Secrets were
    listed, a name that is not among them leads nowhere.
    """
    for name in sorted(names):
        if not grant.namespace:
            yield from (secret.id for secret in view.index(_SECRETS_BY_NAME)[name])
        elif view.get(Secret, name, grant.namespace) is not None or (
            _NAME.fullmatch(name) and not permissions.were_listed(view, Secret, grant.namespace)
        ):
            yield f"Secret:{grant.namespace}/{name}"


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
        reads={"Secret"},
        fixes=("F-SEC-RBAC",),
        references=("https://kubernetes.io/docs/concepts/security/rbac-good-practices/#listing-secrets",),
    )
    abilities = (*_LISTING, Ability.GET_SECRETS)

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
            # One edge for the set, so the fact is about the set: a pattern that stands for the names.
            about = f"Secret:{grant.namespace}/*" if grant.namespace else "Secret:*"
            yield Found(grant.id, nodes.hub(SECRETS, scope), 2, fact("C-NAME", about))

    def object_name(self, view: Inventory, edge: Edge) -> str | None:
        return nodes.name(edge.target) if nodes.kind(edge.target) == "Secret" else None


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

    def _secret(self, view: Inventory, edge: Edge) -> str | None:
        """The id of the Secret that holds the token of the account that an edge leads to."""
        if edge.cause:
            return str(edge.cause)
        return next((secret for secret, account in token_secrets(view).items() if account == edge.target), None)

    def object_name(self, view: Inventory, edge: Edge) -> str | None:
        secret = self._secret(view, edge)
        return nodes.name(secret) if secret is not None else None

    def more_evidence(self, view: Inventory, edge: Edge, grant: Grant) -> Iterable[Evidence]:
        secret = self._secret(view, edge)
        return () if secret is None else (view.evidence(secret, f"metadata.annotations{literal(ACCOUNT_NAME)}"),)


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
            yield from account_edges(grant.id, scope_of(grant), 2)
            return
        controllers = permissions.controller_accounts(view)
        for name in sorted(names):
            for account in permissions.accounts_named(view, name):
                if grant.namespace not in ("", nodes.namespace(account)):
                    continue
                if access.account_exists(view, account):
                    yield Found(grant.id, account, 2)
                elif account in controllers:
                    yield Found(grant.id, account, 2, fact("C-CTRLSA", CLUSTER))

    def object_name(self, view: Inventory, edge: Edge) -> str | None:
        return nodes.name(edge.target) if nodes.kind(edge.target) == "ServiceAccount" else None


TECHNIQUES: tuple[Technique, ...] = (SecretRead(), TokenList(), AccountTokenCreate())
