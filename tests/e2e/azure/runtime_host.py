"""A Functions host around the worker of Python 3.13, in one process: JSON lines in, JSON lines out.

From Python 3.13 on the worker is a library, azure-functions-runtime, that the platform's own process loads:
it indexes the app and calls it. That process is not to be had; this stands in for it, and for the messages
of its protocol, which only indexing needs. The settings come when the app is assigned, as to a warm worker.
"""

import asyncio
import json
import logging
import os
import sys
import time
from base64 import b64decode, b64encode
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.native_invocation import invocation_request_native

_SYSTEM = ("azure_functions_runtime", "azure.functions")


class _StatusResult(SimpleNamespace):
    Failure, Success = range(2)


class _BindingInfo(SimpleNamespace):
    # The numbers of the protocol; `in` is a word of Python's.
    undefined, out, inout = 0, 1, 2


class _Messages:
    """The messages of the protocol, as the library makes them."""

    StatusResult, BindingInfo = _StatusResult, _BindingInfo

    def __getattr__(self, _name: str) -> type[SimpleNamespace]:
        return SimpleNamespace


class _ToHost(logging.Handler):
    """What the log of the platform's process does: a record goes to the host with its invocation."""

    def emit(self, record: logging.LogRecord) -> None:
        _tell(
            log=self.format(record),
            invocation=runtime.invocation_id_cv.get() or "",
            level="Information" if record.levelname == "INFO" else record.levelname.capitalize(),
            category=record.name,
            system=record.name.startswith(_SYSTEM),
        )


def _tell(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _message(kind: str, **content: Any) -> SimpleNamespace:
    request = SimpleNamespace(**{kind: SimpleNamespace(**content)})
    return SimpleNamespace(request=request, properties={"host": "127.0.0.1", "protos": _Messages()})


def _check(response: SimpleNamespace) -> None:
    if response.result.status == _StatusResult.Failure:
        failure = response.result.exception
        _tell(failed=f"{failure.message}\n{failure.stack_trace}")
        sys.exit(1)


async def _assign(order: dict[str, Any]) -> str:
    placeholder = _message("worker_init_request", capabilities={}, function_app_directory="/nowhere")
    _check(await runtime.worker_init_request(placeholder))
    directory, variables = order["directory"], order["environment"]
    # The platform has it there before its process starts.
    sys.path.insert(0, os.path.join(directory, ".python_packages", "lib", "site-packages"))  # noqa: PTH118
    _check(
        await runtime.function_environment_reload_request(
            _message(
                "function_environment_reload_request",
                function_app_directory=directory,
                environment_variables=variables,
            )
        )
    )
    found = await runtime.functions_metadata_request(_message("functions_metadata_request"))
    (metadata,) = found.function_metadata_results
    _check(
        await runtime.function_load_request(
            _message("function_load_request", function_id=metadata.function_id, metadata=metadata)
        )
    )
    _tell(loaded=True, seconds=time.monotonic() - order["started"], bindings=metadata.raw_bindings)
    return str(metadata.function_id)


async def _invoke(function_id: str, call: dict[str, Any]) -> None:
    http = {
        "method": Datum(call["method"], "string"),
        "url": Datum(call["url"], "string"),
        "headers": {name: Datum(value, "string") for name, value in call["headers"].items()},
        "body": Datum(b64decode(call["body"]), "bytes"),
        "params": {},
        "query": {},
    }
    is_well, answer, _, failure, _ = await invocation_request_native(
        call["id"], function_id, [("req", Datum(http, "http"))], {}, trace_parent=call["traceparent"]
    )
    if not is_well:
        _tell(id=call["id"], failure=failure)
        return
    found = answer.value
    _tell(
        id=call["id"],
        status=int(found["status_code"].value),
        headers={name: value.value for name, value in found["headers"].items()},
        body=b64encode(found["body"].value).decode(),
    )


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    order = json.loads(sys.stdin.readline())
    order["started"] = time.monotonic()
    logging.getLogger().addHandler(_ToHost())
    logging.getLogger().setLevel(logging.INFO)
    function_id = await _assign(order)
    calls: set[asyncio.Task[None]] = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        calls.add(asyncio.create_task(_invoke(function_id, json.loads(line))))


if __name__ == "__main__":
    asyncio.run(_serve())
