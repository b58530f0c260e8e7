"""HTTP/1.1 on the wire: what cannot be read as HTTP never reaches the application."""

import time
from uuid import uuid4

from asgi_correlation_id import correlation_id
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app import audit
from app.contract import MEDIA_TYPE
from app.errors import answer
from app.faults import ContractViolation, Fault


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with an ErrorResponse where uvicorn answers in plain text."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        """Answer something that is not HTTP, and close the connection."""
        request_id = uuid4().hex
        found = answer(ContractViolation([Fault.at("request", "is not well-formed HTTP/1.1")]), request_id)
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(found.body)),
            "Connection": "close",
            "X-Request-Id": request_id,
            **found.headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head.encode() + b"\r\n" + found.body)
        self.transport.close()
        token = correlation_id.set(request_id)
        audit.record("-", "-", 400, time.perf_counter(), {"errorCode": found.failure.code})
        correlation_id.reset(token)
