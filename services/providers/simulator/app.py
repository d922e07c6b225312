"""The simulator's one HTTP server: every provider's own API side by side, and two pages of its own,
GET /healthz, and GET /book for whoever wants to know what really happened."""

from aiohttp import web

from services.providers.simulator.book import Book
from services.providers.simulator.config import Config
from services.providers.simulator.stripe_api import StripeApi
from services.providers.simulator.wallet_api import WalletApi
from services.providers.simulator.webhooks import Sender

REQUEST_BYTES_MAX = 64 * 1024


async def create_app(config: Config) -> web.Application:
    """The application, going on where its book ends."""
    book = Book(config.book_file)
    sender = Sender()
    wallet = WalletApi(config, book, sender)
    app = web.Application(client_max_size=REQUEST_BYTES_MAX)
    app.add_routes(StripeApi(config, book, sender).routes())
    app.add_routes(wallet.routes())
    app.add_routes([web.get("/healthz", _health)])

    async def tell_book(_: web.Request) -> web.Response:
        return web.json_response([line.told() for line in book.lines])

    app.add_routes([web.get("/book", tell_book)])

    async def close(_: web.Application) -> None:
        await wallet.close()
        await sender.close()
        await book.close()

    app.on_cleanup.append(close)
    return app


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "SERVING"})
