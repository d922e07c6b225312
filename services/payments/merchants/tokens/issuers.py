"""The foreign issuers whose tokens are taken, from a TOML file: everything about an issuer is data.
The file is taken whole or the process does not start, and all that is wrong is said at once."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.payments.merchants.tokens.fetching import url_problem
from services.payments.merchants.tokens.held_keys import Patience
from services.payments.merchants.tokens.verified import TokenPrincipal
from services.shared.errors import CannotStart
from services.shared.toml_files import read_model

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Algorithm = Literal["RS256", "ES256", "EdDSA"]
Scopes = Mapping[TokenPrincipal, frozenset[str]]


class IssuersError(CannotStart):
    """The file of issuers is wrong; the message names the issuer and the key."""


class Issuer(BaseModel):
    """One foreign issuer, and the meaning of its claims."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The claim `iss`, to the letter.
    issuer: Name
    # A value of the claim `aud`, which stands for us.
    audience: Name
    algorithms: tuple[Algorithm, ...] = Field(min_length=1)
    # Where its keys are; without it, where its discovery document says.
    jwks_url: Name | None = None
    principal: Literal[TokenPrincipal.MERCHANT, TokenPrincipal.OPERATOR]
    # The claim with the scopes: a list, or a text with blanks between. A name that has a
    # translation stands for the scopes of it, and any other for itself.
    scopes_claim: Name | None = None
    scopes: Mapping[Name, tuple[Name, ...]] = {}
    # The claim with the merchant's id; with a translation, any name of the merchant.
    merchant_claim: Name | None = None
    merchants: Mapping[Name, Name] = {}
    # The claim with an operator's groups, and the role that each group stands for.
    groups_claim: Name | None = None
    roles: Mapping[Name, Name] = {}
    # The claim with an operator's name, for the audit trail.
    name_claim: Name | None = None
    maximum_lifetime_seconds: int = Field(default=3600, ge=1, le=86_400)
    # How far the issuer's clock and ours may be apart.
    clock_skew_seconds: int = Field(default=10, ge=0, le=120)
    keys_refresh_seconds: float = Field(default=300, ge=1, le=86_400)
    keys_retry_seconds: float = Field(default=10, ge=1, le=3600)
    # How long keys count since they were fetched, where the issuer cannot be reached.
    keys_held_seconds: float = Field(default=86_400, ge=60, le=604_800)

    @property
    def patience(self) -> Patience:
        """The times of its keys."""
        return Patience(
            refresh=self.keys_refresh_seconds,
            retry=self.keys_retry_seconds,
            held=self.keys_held_seconds,
        )


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    issuers: tuple[Issuer, ...] = Field(min_length=1, max_length=32)


def load_issuers(
    path: Path, *, scopes: Scopes, roles: frozenset[str], own: str, plain_http: bool
) -> tuple[Issuer, ...]:
    """The issuers of the file. Scopes and roles are those that there are; `own` is our own issuer;
    only a sandbox reads keys over plain HTTP. Raises IssuersError, with all problems."""
    issuers = read_model(path, _File, IssuersError).issuers
    found = [
        f"issuers.{index} ({issuer.issuer}): {problem}"
        for index, issuer in enumerate(issuers)
        for problem in _problems(issuer, scopes, roles, plain_http=plain_http)
    ]
    names = [own, *(issuer.issuer for issuer in issuers)]
    found += [f"{name} is there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if found:
        raise IssuersError(f"{path.name}: {'; '.join(found)}")
    return issuers


def _problems(
    issuer: Issuer, scopes: Scopes, roles: frozenset[str], *, plain_http: bool
) -> Iterator[str]:
    url = issuer.jwks_url or issuer.issuer
    if problem := url_problem(url, plain_http=plain_http):
        yield f"{'jwks_url' if issuer.jwks_url else 'issuer, without jwks_url,'} {problem}"
    if issuer.keys_held_seconds < issuer.keys_refresh_seconds:
        yield "keys_held_seconds must not be less than keys_refresh_seconds"
    known = scopes[issuer.principal]
    named = {scope for several in issuer.scopes.values() for scope in several}
    for scope in sorted(named - known):
        yield f"scopes: {scope} is no scope of {issuer.principal}s"
    if issuer.scopes and not issuer.scopes_claim:
        yield "scopes needs scopes_claim"
    if issuer.principal is TokenPrincipal.MERCHANT:
        yield from _merchant_problems(issuer)
    else:
        yield from _operator_problems(issuer, roles)


def _merchant_problems(issuer: Issuer) -> Iterator[str]:
    for key in ("scopes_claim", "merchant_claim"):
        if not getattr(issuer, key):
            yield f"{key} is needed where the principal is a merchant"
    for key in ("groups_claim", "roles", "name_claim"):
        if getattr(issuer, key):
            yield f"{key} is for operators alone"


def _operator_problems(issuer: Issuer, roles: frozenset[str]) -> Iterator[str]:
    for key in ("merchant_claim", "merchants"):
        if getattr(issuer, key):
            yield f"{key} is for merchants alone"
    if not issuer.scopes_claim and not issuer.groups_claim:
        yield "groups_claim or scopes_claim is needed where the principal is an operator"
    if bool(issuer.groups_claim) != bool(issuer.roles):
        yield "groups_claim and roles are only useful together"
    for role in sorted(set(issuer.roles.values()) - roles):
        yield f"roles: there is no role {role}"
