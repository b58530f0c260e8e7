"""Times the layers of the application in process: a program that `stages.py` runs inside a checkout.

It asks `python -m app` what it would serve, and how it would log, and so needs to know little of how the
checkout is made: a Connexion application somewhere, and a class `TokenService` with a method `issue`.
"""

import asyncio
import copy
import importlib
import json
import logging
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import timedelta
from inspect import isfunction
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.request import Request, urlopen

import uvicorn
import uvloop
from livekit.api import AccessToken, VideoGrants

CALLS = 100  # of a stage, in each of its turns
WRITTEN_SECONDS = 0.02  # The log of as many calls is written by then, whoever writes it.
BODY = b'{"roomName":"support-4711","participantIdentity":"alice"}'
HEADERS = {"Content-Type": "application/json", "Origin": "http://localhost:4200"}

Scope = MutableMapping[str, Any]
Stage = Callable[[], Awaitable[object]]


async def receive() -> dict[str, Any]:
    """Hand the body to the application, as the server does."""
    return {"type": "http.request", "body": BODY, "more_body": False}


async def send(message: Any) -> None:
    """Take a part of the answer.

    Raises:
        RuntimeError: it is no success.
    """
    if message.get("status", 200) != 200:  # noqa: PLR2004
        raise RuntimeError(message)


def production() -> uvicorn.Config:
    """Find out what `python -m app` would serve, and set logging up as it does."""
    configs: list[uvicorn.Config] = []

    def note(server: uvicorn.Server, *_: object) -> None:
        configs.append(server.config)
        sys.exit()  # The service ends its process once it has served.

    alone = mock.patch.object(sys, "argv", ["app"])
    with alone, mock.patch.object(uvicorn.Server, "run", note), suppress(SystemExit):
        importlib.import_module("app.__main__").main()
    (config,) = configs
    config.load()
    return config


def connexion_of(app: Any) -> Any:
    """Find the Connexion application in what uvicorn has wrapped around it."""
    while not hasattr(app, "middleware_stack"):
        app = app.app
    return app


@asynccontextmanager
async def serving(config: uvicorn.Config) -> AsyncIterator[int]:
    """Serve on the loopback interface, and yield the port."""
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event to wait for
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


def ask(port: int) -> None:
    """Ask for a token over a socket; any other answer raises."""
    with urlopen(Request(f"http://127.0.0.1:{port}/api/token", BODY, HEADERS)):
        pass


def token_service() -> Any:
    """Find the class that issues tokens, in whatever module it is."""
    modules = [module for name, module in sys.modules.items() if name.startswith("app.")]
    return next(module.TokenService for module in modules if hasattr(module, "TokenService"))


async def trace(config: uvicorn.Config, port: int) -> tuple[dict[int, Scope], tuple[Any, ...]]:
    """Serve a request; note the scope that each layer got, and the call of `TokenService.issue`."""
    scopes: dict[int, Scope] = {}
    await asyncio.to_thread(ask, port)
    layers = connexion_of(config.loaded_app).middleware_stack
    with ExitStack() as patches:
        for kind in {type(layer) for layer in layers if not isfunction(layer)}:
            patches.enter_context(mock.patch.object(kind, "__call__", _noting(kind.__call__, scopes)))
        service = token_service()
        spy = mock.patch.object(service, "issue", autospec=True, side_effect=service.issue)
        issue = patches.enter_context(spy)
        await asyncio.to_thread(ask, port)
    return scopes, issue.call_args.args


def _noting(call: Any, scopes: dict[int, Scope]) -> Any:
    async def noting(layer: Any, scope: Scope, *channels: Any) -> None:
        if scope["type"] == "http":
            scopes.setdefault(id(layer), fresh(scope))
        await call(layer, scope, *channels)

    return noting


def fresh(scope: Scope) -> Scope:
    """Copy a scope so far as layers write into it."""
    return {
        key: {k: copy.copy(v) if isinstance(v, dict) else v for k, v in value.items()}
        if isinstance(value, dict)
        else copy.copy(value)
        for key, value in scope.items()
    }


async def microseconds(stage: Stage) -> float:
    """Find the processor time of one call of many, in all threads: another one may write the log."""
    started = time.process_time()
    for _ in range(CALLS):
        await stage()
    await asyncio.sleep(WRITTEN_SECONDS)
    return (time.process_time() - started) / CALLS * 1e6


def request_stage(layer: Any, scope: Scope) -> Stage:
    """Make a stage of a layer and those within it; call it `CALLS` times."""
    scopes = iter([fresh(scope) for _ in range(CALLS)])
    return lambda: layer(next(scopes), receive, send)


async def mint(service: Any, call: tuple[Any, ...]) -> None:
    """Issue the token of the request."""
    service.issue(*call)


async def livekit_alone() -> None:
    """Have livekit-api write a token in its own way, for comparison."""
    grants = VideoGrants(room_join=True, room="support-4711", can_publish_sources=["microphone"])
    token = AccessToken("bench-key", "a-throw-away-secret-of-the-benchmark-0123")
    token.with_identity("alice").with_name("alice").with_ttl(timedelta(hours=1)).with_grants(grants).to_jwt()


async def measure(config: uvicorn.Config, rounds: int) -> dict[str, Any]:
    """Time each layer, with those within it, in turn; take one from the next."""
    # A service that has stopped waits for its log after each line.
    async with serving(config) as port:
        return await _measure(config, port, rounds)


async def _measure(config: uvicorn.Config, port: int, rounds: int) -> dict[str, Any]:
    scopes, call = await trace(config, port)
    stack = connexion_of(config.loaded_app).middleware_stack
    layers: Sequence[Any] = [layer for layer in stack if id(layer) in scopes]
    service, audit = token_service(), logging.getLogger("app.audit")
    suffixes: list[list[float]] = []
    others: dict[str, list[float]] = {"log": [], "minting": [], "livekit_api": []}
    for _ in range(rounds):
        times = [await microseconds(request_stage(layer, scopes[id(layer)])) for layer in layers]
        suffixes.append(times)
        # Neither silences the audit log in both the older checkouts and this one.
        logging.disable(logging.CRITICAL)
        audit.disabled = True
        silent = await microseconds(request_stage(layers[0], scopes[id(layers[0])]))
        audit.disabled = False
        logging.disable(logging.NOTSET)
        others["log"].append(times[0] - silent)
        others["minting"].append(await microseconds(lambda: mint(service, call)))
        others["livekit_api"].append(await microseconds(livekit_alone))
    own = [
        statistics.median(times[i] - (*times, 0.0)[i + 1] for times in suffixes) for i in range(len(layers))
    ]
    return {
        "whole_us": round(statistics.median(times[0] for times in suffixes), 1),
        "layers": [
            {"name": type(layer).__name__, "us": round(us, 1)} for layer, us in zip(layers, own, strict=True)
        ],
        **{f"{name}_us": round(statistics.median(times), 1) for name, times in others.items()},
    }


def main() -> None:
    """Write what was found to the file that the first argument names; the second says how many rounds."""
    target, rounds = Path(sys.argv[1]), int(sys.argv[2])
    config = production()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(measure(config, rounds))
    target.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
