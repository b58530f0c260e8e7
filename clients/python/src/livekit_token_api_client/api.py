"""The operations of the service."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, Unpack

import httpx

from livekit_token_api_client.contract import (
    ConnectionDetails,
    ConnectionDetailsRequest,
    HealthResponse,
    TokenRequest,
    TokenResponse,
)
from livekit_token_api_client.drivers import AsyncDriver, Driver, Outgoing
from livekit_token_api_client.operations import (
    CHECK_LIVENESS,
    CHECK_READINESS,
    CREATE_CONNECTION_DETAILS,
    GENERATE_TOKEN,
)
from livekit_token_api_client.patience import Patience


class TokenApi:
    """The service, for who blocks; may be used by several threads. Each call asks it: see `TokenSource`.

    Every method raises a `TokenApiError`, and what `bearer` raises.
    """

    def __init__(  # noqa: PLR0913  # each has its name where it is given
        self,
        url: str,
        *,
        api_key: str | None = None,
        bearer: str | Callable[[], str] | None = None,
        http: httpx.Client | None = None,
        patience: Patience | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Ask nothing yet.

        Args:
            url: where the paths of the contract begin: `https://tokens.example.com/api`.
            api_key: says that a trusted backend asks, which may ask for any participant.
            bearer: a caller token, or what gets one that is still valid; it is called for each operation.
            http: sends the requests, through a proxy or with a certificate; it is not closed here. By
                default, one of httpx's as it comes.
            patience: how long to wait, and how often to ask again.
            sleep: waits for some seconds.

        Raises:
            ValueError: the address or a credential cannot be one.
        """
        outgoing = Outgoing(url, api_key, bearer, patience or Patience())
        self.driver: Driver = Driver(outgoing, bearer, http, sleep)

    def __repr__(self) -> str:
        """Show where it is, and nothing secret."""
        return f"TokenApi({self.driver.outgoing.base!r})"

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.driver.close()

    def generate_token(self, **request: Unpack[TokenRequest]) -> TokenResponse:
        """Ask for an access token for one participant in one room."""
        return self.driver.ask(GENERATE_TOKEN, request, self.driver.credential())

    def create_connection_details(self, **request: Unpack[ConnectionDetailsRequest]) -> ConnectionDetails:
        """Ask for an access token as a LiveKit client SDK does; everything may be left out."""
        return self.driver.ask(CREATE_CONNECTION_DETAILS, request, self.driver.credential())

    def check_liveness(self) -> HealthResponse:
        """Ask once whether the process serves requests, and of which version it is."""
        return self.driver.ask(CHECK_LIVENESS, None, None)

    def check_readiness(self) -> HealthResponse:
        """Ask once whether the service can issue tokens; `NotReady` says why it cannot."""
        return self.driver.ask(CHECK_READINESS, None, None)


class AsyncTokenApi:
    """The service, for asyncio. Each call asks it: see `AsyncTokenSource`.

    Every method raises a `TokenApiError`, and what `bearer` raises.
    """

    def __init__(  # noqa: PLR0913  # each has its name where it is given
        self,
        url: str,
        *,
        api_key: str | None = None,
        bearer: str | Callable[[], str | Awaitable[str]] | None = None,
        http: httpx.AsyncClient | None = None,
        patience: Patience | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """See `TokenApi`; `bearer` may be a coroutine function."""
        outgoing = Outgoing(url, api_key, bearer, patience or Patience())
        self.driver: AsyncDriver = AsyncDriver(outgoing, bearer, http, sleep)

    def __repr__(self) -> str:
        """Show where it is, and nothing secret."""
        return f"AsyncTokenApi({self.driver.outgoing.base!r})"

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self.driver.aclose()

    async def generate_token(self, **request: Unpack[TokenRequest]) -> TokenResponse:
        """Ask for an access token for one participant in one room."""
        return await self.driver.ask(GENERATE_TOKEN, request, await self.driver.credential())

    async def create_connection_details(
        self, **request: Unpack[ConnectionDetailsRequest]
    ) -> ConnectionDetails:
        """Ask for an access token as a LiveKit client SDK does; everything may be left out."""
        return await self.driver.ask(CREATE_CONNECTION_DETAILS, request, await self.driver.credential())

    async def check_liveness(self) -> HealthResponse:
        """Ask once whether the process serves requests, and of which version it is."""
        return await self.driver.ask(CHECK_LIVENESS, None, None)

    async def check_readiness(self) -> HealthResponse:
        """Ask once whether the service can issue tokens; `NotReady` says why it cannot."""
        return await self.driver.ask(CHECK_READINESS, None, None)
