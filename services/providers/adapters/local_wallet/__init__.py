"""A mobile wallet as an offramp: `client` speaks with it, `translate` holds the tables from its
words to our outcomes. The smallest adapter."""

from services.providers.adapters.kit.registration import Registration
from services.providers.adapters.local_wallet.client import LocalWallet, LocalWalletSettings

ADAPTER = Registration(
    settings=LocalWalletSettings, capabilities=LocalWallet.capabilities, open=LocalWallet
)

__all__ = ["ADAPTER", "LocalWallet", "LocalWalletSettings"]
