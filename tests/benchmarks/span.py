"""What a span costs the program it watches, beside a bare OpenTelemetry SDK span, and beside one on its way out.

All have fifteen attributes and a content of 1 kB that differs from span to span. Ours is redacted, hashed and
written to the journal, start and end apart. The bare one is thrown away; the other goes through the SDK's
BatchSpanProcessor and is encoded as OTLP, and no further: the network is left out.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from harness.journal import Journal
from harness.model import Operation
from harness.trace import Trace

from .measure import Figure, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Tracer

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
        batching = TracerProvider()
        batching.add_span_processor(BatchSpanProcessor(Encoding()))
        ours, floor = map(message, texts()), texts()
        with trace.within(trace.new_run()), trace.operation(Operation.CONVERSATION, "chat"):

            def traced() -> None:
                scope = trace.open(Operation.OTHER, "coder", ATTRIBUTES)
                trace.close(scope, ENDING, contents=[trace.part(next(ours))])

            def sdk(tracer: Tracer) -> None:
                span = tracer.start_span("chat coder", attributes=ATTRIBUTES)
                span.set_attributes(ENDING)
                span.set_attribute("gen_ai.output.messages", next(floor))
                span.end()

            peers = {
                "OpenTelemetry SDK span without exporter": TracerProvider(),
                "OpenTelemetry SDK span, BatchSpanProcessor, OTLP encoding": batching,
            }
            for peer, provider in peers.items():
                tracer = provider.get_tracer("peer")
                yield compare(
                    "span in the traced process",
                    lambda: each(traced),
                    peer=peer,
                    floor=partial(each, partial(sdk, tracer), provider.force_flush),
                    unit="µs CPU",
                    n=PAIRS,
                )
        batching.shutdown()
        journal.close()


class Encoding(SpanExporter):
    """Encode spans as OTLP, and let them go."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode *spans*."""
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS


def each(once: Callable[[], None], finish: Callable[[], object] = bool) -> float:
    """Give the microseconds of CPU, all threads together, that one of many calls takes; *finish* ends them."""
    before = time.process_time_ns()
    for _ in range(SPANS):
        once()
    finish()
    return (time.process_time_ns() - before) / SPANS / 1000


def texts() -> Iterator[str]:
    """Make texts of 1 kB, no two alike."""
    return (f"{number:08d} " + "lorem ipsum " * 83 for number in itertools.count())


def message(text: str) -> dict[str, Any]:
    """Make the message that says *text*."""
    return {"role": "assistant", "parts": [{"type": "text", "content": text}]}
