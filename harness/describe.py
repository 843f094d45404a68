"""Say in OpenTelemetry's attribute names what a call asks and what its reply says, contents that go by hash aside."""

from __future__ import annotations

from collections.abc import Mapping

from harness import prices, semconv
from harness.call import Call, Reply
from harness.canonical import canonical, encode
from harness.model import Json, Operation
from harness.settings import TRANSPORT

_REQUEST = {
    "temperature": semconv.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": semconv.GEN_AI_REQUEST_TOP_P,
    "max_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "max_completion_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "seed": semconv.GEN_AI_REQUEST_SEED,
    "stream": semconv.GEN_AI_REQUEST_STREAM,
}


def subject(call: Call) -> str:
    """Name what the call is about: the model, the tool, the languages, the human's agent."""
    request = call.request
    if call.operation is Operation.CHAT:
        return str(request.get("model") or "")
    if call.operation is Operation.TOOL:
        return str(request.get("name") or "")
    if call.operation is Operation.CODE:
        return ",".join(dict.fromkeys(str(block.get("language")) for block in request.get("blocks") or ()))
    return call.agent or ""


def asked(call: Call) -> dict[str, Json]:
    """Give the attributes known when the call begins."""
    request = call.request
    found: dict[str, Json] = dict(call.attributes)
    if call.agent:
        found[semconv.GEN_AI_AGENT] = call.agent
    if call.operation is Operation.CHAT:
        parameters = request.get("parameters") or {}
        found[semconv.GEN_AI_REQUEST_MODEL] = request.get("model")
        kept = {name: value for name, value in parameters.items() if name not in TRANSPORT}
        found[semconv.HARNESS_REQUEST_PARAMETERS] = canonical(kept)
        if parameters:
            found.update({name: parameters[key] for key, name in _REQUEST.items() if parameters.get(key) is not None})
    elif call.operation is Operation.TOOL:
        found[semconv.GEN_AI_TOOL_NAME] = request.get("name")
        found[semconv.GEN_AI_TOOL_TYPE] = "function"
        found[semconv.GEN_AI_TOOL_ARGUMENTS] = encode(request.get("arguments"))
        found[semconv.GEN_AI_TOOL_CALL_ID] = request.get("call_id") or None
    elif call.operation is Operation.CODE:
        found[semconv.GEN_AI_TOOL_NAME] = "code"
        found[semconv.HARNESS_CODE_BLOCKS] = encode(request.get("blocks"))
    elif call.operation is Operation.HUMAN:
        found[semconv.HARNESS_HUMAN_PROMPT] = request.get("prompt")
    elif call.operation is Operation.SELECTION:
        found[semconv.HARNESS_SELECTION_METHOD] = request.get("method")
        found[semconv.HARNESS_SELECTION_CANDIDATES] = request.get("candidates")
    return _known(found)


def answered(call: Call, reply: Reply, price_overrides: Mapping[str, tuple[float, float]] | None) -> dict[str, Json]:
    """Give the attributes known when the reply is there. A cost that the adapter knows counts, else the table's."""
    value = reply.value or {}
    found: dict[str, Json] = dict(reply.attributes)
    found[semconv.HARNESS_REPLAYED] = reply.replayed or None
    found[semconv.HARNESS_CACHE_HIT] = reply.cache_hit or None
    if reply.value is None:
        return _known({**found, **_refused(reply.error)})
    if call.operation is Operation.CHAT:
        found.update(_usage(value))
        if semconv.GEN_AI_COST not in found:
            found[semconv.GEN_AI_COST] = 0.0 if reply.cache_hit else _cost(call, value, price_overrides)
    elif call.operation is Operation.TOOL:
        found[semconv.GEN_AI_TOOL_RESULT] = encode(value.get("result"))
        found[semconv.HARNESS_TOOL_ACTS] = value.get("acts") or None
    elif call.operation is Operation.CODE:
        found[semconv.HARNESS_CODE_EXIT] = value.get("exit_code")
        found[semconv.HARNESS_CODE_OUTPUT] = value.get("output")
    elif call.operation is Operation.HUMAN:
        found[semconv.HARNESS_HUMAN_INPUT] = value.get("input")
    elif call.operation is Operation.SELECTION:
        found[semconv.HARNESS_SELECTION_CHOICE] = value.get("choice")
    return _known(found)


def _refused(error: BaseException | None) -> dict[str, Json]:
    """Read what a provider's client keeps of a refusal: the status, and the error as JSON."""
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)
    return {
        semconv.HTTP_STATUS: status if isinstance(status, int) else None,
        semconv.HARNESS_ERROR_BODY: encode(body) if isinstance(body, Mapping) else None,
    }


def _usage(value: Mapping[str, Json]) -> dict[str, Json]:
    usage = value.get("usage") or {}
    return {
        semconv.GEN_AI_RESPONSE_MODEL: value.get("model"),
        semconv.GEN_AI_RESPONSE_ID: value.get("id"),
        semconv.GEN_AI_FINISH_REASONS: _finish_reasons(value),
        semconv.HARNESS_OUTPUT_CHUNKS: value.get("chunks") or None,
        semconv.GEN_AI_INPUT_TOKENS: usage.get("input_tokens"),
        semconv.GEN_AI_OUTPUT_TOKENS: usage.get("output_tokens"),
        semconv.GEN_AI_CACHE_READ_TOKENS: usage.get("cached_tokens"),
        semconv.GEN_AI_REASONING_TOKENS: usage.get("reasoning_tokens"),
    }


def _cost(
    call: Call, value: Mapping[str, Json], price_overrides: Mapping[str, tuple[float, float]] | None
) -> float | None:
    usage = value.get("usage") or {}
    given, taken, cached = usage.get("input_tokens"), usage.get("output_tokens"), usage.get("cached_tokens")
    if given is None or taken is None:
        return None
    stated = call.stated_usd(given, taken)
    if stated is not None:
        return stated
    model = value.get("model") or call.request.get("model")
    cost = prices.cost_usd(model, given, taken, cached_tokens=cached or 0, overrides=price_overrides)
    if cost is None and model and given + taken:
        prices.warn_unknown(model)
    return cost


def _finish_reasons(value: Mapping[str, Json]) -> list[str] | None:
    """List them, one for each choice; None if the first has none."""
    if not value.get("finish_reason"):
        return None
    return [value["finish_reason"], *(str(other.get("finish_reason") or "") for other in value.get("choices") or ())]


def _known(attributes: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in attributes.items() if value is not None}
