"""The composition root: the only place where the parts are put together."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from asgi_correlation_id import CorrelationIdMiddleware
from connexion import ConnexionMiddleware
from connexion.middleware import MiddlewarePosition
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolver
from inflection import underscore

from app import cors, errors
from app.audit import AuditLog
from app.contract import MEDIA_TYPE, Contract
from app.cors import CrossOrigin
from app.dispatcher import Dispatcher
from app.handlers import Handlers
from app.paths import ExactPaths
from app.publication import PublishedContract
from app.query import QueryValidator
from app.request_body import BodyValidator, MediaTypeGate
from app.settings import Settings
from app.tokens import Credentials, TokenPolicy, TokenService

logger = logging.getLogger(__name__)

_STRONG_SECRET = 32


def create_app(settings: Settings, tokens: TokenService | None = None) -> ConnexionMiddleware:
    """Put the service together as an ASGI application.

    Args:
        settings: what the operator configured.
        tokens: issues the tokens; by default, with the operator's credentials.
    """
    contract = Contract.load()
    tokens = tokens or _token_service(settings, contract.max_token_bytes)
    handlers = Handlers(tokens, settings.livekit_url)
    app = ConnexionMiddleware(Dispatcher(contract), lifespan=_lifespan)
    # The copy is for Connexion, which writes into the document that it is given.
    app.add_api(
        contract.copy_document(),
        resolver=Resolver(lambda operation_id: getattr(handlers, underscore(operation_id))),
        strict_validation=True,
        validate_responses=settings.validate_responses,
        validator_map={
            "body": {MEDIA_TYPE: partial(BodyValidator, timeout_seconds=settings.body_timeout_seconds)},
            "parameter": QueryValidator,
        },
        swagger_ui_options=SwaggerUIOptions(
            serve_spec=False, spec_path=PublishedContract.PATH, swagger_ui=settings.swagger_ui
        ),
    )
    _add_layers(app, contract, settings)
    errors.register(app)
    return app


def app_from_environment() -> ConnexionMiddleware:
    """Put the service together as the environment says; an ASGI server's application factory.

    Raises:
        InvalidSettings: the environment cannot be used.
    """
    logging.captureWarnings(capture=True)
    return create_app(Settings.from_environment())


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


def _add_layers(app: ConnexionMiddleware, contract: Contract, settings: Settings) -> None:
    """Wrap Connexion's layers; the first is the outermost."""
    outermost = MiddlewarePosition.BEFORE_EXCEPTION
    app.add_middleware(
        CorrelationIdMiddleware,
        position=outermost,
        header_name=cors.REQUEST_ID_HEADER,
        validator=contract.is_request_id,
    )
    app.add_middleware(AuditLog, position=outermost)
    app.add_middleware(
        CrossOrigin,
        position=outermost,
        allow_origins=settings.cors_allowed_origins,
        allow_methods=cors.METHODS,
        allow_headers=cors.HEADERS,
        expose_headers=(cors.REQUEST_ID_HEADER,),
    )
    app.add_middleware(
        ExactPaths,
        position=MiddlewarePosition.BEFORE_SWAGGER,
        base_path=contract.base_path,
        with_slash=(f"{contract.base_path}/ui/",),
    )
    app.add_middleware(PublishedContract, position=MiddlewarePosition.BEFORE_SWAGGER, contract=contract)
    app.add_middleware(MediaTypeGate, position=MiddlewarePosition.BEFORE_VALIDATION, contract=contract)


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
    # Connexion hands lifespan events to the inner application, unless it is given this.
    yield
