"""Two credentials are one person wherever that cannot be excluded; a payload has one name."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.model.operator import operator_of
from services.payments.model.principal import CredentialKind, Principal
from services.payments.operators.domain import Action
from services.payments.operators.proposal import (
    ApproverIsProposer,
    Draft,
    Party,
    Proposal,
    ProposalExpired,
    ProposalMismatch,
    ProposalNotOpen,
    ProposalState,
    party_of,
    sha256_of,
)
from services.shared.ids import new_id
from tests.makers import NOW

# Each credential as an admission gives it, with the person behind it.
CREDENTIALS = [
    ("ada", CredentialKind.OPERATOR_KEY, "opk_1", "ada"),
    ("ada", CredentialKind.OPERATOR_KEY, "opk_2", "ada"),
    ("ada", CredentialKind.OPERATOR_KEY, "opk_3", "ADA"),
    ("ada", CredentialKind.SANDBOX, "", "ada"),
    # By another name, a token is known as hers by its issuer and subject alone.
    ("ada's token", CredentialKind.OPERATOR_TOKEN, "https://idp#17", "ada@example.com"),
    ("ada's token", CredentialKind.OPERATOR_TOKEN, "https://idp#17", "ada.obi@example.com"),
    ("grace", CredentialKind.OPERATOR_KEY, "opk_4", "grace"),
    ("grace", CredentialKind.OPERATOR_TOKEN, "https://idp#18", "grace"),
    ("grace", CredentialKind.OPERATOR_TOKEN, "https://idp#18", "Grace"),
    ("kim", CredentialKind.OPERATOR_TOKEN, "https://other-idp#17", "kim"),
]


def party(kind: CredentialKind, credential_id: str, name: str) -> Party:
    principal = Principal(
        kind=kind,
        merchant_id=None,
        scopes=frozenset(),
        credential_id=credential_id,
        name=name,
    )
    return party_of(operator_of(principal))


@pytest.mark.parametrize(
    ("one", "other"), list(product(CREDENTIALS, repeat=2)), ids=lambda given: "-".join(given[2:])
)
def test_a_person_is_the_same_by_every_pair_of_credentials(one: Any, other: Any) -> None:
    assert party(*one[1:]).is_same_as(party(*other[1:])) == (one[0] == other[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zo\u00eb", "zoe\u0308"),
        ("STRASSE", "stra\u00dfe"),
        ("\uff21da", "ada"),
        (
            "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
            "\u03a3\u0399\u0301\u03a3\u03a5\u03a6\u039f\u03a3",
        ),
    ],
    ids=["composed or not", "a letter that folds to two", "full width", "final sigma"],
)
def test_one_name_in_two_unicode_forms_is_one_person(one: str, other: str) -> None:
    token = CredentialKind.OPERATOR_TOKEN

    assert party(token, "https://a#1", one).is_same_as(party(token, "https://b#2", other))


def test_a_key_and_a_token_of_one_name_are_one_person() -> None:
    key = party(CredentialKind.OPERATOR_KEY, "opk_1", "kim")

    assert key.is_same_as(party(CredentialKind.OPERATOR_TOKEN, "https://other-idp#17", "Kim"))


def proposal(**changes: Any) -> Proposal:
    draft = Draft(verb=Action.RATE_OVERRIDE, target="us-ng", arguments={}, reason="thin")
    usual = Proposal(
        id=new_id(),
        merchant_id="",
        verb=draft.verb,
        target=draft.target,
        target_state="",
        payload=draft.payload,
        payload_sha256=sha256_of(draft.payload),
        reason=draft.reason,
        proposer=party(CredentialKind.OPERATOR_KEY, "opk_1", "ada"),
        created_at=NOW,
        expires_at=NOW + timedelta(hours=1),
    )
    return replace(usual, **changes)


@pytest.mark.parametrize("state", set(ProposalState) - {ProposalState.PROPOSED})
def test_a_proposal_that_is_over_is_not_open(state: ProposalState) -> None:
    expected = ProposalExpired if state is ProposalState.EXPIRED else ProposalNotOpen

    with pytest.raises(expected):
        proposal(state=state).check_open(NOW)


def test_a_proposal_is_open_before_its_end_and_not_at_it() -> None:
    end = proposal().expires_at

    proposal().check_open(end - timedelta(microseconds=1))
    with pytest.raises(ProposalExpired):
        proposal().check_open(end)


def test_the_proposer_does_not_decide() -> None:
    with pytest.raises(ApproverIsProposer):
        proposal().check_other(party(CredentialKind.OPERATOR_KEY, "opk_9", "Ada"))


def test_another_payload_or_another_hash_is_not_the_one_that_was_read() -> None:
    read = proposal()
    read.check_read(read.payload_sha256)

    with pytest.raises(ProposalMismatch):
        read.check_read("0" * 64)
    with pytest.raises(ProposalMismatch):
        replace(read, payload="{}").check_read(read.payload_sha256)


arguments = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text())


@given(arguments, st.text(), st.text())
def test_a_payload_is_the_same_whatever_the_order_of_its_parts(
    given_arguments: dict[str, Any], target: str, reason: str
) -> None:
    turned = dict(reversed(given_arguments.items()))
    one, other = (
        Draft(verb=Action.RELEASE_HOLD, target=target, arguments=parts, reason=reason)
        for parts in (given_arguments, turned)
    )

    assert one.payload == other.payload
    assert replace(one, reason=f"{reason}.").payload != one.payload
    assert replace(one, verb=Action.RESOLVE_ATTEMPT).payload != one.payload
