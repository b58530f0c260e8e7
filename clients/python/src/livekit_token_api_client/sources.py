"""LiveKit's token source, for Python: it keeps a token until a minute before it expires."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar, Unpack, cast

from livekit_token_api_client.api import AsyncTokenApi, TokenApi
from livekit_token_api_client.contract import (
    ConnectionDetails,
    ConnectionDetailsRequest,
    TokenRequest,
    TokenResponse,
)
from livekit_token_api_client.kept import KeptAnswers, Key
from livekit_token_api_client.operations import CREATE_CONNECTION_DETAILS, GENERATE_TOKEN, Operation

T = TypeVar("T")


class TokenSource:
    """Tokens of a `TokenApi`, each kept until a minute before it expires; may be used by several threads.

    Who asks for the same with the same credential gets the same token, and who does so at the same time waits
    for one request. So where the service makes a fresh room or participant, a source has one of them only:
    for another, use another source, or `force`.
    """

    def __init__(
        self, api: TokenApi, *, clock: Callable[[], float] = time.time, capacity: int = 1024
    ) -> None:
        """Keep nothing yet.

        Args:
            api: is asked; closing it is yours.
            clock: tells the seconds since whenever.
            capacity: how many tokens are kept at most.
        """
        self._driver = api.driver
        self._kept = KeptAnswers(clock, capacity)
        self._lock = threading.Lock()
        self._pending: dict[Key[Any], Future[Any]] = {}

    def fetch(self, *, force: bool = False, **options: Unpack[ConnectionDetailsRequest]) -> ConnectionDetails:
        """Get what LiveKit's SDKs connect with; `force` takes none that is kept.

        Raises:
            TokenApiError: there is none.
        """
        return self._answer(CREATE_CONNECTION_DETAILS, options, force=force)

    def fetch_token(self, *, force: bool = False, **request: Unpack[TokenRequest]) -> TokenResponse:
        """Get an access token of `/token`; `force` takes none that is kept.

        Raises:
            TokenApiError: there is none.
        """
        return self._answer(GENERATE_TOKEN, request, force=force)

    def _answer(self, operation: Operation[T], request: Mapping[str, object], *, force: bool) -> T:
        key = Key.of(operation, request, self._driver.credential())
        with self._lock:
            found = None if force else self._kept.find(key)
            if found is not None:
                return found
            pending = self._pending.get(key)
            is_first = pending is None
            if pending is None:
                pending = self._pending[key] = Future()
        if is_first:
            self._ask(key, request, pending)
        return cast("T", pending.result().copy())

    def _ask(self, key: Key[T], request: Mapping[str, object], pending: "Future[T]") -> None:
        try:
            asked_at = self._kept.clock()
            answer = self._driver.ask(key.operation, request, key.credential)
            with self._lock:
                self._kept.keep(key, answer, asked_at)
            pending.set_result(answer)
        except BaseException as failure:  # noqa: BLE001  # whoever waits must hear of it, whatever it is
            pending.set_exception(failure)
        finally:
            with self._lock:
                del self._pending[key]


class AsyncTokenSource:
    """Tokens of an `AsyncTokenApi`; see `TokenSource`."""

    def __init__(
        self, api: AsyncTokenApi, *, clock: Callable[[], float] = time.time, capacity: int = 1024
    ) -> None:
        """See `TokenSource`."""
        self._driver = api.driver
        self._kept = KeptAnswers(clock, capacity)
        self._pending: dict[Key[Any], asyncio.Task[Any]] = {}

    async def fetch(
        self, *, force: bool = False, **options: Unpack[ConnectionDetailsRequest]
    ) -> ConnectionDetails:
        """Get what LiveKit's SDKs connect with; `force` takes none that is kept.

        Raises:
            TokenApiError: there is none.
        """
        return await self._answer(CREATE_CONNECTION_DETAILS, options, force=force)

    async def fetch_token(self, *, force: bool = False, **request: Unpack[TokenRequest]) -> TokenResponse:
        """Get an access token of `/token`; `force` takes none that is kept.

        Raises:
            TokenApiError: there is none.
        """
        return await self._answer(GENERATE_TOKEN, request, force=force)

    async def _answer(self, operation: Operation[T], request: Mapping[str, object], *, force: bool) -> T:
        key = Key.of(operation, request, await self._driver.credential())
        found = None if force else self._kept.find(key)
        if found is not None:
            return found
        pending = self._pending.get(key)
        # One that was cancelled before it began has not taken itself away.
        if pending is None or pending.cancelled():
            pending = self._pending[key] = asyncio.create_task(self._ask(key, request))
        # The answer is everybody's who waits: it comes even if one of them leaves.
        return cast("T", (await asyncio.shield(pending)).copy())

    async def _ask(self, key: Key[T], request: Mapping[str, object]) -> T:
        try:
            asked_at = self._kept.clock()
            answer = await self._driver.ask(key.operation, request, key.credential)
            self._kept.keep(key, answer, asked_at)
        finally:
            del self._pending[key]
        return answer
