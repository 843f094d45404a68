"""Tell the settings of a model request that may change its answer from those that only carry it.

What matches a recorded exchange and what sets two runs apart is decided here, once.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.model import Json

ANSWER = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "modalities",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "tool_choice",
        "top_k",
        "top_logprobs",
        "top_p",
        "verbosity",
        "web_search_options",
    }
)
"""Settings that may change an answer. So may every setting in neither list: unknown counts as a difference."""

TRANSPORT = frozenset(
    {
        # Where the request goes, with which key, and how patiently.
        "admin_api_key",
        "api_key",
        "api_type",
        "api_version",
        "azure_ad_token",
        "azure_ad_token_provider",
        "azure_deployment",
        "azure_endpoint",
        "base_url",
        "data_residency",
        "default_headers",
        "default_query",
        "extra_headers",
        "extra_query",
        "http_client",
        "max_retries",
        "organization",
        "project",
        "provider",
        "timeout",
        "webhook_secret",
        "websocket_base_url",
        "workload_identity",
        # How the answer travels: the same text, whole or in pieces.
        "stream",
        "stream_options",
        # Labels and accounting on the provider's side.
        "metadata",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        # AutoGen's own, used up before the request is made.
        "agent",
        "allow_format_str_template",
        "cache",
        "cache_seed",
        "context",
        "filter_func",
        "model_client_cls",
        "price",
        "tags",
    }
)
"""Settings that only carry a request."""

WHOLE = frozenset({"messages", "model", "tools"})
"""Parts of a request that are compared on their own, not as settings."""

_OURS = "agentwall_"  # AgentWall's run id is random and travels in extra_body.


def answering(parameters: Mapping[str, Json]) -> dict[str, Json]:
    """Keep the settings that may change the answer; unset ones (None) are left out, and 1.0 is 1."""
    kept = {}
    for name, value in parameters.items():
        if value is None or name in TRANSPORT or name in WHOLE or name.startswith(_OURS):
            continue
        kept[name] = int(value) if isinstance(value, float) and value.is_integer() else value
    body = kept.get("extra_body")
    if isinstance(body, Mapping):
        kept["extra_body"] = {name: value for name, value in body.items() if not str(name).startswith(_OURS)}
        if not kept["extra_body"]:
            del kept["extra_body"]
    return kept
