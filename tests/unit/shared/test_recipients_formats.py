"""The forms of a recipient's fields: good ones in the way they are kept, wrong ones with a
sentence, and no text of any kind breaks one of them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.shared.recipients.formats import FORMATS, OPERATORS, UnknownFormat, format_named
from services.shared.recipients.names import Unfit

NOBODY: dict[str, str] = {}
# By format: a country, and texts with the one way of writing that is kept.
GOOD = {
    "account_type": ("JP", {"CHECKING": "CHECKING", "SAVINGS": "SAVINGS"}),
    "bd_account": ("BD", {"1501 1234 56789": "1501123456789"}),
    "bd_routing": ("BD", {"020261726": "020261726"}),
    "bic": ("DE", {"deutdeff": "DEUTDEFF", "DEUTDEFF500": "DEUTDEFF500"}),
    "br_account": ("BR", {"12345-6": "123456", "1234-x": "1234X"}),
    "br_bank": ("BR", {"001": "001"}),
    "br_branch": ("BR", {"0001": "0001"}),
    "br_tax_id": (
        "BR",
        {
            "52998224725": "52998224725",
            "111444777 35": "11144477735",
            "11222333000181": "11222333000181",
            "12abc34501de35": "12ABC34501DE35",
        },
    ),
    "clabe": ("MX", {"032180000118359719": "032180000118359719"}),
    "co_account": ("CO", {"12345678901": "12345678901"}),
    "co_bank": ("CO", {"1007": "1007"}),
    "co_nit": ("CO", {"890903938-8": "8909039388", "8999990681": "8999990681"}),
    "co_tax_id": ("CO", {"1020304050": "1020304050"}),
    "gb_account": ("GB", {"31926819": "31926819"}),
    "gb_sort_code": ("GB", {"60-16-13": "601613"}),
    "gh_account": ("GH", {"1441000123456": "1441000123456"}),
    "gh_bank": ("GH", {"030100": "030100"}),
    "iban": (
        "DE",
        {"DE89370400440532013000": "DE89370400440532013000"}
        | {"de89 3704 0044 0532 0130 00": "DE89370400440532013000"},
    ),
    "id_account": ("ID", {"1234567890": "1234567890"}),
    "id_bank": ("ID", {"014": "014"}),
    "in_account": ("IN", {"50100012345678": "50100012345678"}),
    "in_ifsc": ("IN", {"hdfc0000123": "HDFC0000123"}),
    "jp_account": ("JP", {"1234567": "1234567"}),
    "jp_bank": ("JP", {"0005": "0005"}),
    "jp_branch": ("JP", {"001": "001"}),
    "ke_account": ("KE", {"0690123456789": "0690123456789"}),
    "ke_bank": ("KE", {"68": "68"}),
    "mobile_phone": (
        "KE",
        {"+254709929220": "+254709929220", "+254 (709) 929-220": "+254709929220"},
    ),
    "name": ("NG", {"Ada Obi": "Ada Obi", " Zoë   Müller ": "Zoe Muller"}),
    "name_as_given": ("IN", {"राजेश शर्मा": "राजेश शर्मा"}),
    "name_katakana": ("JP", {"ｻﾄｳ ﾊﾅｺ": "サトウ ハナコ", "さとう はなこ": "サトウ ハナコ"}),
    "ng_bank": ("NG", {"044": "044"}),
    "nuban": ("NG", {"0000014579": "0000014579"}),
    "operator": ("GH", {name: name for name in OPERATORS["GH"]}),
    "ph_account": ("PH", {"001234567890": "001234567890"}),
    "tz_account": ("TZ", {"0152000123400": "0152000123400"}),
    "ug_account": ("UG", {"9030001234567": "9030001234567"}),
    "ug_bank": ("UG", {"040147": "040147"}),
    "vn_account": ("VN", {"0123456789": "0123456789"}),
    "vn_bank": ("VN", {"970436": "970436"}),
    "wallet_id": ("IN", {"asha@bank": "asha@bank", "wallet-0001": "wallet-0001"}),
    "za_account": ("ZA", {"4055501234": "4055501234"}),
    "za_branch": ("ZA", {"632005": "632005"}),
}
# The bank 011 of the example above.
OTHERS = {"nuban": {"bank_code": "011"}}
WRONG = [
    ("bic", "DE", "DEUTDEF"),
    ("bic", "DE", "DEUTFRFF"),
    ("bic", "DE", "DEUTXXFF"),
    ("br_tax_id", "BR", "52998224726"),
    ("br_tax_id", "BR", "11111111111"),
    ("br_tax_id", "BR", "11222333000182"),
    ("br_tax_id", "BR", "00000000000000"),
    ("br_tax_id", "BR", "12ABC34501DE36"),
    ("clabe", "MX", "032180000118359718"),
    ("clabe", "MX", "03218000011835971"),
    ("co_nit", "CO", "8909039387"),
    ("iban", "DE", "DE88370400440532013000"),
    ("iban", "DE", "DE8937040044053201300"),
    ("iban", "DE", "GB33BUKB20201555555555"),
    ("iban", "DE", "XX89370400440532013000"),
    # Digits of another script, that a library takes for digits.
    ("iban", "DE", "DE89٣70400440532013000"),
    ("in_ifsc", "IN", "HDFC1000123"),
    ("mobile_phone", "KE", "0709929220"),
    ("mobile_phone", "KE", "+233551234987"),
    ("mobile_phone", "KE", "+254202222222"),
    ("mobile_phone", "KE", "+254709929220 ext 5"),
    ("mobile_phone", "KE", "+25470992"),
    ("mobile_phone", "KE", "+25470992922O"),
    ("name", "NG", "山田太郎"),
    ("name", "NG", "عبد الله"),
    ("name", "NG", "A"),
    ("name", "NG", "123"),
    ("name", "NG", "Ada & Co"),
    ("name", "NG", "A" * 71),
    ("name_as_given", "IN", "..."),
    ("name_katakana", "JP", "佐藤花子"),
    ("nuban", "NG", "000001457"),
    ("operator", "GH", "MPESA"),
    ("operator", "GH", "mtn"),
    ("wallet_id", "IN", "wal"),
    ("za_branch", "ZA", "\uff16\uff13\uff12\uff10\uff10\uff15"),
]


def test_every_format_is_tried() -> None:
    assert set(GOOD) == set(FORMATS)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_text_is_read_into_one_way_of_writing(name: str) -> None:
    country, texts = GOOD[name]
    form = format_named(name, country)

    for text, kept in texts.items():
        assert form.read(text, OTHERS.get(name, NOBODY)) == kept
        assert form.read(kept, OTHERS.get(name, NOBODY)) == kept
        assert re.fullmatch(form.pattern, kept)


@pytest.mark.parametrize(("name", "country", "text"), WRONG)
def test_a_wrong_text_is_refused_in_a_sentence_that_does_not_repeat_it(
    name: str, country: str, text: str
) -> None:
    with pytest.raises(Unfit) as refusal:
        format_named(name, country).read(text, NOBODY)

    assert text not in str(refusal.value)
    assert str(refusal.value).startswith(("must", "may"))


@pytest.mark.parametrize(
    ("bank", "number", "fits"),
    [
        ("011", "0000014579", True),
        ("044", "0690000032", True),
        ("044", "0690000033", False),
        ("045", "0690000032", False),
        # Nothing is known of the codes of other institutions.
        ("50515", "0690000033", True),
    ],
)
def test_an_account_of_nigeria_fits_its_bank(bank: str, number: str, fits: bool) -> None:
    form = format_named("nuban", "NG")

    if fits:
        assert form.read(number, {"bank_code": bank}) == number
    else:
        with pytest.raises(Unfit, match="check digit"):
            form.read(number, {"bank_code": bank})


@pytest.mark.parametrize(
    ("name", "country"), [("nuuban", "NG"), ("operator", "DE"), ("mobile_phone", "ZZ")]
)
def test_a_format_that_is_none_is_refused(name: str, country: str) -> None:
    with pytest.raises(UnknownFormat):
        format_named(name, country)


@pytest.mark.parametrize("name", GOOD)
@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=150) | st.from_regex(r"[A-Z0-9 +-]{1,40}"))
def test_no_text_breaks_a_format(name: str, text: str) -> None:
    form = format_named(name, GOOD[name][0])
    try:
        kept = form.read(text, {"bank_code": text})
    except Unfit:
        return

    assert re.fullmatch(form.pattern, kept)
    assert form.read(kept, {"bank_code": text}) == kept
