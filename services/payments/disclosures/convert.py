"""Derivations and disclosures as the public API shows them."""

from dataclasses import asdict

from caravel.payments.v1 import disclosures_pb2

from services.payments.base.convert import timestamp
from services.payments.disclosures.usecases import Explanation
from services.payments.disclosures.wording import Part, Worded
from services.payments.model.explanation import Result, Step

_FINDINGS = {
    Result.AGREES: disclosures_pb2.ExplanationStep.AGREES,
    Result.DIFFERS: disclosures_pb2.ExplanationStep.DIFFERS,
    Result.UNKNOWN: disclosures_pb2.ExplanationStep.UNKNOWN,
}


def write_explanation(explanation: Explanation) -> disclosures_pb2.Explanation:
    """The message of a derivation, step by step."""
    return disclosures_pb2.Explanation(
        quote_id=explanation.quote_id,
        transaction_id=explanation.transaction_id,
        steps=[_write_step(step) for step in explanation.steps],
        differing=explanation.count(Result.DIFFERS),
        unknown=explanation.count(Result.UNKNOWN),
    )


def _write_step(step: Step) -> disclosures_pb2.ExplanationStep:
    return disclosures_pb2.ExplanationStep(
        figure=step.figure,
        formula=step.formula,
        inputs=[
            disclosures_pb2.ExplanationInput(name=name, value=value) for name, value in step.inputs
        ],
        result=step.result,
        stored=step.stored,
        finding=_FINDINGS[step.finding],
    )


def write_disclosure(it: Worded) -> disclosures_pb2.Disclosure:
    """A disclosure or a receipt."""
    return disclosures_pb2.Disclosure(
        kind=it.document.kind,
        locale=it.locale,
        quote_id=it.document.quote_id,
        transaction_id=it.document.transaction_id,
        made_at=timestamp(it.document.made_at),
        title=it.title,
        sections=[_write_part(part) for part in it.parts],
    )


def _write_part(part: Part) -> disclosures_pb2.DisclosureSection:
    return disclosures_pb2.DisclosureSection(
        rule=part.rule,
        title=part.title,
        items=[disclosures_pb2.DisclosureItem(**asdict(line)) for line in part.lines],
        statements=part.statements,
    )
