"""Which URLs may be endpoints, and which addresses may be connected to."""

import pytest

from services.payments.model.endpoint import Endpoint
from services.payments.webhooks_out.addresses import Targets
from services.payments.webhooks_out.endpoint import EndpointNotFound, check_url
from services.payments.webhooks_out.endpoint import read_endpoint_id as read
from services.shared.errors import Invalid
from services.shared.ids import encode_id, new_id
from tests.makers import NOW

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
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.1./",
    "https://1.2.3.4.5/",
    "https://example.com./",
    "https://localhost./",
    "https://%6cocalhost/",
    "https://①②⑦.0.0.1/",
    "https://127。0。0。1/",
    "https://[v1.fe80]/",
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
    "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[::10.0.0.1]/",
    "https://[::ffff:0:10.0.0.1]/",
    "https://[fec0::1]/",
    "https://[2002:a00:1::]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[2606:4700::1111%25eth0]/",
    "https://192.0.0.192/",
    "https://198.18.0.1/",
    "https://240.0.0.1/",
    "https://203.0.113.9/",
    "https://shop.localhost/",
]


def _reason(url: str, *, sandbox: bool) -> str:
    with pytest.raises(Invalid) as refused:
        check_url(url, Targets(loopback=sandbox))
    assert refused.value.metadata == {"field": "url"}
    return refused.value.error_reason


@pytest.mark.parametrize("sandbox", [True, False])
@pytest.mark.parametrize("url", PUBLIC)
def test_a_public_https_url_is_taken(url: str, sandbox: bool) -> None:
    check_url(url, Targets(loopback=sandbox))


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
    check_url(url, Targets(loopback=True))


def test_a_sandbox_takes_no_other_private_address() -> None:
    assert _reason("https://10.1.2.3/", sandbox=True) == "ENDPOINT_ADDRESS_FORBIDDEN"
    assert _reason("ftp://127.0.0.1/", sandbox=True) == "ENDPOINT_URL_INVALID"
    assert _reason("http://a@127.0.0.1/", sandbox=True) == "ENDPOINT_URL_INVALID"


OWN = Targets(loopback=True, own_ports=frozenset({80, 443, 8080, 20101}))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/quitquitquit",
        "https://127.0.0.1:8080/",
        "http://localhost:20101/",
        "http://shop.localhost:8080/",
        "http://127.9.9.9:8080/",
        "http://[::1]:8080/",
        "http://[::ffff:127.0.0.1]:8080/",
        "http://127.0.0.1/",
        "https://127.0.0.1",
        "http://127.0.0.1:08080/",
        "http://127.0.0.1:/",
    ],
)
def test_a_port_of_the_mesh_itself_is_no_endpoints(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_url(url, OWN)

    assert refused.value.error_reason == "ENDPOINT_ADDRESS_FORBIDDEN"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/hook", "http://[::1]:8081/"])
def test_every_other_port_of_this_machine_may_be_one(url: str) -> None:
    check_url(url, OWN)


def test_only_an_id_with_its_prefix_is_an_endpoints() -> None:
    endpoint_id = new_id()

    assert read(encode_id("whe", endpoint_id)) == endpoint_id
    for text in ("", "whe_1", encode_id("pay", endpoint_id), "x" * 99):
        with pytest.raises(EndpointNotFound) as refusal:
            read(text)
        assert refusal.value.metadata == {"endpoint_id": text}


def test_a_url_has_2048_characters_at_most() -> None:
    longest = "https://example.com/".ljust(2048, "a")

    check_url(longest, Targets())

    assert _reason(longest + "a", sandbox=False) == "ENDPOINT_URL_INVALID"


LOCAL = Targets(loopback=True)


@pytest.mark.parametrize(
    ("url", "targets", "rule"),
    [
        ("", LOCAL, "url is required"),
        ("https://a b.example", LOCAL, "be at most 2048 ASCII characters without spaces"),
        ("https://example.com:x/", LOCAL, "be of the form https://host/path"),
        ("https://a@b.example", LOCAL, "have no user name, no fragment and no backslash"),
        ("https://example.com/#", LOCAL, "have no user name, no fragment and no backslash"),
        ("https://example.com/\\", LOCAL, "have no user name, no fragment and no backslash"),
        ("ftp://localhost/", LOCAL, "begin with http:// or https://"),
        ("http://localhost:80/", OWN, "not be a port of the mesh itself"),
        ("http://example.com/", LOCAL, "begin with https://"),
        ("https://example.com:80/", LOCAL, "name port 443, 8443 or none"),
        ("https://example/", LOCAL, "name a public host, in ASCII"),
        ("https://[v1.fe80]/", LOCAL, "name a public host, in ASCII"),
        ("https://10.0.0.1/", LOCAL, "be a public address"),
        ("https://localhost.localhost/", Targets(), "be a public address"),
        ("http://localhost/", Targets(), "begin with https://"),
    ],
)
def test_a_refusal_names_the_rule(url: str, targets: Targets, rule: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_url(url, targets)

    assert str(refused.value) == (f"url must {rule}" if url else rule)


def test_the_secret_is_in_no_text_of_an_endpoint() -> None:
    endpoint = Endpoint(
        merchant_id="sandbox",
        id=new_id(),
        url="https://example.com",
        secret="whsec_c2VjcmV0",
        created_at=NOW,
    )

    assert "whsec" not in repr(endpoint)
    assert read(endpoint.endpoint_id) == endpoint.id


def test_a_name_is_at_most_253_characters_in_labels_of_63() -> None:
    label = "a" * 63
    longest = ".".join([label, label, label, "b" * 57, "com"])
    assert len(longest) == 253

    check_url(f"https://{longest}/", Targets())

    for name in (f"b{longest}", f"a{label}.com", f"example.{label}a"):
        assert _reason(f"https://{name}/", sandbox=False) == "ENDPOINT_URL_INVALID"
