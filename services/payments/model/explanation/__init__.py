"""Recomputes each figure of a quote, and of its payment, from the stored inputs alone: no file of a
corridor, no fees and no fx. `derivation` has the order of the steps, `rates` and `fees` theirs,
`schedule` the terms of a fee schedule, and `arithmetic` reads formulas and rounds. It shares no
arithmetic with the pricing, whose mistakes it would repeat."""

from services.payments.model.explanation.derivation import explain_payment, explain_quote
from services.payments.model.explanation.step import Result, Step

__all__ = ["Result", "Step", "explain_payment", "explain_quote"]
