"""Derivations as the public API shows them."""

from caravel.payments.v1 import disclosures_pb2

from services.payments.disclosures.usecases import Explanation
from services.payments.model.explanation import Result, Step

_FINDINGS = {
    Result.AGREES: disclosures_pb2.ExplanationStep.AGREES,
    Result.DIFFERS: disclosures_pb2.ExplanationStep.DIFFERS,
    Result.UNKNOWN: disclosures_pb2.ExplanationStep.UNKNOWN,
}


def write_explanation(explanation: Explanation) -> disclosures_pb2.Explanation:
    """A derivation."""
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
