"""What a span costs the program it watches, beside a bare OpenTelemetry SDK span that nobody exports.

Both have fifteen attributes and a content of 1 kB that differs from span to span. Ours is redacted, hashed and
written to the journal, start and end apart; the SDK's is thrown away.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider

from harness.journal import Journal
from harness.model import Operation
from harness.trace import Trace

from .measure import Figure, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPANS = 400
PAIRS = 15
ATTRIBUTES: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.request.temperature": 0.2,
    "gen_ai.request.max_tokens": 512,
    "gen_ai.agent.name": "coder",
    "server.address": "api.example.com",
    "server.port": 443,
}
ENDING: dict[str, Any] = {
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.id": "chatcmpl-0123456789",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 220,
    "gen_ai.usage.output_tokens": 31,
    "gen_ai.usage.cost": 0.0001,
}
"""With the content, these are fifteen."""


def figures() -> Iterator[Figure]:
    """Measure the CPU time of one span, in batches of four hundred."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / ".harness", program="span benchmark")
        trace = Trace(journal)
        tracer = TracerProvider().get_tracer("floor")
        ours, floor = map(message, texts()), texts()
        with trace.within(trace.new_run()), trace.operation(Operation.CONVERSATION, "chat"):

            def traced() -> None:
                scope = trace.open(Operation.OTHER, "coder", ATTRIBUTES)
                trace.close(scope, ENDING, contents=[trace.part(next(ours))])

            def bare() -> None:
                span = tracer.start_span("chat coder", attributes=ATTRIBUTES)
                span.set_attributes(ENDING)
                span.set_attribute("gen_ai.output.messages", next(floor))
                span.end()

            yield compare(
                "span in the traced process",
                lambda: each(traced),
                peer="OpenTelemetry SDK span without exporter",
                floor=lambda: each(bare),
                unit="µs CPU",
                n=PAIRS,
            )
        journal.close()


def each(once: Callable[[], None]) -> float:
    """Give the microseconds of CPU that one of many calls takes."""
    before = time.process_time_ns()
    for _ in range(SPANS):
        once()
    return (time.process_time_ns() - before) / SPANS / 1000


def texts() -> Iterator[str]:
    """Make texts of 1 kB, no two alike."""
    return (f"{number:08d} " + "lorem ipsum " * 83 for number in itertools.count())


def message(text: str) -> dict[str, Any]:
    """Make the message that says *text*."""
    return {"role": "assistant", "parts": [{"type": "text", "content": text}]}
