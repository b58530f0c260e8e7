"""The service in Azure Functions: without a server, a port or a process of its own."""

import logging

from starlette.types import ASGIApp

from app.main import create_app, report
from app.operation import logs
from app.operation.log_writer import LogWriter
from app.settings.settings import Settings
from app.wire.invocations import Invocations

logger = logging.getLogger(__name__)

# Not HOST and PORT: an image of the platform may have them set.
_WITHOUT_EFFECT = frozenset(
    {
        "body_timeout_seconds",
        "drain_seconds",
        "forwarded_allow_ips",
        "head_timeout_seconds",
        "max_in_flight",
        "metrics_port",
        "otel_exporter_otlp_endpoint",
        "root_path",
        "shutdown_grace_seconds",
        "workers",
    }
)


def app_from_environment() -> ASGIApp:
    """Put the service together as the App Settings say; its log is that of the host, if there is one.

    Raises:
        InvalidSettings: the environment cannot be used.
        TokensDiffer: see main.create_app.
        UnusableSecret: likewise.
    """
    settings = Settings.from_environment()
    log = _configure_log(settings)
    report(settings)
    if ignored := sorted(settings.model_fields_set & _WITHOUT_EFFECT):
        logger.warning("Without effect on Azure Functions: %s.", ", ".join(map(str.upper, ignored)))
    # It may be there for the platform, which traces by itself: the package has no OpenTelemetry.
    settings = settings.model_copy(update={"otel_exporter_otlp_endpoint": None})
    if settings.metrics_port is not None:
        # Nobody could reach it, and of several processes of an instance the second could not open it.
        settings = settings.model_copy(update={"metrics": False})
    return Invocations(create_app(settings, log=log))


def _configure_log(settings: Settings) -> LogWriter | None:
    if logging.getLogger().handlers:
        logs.hand_to_host(settings.log_level, settings.log_format)
        return None
    # A host that has no handler collects what is on standard output.
    return logs.configure(settings.log_level, settings.log_format)
