"""The bodies of the load: payments that go well, that providers shall fail, and that must be
refused, all from one seeded generator. It knows our documents and none of our code."""

from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

CURRENCIES = {"INR": 3, "MXN": 2, "NGN": 3, "GHS": 2, "KES": 2, "ZAR": 3, "GBP": 2, "BRL": 1}
# Mobile numbers by currency: what stands before the last seven digits, and the operators.
NETWORKS = {"GHS": ("+23324", ("MTN", "TELECEL")), "KES": ("+25471", ("MPESA", "AIRTEL"))}
BANK, ZAR_BRANCH = "044", "632005"
# Accounts whose check digits are right, by currency.
ACCOUNTS = {
    "GBP": {"sort_code": "200000", "account_number": "55779911"},
    "BRL": {
        "tax_id": "52998224725", "bank_code": "001", "branch_code": "1234",
        "account_number": "123456789", "account_type": "CHECKING",
    },
}  # fmt: skip
OFFRAMPS = {
    "INR": ("local_wallet",),
    "MXN": ("local_wallet",),
    "NGN": ("flutterwave", "paystack", "local_wallet"),
    "GHS": ("flutterwave", "local_wallet"),
    "KES": ("flutterwave", "local_wallet"),
    "ZAR": ("paystack", "local_wallet"),
    "GBP": ("wise", "local_wallet"),
    "BRL": ("wise", "local_wallet"),
}
# Faults that pass, at any provider.
PASSING = (
    # Most often those after which the effect is there and its answer is not.
    *("accept_then_hang",) * 3, *("500_after",) * 2,
    "500_before", "drop_before_accept", "rate_limit", "brownout",
    "huge_body", "invalid_utf8", "extra_fields", "slow_lookup=1", "lookup_lag=3",
    "eventual_list=3", "duplicate_webhook=3", "reorder=2", "webhook_before_response",
    "no_webhook", "bad_signature", "old_timestamp=4000", "future_timestamp=4000",
)  # fmt: skip
# Ends that only a payout can have, and lies about it.
PAYOUT_ENDS = (
    "payout_fails", "recipient_refused", "no_balance", "late_fail=2", "late_success=2", "amnesia",
    "key_mismatch_error",
)  # fmt: skip
LIES = ("amount+1", "amount-1", "currency_swap", "net_of_fee")
ONRAMP_ENDS = ("cache_500", "refund_fails", "amnesia", "key_mismatch_error", "dispute=3")
MAGIC_AMOUNTS = tuple(f"666.{number:02}" for number in range(1, 11) if number != 7)
REFUSED_METHODS = (
    "pm_card_visa_chargeDeclined", "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_chargeDeclinedExpiredCard", "pm_card_threeDSecure2Required",
    "pm_card_authenticationRequired", "pm_card_that_nobody_knows",
)  # fmt: skip
# Each must be refused for good: what is changed of a good body; None takes a field away.
REFUSED_CHANGES: tuple[dict[str, Any], ...] = (
    {"amount_usd": "-5.00"}, {"amount_usd": "0"}, {"amount_usd": "1.001"}, {"amount_usd": "NaN"},
    {"amount_usd": "1e400"}, {"amount_usd": "0.50"}, {"amount_usd": "10000.01"},
    {"amount_usd": "1_000"}, {"amount_usd": None}, {"destination_currency": "XXX"},
    {"destination_currency": "inr"}, {"destination_currency": "CHF"}, {"user_id": "nobody"},
    {"user_id": None}, {"reference": "r" * 141}, {"quote_id": "quo_nonsense"},
    {"recipient": {}}, {"recipient": {"wallet": {}}}, {"recipient": {"wallet": {"wallet_id": "x"}}},
    {"recipient": {"account": "0690000032"}}, {"recipient": {"bank_account": {"iban": "DE00"}}},
)  # fmt: skip
REFUSED_KEYS = (None, "", "a b", "k" * 256)
# A card that asks for its payer, and a payer who acts. After a restart of the simulator none does.
ASKS_PAYER = "pm_card_threeDSecure2Required"
PAYERS = ("sim:payer_authenticates=1", "sim:payer_authenticates=4", "sim:payer_fails=1")
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"


def unknown_id(rng: Random, prefix: str) -> str:
    """An id as ours look, of nothing."""
    digits = [rng.choice(_BASE32[:8]), *(rng.choice(_BASE32) for _ in range(25))]
    return f"{prefix}_{''.join(digits)}"


@dataclass
class Orders:
    """The generator. Merchants' keys are its own, so that a run of the same seed has the same."""

    rng: Random
    run: str = "chaos"
    # So many payments more ask their onramp or offramp for a false amount.
    misstated_share: float = 0.0
    _count: int = field(default=0, init=False)

    def key(self) -> str:
        """A new idempotency key."""
        self._count += 1
        return f"{self.run}-{self._count}-{self.rng.getrandbits(40):010x}"

    def payment(self) -> dict[str, Any]:
        """A body that must be taken."""
        rng = self.rng
        currency = rng.choices(list(CURRENCIES), weights=list(CURRENCIES.values()))[0]
        body: dict[str, Any] = {
            "user_id": str(UUID(int=rng.getrandbits(128), version=4)),
            "amount_usd": self._amount(),
            "destination_currency": currency,
        }
        if rng.random() < 0.25:
            body["recipient"] = self.recipient(currency, refused=rng.random() < 0.1)
        if rng.random() < 0.12:
            body["payment_method"] = rng.choice(REFUSED_METHODS)
        elif rng.random() < 0.3:
            body["payment_method"] = "pm_card_visa"
        words = [f"order {self._count}", *self._words(currency)]
        if rng.random() < 0.1:
            body["payer"] = "PRESENT"
            if rng.random() < 0.6:
                body["payment_method"] = ASKS_PAYER
                words.append(rng.choice(PAYERS))
        body["reference"] = " ".join(words)[:140]
        return body

    def refused(self) -> tuple[str | None, dict[str, Any]]:
        """A key and a body of which at least one must be refused for good."""
        rng = self.rng
        body = {**self.payment(), "payment_method": "pm_card_visa"}
        if rng.random() < 0.2:
            return rng.choice(REFUSED_KEYS), body
        changes = rng.choice((*REFUSED_CHANGES, {"quote_id": unknown_id(rng, "quo")}))
        return self.key(), {n: v for n, v in {**body, **changes}.items() if v is not None}

    def changed(self, body: dict[str, Any]) -> dict[str, Any]:
        """Another body, for a key that was used with this one."""
        changes: list[dict[str, Any]] = [
            {"reference": f"{body.get('reference', '')[:100]} changed"},
            {"user_id": str(UUID(int=self.rng.getrandbits(128), version=4))},
            {"amount_usd": "77.77" if body["amount_usd"] != "77.77" else "77.78"},
        ]
        return {**body, **self.rng.choice(changes)}

    def part(self, amount_usd: str) -> str:
        """Some of an amount, at least a cent."""
        cents = round(float(amount_usd) * 100)
        part = self.rng.randint(1, max(1, cents - 1))
        return f"{part // 100}.{part % 100:02}"

    def plain_amount(self) -> str:
        """An amount that asks for nothing."""
        return f"{self.rng.randint(3, 599)}.{self.rng.randint(0, 99):02}"

    def _amount(self) -> str | int:
        rng = self.rng
        if rng.random() < 0.06:
            return rng.choice(MAGIC_AMOUNTS)
        if rng.random() < 0.1:
            return rng.choice(("10000.00", "2.50", "100", 25, 4000, "9.9"))
        return f"{rng.randint(3, 1999)}.{rng.randint(0, 99):02}"

    def recipient(self, currency: str, *, refused: bool = False) -> dict[str, Any]:
        """Somebody in the currency's country, of a kind that its first offramps pay, and sometimes
        a wallet; the providers of the simulator pay no Refused."""
        rng, name = self.rng, "Asha Refused" if refused else "Asha Example"
        if currency in ("INR", "MXN") or rng.random() < 0.2:
            account = f"wallet-{rng.getrandbits(48):012x}"
            return {"wallet": {"holder_name": name, "wallet_id": account}}
        if currency in NETWORKS:
            prefix, operators = NETWORKS[currency]
            number = f"{prefix}{rng.randint(0, 9_999_999):07}"
            operator = rng.choice(operators)
            return {
                "mobile_money": {"holder_name": name, "phone_number": number, "operator": operator}
            }
        if currency == "ZAR":
            account = str(rng.randint(10**9, 10**10 - 1))
            return {
                "bank_account": {
                    "holder_name": name, "branch_code": ZAR_BRANCH, "account_number": account
                }
            }  # fmt: skip
        if currency in ACCOUNTS:
            return {"bank_account": {"holder_name": name, **ACCOUNTS[currency]}}
        serial = f"{rng.randint(0, 999_999_999):09}"
        total = sum(
            int(digit) * weight for digit, weight in zip(BANK + serial, (3, 7, 3) * 4, strict=True)
        )
        account = f"{serial}{-total % 10}"
        return {"bank_account": {"holder_name": name, "bank_code": BANK, "account_number": account}}

    def _words(self, currency: str) -> list[str]:
        rng = self.rng
        if self.misstated_share and rng.random() < self.misstated_share:
            return [_word("amount+1", rng.choice(("@stripe", f"@{OFFRAMPS[currency][0]}")))]
        chance = rng.random()
        if chance < 0.45:
            return []
        offramp = rng.choice(OFFRAMPS[currency])
        if chance < 0.75:
            words = rng.sample(PASSING, rng.choice((1, 1, 2)))
            at = rng.choice(("", "", "@stripe", f"@{offramp}"))
            return [_word(word, at) for word in words]
        if chance < 0.88:
            return [_word(rng.choice(PAYOUT_ENDS), f"@{offramp}")]
        if chance < 0.94:
            return [_word(rng.choice(ONRAMP_ENDS), "@stripe")]
        return [_word(rng.choice(LIES), rng.choice(("", "@stripe", f"@{offramp}")))]


def _word(word: str, at: str) -> str:
    name, equals, parameter = word.partition("=")
    return f"sim:{name}{at}{equals}{parameter}"
