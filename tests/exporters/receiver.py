"""An OTLP/HTTP receiver on loopback: decodes what it gets with opentelemetry-proto, answers as told."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse as Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to answer one request."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": PROTOBUF})


def partial(rejected: int, message: str = "") -> Answer:
    """Take the request, but refuse some of its spans."""
    response = Response()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    return Answer(body=response.SerializeToString())


class Receiver:
    """The receiver; a context manager. Requests beyond *answers* are taken without objection.

    ``requests`` are the decoded ones in order, ``sizes`` their bytes, ``headers`` theirs in lower case,
    ``paths`` where they went; ``spans`` what was taken with a 2xx.
    """

    def __init__(self, answers: Sequence[Answer] = ()) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.sizes: list[int] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.spans: list[Any] = []
        self.resources: list[dict[str, Any]] = []
        answering = iter(answers)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                answer = next(answering, Answer())
                receiver._take(self, raw, answer)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def _take(self, handler: BaseHTTPRequestHandler, raw: bytes, answer: Answer) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = gzip.decompress(raw) if headers.get("content-encoding") == "gzip" else raw
        request = ExportTraceServiceRequest.FromString(body)
        self.paths.append(handler.path)
        self.headers.append(headers)
        self.sizes.append(len(body))
        self.requests.append(request)
        if 200 <= answer.status < 300:
            for group in request.resource_spans:
                self.resources.append({entry.key: plain(entry.value) for entry in group.resource.attributes})
                self.spans.extend(span for scope in group.scope_spans for span in scope.spans)

    @property
    def endpoint(self) -> str:
        """The base URL, without OTLP's path."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Receiver:  # noqa: PYI034 - Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def plain(value: Any) -> Any:
    """Turn an OTLP AnyValue into the Python value it stands for."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


def attributes(span: Any) -> dict[str, Any]:
    """Read a decoded span's attributes."""
    return {entry.key: plain(entry.value) for entry in span.attributes}
