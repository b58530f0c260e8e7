"""Both clients, as one thing to test."""

import asyncio
from typing import Any, Protocol

from livekit_token_api_client import AsyncTokenApi, TokenApi


class Ask(Protocol):
    """Has a client call one of its methods, once."""

    def __call__(self, url: str, method: str, pauses: list[float] | None = None, /, **arguments: Any) -> Any:
        """Call it.

        Args:
            url: where the paths of the contract begin.
            method: of the client.
            pauses: collects how long the client would wait, and has it not wait.
            arguments: those of the client; the rest, by the names of the contract, is the request.
        """


_OF_THE_CLIENT = ("api_key", "bearer", "http", "patience")


def _split(arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return {name: arguments.pop(name) for name in _OF_THE_CLIENT if name in arguments}, arguments


def blocking(url: str, method: str, pauses: list[float] | None = None, /, **arguments: Any) -> Any:
    """Have a `TokenApi` do it."""
    made, request = _split(arguments)
    if pauses is not None:
        made["sleep"] = pauses.append
    with TokenApi(url, **made) as api:
        return getattr(api, method)(**request)


def concurrent(url: str, method: str, pauses: list[float] | None = None, /, **arguments: Any) -> Any:
    """Have an `AsyncTokenApi` do it."""
    made, request = _split(arguments)

    async def no_sleep(seconds: float) -> None:
        if pauses is not None:
            pauses.append(seconds)

    if pauses is not None:
        made["sleep"] = no_sleep

    async def call() -> Any:
        async with AsyncTokenApi(url, **made) as api:
            return await getattr(api, method)(**request)

    return asyncio.run(call())
