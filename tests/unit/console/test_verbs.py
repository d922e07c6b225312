"""The verbs of the console fit the contract: each call that changes something has its form, with
every field that the call takes."""

from typing import Any

import pytest
from google.api import field_behavior_pb2
from google.api.field_behavior_pb2 import FieldBehavior

from gateway.console.client import CALLS, Record, message_of, record_of
from gateway.console.fields import read
from gateway.console.verbs import VERBS, address_of
from gateway.console.verbs.model import Verb, applies
from services.shared.errors import Invalid

PROPOSED = CALLS["CreateProposal"].request.DESCRIPTOR


def test_every_call_that_changes_something_has_a_verb() -> None:
    changing = {name for name, call in CALLS.items() if not call.only_reads}

    assert changing == {verb.call for verb in VERBS.values() if verb.call} | {
        "CreateProposal",
        "PreviewVerb",
    }


def test_every_verb_of_a_proposal_can_be_proposed() -> None:
    verbs = {one.name for one in PROPOSED.oneofs_by_name["verb"].fields}

    assert verbs == {verb.proposal for verb in VERBS.values() if verb.proposal}


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda one: one.name)
def test_a_form_has_every_field_of_its_call(verb: Verb) -> None:
    name = verb.proposal
    message = (
        CALLS[verb.call].request.DESCRIPTOR
        if verb.call
        else PROPOSED.fields_by_name[name].message_type
    )
    names = (
        {one.name.partition(".")[0] for one in verb.all_fields}
        | set(verb.fixed or {})
        | set(verb.shown_fields)
    )
    required = {
        one.name
        for one in message.fields
        if FieldBehavior.REQUIRED in one.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    }

    assert names == set(message.fields_by_name)
    needed = {one.name for one in verb.all_fields if one.is_required} | {"recipient"}
    assert required <= needed | set(verb.fixed or {}) | set(verb.shown_fields)


def test_every_verb_that_can_be_previewed_is() -> None:
    verbs = CALLS["PreviewVerb"].request.DESCRIPTOR.fields_by_name

    assert set(verbs) == {verb.preview for verb in VERBS.values() if verb.preview}


def test_a_recipient_is_corrected_by_each_of_its_fields() -> None:
    names = {one.name for one in VERBS["correct"].fields if "." in one.name}
    recipient = CALLS["CorrectPayment"].request.DESCRIPTOR.fields_by_name["recipient"].message_type

    assert names == {
        f"recipient.{kind.name}.{one.name}"
        for kind in recipient.fields
        for one in kind.message_type.fields
    }


INSPECTED = CALLS["InspectPayment"].response
FORM = {"rail": "NIP", "required": [{"name": "account_number", "description": "10 digits"}]}


def shown(**fields: Any) -> Record:
    """A payment as it is shown."""
    return record_of(message_of(INSPECTED, fields))


def test_a_payout_is_forced_to_an_offramp_that_can_pay() -> None:
    payouts = [{"step": "payout", "provider": "wise", "state": "FAILED"}, {"step": "collection"}]
    options = {"offramps": ["paystack", "wise"]}

    [provider, _] = VERBS["force"].fitted(shown(attempts=payouts, payout_options=options)).fields

    assert list(provider.options) == ["paystack", "wise"]
    assert "Payouts so far: wise FAILED." in provider.hint


@pytest.mark.parametrize(
    ("options", "why"), [({}, "No offramp"), (None, "Not known now")], ids=["none", "unknown"]
)
@pytest.mark.parametrize("name", ["force", "correct"])
def test_a_form_with_nothing_to_choose_says_why_and_goes_no_further(
    name: str, options: dict[str, Any] | None, why: str
) -> None:
    assert VERBS[name].can_be_filled_in == (name == "correct")

    fitted = VERBS[name].fitted(shown(payout_options=options))

    assert not fitted.can_be_filled_in
    assert fitted.fields[0].hint.startswith(why)
    assert read(fitted.fields, {"provider": "wise"}).wrong


def test_a_recipient_has_the_fields_of_the_kinds_that_its_corridor_pays() -> None:
    bank = {**FORM, "kind": "BANK_ACCOUNT", "optional": [{"name": "bic"}, {"name": "newer"}]}

    fitted = VERBS["correct"].fitted(shown(payout_options={"recipients": [bank]}))

    [number, bic, note] = fitted.fields
    assert (number.name, number.group) == (
        "recipient.bank_account.account_number",
        "Bank account (NIP)",
    )
    assert (number.hint, number.is_required) == ("10 digits.", True)
    assert (bic.name, bic.is_required) == ("recipient.bank_account.bic", False)
    assert note.name == "note"
    assert fitted.grouped == [("Bank account (NIP)", [number, bic]), ("", [note])]


def test_a_form_whose_subject_is_not_known_asks_for_that_alone() -> None:
    assert [one.name for one in VERBS["correct"].fitted(None).all_fields] == ["transaction_id"]


def test_a_verb_is_offered_for_the_states_that_allow_it() -> None:
    assert applies(VERBS["approve"], {"state": "PROPOSED"})
    assert not applies(VERBS["approve"], {"state": "EXPIRED"})
    assert applies(VERBS["release"], {"next": {"verbs": [":release", ":resolve"]}})
    assert not applies(VERBS["release"], {"next": {"verbs": [":hold"]}})
    assert not applies(VERBS["end-override"], {"ended_at": "then"})
    assert applies(VERBS["create-merchant"], {})


def test_the_address_of_a_form_names_its_subject() -> None:
    record = {"merchant_id": "mer_1", "key_id": "key_1", "name": "other"}

    assert address_of("revoke-merchant-key", record) == (
        "/do/revoke-merchant-key?merchant_id=mer_1&key_id=key_1"
    )


def test_a_value_that_is_none_of_its_field_is_refused() -> None:
    kind = CALLS["RollOperatorKey"].request

    with pytest.raises(Invalid):
        message_of(kind, {"overlap_hours": 2**40})
