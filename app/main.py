"""The composition root: the only place where the parts are put together."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

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
from app.operation.drain import Drain
from app.operation.exposition import exposed
from app.operation.load import Load
from app.operation.log_writer import LogWriter
from app.operation.supervision import end_with_parent, is_worker
from app.operation.write_ahead import WriteAhead
from app.parts import Given, Parts, make_parts
from app.settings.settings import Settings
from app.tokens.credentials import STRONG_SECRET_BYTES
from app.tokens.service import TokenService
from app.wire.authentication import Authentication
from app.wire.contract import Contract
from app.wire.cors import CrossOrigin
from app.wire.deployment import as_deployed
from app.wire.dispatcher import Dispatcher, not_found
from app.wire.errors import ErrorResponses
from app.wire.paths import ExactPaths
from app.wire.publication import PublishedContract
from app.wire.request_id import RequestId
from app.wire.routing import Routing
from app.wire.shedding import Shedding
from app.wire.throttling import Throttling
from app.wire.validation import RequestValidation

if TYPE_CHECKING:
    from app.operation.tracing import Traces

logger = logging.getLogger(__name__)


def create_app(  # noqa: PLR0913  # What a test, a process or the mock brings along, by name.
    settings: Settings,
    tokens: TokenService | None = None,
    drain: Drain | None = None,
    load: Load | None = None,
    log: LogWriter | None = None,
    *,
    answering: Callable[[Contract], object] | None = None,
) -> ConnexionMiddleware:
    """Put the service together as an ASGI application.

    Args:
        settings: what the operator configured.
        tokens: issues the tokens; by default, with the operator's credentials.
        drain: tells whether the process is about to stop; by default, it never is.
        load: tells how many requests there are; by default, nobody counts.
        log: writes the log; None: others do, and it is taken to be writable.
        answering: makes what has a method for each operation; by default, the service's own.
    """
    contract = Contract.load(
        partial(
            as_deployed,
            capabilities=_capabilities(settings),
            max_ttl=timedelta(seconds=settings.max_token_ttl_seconds),
        )
    )
    parts = make_parts(settings, contract, Given(tokens, drain, load, log))
    handlers = answering(contract) if answering else _handlers(contract, settings, parts)
    app = ConnexionMiddleware(
        not_found,
        middlewares=_the_way_of_a_request(contract, settings, parts),
        lifespan=partial(_lifespan, parts=parts, listen=_metrics_port(settings)),
    )
    app.add_api(
        # The copy is for Connexion, which writes into the document that it is given.
        contract.copy_document(),
        resolver=Resolver(lambda operation_id: getattr(handlers, underscore(operation_id))),
        validate_responses=settings.validate_responses,
        swagger_ui_options=SwaggerUIOptions(
            serve_spec=False, spec_path=PublishedContract.DOCUMENT, swagger_ui=settings.swagger_ui
        ),
        security_map=parts.authentication.security_map(),
        # Connexion hands on to each layer what it does not know itself.
        contract=contract,
        body_timeout_seconds=settings.body_timeout_seconds,
        rate_limits=parts.limits,
    )
    return app


def _handlers(contract: Contract, settings: Settings, parts: Parts) -> Handlers:
    # Without metrics nothing leads there.
    scrape = parts.gauges.scrape if parts.gauges else str
    return Handlers(parts.tokens, settings.livekit_url, parts.readiness, scrape, contract.version)


def _the_way_of_a_request(contract: Contract, settings: Settings, parts: Parts) -> list[Any]:
    """List the layers, outermost first; an answer comes back through them the other way round."""
    base_path = contract.base_path
    return [
        LifespanMiddleware,
        *_tracing(contract, parts.traces),
        partial(RequestId, contract=contract),
        partial(AuditLog, observe=parts.metrics.observe if parts.metrics else None),
        partial(CrossOrigin, origins=settings.cors_allowed_origins),
        ErrorResponses,
        partial(Shedding, contract=contract, load=parts.load, limit=settings.max_in_flight),
        partial(ExactPaths, base_path=base_path, with_slash=(f"{base_path}{PublishedContract.UI}/",)),
        partial(PublishedContract, contract=contract),
        Routing,
        SecurityMiddleware,
        *([Throttling] if settings.is_limited else []),
        RequestValidation,
        *([partial(WriteAhead, log=parts.log)] if settings.audit_required else []),
        *([ResponseValidationMiddleware] if settings.validate_responses else []),
        Dispatcher,
    ]


def app_from_environment() -> ConnexionMiddleware:
    """Put the service together as the environment says: the factory of a worker, or of another ASGI server.

    Raises:
        InvalidSettings: the environment cannot be used.
    """
    settings = Settings.from_environment()
    log = logs.configure(settings.log_level, settings.log_format)
    if is_worker():
        end_with_parent()
    else:
        report(settings)
    return create_app(settings, log=log)


def report(settings: Settings) -> None:
    """Say in the log what the operator should mend; whoever starts the service says it once."""
    secret = settings.livekit_api_secret
    unresolved = settings.unresolved_credentials
    unset = [name for name in settings.missing_credentials if name not in unresolved]
    if unresolved:
        names = " and ".join(unresolved)
        logger.error("No token can be issued: the Key Vault reference in %s was not resolved.", names)
    if unset:
        logger.error("No token can be issued: set %s.", " and ".join(unset))
    elif secret and len(secret.get_secret_value().encode()) < STRONG_SECRET_BYTES:
        logger.warning("LIVEKIT_API_SECRET is weak: use at least %d bytes.", STRONG_SECRET_BYTES)
    if settings.livekit_url is None:
        logger.warning("LIVEKIT_URL is not set: /connection-details cannot answer without it.")
    if settings.livekit_agents is None:
        logger.info("LIVEKIT_AGENTS is not set: callers may dispatch any agent.")
    if settings.auth == ("none",):
        logger.warning("AUTH is none: anybody who reaches the service gets a token for any participant.")
    if settings.has_insecure_issuer:
        logger.warning("OIDC_ISSUER is not https: whoever is on the way can replace its keys.")
    if settings.is_limited_by_each_worker:
        logger.warning("Each of %d workers counts for itself: set RATE_LIMIT_STORAGE.", settings.workers)
    if settings.cors_allowed_origins == ("*",):
        logger.warning("CORS_ALLOWED_ORIGINS is *: any web page may ask for tokens.")


def _capabilities(settings: Settings) -> set[str]:
    """Find what this deployment has of what the contract's `x-only-with` names."""
    return {
        *(Authentication.SCHEMES[method] for method in settings.auth if method in Authentication.SCHEMES),
        *(["rateLimit"] if settings.is_limited else []),
        *(["roomPolicy"] if settings.room_name_prefix or settings.oidc_rooms_claim else []),
        *(["agentPolicy"] if settings.livekit_agents is not None else []),
        *(["keyFiles"] if settings.key_files else []),
        *(["auditRequired"] if settings.audit_required else []),
        *(["metrics"] if settings.metrics and settings.metrics_port is None else []),
    }


def _tracing(contract: Contract, traces: "Traces | None") -> list[Any]:
    if traces is None:
        return []
    from app.operation.tracing import Tracing  # noqa: PLC0415

    paths = [contract.base_path + path for path in contract.document["paths"]]
    # Health checks and scrapes come all the time, and say nothing of a token.
    return [partial(Tracing, traces=traces, paths=paths, untraced=contract.always_answered)]


def _metrics_port(settings: Settings) -> tuple[str, int] | None:
    """Find where this process shows metrics by itself; of several workers, the process above them does."""
    if settings.metrics_port is None or settings.workers > 1:
        return None
    return settings.host, settings.metrics_port


@asynccontextmanager
async def _lifespan(_app: object, parts: Parts, listen: tuple[str, int] | None) -> AsyncIterator[None]:
    # What was made for the start stays: the garbage collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    limits, gauges, metrics = parts.limits, parts.gauges, parts.metrics
    watches = {
        asyncio.create_task(source.watch()) for source in (parts.signing_key, parts.issuer, gauges) if source
    }
    try:
        if limits:
            await limits.prepare()
        # The port has a thread of its own: what is so now, the loop takes down, and nobody else.
        with exposed(*listen, metrics.render) if metrics and listen else nullcontext():
            yield
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.wait(watches)
        if limits:
            await limits.close()
        if parts.traces:
            await parts.traces.close()
        if parts.log:
            parts.log.finish()
