"""What sends and waits: all that there is twice, for who blocks and for asyncio."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager
from typing import Any, TypeVar

import httpx

from livekit_token_api_client.address import base_of
from livekit_token_api_client.answers import Heard, read, retry_after
from livekit_token_api_client.contract import OPENAPI_INFO_VERSION
from livekit_token_api_client.credentials import Credential, credential_of
from livekit_token_api_client.errors import TimedOut, TokenApiError, UnexpectedAnswer, Unreachable
from livekit_token_api_client.operations import Operation
from livekit_token_api_client.patience import Attempts, Patience

_MAX_BYTES = 1 << 20

T = TypeVar("T")


class Outgoing:
    """What is sent, whoever sends it.

    Attributes:
        base: where the paths of the contract begin.
        patience: how long to wait for an answer.
    """

    def __init__(self, url: str, api_key: str | None, bearer: object, patience: Patience) -> None:
        """Check what is known now: not what a callable `bearer` will get.

        Raises:
            ValueError: see address.base_of and credentials.credential_of; or there are both credentials.
        """
        if api_key is not None and bearer is not None:
            raise ValueError("give an api_key or a bearer, not both: the service looks at one only")
        self.base: str = base_of(url)
        self.patience = patience
        self._api_key = api_key
        self._has_bearer = bearer is not None
        credential_of(api_key, bearer if isinstance(bearer, str) else None)

    def credential(self, bearer: str | None) -> Credential | None:
        """Tell who asks, by the API key or the caller token.

        Raises:
            ValueError: see credentials.credential_of; or who should know the caller token does not.
        """
        if bearer is None and self._has_bearer:
            raise ValueError("bearer got no caller token")
        return credential_of(self._api_key, bearer)

    def request(
        self,
        http: httpx.Client | httpx.AsyncClient,
        operation: Operation[Any],
        body: Mapping[str, object] | None,
        credential: Credential | None,
        seconds: float,
    ) -> httpx.Request:
        """Write a request that may take so many seconds."""
        headers = {
            "Accept": "application/json",
            # Half a kilobyte may be half a gigabyte, and is unpacked before it can be counted.
            "Accept-Encoding": "identity",
            "User-Agent": f"livekit-token-api-client/{OPENAPI_INFO_VERSION}",
        }
        if credential is not None:
            headers[credential.header] = credential.value
        return http.build_request(
            operation.method, f"{self.base}{operation.path}", headers=headers, json=body, timeout=seconds
        )


class _Incoming:
    """An answer, as it arrives; bounded in length and time."""

    def __init__(self, response: httpx.Response, clock: Callable[[], float], end: float) -> None:
        self._response = response
        self._clock = clock
        self._end = end
        self._content = bytearray()
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise self._unexpected("The answer is compressed, which it was asked not to be.")

    def take(self, chunk: bytes) -> None:
        self._content += chunk
        if len(self._content) > _MAX_BYTES:
            raise self._unexpected("The answer is longer than any of the contract.")
        if self._clock() > self._end:
            raise TimedOut("The answer did not arrive in time.")

    def _unexpected(self, message: str) -> UnexpectedAnswer:
        return UnexpectedAnswer(message, self._response.status_code, retry_after(self._response.headers))

    def heard(self) -> Heard:
        return Heard(self._response.status_code, self._response.headers, bytes(self._content))


@contextmanager
def _failures() -> Iterator[None]:
    """Say what the network has done in words of our own."""
    try:
        yield
    except (TimeoutError, httpx.TimeoutException) as failure:
        raise TimedOut("The answer did not arrive in time.") from failure
    except httpx.RequestError as failure:
        raise Unreachable(f"No answer came: {failure or type(failure).__name__}.") from failure


class Driver:
    """Sends and waits; may be used by several threads."""

    def __init__(
        self,
        outgoing: Outgoing,
        bearer: str | Callable[[], str] | None,
        http: httpx.Client | None,
        sleep: Callable[[float], object],
    ) -> None:
        """See api.TokenApi."""
        self.outgoing = outgoing
        self._bearer = bearer
        self._http = http or httpx.Client()
        self._is_own = http is None
        self._sleep = sleep

    def close(self) -> None:
        """Close the connections, if they are not those of a client that was given."""
        if self._is_own:
            self._http.close()

    def credential(self) -> Credential | None:
        """Tell who asks now."""
        bearer = self._bearer() if callable(self._bearer) else self._bearer
        return self.outgoing.credential(bearer)

    def ask(
        self, operation: Operation[T], body: Mapping[str, object] | None, credential: Credential | None
    ) -> T:
        """Ask until there is an answer, or no hope.

        Raises:
            TokenApiError: there is none.
        """
        attempts = Attempts(self.outgoing.patience, is_repeated=operation.is_repeated)
        while True:
            seconds = attempts.seconds()
            request = self.outgoing.request(self._http, operation, body, credential, seconds)
            try:
                return read(self._hear(request, seconds), operation)
            except TokenApiError as failure:
                pause = attempts.pause(failure)
                if pause is None:
                    raise
            self._sleep(pause)

    def _hear(self, request: httpx.Request, seconds: float) -> Heard:
        clock = self.outgoing.patience.clock
        end = clock() + seconds
        with _failures(), closing(self._http.send(request, stream=True, follow_redirects=False)) as response:
            incoming = _Incoming(response, clock, end)
            for chunk in response.iter_bytes():
                incoming.take(chunk)
        return incoming.heard()


class AsyncDriver:
    """Sends and waits, under asyncio."""

    def __init__(
        self,
        outgoing: Outgoing,
        bearer: str | Callable[[], str | Awaitable[str]] | None,
        http: httpx.AsyncClient | None,
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        """See api.AsyncTokenApi."""
        self.outgoing = outgoing
        self._bearer = bearer
        self._http = http or httpx.AsyncClient()
        self._is_own = http is None
        self._sleep = sleep

    async def aclose(self) -> None:
        """Close the connections, if they are not those of a client that was given."""
        if self._is_own:
            await self._http.aclose()

    async def credential(self) -> Credential | None:
        """Tell who asks now."""
        bearer = self._bearer() if callable(self._bearer) else self._bearer
        return self.outgoing.credential(await bearer if inspect.isawaitable(bearer) else bearer)

    async def ask(
        self, operation: Operation[T], body: Mapping[str, object] | None, credential: Credential | None
    ) -> T:
        """Ask until there is an answer, or no hope.

        Raises:
            TokenApiError: there is none.
        """
        attempts = Attempts(self.outgoing.patience, is_repeated=operation.is_repeated)
        while True:
            seconds = attempts.seconds()
            request = self.outgoing.request(self._http, operation, body, credential, seconds)
            try:
                return read(await self._hear(request, seconds), operation)
            except TokenApiError as failure:
                pause = attempts.pause(failure)
                if pause is None:
                    raise
            await self._sleep(pause)

    async def _hear(self, request: httpx.Request, seconds: float) -> Heard:
        clock = self.outgoing.patience.clock
        end = clock() + seconds
        with _failures():
            async with asyncio.timeout(seconds):
                response = await self._http.send(request, stream=True, follow_redirects=False)
                async with aclosing(response):
                    incoming = _Incoming(response, clock, end)
                    async for chunk in response.aiter_bytes():
                        incoming.take(chunk)
        return incoming.heard()
