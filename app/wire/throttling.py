"""Rate limits of the operations that the contract gives a 429: a layer between security and validation."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from app.callers.caller import ANYBODY, Caller
from app.callers.quotas import Quota
from app.wire.contract import Contract

if TYPE_CHECKING:  # It is large, and for who needs it.
    from app.callers.rate_limits import RateLimits

_NETWORK_BITS = 64  # What one subscriber is given of IPv6.
_OF_WHOM = {"caller": "This caller has", "total": "All callers together have"}


class RateLimited(Exception):
    """There were too many requests; the message says whose.

    Attributes:
        headers: of the answer: when to ask again.
    """

    def __init__(self, exceeded: Quota) -> None:
        """Say which limit is exceeded."""
        super().__init__(
            f"{_OF_WHOM[exceeded.name]} asked too often; Retry-After says in how many seconds to ask again."
        )
        self.headers = {"Retry-After": str(exceeded.reset_seconds)}


class _Limited:
    """One operation that is limited."""

    def __init__(self, next_app: ASGIApp, limits: "RateLimits") -> None:
        self._next_app, self._limits = next_app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]
        quotas = await self._limits.count(key_of(state.get("caller", ANYBODY), scope.get("client")))
        state["headers"] = headers_of(quotas)
        for quota in quotas:
            if quota.is_exceeded:
                state["exceeded"] = quota.name
                raise RateLimited(quota)
        await self._next_app(scope, receive, send)


class _Operations(RoutedAPI[ASGIApp]):  # type: ignore[misc]  # connexion ships no types
    def __init__(self, *args: Any, contract: Contract, rate_limits: "RateLimits", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._contract, self._limits = contract, rate_limits
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> ASGIApp:
        is_limited = self._contract.operations[operation.operation_id].is_limited
        return _Limited(self.next_app, self._limits) if is_limited else self.next_app


class Throttling(RoutedMiddleware[_Operations]):  # type: ignore[misc]
    """Counts requests, and refuses those that are too many; leaves headers of the answer in the state."""

    api_cls = _Operations


def key_of(caller: Caller, client: tuple[str, int] | None) -> str:
    """Name whom a request is counted for: the caller who is known, else the address that it came from."""
    if caller.name:
        return f"{caller.auth}:{caller.name}"
    address = client[0] if client else ""
    try:
        parsed = ip_address(address)
    except ValueError:  # A proxy that is believed may hand on what its caller made up.
        return f"address:{address}"
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return f"network:{int(parsed) >> _NETWORK_BITS:x}"
    return f"address:{getattr(parsed, 'ipv4_mapped', None) or parsed}"


def headers_of(quotas: Sequence[Quota]) -> Mapping[str, str]:
    """Write what is left, as draft-ietf-httpapi-ratelimit-headers has it."""
    if not quotas:
        return {}
    return {
        "RateLimit": ", ".join(f'"{q.name}";r={q.remaining};t={q.reset_seconds}' for q in quotas),
        "RateLimit-Policy": ", ".join(f'"{q.name}";q={q.amount};w={q.window_seconds}' for q in quotas),
    }
