"""The forms of a recipient's fields, by the names that corridor files use. A format says its form
in words and as a pattern, and reads a text into the one way of writing that is kept and sent.
Where a library knows the form, it decides; check digits of our own are in check_digits, names in
names."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import phonenumbers
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException

from services.shared.recipients import check_digits
from services.shared.recipients.names import (
    KATAKANA_PATTERN,
    LATIN_PATTERN,
    Unfit,
    katakana_name,
    latin_name,
    name_as_given,
)
from services.shared.recipients.nouns import AccountType

Read = Callable[[str, Mapping[str, str]], str]

# The networks that a mobile money account can be at, by country, in our words.
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "BD": ("BKASH", "NAGAD", "ROCKET"),
    "CI": ("MOOV", "MTN", "ORANGE", "WAVE"),
    "CO": ("DAVIPLATA", "NEQUI"),
    "GH": ("AIRTELTIGO", "MTN", "TELECEL"),
    "ID": ("DANA", "GOPAY", "OVO"),
    "KE": ("AIRTEL", "MPESA"),
    "PH": ("GCASH", "MAYA"),
    "PK": ("EASYPAISA", "JAZZCASH"),
    "RW": ("AIRTEL", "MTN"),
    "SN": ("FREE", "ORANGE", "WAVE"),
    "TZ": ("AIRTEL", "HALOPESA", "MPESA", "TIGO"),
    "UG": ("AIRTEL", "MTN"),
    "VN": ("MOMO", "ZALOPAY"),
    "ZM": ("AIRTEL", "MTN", "ZAMTEL"),
}
_MOBILE = (
    phonenumbers.PhoneNumberType.MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
)


@dataclass(frozen=True, kw_only=True)
class Format:
    """One form of a field."""

    # The form in words for a person; they end a sentence after "must be".
    words: str
    # A regular expression that every text of this form fits, and some others may.
    pattern: str
    # The text as it is kept and sent. Gets the recipient's other fields too. Raises Unfit.
    read: Read
    # Accounts that a provider's test mode knows although no bank would have them; a sandbox takes
    # them.
    test_values: frozenset[str] = frozenset()


class UnknownFormat(ValueError):
    """No format has this name, or none in this country."""


def format_named(name: str, country: str) -> Format:
    """The format of a field of recipients in this country. Raises UnknownFormat."""
    try:
        make = FORMATS[name]
    except KeyError:
        known = ", ".join(sorted(FORMATS))
        raise UnknownFormat(f"no format is called {name}; there are {known}") from None
    return make(country)


def _plain(
    words: str,
    pattern: str,
    fits: Callable[[str], bool] | None = None,
    *,
    capitals: bool = False,
    grouped: bool = True,
) -> Callable[[str], Format]:
    """A form that its pattern says, with a check digit where `fits` knows one. Of one that people
    write in groups, blanks and hyphens are taken out."""
    form = re.compile(pattern, re.ASCII)

    def read(text: str, _: Mapping[str, str]) -> str:
        value = re.sub("[ -]", "", text) if grouped else text
        value = value.upper() if capitals else value
        if not form.fullmatch(value):
            raise Unfit(f"must be {words}")
        if fits and not fits(value):
            raise Unfit(f"must be {words}; a digit is wrong, by its check digit")
        return value

    made = Format(words=words, pattern=pattern, read=read)
    return lambda _: made


def _one_of(values: tuple[str, ...]) -> Format:
    words = f"one of {', '.join(values)}"

    def read(text: str, _: Mapping[str, str]) -> str:
        if text not in values:
            raise Unfit(f"must be {words}")
        return text

    return Format(words=words, pattern=f"^({'|'.join(values)})$", read=read)


def _name(words: str, pattern: str, read: Callable[[str], str]) -> Callable[[str], Format]:
    made = Format(words=words, pattern=pattern, read=lambda text, _: read(text))
    return lambda _: made


def _operator(country: str) -> Format:
    if country not in OPERATORS:
        raise UnknownFormat(f"no mobile money operators of {country} are known")
    return _one_of(OPERATORS[country])


def _mobile_phone(country: str) -> Format:
    code = phonenumbers.country_code_for_region(country)
    if not code:
        raise UnknownFormat(f"no telephone numbers of {country} are known")
    words = f"a mobile number of {country} in E.164 form, + and {code} and the number"

    def read(text: str, _: Mapping[str, str]) -> str:
        if not re.fullmatch(r"\+[0-9 ()-]{7,24}", text, re.ASCII):
            raise Unfit(f"must be {words}")
        try:
            number = phonenumbers.parse(text)
        except phonenumbers.NumberParseException:
            raise Unfit(f"must be {words}") from None
        if phonenumbers.region_code_for_number(number) != country:
            raise Unfit(f"must be {words}; it is none of this country")
        if phonenumbers.number_type(number) not in _MOBILE:
            raise Unfit(f"must be {words}; it is not a mobile one")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    return Format(words=words, pattern=rf"^\+{code}[0-9]{{6,12}}$", read=read)


def _iban(country: str) -> Format:
    words = f"an IBAN of {country}"

    def read(text: str, _: Mapping[str, str]) -> str:
        _refuse_other_digits(text, words)
        try:
            iban = IBAN(text.upper(), validate_bban=True)
        except SchwiftyException as error:
            raise Unfit(f"must be {words}; {_why(error)}") from None
        if iban.country_code != country:
            raise Unfit(f"must be {words}; it is of another country")
        return str(iban)

    return Format(words=words, pattern=rf"^{country}[0-9]{{2}}[A-Z0-9]{{8,30}}$", read=read)


def _bic(country: str) -> Format:
    words = f"a BIC of {country}, 8 or 11 characters"

    def read(text: str, _: Mapping[str, str]) -> str:
        _refuse_other_digits(text, words)
        try:
            bic = BIC(text.upper())
        except SchwiftyException as error:
            raise Unfit(f"must be {words}; {_why(error)}") from None
        if bic.country_code != country:
            raise Unfit(f"must be {words}; it is of another country")
        return str(bic)

    pattern = rf"^[A-Z0-9]{{4}}{country}[A-Z0-9]{{2}}([A-Z0-9]{{3}})?$"
    return Format(words=words, pattern=pattern, read=read)


def _refuse_other_digits(text: str, words: str) -> None:
    """The library takes digits of every script for digits."""
    if not re.fullmatch("[A-Za-z0-9 -]+", text, re.ASCII):
        raise Unfit(f"must be {words}")


def _why(error: SchwiftyException) -> str:
    """The library's error without the text that it repeats."""
    name = type(error).__name__
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower().replace("bban", "account number")


def _nuban(country: str) -> Format:
    words = "10 digits, of which the last is a check digit over bank code and number"

    def read(text: str, others: Mapping[str, str]) -> str:
        number = re.sub("[ -]", "", text)
        if not re.fullmatch("[0-9]{10}", number, re.ASCII):
            raise Unfit(f"must be {words}")
        bank = re.sub("[ -]", "", others.get("bank_code", ""))
        if re.fullmatch("[0-9]{3}", bank, re.ASCII) and not check_digits.fits_nuban(bank, number):
            raise Unfit(f"must be {words}; a digit is wrong, of it or of the bank code")
        return number

    tests = {f"06900000{last}" for last in range(31, 42)} | {"0000000000"}
    return Format(words=words, pattern="^[0-9]{10}$", read=read, test_values=frozenset(tests))


def _tax_id_of_brazil(text: str) -> bool:
    return check_digits.fits_cpf(text) if len(text) == 11 else check_digits.fits_cnpj(text)


# By the name that corridor files use: makes the format of a country.
FORMATS: Mapping[str, Callable[[str], Format]] = {
    # Of every country.
    "account_type": lambda _: _one_of(tuple(AccountType)),
    "bic": _bic,
    "iban": _iban,
    "mobile_phone": _mobile_phone,
    "name": _name(
        "a name of 2 to 70 characters, letters from A to Z, digits, blanks and "
        "' . , ( ) / + : ? -; "
        "letters with marks lose them, and Greek and Cyrillic ones are spelt in Latin",
        LATIN_PATTERN,
        latin_name,
    ),
    "name_as_given": _name(
        "a name of 1 to 140 characters in any letters", "^.{1,140}$", name_as_given
    ),
    "name_katakana": _name(
        "a name of 1 to 48 characters in katakana, capital letters, digits, blanks and ( ) . - /; "
        "hiragana and katakana of half width are written in katakana of full width",
        KATAKANA_PATTERN,
        katakana_name,
    ),
    "operator": _operator,
    "wallet_id": _plain(
        "4 to 64 letters, digits and . _ @ + -", r"^[A-Za-z0-9._@+-]{4,64}$", grouped=False
    ),
    # Of one country each.
    "bd_account": _plain("9 to 17 digits", "^[0-9]{9,17}$"),
    "bd_routing": _plain("a routing number of 9 digits", "^[0-9]{9}$"),
    "br_account": _plain(
        "2 to 13 digits with the check digit, which may be X", "^[0-9]{1,12}[0-9X]$", capitals=True
    ),
    "br_bank": _plain("the bank's code of 3 digits", "^[0-9]{3}$"),
    "br_branch": _plain("the branch of 4 digits, without its check digit", "^[0-9]{4}$"),
    "br_tax_id": _plain(
        "a CPF of 11 digits or a CNPJ of 14 characters",
        "^([0-9]{11}|[0-9A-Z]{12}[0-9]{2})$",
        _tax_id_of_brazil,
        capitals=True,
    ),
    "clabe": _plain(
        "a CLABE of 18 digits, of which the last is a check digit",
        "^[0-9]{18}$",
        check_digits.fits_clabe,
    ),
    "co_account": _plain("6 to 17 digits", "^[0-9]{6,17}$"),
    "co_bank": _plain("the bank's code of 2 to 4 digits", "^[0-9]{2,4}$"),
    "co_tax_id": _plain("a cédula of 6 to 10 digits", "^[0-9]{6,10}$"),
    "co_nit": _plain(
        "a NIT of 10 digits, of which the last is a check digit",
        "^[0-9]{10}$",
        check_digits.fits_nit,
    ),
    "gb_account": _plain("8 digits", "^[0-9]{8}$"),
    "gb_sort_code": _plain("a sort code of 6 digits", "^[0-9]{6}$"),
    "gh_account": _plain("8 to 17 digits", "^[0-9]{8,17}$"),
    "gh_bank": _plain("the bank's code of 6 digits", "^[0-9]{6}$"),
    "id_account": _plain("6 to 20 digits", "^[0-9]{6,20}$"),
    "id_bank": _plain("the bank's code of 3 digits", "^[0-9]{3}$"),
    "in_account": _plain("9 to 18 digits", "^[0-9]{9,18}$"),
    "in_ifsc": _plain(
        "an IFSC: 4 letters, a zero, and 6 letters or digits",
        "^[A-Z]{4}0[A-Z0-9]{6}$",
        capitals=True,
    ),
    "jp_account": _plain("7 digits, with zeros before a shorter number", "^[0-9]{7}$"),
    "jp_bank": _plain("the bank's code of 4 digits", "^[0-9]{4}$"),
    "jp_branch": _plain("the branch of 3 digits", "^[0-9]{3}$"),
    "ke_account": _plain("8 to 16 digits", "^[0-9]{8,16}$"),
    "ke_bank": _plain("the bank's code of 2 digits", "^[0-9]{2}$"),
    "ng_bank": _plain("the bank's CBN code of 3 digits", "^[0-9]{3}$"),
    "nuban": _nuban,
    "ph_account": _plain("6 to 16 digits", "^[0-9]{6,16}$"),
    "tz_account": _plain("8 to 16 digits", "^[0-9]{8,16}$"),
    "ug_account": _plain("8 to 16 digits", "^[0-9]{8,16}$"),
    "ug_bank": _plain("the sort code of 6 digits", "^[0-9]{6}$"),
    "vn_account": _plain("6 to 19 letters and digits", "^[A-Z0-9]{6,19}$", capitals=True),
    "vn_bank": _plain("the bank's number (BIN) of 6 digits", "^[0-9]{6}$"),
    "za_account": _plain("7 to 11 digits", "^[0-9]{7,11}$"),
    "za_branch": _plain("the branch code of 6 digits", "^[0-9]{6}$"),
}
