"""The parts of the service that there are once in a process, whatever requests there are."""

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from app.callers.api_keys import ApiKeys
from app.callers.caller import ClaimNames
from app.operation.drain import Drain
from app.operation.gauges import Gauges, Sources
from app.operation.load import Load
from app.operation.log_writer import LogWriter
from app.operation.metrics import Metrics
from app.operation.readiness import (
    AUDIT_UNAVAILABLE,
    AUTHENTICATION_OFF,
    DRAINING,
    ISSUER_UNREACHABLE,
    KEYS_FILE_BROKEN,
    LOG_UNWRITABLE,
    MISSING_CREDENTIALS,
    REDIS_UNREACHABLE,
    WEAK_SECRET,
    Readiness,
)
from app.settings.reading import InvalidSettings
from app.settings.settings import Settings
from app.settings.workers import metrics_directory
from app.tokens.admission import AdmissionPolicy
from app.tokens.credentials import Credentials
from app.tokens.key_files import KeyFileFault, KeyFiles
from app.tokens.policy import TokenPolicy
from app.tokens.service import TokenService
from app.tokens.signing_key import SigningKey
from app.wire.authentication import Authentication
from app.wire.contract import Contract

if TYPE_CHECKING:
    from app.callers.issuer import Issuer
    from app.callers.rate_limits import RateLimits
    from app.operation.tracing import Traces


class Given(NamedTuple):
    """What whoever starts the process may have made already."""

    tokens: TokenService | None = None
    drain: Drain | None = None
    load: Load | None = None
    log: LogWriter | None = None


class Parts(NamedTuple):
    """All of them; None is what this deployment does without."""

    tokens: TokenService
    signing_key: SigningKey
    issuer: "Issuer | None"
    authentication: Authentication
    limits: "RateLimits | None"
    load: Load
    log: LogWriter | None
    traces: "Traces | None"
    readiness: Readiness
    metrics: Metrics | None
    gauges: Gauges | None


def make_parts(settings: Settings, contract: Contract, given: Given) -> Parts:
    """Make what is not given.

    Raises:
        InvalidSettings: traces are asked for, and OpenTelemetry cannot be used.
        TokensDiffer: see service.TokenService.
        UnusableSecret: likewise.
    """
    tokens = given.tokens or _token_service(settings, contract.max_token_bytes)
    signing_key = SigningKey(tokens, _key_files(settings))
    issuer, limits = _issuer(settings), _rate_limits(settings)
    drain, load, log = given.drain or Drain(), given.load or Load(), given.log
    without_log = AUDIT_UNAVAILABLE if settings.audit_required else LOG_UNWRITABLE
    readiness = Readiness(
        [
            (DRAINING, lambda: drain.is_draining),
            (without_log, lambda: log is not None and not log.is_writable),
            (MISSING_CREDENTIALS, lambda: not tokens.can_sign),
            (KEYS_FILE_BROKEN, lambda: signing_key.is_broken),
            (WEAK_SECRET, lambda: signing_key.is_weak),
            (ISSUER_UNREACHABLE, lambda: issuer is not None and not issuer.is_known),
            (AUTHENTICATION_OFF, lambda: settings.auth == ("none",)),
            (REDIS_UNREACHABLE, lambda: limits is not None and not limits.is_enforced),
        ]
    )
    metrics = _metrics(settings, contract)
    sources = Sources(
        in_flight=load.take_peak,
        key_timestamp=lambda: signing_key.in_use_since,
        lost=lambda: log.lost if log else 0,
    )
    return Parts(
        tokens=tokens,
        signing_key=signing_key,
        issuer=issuer,
        authentication=_authentication(settings, issuer),
        limits=limits,
        load=load,
        log=log,
        traces=make_traces(settings, contract.version),
        readiness=readiness,
        metrics=metrics,
        gauges=Gauges(metrics, readiness, sources) if metrics else None,
    )


def _token_service(settings: Settings, max_bytes: int) -> TokenService:
    key, secret = settings.livekit_api_key, settings.livekit_api_secret
    credentials = Credentials(key, secret.get_secret_value()) if key and secret else None
    policy = TokenPolicy(
        ttl=timedelta(seconds=settings.token_ttl_seconds),
        publish_sources=settings.livekit_publish_sources,
        can_publish_data=settings.livekit_can_publish_data,
        agents=settings.livekit_agents,
        max_bytes=max_bytes,
        max_ttl=timedelta(seconds=settings.max_token_ttl_seconds),
    )
    return TokenService(credentials, policy, AdmissionPolicy(settings.room_name_prefix))


def _key_files(settings: Settings) -> KeyFiles | None:
    if settings.missing_credentials or not settings.key_files:
        return None
    secret = settings.livekit_api_secret
    return KeyFiles(
        settings.livekit_api_key,
        secret.get_secret_value() if secret else None,
        settings.livekit_api_key_file,
        settings.livekit_api_secret_file,
        settings.livekit_keys_file,
    )


def fault_of_key_files(settings: Settings) -> str:
    """Say why no token can be signed with what is in the files, if there are files, and none can."""
    files = _key_files(settings)
    try:
        if files:
            files.read()
    except KeyFileFault as fault:
        return str(fault)
    return ""


# What verifies signatures is nineteen megabytes, and what counts requests some more: for who needs it.
def _issuer(settings: Settings) -> "Issuer | None":
    if settings.oidc_issuer is None:
        return None
    from app.callers.issuer import Issuer  # noqa: PLC0415

    return Issuer(settings.oidc_issuer)


def _authentication(settings: Settings, issuer: "Issuer | None") -> Authentication:
    keys = ApiKeys(settings.api_keys) if settings.api_keys else None
    if issuer is None or settings.oidc_audience is None:
        return Authentication(None, keys)
    from app.callers.tokens import CallerTokens  # noqa: PLC0415

    names = ClaimNames(settings.oidc_identity_claim, settings.oidc_name_claim, settings.oidc_rooms_claim)
    tokens = CallerTokens(issuer, settings.oidc_audience, settings.oidc_algorithms, names)
    return Authentication(tokens, keys)


def _rate_limits(settings: Settings) -> "RateLimits | None":
    if not settings.is_limited:
        return None
    from app.callers.rate_limits import RateLimits  # noqa: PLC0415

    return RateLimits(settings.rate_limit, settings.rate_limit_total, settings.rate_limit_storage)


def make_traces(settings: Settings, version: str) -> "Traces | None":
    """Make what sends the spans of this version of the service; None: nobody asks for them.

    Raises:
        InvalidSettings: OpenTelemetry cannot be used.
    """
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    try:
        from app.operation.tracing import Traces  # noqa: PLC0415

        return Traces(settings.otel_exporter_otlp_endpoint, version)
    except ModuleNotFoundError:
        raise InvalidSettings(
            "OTEL_EXPORTER_OTLP_ENDPOINT: needs OpenTelemetry; install the wheel with its extra, [otel]"
        ) from None
    except ValueError as error:
        raise InvalidSettings(f"OTEL_…: OpenTelemetry cannot use one of its variables: {error}") from None


def _metrics(settings: Settings, contract: Contract) -> Metrics | None:
    if not settings.metrics:
        return None
    operations = contract.operations.items()
    return Metrics(
        {name: rule.statuses for name, rule in operations},
        issuing=[name for name, rule in operations if rule.body],
        error_codes=contract.error_codes,
        reasons=contract.reasons,
        directory=metrics_directory(),
    )
