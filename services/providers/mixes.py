"""The mixes of keys, addresses and deployment by which real and simulated money could meet: a
sandbox reaches nothing but the simulator, staging has test keys alone, and where it is live there
is no simulator, and every provider is reached by TLS."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from services.providers.adapters.kit.settings import OfTheAccount, ProviderSettings
from services.shared.deployment import Deployment
from services.shared.env import is_loopback, secrets_in

Parts = Sequence[type[ProviderSettings]]
# The variables that hold keys of these forms; some providers sign with API keys.
Modes = tuple[list[str], list[str]]


def mixes(settings: Any, parts: Parts) -> Iterator[str]:
    """Each mix in these settings of the service, as a sentence that says what to change."""
    yield from _simulator(settings, parts)
    for name in _names(settings, "_base_url"):
        yield from _address(settings, name, parts)
    live, test = modes(settings, parts)
    if live and settings.deployment is not Deployment.LIVE:
        yield f"{' and '.join(live)}: a live key, and this is {_a(settings)}; use test keys"
    if test and settings.deployment is Deployment.LIVE:
        yield f"{' and '.join(test)}: a test key, and this is live; use live keys"
    yield from _account(settings)


def modes(settings: Any, parts: Parts) -> Modes:
    """The variables with keys that move real money, and those with keys that move none."""
    live = tuple(prefix for part in parts for prefix in part.live_keys)
    test = tuple(prefix for part in parts for prefix in part.test_keys)
    return _holding(settings, live), _holding(settings, test)


def _holding(settings: Any, prefixes: tuple[str, ...]) -> list[str]:
    return [
        name.upper()
        for name in type(settings).model_fields
        if any(
            secret.strip().startswith(prefixes) for secret in secrets_in(getattr(settings, name))
        )
    ]


def _simulator(settings: Any, parts: Parts) -> Iterator[str]:
    """A provider that is called the simulator would be reached from a sandbox."""
    host = urlsplit(settings.simulator_url).hostname or ""
    if settings.deployment is Deployment.LIVE:
        if settings.simulator_url:
            yield "SIMULATOR_URL must be empty where it is live: there is no simulator"
    elif host in _hosts_of_providers(parts) or _is_public(host):
        yield f"SIMULATOR_URL is {host}, which is no simulator; give the simulator's own address"
    elif (
        settings.deployment is Deployment.SANDBOX
        and host
        and not settings.private_network
        and not is_loopback(host)
    ):
        yield "SIMULATOR_URL must be at 127.0.0.1 in a sandbox"


def _address(settings: Any, name: str, parts: Parts) -> Iterator[str]:
    variable, url = name.upper(), getattr(settings, name)
    deployment, part = settings.deployment, _part_of(name, parts)
    if deployment is not Deployment.LIVE and _is_under(url, settings.simulator_url):
        return
    host = urlsplit(url).hostname or ""
    if deployment is Deployment.SANDBOX:
        yield f"a sandbox needs {variable} to be under SIMULATOR_URL"
    elif urlsplit(url).scheme != "https":
        yield f"{variable} must be https:// outside a sandbox"
    elif deployment is Deployment.STAGING and host in part.live_hosts:
        yield f"{variable} is {host}, where real money moves; in staging give {part.test_hosts[0]}"
    elif deployment is Deployment.LIVE and host in part.test_hosts:
        yield f"{variable} is {host}, where no real money moves; give {part.live_hosts[0]}"
    elif deployment is Deployment.LIVE and is_loopback(host):
        yield f"{variable} is on this machine, which is no provider; give the provider's address"


def _account(settings: Any) -> Iterator[str]:
    if settings.deployment is Deployment.SANDBOX:
        return
    for name, field in type(settings).model_fields.items():
        of_the_account = any(isinstance(mark, OfTheAccount) for mark in field.metadata)
        if of_the_account and name not in settings.model_fields_set:
            yield f"{name.upper()} has a default in a sandbox only; give your account's"


def _names(settings: Any, ending: str) -> list[str]:
    return [name for name in type(settings).model_fields if name.endswith(ending)]


def _part_of(name: str, parts: Parts) -> type[ProviderSettings]:
    return next(part for part in parts if name in part.model_fields)


def _hosts_of_providers(parts: Parts) -> set[str]:
    defaults = [
        urlsplit(str(field.default)).hostname or ""
        for part in parts
        for name, field in part.model_fields.items()
        if name.endswith("_base_url") and not field.is_required()
    ]
    named = [host for part in parts for host in (*part.live_hosts, *part.test_hosts)]
    return {*defaults, *named}


def _is_public(host: str) -> bool:
    try:
        return ip_address(host).is_global
    except ValueError:
        return False


def _a(settings: Any) -> str:
    return "a sandbox" if settings.deployment is Deployment.SANDBOX else str(settings.deployment)


def _is_under(url: str, root: str) -> bool:
    inner, outer = urlsplit(url), urlsplit(root)
    if not outer.netloc:
        return False
    same_origin = (inner.scheme, inner.netloc) == (outer.scheme, outer.netloc)
    folder = outer.path.rstrip("/")
    return same_origin and (inner.path == folder or inner.path.startswith(f"{folder}/"))
