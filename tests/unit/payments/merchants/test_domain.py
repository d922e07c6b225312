"""A key that is made goes no further than the credential that makes it."""

from ipaddress import ip_network

import pytest

from services.payments.merchants.domain import check_within
from services.payments.model.principal import CredentialKind, MerchantId, Principal
from services.shared.errors import Invalid


@pytest.mark.parametrize(
    ("wanted", "may"),
    [
        ([], False),
        (["10.0.0.0/7"], False),
        (["10.1.0.0/16", "192.0.2.1"], False),
        (["::/0"], False),
        (["10.1.0.0/16", "2001:db8::1"], True),
    ],
)
def test_addresses_of_a_new_key_are_within_those_of_its_maker(wanted: list[str], may: bool) -> None:
    maker = Principal(
        kind=CredentialKind.MERCHANT_KEY,
        merchant_id=MerchantId("mer_acme"),
        scopes=frozenset(),
        addresses=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")),
    )
    networks = [ip_network(one) for one in wanted]
    try:
        check_within(None, networks, maker)
    except Invalid:
        assert not may
    else:
        assert may
