"""The table of operators' roles."""

from services.payments.model.roles import ROLES, scopes_of_roles


def test_roles_together_grant_the_scopes_of_each() -> None:
    assert scopes_of_roles(["operator", "auditor"]) == ROLES["operator"] | ROLES["auditor"]
    assert scopes_of_roles([]) == frozenset()


def test_a_name_that_is_no_role_grants_nothing() -> None:
    assert scopes_of_roles(["root", ""]) == frozenset()


def test_nobody_decides_about_payments_and_about_callers_alike() -> None:
    for scopes in ROLES.values():
        assert not {"operate:propose", "keys:admin"} <= scopes
