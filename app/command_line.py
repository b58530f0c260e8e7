"""The command line: serve, examine, make a key."""

import argparse
import sys

from app.callers.api_keys import new_key
from app.operation import ending, exposition, logs
from app.operation.exposition import PortTaken
from app.serving import serve
from app.settings.callers import API_KEY_NAME
from app.settings.environment import colours_are_refused
from app.settings.listening import check_host
from app.settings.reading import InvalidSettings
from app.settings.settings import Settings
from app.tokens.claims import TokensDiffer, UnusableSecret
from app.wire.contract import Contract


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_parsed: object) -> None:
        sys.stdout.write(f"{parser.prog} {Contract.load().version}\n")
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
    doctor = commands.add_parser("doctor", help="find out why it does not work, or what a token says")
    doctor.add_argument("--token", metavar="JWT", help="explain a LiveKit token; -: of standard input")
    doctor.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args()
    if vars(arguments):  # All else ends by signals as other programs do.
        ending.leave_to_the_system()
    if "name" in arguments:
        _print_new_api_key(arguments.name)
    elif "token" in arguments:
        _examine(arguments.token, as_json=arguments.json)
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


def _examine(token: str | None, *, as_json: bool) -> None:
    # What talks to all the others is large, and of no use to a service.
    from app.doctor import command  # noqa: PLC0415

    sys.exit(command.run(token, as_json=as_json, in_colours=not colours_are_refused()))


def _serve_as_the_environment_says() -> None:
    try:
        settings = Settings.from_environment()
        check_host(settings)
        _check_metrics_port(settings)
        log = logs.configure(settings.log_level, settings.log_format)
        status = serve(settings, log)
    except InvalidSettings as error:
        sys.exit(f"The environment cannot be used:\n{error}")
    except UnusableSecret:
        sys.exit(
            "The environment cannot be used:\n"
            "LIVEKIT_API_SECRET: must be the secret of a LiveKit project, not a PEM, SSH or JSON key"
        )
    except TokensDiffer as error:
        sys.exit(f"This service and its livekit-api do not fit together: {error}")
    ending.end(status)


def _check_metrics_port(settings: Settings) -> None:
    # One process opens it once its loop runs, where the server would fail with a traceback.
    if settings.metrics and settings.metrics_port is not None:
        try:
            exposition.check(settings.host, settings.metrics_port)
        except PortTaken as error:
            raise InvalidSettings(f"METRICS_PORT: must be a free port of HOST: {error}") from None
