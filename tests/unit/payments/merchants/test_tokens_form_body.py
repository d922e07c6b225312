"""The form of the token endpoint: read strictly, with its client named in exactly one way."""

from base64 import b64encode
from urllib.parse import quote_plus, urlencode

import pytest

from services.payments.merchants.tokens.form_body import (
    FORM,
    ClientInvalid,
    TokenRequest,
    read_token_request,
)
from services.shared.errors import Invalid

GRANT = "grant_type=client_credentials"
CLIENT = "client_id=key_1&client_secret=secret"


def basic(text: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Basic {b64encode(text.encode()).decode()}"),)


def read(body: str | bytes, metadata: tuple[tuple[str, str], ...] = ()) -> TokenRequest:
    return read_token_request(FORM, body.encode() if isinstance(body, str) else body, metadata)


def test_a_client_may_be_in_the_body() -> None:
    request = read(f"{GRANT}&{CLIENT}&scope=payments%3Aread+quotes%3Awrite")

    assert (request.client_id, request.client_secret) == ("key_1", "secret")
    assert request.scopes == {"payments:read", "quotes:write"}


@pytest.mark.parametrize("word", ["Basic", "basic", "BASIC"])
def test_a_client_may_be_in_the_header(word: str) -> None:
    ((name, value),) = basic("key_1:secret")

    request = read(GRANT, ((name, value.replace("Basic", word)),))

    assert (request.client_id, request.client_secret, request.scopes) == ("key_1", "secret", None)


def test_the_header_is_form_encoded_within() -> None:
    """RFC 6749, section 2.3.1."""
    request = read(GRANT, basic(f"{quote_plus('a:b c')}:{quote_plus('ü:+')}"))

    assert (request.client_id, request.client_secret) == ("a:b c", "ü:+")


@pytest.mark.parametrize("scope", ["", "&scope=", "&scope=+"])
def test_no_scope_asks_for_all(scope: str) -> None:
    assert read(f"{GRANT}&{CLIENT}{scope}").scopes is None


def test_the_media_type_may_have_parameters() -> None:
    assert read_token_request(f"{FORM.upper()} ; charset=utf-8", f"{GRANT}&{CLIENT}".encode(), ())


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ("", "grant_type", "FIELD_REQUIRED"),
        (CLIENT, "grant_type", "FIELD_REQUIRED"),
        (f"grant_type=&{CLIENT}", "grant_type", "FIELD_REQUIRED"),
        (f"grant_type=password&{CLIENT}", "grant_type", "GRANT_TYPE_UNSUPPORTED"),
        (f"grant_type=Client_Credentials&{CLIENT}", "grant_type", "GRANT_TYPE_UNSUPPORTED"),
        (f"{GRANT}&{GRANT}&{CLIENT}", "grant_type", "FIELD_DUPLICATED"),
        (f"{GRANT}&{CLIENT}&client_id=key_2", "client_id", "FIELD_DUPLICATED"),
        (f"{GRANT}&{CLIENT}&scope=a&scope=b", "scope", "FIELD_DUPLICATED"),
        (f"{GRANT}&{CLIENT}&sc%6Fpe=a&scope=b", "scope", "FIELD_DUPLICATED"),
        (f"{GRANT}&{CLIENT}&audience=x", "audience", "FIELD_UNKNOWN"),
        (f"{GRANT}&{CLIENT}&Scope=x", "Scope", "FIELD_UNKNOWN"),
        (f"{GRANT}&{CLIENT}&{'a' * 500}=x", "a" * 64, "FIELD_UNKNOWN"),
        (f"{GRANT}&{CLIENT}&", "body", "FIELD_INVALID"),
        (f"{GRANT}&{CLIENT}&scope", "body", "FIELD_INVALID"),
        (f"{GRANT}&{CLIENT}&scope=%zz", "body", "FIELD_INVALID"),
        (f"{GRANT}&{CLIENT}&scope=%ff", "body", "FIELD_INVALID"),
        (f"{GRANT}&{CLIENT}&scope=é", "body", "FIELD_INVALID"),
        (f"{GRANT}&{CLIENT}&scope={'a' * 8192}", "body", "FIELD_INVALID"),
        ('{"grant_type":"client_credentials"}', "body", "FIELD_INVALID"),
        (b"\x00\xff", "body", "FIELD_INVALID"),
    ],
)
def test_another_form_is_refused(body: str | bytes, field: str, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(body)

    assert (refused.value.violations[0].field, refused.value.error_reason) == (field, reason)


@pytest.mark.parametrize("content_type", ["", "application/json", "text/plain", f"{FORM}x"])
def test_another_media_type_is_refused(content_type: str) -> None:
    with pytest.raises(Invalid):
        read_token_request(content_type, f"{GRANT}&{CLIENT}".encode(), ())


@pytest.mark.parametrize(
    ("body", "metadata"),
    [
        (GRANT, ()),
        (f"{GRANT}&client_id=key_1", ()),
        (f"{GRANT}&client_secret=secret", ()),
        (f"{GRANT}&client_id=&client_secret=", ()),
        (GRANT, basic("key_1")),
        (GRANT, basic(":secret")),
        (GRANT, basic("key_1:")),
        (GRANT, (("authorization", "Basic"),)),
        (GRANT, (("authorization", "Basic ="),)),
        (GRANT, (("authorization", "Basic /////w=="),)),
        (GRANT, (("authorization", "Basic a2V5"),)),
        (GRANT, (("authorization", "Bearer cvl_test_x"),)),
        (GRANT, (("x-api-key", "cvl_test_x"),)),
    ],
)
def test_a_client_that_is_not_named_is_refused(
    body: str, metadata: tuple[tuple[str, str], ...]
) -> None:
    with pytest.raises(ClientInvalid):
        read(body, metadata)


@pytest.mark.parametrize(
    ("body", "metadata"),
    [
        (f"{GRANT}&{CLIENT}", basic("key_1:secret")),
        (f"{GRANT}&client_id=key_1", basic("key_1:secret")),
        (f"{GRANT}&{CLIENT}", (("x-api-key", "cvl_test_x"),)),
        (GRANT, basic("key_1:secret") * 2),
        (GRANT, (*basic("key_1:secret"), ("x-api-key", "cvl_test_x"))),
    ],
)
def test_a_client_that_is_named_twice_is_refused(
    body: str, metadata: tuple[tuple[str, str], ...]
) -> None:
    with pytest.raises(Invalid) as refused:
        read(body, metadata)

    assert refused.value.error_reason == "FIELDS_CONTRADICTORY"


def test_a_request_does_not_show_its_secret() -> None:
    body = urlencode(
        {"grant_type": "client_credentials", "client_id": "key_1", "client_secret": "hidden"}
    )

    assert "hidden" not in repr(read(body))
