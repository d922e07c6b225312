"""Refuses corridors that name an offramp which cannot pay there, when the process starts: otherwise
the first payer finds out."""

from collections.abc import Mapping, Sequence

from services.shared.corridors import Corridor
from services.shared.errors import CannotStart
from services.shared.recipients import RecipientKind
from services.shared.recipients.rails import Rail


class RailMissing(CannotStart):
    """An offramp of a corridor does not pay there, or two of them pay its wallets."""


def refuse_missing_rails(corridor: Corridor, rails: Mapping[str, Sequence[Rail]]) -> None:
    """Raises RailMissing unless each offramp pays one of the corridor's kinds of recipient, each
    kind has an offramp, and wallets one alone: elsewhere a wallet's id is another person's."""
    end = corridor.destination
    paying: dict[RecipientKind, set[str]] = {kind: set() for kind in corridor.kinds}
    for name in corridor.providers.offramps:
        found = {
            rail.recipient_kind
            for rail in rails[name]
            if rail.recipient_kind in paying and rail.pays_in(end.currency, end.country)
        }
        if not found:
            words = f"{name} pays none of its recipients in {end.currency} in {end.country}"
            raise RailMissing(f"corridor {corridor.id}: {words}")
        for kind in found:
            paying[kind].add(name)
    for kind, names in paying.items():
        if not names:
            raise RailMissing(f"corridor {corridor.id}: none of its offramps pays a {kind}")
    if len(paying.get(RecipientKind.WALLET, ())) > 1:
        raise RailMissing(f"corridor {corridor.id}: two of its offramps pay wallets")
