"""The composition root: the only place where the parts are put together."""

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from connexion.middleware import ConnexionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.response_validation import ResponseValidationMiddleware
from connexion.middleware.security import SecurityMiddleware
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolver
from inflection import underscore

from app.handlers import Handlers
from app.operation import logs
from app.operation.audit import AuditLog
from app.operation.supervision import end_with_parent
from app.settings import Settings
from app.tokens.credentials import Credentials
from app.tokens.policy import TokenPolicy
from app.tokens.service import TokenService
from app.wire.contract import Contract
from app.wire.cors import CrossOrigin
from app.wire.dispatcher import Dispatcher, not_found
from app.wire.errors import ErrorResponses
from app.wire.paths import ExactPaths
from app.wire.publication import PublishedContract
from app.wire.request_id import RequestId
from app.wire.routing import Routing
from app.wire.validation import RequestValidation

logger = logging.getLogger(__name__)

_STRONG_SECRET = 32


def create_app(settings: Settings, tokens: TokenService | None = None) -> ConnexionMiddleware:
    """Put the service together as an ASGI application.

    Args:
        settings: what the operator configured.
        tokens: issues the tokens; by default, with the operator's credentials.
    """
    contract = Contract.load()
    handlers = Handlers(tokens or _token_service(settings, contract.max_token_bytes), settings.livekit_url)
    app = ConnexionMiddleware(
        not_found, middlewares=_the_way_of_a_request(contract, settings), lifespan=_lifespan
    )
    app.add_api(
        # The copy is for Connexion, which writes into the document that it is given.
        contract.copy_document(),
        resolver=Resolver(lambda operation_id: getattr(handlers, underscore(operation_id))),
        validate_responses=settings.validate_responses,
        swagger_ui_options=SwaggerUIOptions(
            serve_spec=False, spec_path=PublishedContract.DOCUMENT, swagger_ui=settings.swagger_ui
        ),
        # Connexion hands on to each layer what it does not know itself.
        contract=contract,
        body_timeout_seconds=settings.body_timeout_seconds,
    )
    return app


def _the_way_of_a_request(contract: Contract, settings: Settings) -> list[Any]:
    """List the layers, outermost first; an answer comes back through them the other way round."""
    base_path = contract.base_path
    return [
        LifespanMiddleware,
        partial(RequestId, contract=contract),
        AuditLog,
        partial(CrossOrigin, origins=settings.cors_allowed_origins),
        ErrorResponses,
        partial(ExactPaths, base_path=base_path, with_slash=(f"{base_path}{PublishedContract.UI}/",)),
        partial(PublishedContract, contract=contract),
        Routing,
        SecurityMiddleware,
        RequestValidation,
        *([ResponseValidationMiddleware] if settings.validate_responses else []),
        Dispatcher,
    ]


def app_from_environment() -> ConnexionMiddleware:
    """Put the service together as the environment says, for a worker: an ASGI server's factory.

    Raises:
        InvalidSettings: the environment cannot be used.
    """
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    end_with_parent()
    return create_app(settings)


def report(settings: Settings) -> None:
    """Say in the log what the operator should mend; whoever starts the service says it once."""
    secret = settings.livekit_api_secret
    if settings.missing_credentials:
        logger.error("No token can be issued: set %s.", " and ".join(settings.missing_credentials))
    elif secret and len(secret.get_secret_value().encode()) < _STRONG_SECRET:
        logger.warning("LIVEKIT_API_SECRET is weak: use at least %d bytes.", _STRONG_SECRET)
    if settings.livekit_url is None:
        logger.warning("LIVEKIT_URL is not set: /connection-details cannot answer without it.")
    if settings.livekit_agents is None:
        logger.info("LIVEKIT_AGENTS is not set: callers may dispatch any agent.")
    if settings.cors_allowed_origins == ("*",):
        logger.warning("CORS_ALLOWED_ORIGINS is *: any web page may ask for tokens.")


def _token_service(settings: Settings, max_bytes: int) -> TokenService:
    key, secret = settings.livekit_api_key, settings.livekit_api_secret
    credentials = Credentials(key, secret.get_secret_value()) if key and secret else None
    policy = TokenPolicy(
        ttl=timedelta(seconds=settings.token_ttl_seconds),
        publish_sources=settings.livekit_publish_sources,
        can_publish_data=settings.livekit_can_publish_data,
        agents=settings.livekit_agents,
        max_bytes=max_bytes,
    )
    return TokenService(credentials, policy)


@asynccontextmanager
async def _lifespan(_app: object) -> AsyncIterator[None]:
    # What was made for the start stays: the garbage collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    yield
