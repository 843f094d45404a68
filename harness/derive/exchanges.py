"""List the calls of a run: what was asked, and what came back, in the shapes of :mod:`harness.call`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from harness import semconv
from harness.derive.attributes import Attributes, label, parsed, text, texts, whole
from harness.derive.forest import place
from harness.derive.history import Histories, Links, Message, Parts, message
from harness.derive.totals import usage
from harness.model import CALLS, CallRecord, Json, Operation, Span, Status

Shape = dict[str, Json]
History = Callable[[str], Sequence[Message]]

_USAGE = {
    "input_tokens": semconv.GEN_AI_INPUT_TOKENS,
    "output_tokens": semconv.GEN_AI_OUTPUT_TOKENS,
    "cached_tokens": semconv.GEN_AI_CACHE_READ_TOKENS,
    "reasoning_tokens": semconv.GEN_AI_REASONING_TOKENS,
}


def calls(spans: Sequence[Span], parts: Parts, links: Links) -> list[CallRecord]:
    """List the calls of a run in the order they began. A call that is open or failed has no reply."""
    histories = Histories(parts, links)
    asked = sorted((span for span in spans if span.operation in CALLS), key=place)
    return [record(span, parts, histories.of) for span in asked]


def record(span: Span, parts: Parts, history: History) -> CallRecord:
    """Put one call together; *history* resolves the context that a chat names."""
    attributes = span.attributes
    if span.operation is Operation.CHAT:
        request, reply = _chat_request(attributes, parts, history), _chat_reply(attributes, parts)
    else:
        ask, answer = _SHAPES[span.operation]
        request, reply = ask(attributes), answer(attributes)
    return CallRecord(
        span=span,
        agent=label(attributes, semconv.GEN_AI_AGENT),
        name=_name(span, request, reply),
        model=model(attributes) if span.operation is Operation.CHAT else None,
        request=request,
        reply=reply if span.status is Status.OK else None,
        usage=usage(span),
        error=error(attributes),
    )


class Later(Mapping[str, Json]):
    """A shape that is read when somebody first looks into it."""

    __slots__ = ("_found", "_read")

    def __init__(self, read: Callable[[], Mapping[str, Json]]) -> None:
        """*read* gives the shape."""
        self._read = read
        self._found: Mapping[str, Json] | None = None

    def _shape(self) -> Mapping[str, Json]:
        if self._found is None:
            self._found = self._read()
        return self._found

    def __getitem__(self, key: str) -> Json:
        return self._shape()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shape())

    def __len__(self) -> int:
        return len(self._shape())


def put_off(span: Span, parts: Callable[[], Parts], history: History) -> CallRecord:
    """Put a chat together as :func:`record` does, but for its request and its reply: they are read when looked into."""
    attributes = span.attributes
    return CallRecord(
        span=span,
        agent=label(attributes, semconv.GEN_AI_AGENT),
        name=None,
        model=model(attributes),
        request=Later(lambda: _chat_request(attributes, parts(), history)),
        reply=Later(lambda: _chat_reply(attributes, parts())) if span.status is Status.OK else None,
        usage=usage(span),
        error=error(attributes),
    )


def model(attributes: Attributes) -> str | None:
    """Name the model that was asked for, or else the one that answered."""
    return label(attributes, semconv.GEN_AI_REQUEST_MODEL) or label(attributes, semconv.GEN_AI_RESPONSE_MODEL)


def error(attributes: Attributes) -> str | None:
    """Say what went wrong, as ``type: message`` with what is known of the two."""
    known = (label(attributes, semconv.ERROR_TYPE), label(attributes, semconv.ERROR_MESSAGE))
    return ": ".join(part for part in known if part) or None


def _name(span: Span, request: Shape, reply: Shape) -> str | None:
    if span.operation is Operation.TOOL:
        return request["name"] or None
    if span.operation is Operation.CODE:
        first = request["blocks"][0] if request["blocks"] else {}
        language = first.get("language")
        return language if isinstance(language, str) and language else None
    if span.operation is Operation.SELECTION:
        return reply["choice"] or None
    return None


def _chat_request(attributes: Attributes, parts: Parts, history: History) -> Shape:
    """Put the request together; spans of other programs may carry its contents as JSON strings."""
    name = text(attributes, semconv.HARNESS_INPUT_CONTEXT)
    messages: Sequence[Json] = history(name) if name else _inline(attributes, semconv.GEN_AI_INPUT_MESSAGES)
    tools = parts.get(text(attributes, semconv.HARNESS_TOOLS_PART) or "")
    if tools is None:
        tools = parsed(attributes, semconv.GEN_AI_TOOL_DEFINITIONS)
    parameters = parsed(attributes, semconv.HARNESS_REQUEST_PARAMETERS)
    return {
        "model": text(attributes, semconv.GEN_AI_REQUEST_MODEL),
        "messages": list(messages),
        "tools": tools if isinstance(tools, list) else [],
        "parameters": parameters if isinstance(parameters, dict) else {},
    }


def _chat_reply(attributes: Attributes, parts: Parts) -> Shape:
    body = message(parts.get(text(attributes, semconv.HARNESS_OUTPUT_PART) or ""))
    if body is None:
        body = next(iter(_inline(attributes, semconv.GEN_AI_OUTPUT_MESSAGES)), None)
    counts = {key: count for key, name in _USAGE.items() if (count := whole(attributes, name)) is not None}
    reasons = texts(attributes, semconv.GEN_AI_FINISH_REASONS)
    more: Shape = {}
    others = texts(attributes, semconv.HARNESS_OUTPUT_CHOICES)
    if others:
        more["choices"] = [_choice(parts, name, reasons[at : at + 1]) for at, name in enumerate(others, start=1)]
    chunks = attributes.get(semconv.HARNESS_OUTPUT_CHUNKS)
    if isinstance(chunks, list) and all(type(length) is int for length in chunks):
        more["chunks"] = chunks
    return {
        "message": body,
        "finish_reason": reasons[0] if reasons else None,
        "model": text(attributes, semconv.GEN_AI_RESPONSE_MODEL) or text(attributes, semconv.GEN_AI_REQUEST_MODEL),
        "id": text(attributes, semconv.GEN_AI_RESPONSE_ID),
        "usage": counts,
        **more,
    }


def _choice(parts: Parts, name: str, reason: Sequence[str]) -> Shape:
    return {"message": message(parts.get(name)), "finish_reason": next(iter(reason), None) or None}


def _inline(attributes: Attributes, key: str) -> list[Mapping[str, Json]]:
    value = parsed(attributes, key)
    bodies = map(message, value) if isinstance(value, list) else ()
    return [body for body in bodies if body is not None]


def _tool_request(attributes: Attributes) -> Shape:
    return {
        "name": text(attributes, semconv.GEN_AI_TOOL_NAME),
        "arguments": parsed(attributes, semconv.GEN_AI_TOOL_ARGUMENTS),
        "call_id": text(attributes, semconv.GEN_AI_TOOL_CALL_ID),
    }


def _code_request(attributes: Attributes) -> Shape:
    blocks = parsed(attributes, semconv.HARNESS_CODE_BLOCKS)
    kept = [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    return {"blocks": kept}


_SHAPES: Mapping[Operation, tuple[Callable[[Attributes], Shape], Callable[[Attributes], Shape]]] = {
    Operation.TOOL: (_tool_request, lambda found: {"result": parsed(found, semconv.GEN_AI_TOOL_RESULT)}),
    Operation.CODE: (
        _code_request,
        lambda found: {
            "exit_code": found.get(semconv.HARNESS_CODE_EXIT),
            "output": found.get(semconv.HARNESS_CODE_OUTPUT),
        },
    ),
    Operation.HUMAN: (
        lambda found: {"prompt": text(found, semconv.HARNESS_HUMAN_PROMPT)},
        lambda found: {"input": text(found, semconv.HARNESS_HUMAN_INPUT)},
    ),
    Operation.SELECTION: (
        lambda found: {
            "method": text(found, semconv.HARNESS_SELECTION_METHOD),
            "candidates": list(texts(found, semconv.HARNESS_SELECTION_CANDIDATES)),
        },
        lambda found: {"choice": text(found, semconv.HARNESS_SELECTION_CHOICE)},
    ),
}
