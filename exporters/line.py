"""The line to an OTLP receiver: posts, repeats what may be repeated, and reads what the receiver really said."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

AGAIN = frozenset({429, 502, 503, 504})
"""The statuses that OTLP lets a client repeat a request for."""
THIS_BATCH_ONLY = frozenset({400, 413, 422})
"""Refusals that say nothing about the next batch."""
MOST_TRIES = 5
PATIENCE_S = 30.0
"""How long the waiting for one request may add up to before it is given up."""
GRPC_PORT = 4317
_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one request.

    *taken* says the receiver answered 2xx; *rejected* counts the spans it then refused, None if its answer
    does not tell. *problem* is a line for a person, or empty.
    """

    taken: bool
    rejected: int | None = None
    retries: int = 0
    problem: str = ""


class Line(requests.Session):
    """A session that the stock exporter posts through. Only ``last`` tells how that went.

    The exporter itself always gets a plain 200, so it neither repeats nor logs. ``dead`` is set once nothing
    that follows can succeed.
    """

    def __init__(self, url: str, wait: Callable[[float], object]) -> None:
        """*wait* passes the seconds between two tries."""
        super().__init__()
        self._outcome: Outcome | None = None
        self.dead = False
        self._url = url
        self._wait = wait
        self._reached = False

    def last(self) -> Outcome | None:
        """Tell once what became of the last request; None if there was none since."""
        outcome, self._outcome = self._outcome, None
        return outcome

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # noqa: ANN401
        """Post, as often as it takes or may, and answer 200 whatever came of it."""
        options["allow_redirects"] = False
        self._outcome = self._post(request, options)
        answer = requests.Response()
        answer.status_code, answer.reason, answer.request = 200, "OK", request
        answer._content = b""  # noqa: SLF001 - the only way to give a Response an empty body
        return answer

    def _post(self, request: requests.PreparedRequest, options: Mapping[str, Any]) -> Outcome:
        waited = 0.0
        for tries in range(MOST_TRIES):
            try:
                response = super().send(request, **options)
            except requests.RequestException as error:
                asked, problem = None, self._unreachable(error)
                repeat = self._reached
            else:
                self._reached = True
                if response.ok and not response.is_redirect:
                    return _read(response, tries, self._place)
                asked, problem = _retry_after(response.headers), self._refusal(response)
                repeat = response.status_code in AGAIN
                if response.status_code in THIS_BATCH_ONLY:
                    return Outcome(taken=False, retries=tries, problem=problem)
            pause = asked if asked is not None else 2**tries * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            if not repeat or tries + 1 == MOST_TRIES or waited + pause > PATIENCE_S:
                break
            waited += pause
            self._wait(pause)
        self.dead = True
        return Outcome(taken=False, retries=tries, problem=problem)

    @property
    def _place(self) -> str:
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def _unreachable(self, error: requests.RequestException) -> str:
        if isinstance(error, requests.exceptions.SSLError):
            why = "its certificate was not accepted"
        elif isinstance(error, requests.Timeout):
            why = "no answer in time"
        elif isinstance(error, requests.ConnectionError):
            why = "no connection"
        else:
            why = type(error).__name__
        grpc = " (4317 is gRPC's port; OTLP over HTTP listens on 4318)" if urlsplit(self._url).port == GRPC_PORT else ""
        return f"{self._place}: {why}{grpc}"

    def _refusal(self, response: requests.Response) -> str:
        told = f"{self._place} answered {response.status_code} {response.reason or ''}".rstrip()
        if response.is_redirect:
            return f"{told}: it points to {urlsplit(response.headers['Location'])._replace(query='').geturl()!r}"
        why = _status_message(response)
        return f"{told}: {why}" if why else told


def _read(response: requests.Response, retries: int, place: str) -> Outcome:
    """Read a 2xx answer: its partial success, or that it is none of OTLP's."""
    answer = ExportTraceServiceResponse()
    kind = _kind(response)
    readable = kind in {_PROTOBUF, _JSON} or not response.content
    try:
        if kind == _JSON:
            json_format.Parse(response.content or b"{}", answer, ignore_unknown_fields=True)
        elif readable:
            answer.ParseFromString(response.content)
    except (DecodeError, json_format.ParseError):
        readable = False
    if not readable:
        problem = f"{place} answered {response.status_code}, but not as an OTLP receiver does ({kind or 'no type'})"
        return Outcome(taken=True, retries=retries, problem=problem)
    rejected, told = max(0, answer.partial_success.rejected_spans), answer.partial_success.error_message
    problem = f"{place} rejected spans: {told or 'no reason given'}" if rejected else told and f"{place} warns: {told}"
    return Outcome(taken=True, rejected=rejected, retries=retries, problem=problem)


def _status_message(response: requests.Response) -> str:
    """Read the reason out of an error's body, where it is OTLP's or a short text."""
    kind = _kind(response)
    try:
        if kind == _PROTOBUF:
            return str(Status.FromString(response.content).message)
        if kind == _JSON:
            body = response.json()
            return str(body.get("message") or body.get("detail") or "") if isinstance(body, dict) else ""
    except (DecodeError, ValueError):
        return ""
    return response.text.strip().partition("\n")[0][:200] if kind == "text/plain" else ""


def _kind(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After``, a number of seconds or a date, as seconds from now."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
