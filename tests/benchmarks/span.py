"""What a span costs the program it watches, beside a bare OpenTelemetry SDK span, and beside one on its way out.

All have fifteen attributes and a content of 1 kB that differs from span to span. Ours is redacted, hashed and
written to the journal, start and end apart. The bare one is thrown away; the other goes through the SDK's
BatchSpanProcessor and is encoded as OTLP, and no further: the network is left out.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from harness.journal import Journal
from harness.model import Operation
from harness.trace import Trace

from .measure import Figure, compare, sampled, summed_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

SPANS = 400
PAIRS = 15
WRITERS = 8
UNIT = "µs CPU"
BARE = "OpenTelemetry SDK span without exporter"
WRITER = "import sys; from tests.benchmarks import span; span.write(sys.argv[1])"
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
    """Measure the CPU time of one span, in batches of four hundred: alone, and in eight processes at once."""
    with tempfile.TemporaryDirectory() as folder:
        batching = TracerProvider()
        batching.add_span_processor(BatchSpanProcessor(Encoding()))
        peers = {BARE: TracerProvider(), "OpenTelemetry SDK span, BatchSpanProcessor, OTLP encoding": batching}
        with traced(Path(folder)) as ours:
            for peer, provider in peers.items():
                yield compare("span in the traced process", ours, peer=peer, floor=sdk(provider), unit=UNIT, n=PAIRS)
        batching.shutdown()
        yield summed_up(f"span in each of {WRITERS} traced processes", crowded(Path(folder)), peer=BARE, unit=UNIT)


@contextmanager
def traced(folder: Path) -> Iterator[Callable[[], float]]:
    """Give what measures one batch of our own spans, which go to a journal in *folder*."""
    with closing(Journal(folder / ".harness", program="span benchmark")) as journal:
        trace = Trace(journal)
        said = map(message, texts())

        def once() -> None:
            scope = trace.open(Operation.OTHER, "coder", ATTRIBUTES)
            trace.close(scope, ENDING, contents=[trace.contents.part(next(said))])

        with trace.within(trace.new_run()), trace.operation(Operation.CONVERSATION, "chat"):
            yield lambda: each(once)


def sdk(provider: TracerProvider) -> Callable[[], float]:
    """Make what measures one batch of the SDK's spans."""
    tracer, said = provider.get_tracer("peer"), texts()

    def once() -> None:
        span = tracer.start_span("chat coder", attributes=ATTRIBUTES)
        span.set_attributes(ENDING)
        span.set_attribute("gen_ai.output.messages", next(said))
        span.end()

    return lambda: each(once, provider.force_flush)


def crowded(folder: Path) -> list[tuple[float, float]]:
    """Measure in eight processes that begin at one moment and share a store; each takes turns with the bare peer."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(WRITERS)
        ]
        for process in writers:
            stack.callback(process.kill)
        for process in writers:
            process.stdout.readline()  # type: ignore[union-attr] - it is a pipe
        for process in writers:
            process.stdin.close()  # type: ignore[union-attr]
        return [tuple(pair) for process in writers for pair in json.loads(process.stdout.readline())]  # type: ignore[union-attr]


def write(folder: str) -> None:
    """Be one of the eight: say that all is ready, wait for the word, measure, and print the pairs as JSON."""
    with traced(Path(folder)) as ours:
        print("ready", flush=True)
        sys.stdin.read()
        print(json.dumps(sampled(ours, sdk(TracerProvider()), PAIRS)), flush=True)


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
