"""The application: its paths, and what each leads to."""

import time
from collections.abc import Callable
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from gateway.console.client import Payments
from gateway.console.config import ConsoleSettings
from gateway.console.details import Details
from gateway.console.doing import Doing
from gateway.console.listings import LISTINGS
from gateway.console.lists import Lists
from gateway.console.live import Live
from gateway.console.oidc import OpenIdProvider
from gateway.console.overview import Overview
from gateway.console.pages import HERE, Pages
from gateway.console.requests import Origins, RequestContext
from gateway.console.sessions import Lifetime, Sessions
from gateway.console.sign_in import SigningIn
from services.shared.deployment import Deployment
from services.shared.sandbox_operators import OPERATORS


def build_app(
    config: ConsoleSettings, payments: Payments, now: Callable[[], float] = time.time
) -> ASGIApp:
    """The console over any payments."""
    return RequestContext(application(config, payments, now), secure=config.is_secure)


def application(
    config: ConsoleSettings, payments: Payments, now: Callable[[], float] = time.time
) -> Starlette:
    """The console with its routes, outside of any request."""
    lifetime = Lifetime(absolute=config.session_hours * 3600, idle=config.session_idle_minutes * 60)
    sessions = Sessions(config.session_keys, lifetime, secure=config.is_secure, now=now)
    origins = Origins(config.console_url, config.deployment)
    pages = Pages(payments, sessions, origins, deployment=config.deployment, now=now)
    built_in = OPERATORS if config.deployment is Deployment.SANDBOX else {}
    signing_in = SigningIn(pages, _provider(config, now), built_in, config.console_url)
    route, open_to_all = pages.route, partial(pages.route, signed_in=False)
    details, lists, doing = Details(pages), Lists(pages), Doing(pages)
    app = Starlette(
        routes=[
            Route("/", route(Overview(pages).show)),
            Route("/payments/{transaction_id}", route(details.payment)),
            Route("/proposals/{proposal_id}", route(details.proposal)),
            *(
                Route(listing.path, route(partial(lists.show, listing)), methods=["GET"])
                for listing in LISTINGS
            ),
            Route("/do/{name}", route(doing.show), methods=["GET"]),
            Route("/do/{name}", route(doing.send), methods=["POST"]),
            Route("/live", route(Live(pages).stream), methods=["GET"]),
            Route("/account", route(pages.account)),
            Route("/sign-in", open_to_all(signing_in.show)),
            Route("/sign-in/key", open_to_all(signing_in.by_key), methods=["POST"]),
            Route("/sign-in/built-in", open_to_all(signing_in.built_in), methods=["POST"]),
            Route("/sign-in/oidc", open_to_all(signing_in.begin)),
            Route("/sign-in/callback", open_to_all(signing_in.callback)),
            Route("/sign-out", route(signing_in.sign_out, named=False), methods=["POST"]),
            Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
        ],
        exception_handlers={HTTPException: pages.unanswered},
    )
    # Such a redirect would go to whatever host the request names.
    app.router.redirect_slashes = False
    return app


def _provider(config: ConsoleSettings, now: Callable[[], float]) -> OpenIdProvider | None:
    if not config.oidc_issuer:
        return None
    return OpenIdProvider(
        config.oidc_issuer,
        config.oidc_client_id,
        config.oidc_client_secret,
        scopes=config.oidc_scopes,
        redirect_uri=config.redirect_uri,
        plain_http=not config.is_secure,
        now=now,
    )
