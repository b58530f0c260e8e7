"""A Functions host that speaks gRPC with the worker of Python 3.11; JSON lines in, JSON lines out.

It runs in the worker's own environment, starts the worker as the platform does, with none of the app's
settings, and hands these over when it assigns the app, as the platform does with a warm worker. The worker on
PyPI is older than function apps that are written in one file: `entry.py` names the function to it.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from azure_functions_worker import protos

_ENTRY = """from function_app import functions

(function,) = functions.get_functions()
main = function.get_user_function()
"""
_LONGEST_MESSAGE = 2**31 - 1
_LEVELS = {value: name for name, value in protos.RpcLog.Level.items()}
_SYSTEM = protos.RpcLog.RpcLogCategory.Value("System")


class Host(protos.FunctionRpcServicer):  # type: ignore[misc]  # generated without types
    """The end of the worker's stream."""

    def __init__(self, directory: Path, environment: dict[str, str], started: float) -> None:
        """Assign the app in a directory, and what its App Settings are."""
        self._directory, self._environment, self._started = directory, environment, started
        self._orders: queue.Queue[Any] = queue.Queue()

    def invoke(self, call: dict[str, Any]) -> None:
        """Have the function answer a request."""
        http = protos.RpcHttp(method=call["method"], url=call["url"], headers=call["headers"])
        if call["body"]:
            http.body.bytes = b64decode(call["body"])
        request = protos.InvocationRequest(invocation_id=call["id"], function_id="1")
        request.input_data.add(name="req", data=protos.TypedData(http=http))
        request.trace_context.trace_parent = call["traceparent"]
        self._send(invocation_request=request)

    def end(self) -> None:
        """Close the stream."""
        self._orders.put(None)

    def EventStream(self, messages: Iterator[Any], _context: object) -> Iterator[Any]:  # noqa: N802  # gRPC's name
        """Hear the worker, and tell it what to do."""
        threading.Thread(target=self._hear, args=(messages,), daemon=True).start()
        yield from iter(self._orders.get, None)

    def _hear(self, messages: Iterator[Any]) -> None:
        try:
            for message in messages:
                kind = message.WhichOneof("content")
                getattr(self, f"_on_{kind}")(getattr(message, kind))
        except grpc.RpcError:  # The worker was ended.
            pass

    def _send(self, **content: Any) -> None:
        self._orders.put(protos.StreamingMessage(request_id="1", **content))

    def _on_start_stream(self, _message: Any) -> None:
        self._send(worker_init_request=protos.WorkerInitRequest(host_version="4.0.0"))

    def _on_worker_init_response(self, _message: Any) -> None:
        request = protos.FunctionEnvironmentReloadRequest(
            environment_variables=self._environment, function_app_directory=str(self._directory)
        )
        self._send(function_environment_reload_request=request)

    def _on_function_environment_reload_response(self, message: Any) -> None:
        if not _is_well(message.result):
            return
        http = {"req": protos.BindingInfo(type="httpTrigger", direction="in")}
        http["$return"] = protos.BindingInfo(type="http", direction="out")
        metadata = protos.RpcFunctionMetadata(
            name="http_app_func",
            directory=str(self._directory),
            script_file=str(self._directory / "entry.py"),
            bindings=http,
        )
        self._send(function_load_request=protos.FunctionLoadRequest(function_id="1", metadata=metadata))

    def _on_function_load_response(self, message: Any) -> None:
        if _is_well(message.result):
            _tell(loaded=True, seconds=time.monotonic() - self._started)

    def _on_invocation_response(self, message: Any) -> None:
        if message.result.status != protos.StatusResult.Success:
            _tell(id=message.invocation_id, failure=message.result.exception.message)
            return
        http = message.return_value.http
        body = b64encode(http.body.bytes).decode()
        _tell(id=message.invocation_id, status=int(http.status_code), headers=dict(http.headers), body=body)

    def _on_rpc_log(self, message: Any) -> None:
        _tell(
            log=message.message,
            invocation=message.invocation_id,
            level=_LEVELS[message.level],
            category=message.category,
            system=message.log_category == _SYSTEM,
        )


def _is_well(result: Any) -> bool:
    if result.status == protos.StatusResult.Success:
        return True
    _tell(failed=f"{result.exception.message}\n{result.exception.stack_trace}")
    return False


def _tell(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _start_worker(directory: Path, port: int) -> "subprocess.Popen[bytes]":
    packages = directory / ".python_packages" / "lib" / "site-packages"
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "azure_functions_worker", "--host", "127.0.0.1", "--port", str(port)),
            *("--workerId", "1", "--requestId", "1", "--grpcMaxMessageLength", str(_LONGEST_MESSAGE)),
        ],
        env={"PYTHONPATH": f"{packages}{os.pathsep}{directory}"},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
    )


def main() -> None:
    """Serve until there is no more input."""
    order = json.loads(sys.stdin.readline())
    directory = Path(order["directory"])
    (directory / "entry.py").write_text(_ENTRY, encoding="utf-8")
    server = grpc.server(ThreadPoolExecutor(), options=[("grpc.max_receive_message_length", -1)])
    port = server.add_insecure_port("127.0.0.1:0")
    host = Host(directory, order["environment"], time.monotonic())
    protos.add_FunctionRpcServicer_to_server(host, server)
    server.start()
    worker = _start_worker(directory, port)
    try:
        for line in sys.stdin:
            host.invoke(json.loads(line))
    finally:
        worker.terminate()
        worker.wait(10)
        host.end()
        server.stop(0)


if __name__ == "__main__":
    main()
