"""`python -m app`, or `livekit-token-api` where it is installed."""

from app.operation import ending


def main() -> None:
    """Do what the command line says; a signal that comes before the service is there ends it, with 0."""
    ending.end_when_told()
    # Most of the time of a start.
    from app import command_line  # noqa: PLC0415

    command_line.main()


if __name__ == "__main__":
    main()
