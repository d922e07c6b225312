"""Which URLs may be endpoints, and which addresses may be connected to."""

import pytest

from services.payments.domain.endpoint import EndpointNotFound, check_url, may_connect
from services.payments.domain.endpoint import read_endpoint_id as read
from services.shared.errors import Invalid
from services.shared.ids import encode_id, new_id

PUBLIC = [
    "https://example.com",
    "https://hooks.example.co.uk/caravel?x=1",
    "https://example.com:8443/a",
    "https://xn--bcher-kva.example/",
    "https://93.184.216.34/hook",
    "https://[2606:2800:220:1:248:1893:25c8:1946]/hook",
]
MALFORMED = [
    "http://example.com",
    "ftp://example.com",
    "https://",
    "example.com/hook",
    "https://example",
    "https://user:pass@example.com",
    "https://user@example.com",
    "https://example.com@evil.example",
    "https://example.com/#part",
    "https://example.com\\@evil.example",
    "https://example.com:22/",
    "https://example.com:99999/",
    "https://example.com:x/",
    "https://exa mple.com",
    "https://bücher.example",
    "https://-a.example",
    "https://a..example",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f.0x1/",
    "https://[::1",
    "https://127.0.0.1%2f.example.com",
    "https://example.com/" + "a" * 2048,
    "\nhttps://example.com",
]
FORBIDDEN = [
    "https://127.0.0.1/",
    "https://10.1.2.3/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://[::1]/",
    "https://[fd00:ec2::254]/",
    "https://[::ffff:10.0.0.1]/",
    "https://shop.localhost/",
]


def _reason(url: str, *, sandbox: bool) -> str:
    with pytest.raises(Invalid) as refused:
        check_url(url, sandbox=sandbox)
    assert refused.value.metadata == {"field": "url"}
    return refused.value.error_reason


@pytest.mark.parametrize("sandbox", [True, False])
@pytest.mark.parametrize("url", PUBLIC)
def test_a_public_https_url_is_taken(url: str, sandbox: bool) -> None:
    check_url(url, sandbox=sandbox)


@pytest.mark.parametrize("sandbox", [True, False])
@pytest.mark.parametrize("url", MALFORMED)
def test_a_url_of_another_form_is_refused(url: str, sandbox: bool) -> None:
    assert _reason(url, sandbox=sandbox) == "ENDPOINT_URL_INVALID"


@pytest.mark.parametrize("url", FORBIDDEN)
def test_an_address_that_is_not_public_is_refused(url: str) -> None:
    assert _reason(url, sandbox=False) == "ENDPOINT_ADDRESS_FORBIDDEN"


def test_a_missing_url_is_required() -> None:
    assert _reason("", sandbox=True) == "FIELD_REQUIRED"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9000/x", "http://localhost:9000", "http://[::1]/", "https://127.0.0.1:9/"],
)
def test_a_sandbox_takes_this_machine_itself(url: str) -> None:
    check_url(url, sandbox=True)


def test_a_sandbox_takes_no_other_private_address() -> None:
    assert _reason("https://10.1.2.3/", sandbox=True) == "ENDPOINT_ADDRESS_FORBIDDEN"
    assert _reason("ftp://127.0.0.1/", sandbox=True) == "ENDPOINT_URL_INVALID"
    assert _reason("http://a@127.0.0.1/", sandbox=True) == "ENDPOINT_URL_INVALID"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "2002:a00:1::",
        "64:ff9b::a00:1",
        "64:ff9b::a9fe:a9fe",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_nothing_is_sent_to_an_address_that_is_not_public(address: str) -> None:
    assert not may_connect(address, sandbox=False)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"])
def test_a_public_address_is_connected_to(address: str) -> None:
    assert may_connect(address, sandbox=False)


def test_a_sandbox_connects_to_loopback_and_no_other_private_address() -> None:
    assert may_connect("127.0.0.1", sandbox=True)
    assert may_connect("::1", sandbox=True)
    assert not may_connect("169.254.169.254", sandbox=True)


def test_only_an_id_with_its_prefix_is_an_endpoints() -> None:
    endpoint_id = new_id()

    assert read(encode_id("whe", endpoint_id)) == endpoint_id
    for text in ("", "whe_1", encode_id("pay", endpoint_id)):
        with pytest.raises(EndpointNotFound):
            read(text)
