"""The function app: one function, to which every request goes, and the service behind it."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import azure.functions as func

from app.functions import app_from_environment

Handle = Callable[[func.HttpRequest, func.Context], Awaitable[func.HttpResponse]]
Start = Callable[[], Awaitable[bool]]


def _with_the_path_as_sent(handle: Handle) -> Handle:
    """Keep a path from being decoded: no path of the contract needs it, and 404 is for all others.

    The library would raise where the bytes are not UTF-8, which is the platform's 500, take `%2F` for a
    slash, and leave out what follows a semicolon.
    """

    async def handle_as_sent(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        url = urlsplit(request.url)
        path = url.path.replace("%", "%25").replace(";", "%3B")
        as_sent = func.HttpRequest(
            request.method,
            url._replace(path=path).geturl(),
            headers=request.headers,
            body=request.get_body(),
        )
        return await handle(as_sent, context)

    return handle_as_sent


def _once(start: Start) -> Start:
    """Start the service once: the library does so for every request that comes before it has started."""
    starting: asyncio.Future[bool] | None = None

    async def start_once() -> bool:
        nonlocal starting
        starting = starting or asyncio.ensure_future(start())
        return await starting

    return start_once


functions = func.AsgiFunctionApp(app=app_from_environment(), http_auth_level=func.AuthLevel.ANONYMOUS)
functions.middleware.handle_async = _with_the_path_as_sent(functions.middleware.handle_async)
functions.middleware.notify_startup = _once(functions.middleware.notify_startup)
