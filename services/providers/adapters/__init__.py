"""The catalogue of providers: ADAPTERS is the one place where an adapter is registered, and
AdapterSettings gathers the variables that each adapter's own file declares."""

from collections.abc import Callable, Mapping

import aiohttp

from services.providers.adapters.flutterwave import Flutterwave, FlutterwaveSettings
from services.providers.adapters.local_wallet import LocalWallet, LocalWalletSettings
from services.providers.adapters.paystack import Paystack, PaystackSettings
from services.providers.adapters.stripe import Stripe, StripeSettings
from services.providers.ports import Adapter
from services.shared.clock import Clock


class AdapterSettings(StripeSettings, FlutterwaveSettings, LocalWalletSettings, PaystackSettings):
    """The variables of all adapters."""


ADAPTERS: Mapping[str, Callable[[AdapterSettings, aiohttp.ClientSession, Clock], Adapter]] = {
    "flutterwave": Flutterwave,
    "local_wallet": LocalWallet,
    "paystack": Paystack,
    "stripe": Stripe,
}
