"""An answer says whether it proves anything, and whose it is."""

import pytest

from services.payments.model.actor import operator_actor, provider_actor
from services.payments.model.answer import Answer, Outcome
from services.payments.model.payment import Failure

UNKNOWN = Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("answer", "is_evidence"),
    [
        (Answer(outcome=UNKNOWN), True),
        (Answer(outcome=UNKNOWN, event_id="evt_1", signed=True), True),
        (Answer(outcome=UNKNOWN, event_id="evt_1"), False),
    ],
)
def test_an_event_without_a_signature_is_no_evidence(answer: Answer, is_evidence: bool) -> None:
    assert answer.is_evidence == is_evidence


def test_an_operator_s_statement_is_a_persons_and_a_provider_s_is_not() -> None:
    assert Answer(outcome=UNKNOWN, actor=operator_actor("ada")).is_a_persons
    assert not Answer(outcome=UNKNOWN, actor=provider_actor("stripe")).is_a_persons
    assert not Answer(outcome=UNKNOWN).is_a_persons


def test_the_code_is_that_of_the_failure() -> None:
    assert (
        Answer(outcome=UNKNOWN, failure=Failure(code="no_answer", message="")).code == "no_answer"
    )
    assert Answer(outcome=UNKNOWN).code == ""
