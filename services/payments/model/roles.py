"""The roles of operators, each a set of scopes. An operator's key is made with one or several, and
the groups of a token are mapped to them by the configuration of its issuer. A reviewer of this
table sees all that an operator may be granted."""

from collections.abc import Collection, Mapping

ROLES: Mapping[str, frozenset[str]] = {
    # Sees what waits for a person.
    "viewer": frozenset({"operate:read"}),
    # Decides about it.
    "operator": frozenset({"operate:read", "operate:propose", "operate:pause"}),
    # Decides about the verbs that others propose.
    "approver": frozenset({"operate:read", "operate:approve"}),
    # Sees which operator did what.
    "auditor": frozenset({"operate:read", "audit:read"}),
    # Decides who may call, and about no payment.
    "admin": frozenset({"operate:read", "audit:read", "keys:admin"}),
}


def scopes_of_roles(roles: Collection[str]) -> frozenset[str]:
    """The scopes of all these roles together; a name that is no role grants nothing."""
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))


def roles_of_scopes(scopes: frozenset[str]) -> list[str]:
    """The roles of which a credential with these scopes has every scope, sorted."""
    return sorted(role for role, needed in ROLES.items() if needed <= scopes)
