"""The secrets that this repository publishes for its sandbox: whoever reads them may open what they
open. Of those in docker-compose.yml only the digests stand here."""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

# The keys of the operators that a sandbox has built in, so that a person can try the work of two.
# The first is the one who acts where a call has no credential.
SANDBOX_OPERATORS: Mapping[str, str] = {
    "ada": "cvo_test_01k4000000e008000000000001sandboxada00000000000000000000000000000000046nRhk",
    "grace": "cvo_test_01k4000000e008000000000002sandboxgrace000000000000000000000000000000022bvpe",
}
_DIGESTS = frozenset(
    {
        "1ad902e805fdb25f3c524bd9aaafba04",  # CARAVEL_APP_PASSWORD
        "db93de5d99f5a80afd8e22620f67cb6c",  # POSTGRES_PASSWORD
        "b0285c6ee1354d7b1ea08f8798ef404b",  # CARAVEL_OWNER_PASSWORD
        "f5c8bb5a44b28cfbe65e7221f149920b",  # STRIPE_API_KEY
        "b7ad567477c83756aab9a542b2be04f7",  # STRIPE_WEBHOOK_SECRET
        "16f949ac698026b94421071aec0d2403",  # FLUTTERWAVE_API_KEY
        "1d59436655e5f3f87b4900b778597917",  # FLUTTERWAVE_WEBHOOK_SECRET
        "b1ac0a580e4609135905710100076be5",  # LOCAL_WALLET_API_KEY
        "1cabe7a1d8583346ef78b0d74df4be17",  # LOCAL_WALLET_WEBHOOK_SECRET
        "e1c729bfa31936ba7d1bdfd0a6a3a078",  # PAYSTACK_API_KEY
        "6e766b9a85f5f112f8fc5db467892e61",  # WISE_API_KEY
        "57967ba2931f874bb05f43312dd204a1",  # WISE_WEBHOOK_SECRET
        "43b883e99ceaf8c7032f7a32b076c906",  # WISE_WEBHOOK_SECRET
    }
)


def digest(text: str) -> str:
    """The first half of the SHA-256 of the text, as it is kept here."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_well_known(secret: str) -> bool:
    """Whether this is such a secret, in any of the forms in which it opens the same."""
    return any(digest(form) in _DIGESTS for form in _forms(secret))


def _forms(secret: str) -> Iterator[str]:
    text = "".join(secret.split())
    if "://" in text:
        address = urlsplit(text)
        yield unquote(address.password or "")
        yield from (value for name, value in parse_qsl(address.query) if name == "password")
    # Base64 with and without its padding, and a signing secret with and without its prefix.
    bare = text.removeprefix("whsec_").rstrip("=")
    yield bare
    if bare.startswith("MII"):
        yield from _public_half(bare)


def _public_half(bare: str) -> Iterator[str]:
    """The public key of a pair: whoever is known by it can be imitated with the published pair."""
    # Most processes hold no such secret.
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        PublicFormat,
        load_der_private_key,
    )

    try:
        written = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        pair = load_der_private_key(written, password=None)
    except (binascii.Error, ValueError, TypeError):
        return
    public = pair.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield base64.b64encode(public).decode().rstrip("=")
