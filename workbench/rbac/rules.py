"""Whether one policy rule authorises one request: the matching of the RBAC authoriser, and nothing else.

Everything else in this package (the compiled abilities, ``who-can``, evidence) asks the functions of this module, so
that there is one answer. They follow ``RuleAllows`` and its helpers in Kubernetes'
``pkg/apis/rbac/v1/evaluation_helpers.go`` and https://kubernetes.io/docs/reference/access-authn-authz/rbac/.

An API group is the empty string for the core group, as in a rule. Names of objects are given as a set, or as
``None`` where they are not restricted (``Names``); the empty set means "none at all".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from workbench.inventory.objects import PolicyRule

Names: TypeAlias = frozenset[str] | None
"""Which objects something holds for: ``None`` every one, the empty set no one, else those names."""

NOTHING: Final[frozenset[str]] = frozenset()
EVERYTHING: Final[None] = None

RBAC: Final = "rbac.authorization.k8s.io"
CERTIFICATES: Final = "certificates.k8s.io"
AUTHENTICATION: Final = "authentication.k8s.io"

IMPERSONATION_MODES: Final = ("user-info", "serviceaccount", "arbitrary-node", "associated-node")
"""The modes of constrained impersonation (Kubernetes 1.36 on), as they stand in the verbs."""

_ASSOCIATED_NODE: Final = "impersonate:associated-node"
_COLLECTION: Final = frozenset({"list", "watch"})
_WITHOUT_NAME: Final = frozenset({"nodeclient", "selfnodeclient", "selfnodeserver"})


def request_has_name(verb: str, group: str, resource: str, subresource: str = "") -> bool:
    """Whether such a request names an object, so that ``resourceNames`` can match it.

    A ``POST`` that creates an object has no name in its path and ``deletecollection`` has none at all, hence "you
    cannot restrict create or deletecollection requests by their resource name"
    (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources). Creating a subresource
    (``serviceaccounts/token``, ``pods/exec``) does have the name of its parent, and ``list`` and ``watch`` have one
    with the field selector ``metadata.name``. The controller that approves kubelet certificates asks for
    ``create certificatesigningrequests/nodeclient`` without a name (``pkg/controller/certificates/approver``).
    """
    if verb == "deletecollection":
        return False
    if verb != "create":
        return True
    if not subresource:
        return False
    return not (group == CERTIFICATES and resource == "certificatesigningrequests" and subresource in _WITHOUT_NAME)


def matches(rule: PolicyRule, verb: str, group: str, resource: str, subresource: str = "") -> bool:
    """Whether the rule's verbs, API groups and resources match, whatever the names.

    ``*`` is a wildcard only as a whole entry, and as ``*/subresource`` of a resource; ``pods/*`` is compared
    literally and so matches nothing real. ``pods`` does not include its subresources, the resource ``*`` includes
    all of them (``ResourceMatches``).
    """
    verbs = rule.verbs or ()
    if verb not in verbs and "*" not in verbs:
        return False
    groups = rule.api_groups or ()
    if group not in groups and "*" not in groups:
        return False
    resources = rule.resources or ()
    if "*" in resources:
        return True
    if not subresource:
        return resource in resources
    return f"{resource}/{subresource}" in resources or f"*/{subresource}" in resources


def name_allowed(names: Iterable[str], name: str, group: str = "", resource: str = "") -> bool:
    """Whether a name is among ``resourceNames``, which are compared literally (``*`` is no wildcard).

    Only for ``signers`` the API server itself asks a second time with ``domain/*`` in place of the name
    (https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization).
    """
    if name in names:
        return True
    if resource == "signers" and group == CERTIFICATES and name:
        return f"{name.partition('/')[0]}/*" in names
    return False


def allows(  # noqa: PLR0917 - the parts of a request, in the order in which its URL has them
    rule: PolicyRule, verb: str, group: str, resource: str, subresource: str = "", name: str = ""
) -> bool:
    """Whether the rule authorises the request.

    Args:
        rule: The rule; absent lists count as empty, and an empty list (but for ``resourceNames``) matches nothing.
        verb: The verb of the request, not a wildcard (``*`` would ask for a rule with all verbs).
        group: The API group, empty for the core group.
        resource: The plural name of the resource.
        subresource: The subresource, empty for the resource itself.
        name: The object; empty for a request that is about no particular one. Where the request cannot have a name
            (see ``request_has_name``) it is ignored, so resourceNames never authorise creation by ``POST`` or
            ``deletecollection``.

    The one name that does match requests without a name is the empty string: ``resourceNames: [""]`` admits creating,
    listing and watching, since the authoriser compares literally (``ResourceNameMatches``).
    """
    if not matches(rule, verb, group, resource, subresource):
        return False
    names = rule.resource_names
    if not names:
        return True
    if verb == _ASSOCIATED_NODE:
        # The API server checks this verb for the name "*", since the answer is kept for all nodes
        # (k8s.io/apiserver, pkg/endpoints/filters/impersonation/mode.go).
        return "*" in names
    if not request_has_name(verb, group, resource, subresource):
        return "" in names
    if not name:
        return verb in _COLLECTION and "" in names
    return name_allowed(names, name, group, resource)


def allowed_names(rule: PolicyRule, verb: str, group: str, resource: str, subresource: str = "") -> Names:
    """The objects for which the rule authorises the request: ``None`` for all, the empty set for none.

    It says in one answer what ``allows`` says for every name. The names of ``signers`` may be ``domain/*``: test
    them with ``name_allowed``.
    """
    if not matches(rule, verb, group, resource, subresource):
        return NOTHING
    names = rule.resource_names
    if not names:
        return EVERYTHING
    if verb == _ASSOCIATED_NODE:
        return EVERYTHING if "*" in names else NOTHING
    named = request_has_name(verb, group, resource, subresource)
    if "" in names and (verb in _COLLECTION or not named):
        return EVERYTHING
    return frozenset(names) - {""} if named else NOTHING


def allows_url(rule: PolicyRule, verb: str, path: str) -> bool:
    """Whether the rule authorises a request to a path outside the resources, such as ``/healthz``.

    ``*`` and a trailing ``*`` are globs over the rest of the path (``NonResourceURLMatches``); verbs are HTTP methods
    in lower case. Such rules count only by way of a ClusterRoleBinding; the caller sees to that.
    """
    verbs = rule.verbs or ()
    if verb not in verbs and "*" not in verbs:
        return False
    for url in rule.non_resource_urls or ():
        if url == path or (url.endswith("*") and path.startswith(url.rstrip("*"))):
            return True
    return False


def granting_rules(  # noqa: PLR0917 - as allows
    rules: Sequence[PolicyRule], verb: str, group: str, resource: str, subresource: str = "", name: str = ""
) -> tuple[int, ...]:
    """The indexes of the rules that authorise the request, in order (arguments as of ``allows``)."""
    return tuple(i for i, rule in enumerate(rules) if allows(rule, verb, group, resource, subresource, name))


def is_cluster_admin(rules: Iterable[PolicyRule]) -> bool:
    """Whether one rule alone grants every verb on every resource of every group, without names.

    Bound by a ClusterRoleBinding this is full control of the cluster; by a RoleBinding, of the namespace.
    """
    return any(
        "*" in (rule.verbs or ())
        and "*" in (rule.api_groups or ())
        and "*" in (rule.resources or ())
        and not rule.resource_names
        for rule in rules
    )


def impersonated_rules(rules: Sequence[PolicyRule], mode: str) -> tuple[PolicyRule, ...]:
    """What the rules let their holder do while impersonating in a constrained mode, as rules in plain verbs.

    Constrained impersonation (KEP-5284, on from 1.36) asks for ``impersonate-on:<mode>:<verb>`` on the very resource
    of the request. The result has as many rules as the input, so that an index means the same in both; a rule that
    grants nothing in this mode has no verbs.
    """
    prefix = f"impersonate-on:{mode}:"
    return tuple(
        PolicyRule(
            verbs=tuple(
                verb.removeprefix(prefix) for verb in rule.verbs or () if verb == "*" or verb.startswith(prefix)
            ),
            api_groups=rule.api_groups,
            resources=rule.resources,
            resource_names=rule.resource_names,
            non_resource_urls=rule.non_resource_urls,
        )
        for rule in rules
    )
