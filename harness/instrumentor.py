"""Let OpenTelemetry's own ways in, ``opentelemetry-instrument`` above all, attach the harness."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from harness import recording


class Instrumentor(BaseInstrumentor):  # type: ignore[misc]  # it ships no types
    """Record every AutoGen conversation, into the store and through the program's own provider.

    ``instrument()`` takes what :func:`harness.instrument` takes, and OpenTelemetry's *tracer_provider* (default: the
    global one).
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Ask for none: a framework is attached to when it is imported, whichever it is."""
        return ()

    def _instrument(self, **given: Any) -> None:  # noqa: ANN401 - as it is called
        provider = given.pop("tracer_provider", None)
        recording.instrument(**{"otel": True if provider is None else provider, **given})

    def _uninstrument(self, **_given: Any) -> None:  # noqa: ANN401
        recording.uninstrument()
