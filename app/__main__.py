"""`python -m app`, or `livekit-token-api` where it is installed: the command line."""

import argparse
import math
import sys
from contextlib import suppress
from functools import partial
from socket import AF_INET, AF_INET6, AI_PASSIVE, SOCK_STREAM, getaddrinfo, socket

from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.server import Server
from uvicorn.supervisors.multiprocess import Multiprocess

from app.callers.api_keys import new_key
from app.main import create_app, report
from app.operation import logs
from app.settings.callers import API_KEY_NAME
from app.settings.reading import InvalidSettings
from app.settings.settings import Settings
from app.tokens.claims import TokensDiffer, UnusableSecret
from app.wire.contract import Contract
from app.wire.protocol import HttpProtocol

# Longer than the 60 of the usual reverse proxy, which else meets a closed connection.
_KEEP_ALIVE_SECONDS = 75
_SHUTDOWN_MARGIN_SECONDS = 5  # What a request may take beyond the arrival of its body.


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_parsed: object) -> None:
        sys.stdout.write(f"{parser.prog} {Contract.load().document['info']['version']}\n")
        parser.exit()


def main() -> None:
    """Serve until a signal says stop, or do what the command line says instead."""
    parser = argparse.ArgumentParser(
        prog="livekit-token-api",
        description="Issues access tokens for LiveKit rooms over HTTP, until a signal says stop.",
        epilog=f"Everything is set by environment variables:\n\n{Settings.described()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version, and exit")
    commands = parser.add_subparsers(title="instead of serving", metavar="COMMAND")
    new_api_key = commands.add_parser("new-api-key", help="print a fresh API key, and its NAME:DIGEST")
    new_api_key.add_argument("name", type=_api_key_name, metavar="NAME", help="whom the key is for")
    arguments = parser.parse_args()
    if "name" in arguments:
        _print_new_api_key(arguments.name)
    else:
        _serve_as_the_environment_says()


def _api_key_name(text: str) -> str:
    if not API_KEY_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("must be 1 to 64 letters, digits and . _ -")
    return text


def _print_new_api_key(name: str) -> None:
    key, digest = new_key()
    sys.stderr.write("The key, which is shown once, and what to add to API_KEY_DIGESTS:\n")
    sys.stdout.write(f"{key}\n{name}:{digest}\n")


def _serve_as_the_environment_says() -> None:
    try:
        settings = Settings.from_environment()
        _check_host(settings)
        logs.configure(settings.log_level)
        app = create_app(settings)
    except InvalidSettings as error:
        sys.exit(f"The environment cannot be used:\n{error}")
    except UnusableSecret:
        sys.exit(
            "The environment cannot be used:\n"
            "LIVEKIT_API_SECRET: must be the secret of a LiveKit project, not a PEM, SSH or JSON key"
        )
    except TokensDiffer as error:
        sys.exit(f"This service and its livekit-api do not fit together: {error}")
    report(settings)
    _serve(
        Config(
            # Each of several processes puts the service together for itself.
            app if settings.workers == 1 else "app.main:app_from_environment",
            factory=settings.workers > 1,
            host=settings.host,
            port=settings.port,
            root_path=settings.root_path,
            workers=settings.workers,
            http=partial(HttpProtocol, patience_seconds=settings.body_timeout_seconds),  # type: ignore[arg-type]
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.forwarded_allow_ips),
            forwarded_allow_ips=list(settings.forwarded_allow_ips),
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(settings.body_timeout_seconds) + _SHUTDOWN_MARGIN_SECONDS,
        )
    )


def _check_host(settings: Settings) -> None:
    # The server would not name the variable, and fail with a traceback at some values.
    host = settings.host
    try:
        # With several workers uvicorn opens one socket by itself, else the event loop opens all there are.
        one = (AF_INET6 if ":" in host else AF_INET, SOCK_STREAM, 0, "", (host, 0))
        several = settings.workers > 1
        candidates = [one] if several else getaddrinfo(host, 0, type=SOCK_STREAM, flags=AI_PASSIVE)
        for family, kind, protocol, _, address in candidates:
            with suppress(OSError), socket(family, kind, protocol) as probe:
                probe.bind(address)
                return
    except (OSError, UnicodeError):
        pass
    raise InvalidSettings("HOST: must be a name or an address of this machine, or 0.0.0.0 for all it has")


def _serve(config: Config) -> None:
    # What uvicorn.run does, without what its own command line needs.
    with suppress(KeyboardInterrupt):
        if config.workers > 1:
            Multiprocess(config, sockets=[config.bind_socket()]).run()
            return
        server = Server(config)
        server.run()
        if not server.started:
            sys.exit(STARTUP_FAILURE)


if __name__ == "__main__":
    main()
