"""The checker checked, on the lies that may have struck an operation."""

from dataclasses import replace

from tests.chaos.checker.evidence import chance
from tests.chaos.worlds import broken, story


def test_i20_a_lie_strikes_a_transfer_that_was_never_funded_by_its_id() -> None:
    world, life = story()
    life.collected()
    attempt = life.attempt("payout", 1, "UNKNOWN", "wise")
    life.held("amount_mismatch")
    struck = chance(7, attempt.provider_reference, "amount+1")
    modes = {"amount+1": {"probability": struck + 1e-9}}
    lied = [{"provider": "wise", "seed": 7, "modes": modes}]

    assert struck < chance(7, attempt.key, "amount+1")
    assert "I20" not in broken(world.facts(nemesis=lied))
    life.effect(attempt, "payout_accepted", named=attempt.provider_reference)
    assert "I20" in broken(world.facts(nemesis=lied))


def test_i20_such_an_id_may_be_said_after_the_attempt_has_failed() -> None:
    world, life = story()
    life.collected()
    attempt = life.attempt("payout", 1, "FAILED", "wise")
    world.attempts[-1] = replace(attempt, provider_reference="")
    state = life.payment.state
    life.event(state, state, "payout_unknown", key=attempt.key, provider_reference="83096131")
    life.held("amount_mismatch")
    struck = chance(7, "83096131", "amount+1")
    lied = [{"provider": "wise", "seed": 7, "modes": {"amount+1": {"probability": struck + 1e-9}}}]

    assert struck < chance(7, attempt.key, "amount+1")
    assert "I20" in broken(world.facts())
    assert "I20" not in broken(world.facts(nemesis=lied))


def test_i20_a_word_that_the_offramp_has_cut_off_is_no_lie_of_its_own() -> None:
    world, life = story(reference="sim:payer_authenticates=4 sim:amount-1@local_wallet")
    life.completed()
    whole = broken(world.facts())
    world.book[:] = [replace(line, reference=line.reference[:35]) for line in world.book]

    assert whole == {"I20"}
    assert broken(world.facts()) == set()
