"""Send runs to an OpenTelemetry backend over OTLP/HTTP, and say truly what became of them.

OpenTelemetry's own exporter encodes and posts the spans. What it makes of the answer is too kind: it takes a
redirect for success and does not read how many spans were rejected. So the connection below it listens: it
decides about retries, stops the waste when nobody is there, and keeps the account.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from harness.errors import EnvironmentProblem, UsageError

from .report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import ReadableSpan

    from harness.model import Run

    from .line import Line

PATH = "/v1/traces"
MOST_SPANS = 512
MOST_BYTES = 3_500_000
"""Common servers refuse messages of 4 MiB and more."""
TIMEOUT_S = 10.0
MOST_PROBLEMS = 10


class Otlp:
    """Exports runs over OTLP/HTTP in binary protobuf."""

    def __init__(self, *, wait: Callable[[float], object] = time.sleep) -> None:
        """*wait* passes the seconds between two tries."""
        self._wait = wait

    def export(self, runs: Iterable[Run], *, endpoint: str, headers: Mapping[str, str] | None = None) -> Report:
        """Send all spans of *runs*, in batches, to *endpoint*: a base URL or the full one of the traces.

        Headers, compression and certificates are also read from ``OTEL_EXPORTER_OTLP_*``. Nothing is removed
        from the store, so a failed export can be repeated; spans keep their ids. Raises UsageError for an
        endpoint that is no URL, EnvironmentProblem if the exporter's package is missing.
        """
        url = traces_url(endpoint)
        exporter, line = _connect(url, headers or {}, self._wait)
        from .readable import readable, resource

        account = _Account()
        sender = resource()
        with line:
            for batch in _batches((found for run in runs for found in readable(run, sender)), account):
                _deliver(exporter, line, batch, account)
        return account.report()


class _Account:
    """What has become of the spans so far."""

    def __init__(self) -> None:
        self.sent = self.rejected = self.unconfirmed = self.failed = self.retried = 0
        self._problems: dict[str, None] = {}

    def problem(self, text: str) -> None:
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.setdefault(text)

    def report(self) -> Report:
        return Report(
            sent=self.sent,
            rejected=self.rejected,
            unconfirmed=self.unconfirmed,
            failed=self.failed,
            retried=self.retried,
            problems=tuple(self._problems),
        )


def _batches(spans: Iterable[ReadableSpan | str], account: _Account) -> Iterator[list[ReadableSpan]]:
    """Group *spans* so that no request is too large, unless one span alone is."""
    from .readable import weight

    batch: list[ReadableSpan] = []
    size = 0
    for span in spans:
        if isinstance(span, str):
            account.failed += 1
            account.problem(span)
            continue
        heavy = weight(span)
        if batch and (len(batch) == MOST_SPANS or size + heavy > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(span)
        size += heavy
    if batch:
        yield batch


def _deliver(exporter: OTLPSpanExporter, line: Line, batch: list[ReadableSpan], account: _Account) -> None:
    if not line.dead:
        exporter.export(batch)
    outcome = line.last()
    if outcome is None:  # given up before, or the exporter could not encode the batch
        account.failed += len(batch)
        if not line.dead:
            account.problem("a batch could not be encoded")
        return
    account.retried += outcome.retries
    if outcome.problem:
        account.problem(outcome.problem)
    if not outcome.taken:
        account.failed += len(batch)
        return
    account.sent += len(batch)
    if outcome.rejected is None:
        account.unconfirmed += len(batch)
    else:
        account.rejected += min(outcome.rejected, len(batch))


def traces_url(endpoint: str) -> str:
    """Complete *endpoint* by OTLP's path where it has none. Raises UsageError if it is no HTTP URL."""
    parts = urlsplit(endpoint.strip())
    try:
        well = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        well = False
    if not well:
        raise UsageError(
            f"{shown_url(endpoint)!r} is not an OTLP/HTTP endpoint", hint="Give a URL such as http://localhost:4318."
        )
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=path if path.endswith(PATH) else path + PATH))


def shown_url(url: str) -> str:
    """Show *url* without what may be secret in it: user, password and query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _connect(url: str, headers: Mapping[str, str], wait: Callable[[float], object]) -> tuple[OTLPSpanExporter, Line]:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise EnvironmentProblem(
            "the OTLP exporter is not installed", hint="Install it: pip install 'autogen-harness[otlp]'."
        ) from error
    from .line import Line

    line = Line(url, wait)
    return OTLPSpanExporter(endpoint=url, headers=dict(headers), timeout=TIMEOUT_S, session=line), line
