"""Our own tokens: the keys that sign them, in which order, and how they are replaced."""

import json
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)
from joserfc import jwk, jwt
from pydantic import SecretStr

from services.payments.merchants.tokens.issuers import IssuersError
from services.payments.merchants.tokens.key_file import ensure_key_file
from services.payments.merchants.tokens.opening import TokenSettings, own_tokens
from services.payments.merchants.tokens.signing import SigningKeys, SigningKeysError
from tests.signing_keys import make_pem, pem

# The key of RFC 8037, appendix A.1, and its thumbprint of A.3.
RFC_PRIVATE = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
RFC_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


class File:
    """A file whose text a test replaces."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self) -> str:
        return self.text


def test_a_key_is_named_by_its_thumbprint() -> None:
    private = Ed25519PrivateKey.from_private_bytes(urlsafe_b64decode(f"{RFC_PRIVATE}="))

    (public,) = SigningKeys(File(pem(private)).read).public()

    assert public["kid"] == RFC_THUMBPRINT
    assert set(public) == {"kty", "crv", "x", "kid", "alg", "use"}


def test_another_library_reads_our_tokens_by_our_public_keys() -> None:
    keys = SigningKeys(File(make_pem() + make_pem()).read)
    token = keys.sign({"sub": "key_1"})

    published = jwk.KeySet.import_key_set({"keys": [dict(key) for key in keys.public()]})
    read = jwt.decode(token, published, algorithms=["EdDSA"])

    assert read.claims == {"sub": "key_1"}
    assert read.header["typ"] == "at+jwt"
    assert read.header["kid"] == keys.public()[0]["kid"]


def test_the_first_key_signs_and_all_verify() -> None:
    file = File(make_pem())
    keys = SigningKeys(file.read)
    old = keys.public()[0]["kid"]

    file.text = make_pem() + file.text

    fresh = keys.public()[0]["kid"]
    assert fresh != old
    assert keys.get(old)
    assert json.loads(urlsafe_b64decode(keys.sign({}).split(".")[0] + "=="))["kid"] == fresh


def test_a_key_that_stays_is_the_same_and_one_that_is_gone_verifies_nothing() -> None:
    file = File(make_pem())
    keys = SigningKeys(file.read)
    old = keys.get(keys.public()[0]["kid"])
    assert old

    file.text += make_pem()
    assert keys.get(old.key_id) is old
    file.text = make_pem()
    assert keys.get(old.key_id) is None


def test_a_file_that_breaks_changes_nothing_until_it_is_whole() -> None:
    file = File(make_pem())
    keys = SigningKeys(file.read)
    before = keys.public()

    file.text = file.text[:60]
    assert keys.public() == before
    file.text = make_pem()
    assert keys.public() != before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no key",
        make_pem() * 9,
        pem(Ed25519PrivateKey.generate(), b"password"),
        pem(ec.generate_private_key(ec.SECP256R1())),
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        pem(Ed25519PrivateKey.from_private_bytes(bytes(32))) * 2,
    ],
    ids=["empty", "words", "too many", "password", "another curve", "public", "broken", "twice"],
)
def test_a_wrong_file_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(SigningKeysError, match="TOKEN_SIGNING_KEYS") as refused:
        SigningKeys(File(text).read)

    assert not any(line and line in str(refused.value) for line in text.splitlines()[1:2])


@pytest.mark.parametrize("issuer", ["http://x.example", "x.example", "https://"])
def test_tokens_are_issued_over_https_outside_a_sandbox(issuer: str) -> None:
    settings = TokenSettings(issuer=issuer, signing_keys=SecretStr(make_pem()))

    with pytest.raises(IssuersError, match="TOKEN_ISSUER"):
        own_tokens(settings)


def test_a_key_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "tokens.pem"

    assert ensure_key_file(path)
    text = path.read_text()
    assert not ensure_key_file(path)

    assert path.read_text() == text
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(SigningKeys(path.read_text).public()) == 1
    assert list(tmp_path.iterdir()) == [path]
