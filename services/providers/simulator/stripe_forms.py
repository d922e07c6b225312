"""Stripe's requests: forms with names in brackets, read as strictly as Stripe reads them, and the
errors by which it refuses one. A parameter that Stripe documents and this stand-in lacks is refused
as such."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Form = Mapping[str, str]

# The currencies that Stripe takes; a few of ISO 4217 are not among them.
_CURRENCIES = """
usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp
byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip
gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt
lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr
nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd
std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar
zmw
"""
CURRENCIES = frozenset(_CURRENCIES.split())
LIMIT_DEFAULT, LIMIT_MAX = 10, 100
METADATA_MAX, METADATA_VALUE_MAX = 50, 500
_METADATA = re.compile(r"metadata\[([^\]]{1,40})\]")
_EXPANDED = re.compile(r"expand\[[0-9]*\]", re.ASCII)
_INTEGER = re.compile(r"[0-9]{1,15}", re.ASCII)


class Refused(Exception):
    """A request that Stripe answers with an error before it begins anything."""

    def __init__(self, status: int, error: Json) -> None:
        super().__init__(error.get("message", ""))
        self.status = status
        self.body: Json = {"error": error}


def invalid(code: str, param: str, message: str, status: int = 400) -> Refused:
    """Stripe's invalid_request_error; code and parameter are left out where they are empty."""
    error = {"type": "invalid_request_error", "message": message}
    if code:
        page = code.replace("_", "-")
        error |= {"code": code, "doc_url": f"https://stripe.com/docs/error-codes/{page}"}
    return Refused(status, {**error, "param": param} if param else error)


def unexpected_state(verb: str, intent: Json) -> Refused:
    """The refusal of a verb that an intent of this status does not take."""
    message = f"This PaymentIntent could not be {verb}: it has a status of {intent['status']}."
    refused = invalid("payment_intent_unexpected_state", "", message)
    refused.body["error"]["payment_intent"] = intent
    return refused


@dataclass(frozen=True)
class Names:
    """The parameters of one call: those that are read here, and those that only Stripe knows."""

    read: frozenset[str]
    documented: frozenset[str]


def names(read: str, documented: str = "") -> Names:
    """The parameters of one call, separated by spaces."""
    return Names(frozenset(read.split()) | {"expand"}, frozenset(documented.split()))


def check_names(form: Form, known: Names) -> None:
    """Raises Refused for the first parameter that the call does not take."""
    for name in form:
        base = name.partition("[")[0]
        if base in known.read:
            continue
        if base in known.documented:
            raise invalid("", base, f"This simulator of Stripe does not have {base}.")
        message = f"Received unknown parameter: {base}"
        raise invalid("parameter_unknown", base, message)


def metadata(form: Form) -> dict[str, str]:
    """The form's metadata fields. Raises Refused beyond the bounds of their number and size."""
    matches = ((_METADATA.fullmatch(name), value) for name, value in form.items())
    found = {match[1]: value for match, value in matches if match}
    if len(found) > METADATA_MAX:
        raise invalid("", "metadata", f"Metadata can have at most {METADATA_MAX} keys.")
    for name, value in found.items():
        if len(value) > METADATA_VALUE_MAX:
            message = f"Metadata values can have up to {METADATA_VALUE_MAX} characters."
            raise invalid("", f"metadata[{name}]", message)
    return found


def expanded(form: Form) -> list[str]:
    """The properties that are asked for whole."""
    return [value for name, value in form.items() if _EXPANDED.fullmatch(name)]


def boolean(form: Form, name: str) -> bool:
    """Whether it is true; not, where it is not there. Raises Refused."""
    text = form.get(name, "false")
    if text not in ("true", "false"):
        raise invalid("", name, f"Invalid boolean: {text[:80]}")
    return text == "true"


def integer(form: Form, name: str, default: int | None = None) -> int:
    """A whole number that is not negative. Raises Refused."""
    text = form.get(name, "")
    if not text and default is not None:
        return default
    if not text:
        raise invalid("parameter_missing", name, f"Missing required param: {name}.")
    if not _INTEGER.fullmatch(text):
        raise invalid("parameter_invalid_integer", name, f"Invalid integer: {text[:80]}")
    return int(text)


def one_of(form: Form, name: str, known: tuple[str, ...]) -> str:
    """One of the words, the first where none is given. Raises Refused."""
    text = form.get(name, known[0])
    if text not in known:
        raise invalid("", name, f"Invalid {name}: must be one of {', '.join(sorted(known))}")
    return text


def currency(form: Form) -> str:
    """The currency, in small letters. Raises Refused."""
    text = form.get("currency", "")
    if not text:
        raise invalid("parameter_missing", "currency", "Missing required param: currency.")
    if text.lower() not in CURRENCIES:
        supported = ", ".join(sorted(CURRENCIES))
        message = f"Invalid currency: {text[:80]}. Stripe currently supports these: {supported}"
        raise invalid("", "currency", message)
    return text.lower()


def missing(noun: str, wanted: str, param: str, status: int = 404) -> Refused:
    """The refusal of an id that nobody has."""
    return invalid("resource_missing", param, f"No such {noun}: '{wanted[:80]}'", status)


def unrecognized(method: str, path: str) -> Refused:
    """The refusal of a call that Stripe, or this stand-in, does not have."""
    message = (
        f"Unrecognized request URL ({method}: {path}). This is a simulator of Stripe, and has a "
        "part of its calls only."
    )
    return invalid("", "", message, 404)
