"""Tell the settings of a model request that may change its answer from those that only carry it.

What matches a recorded exchange and what sets two runs apart is decided here, once.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.model import Json

ANSWER = frozenset(
    {
        # Of OpenAI's chat completions.
        "audio",
        "extra_body",
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
        # Of other providers and interfaces, as the frameworks spell them.
        "add_name_prefixes",
        "additional_model_request_fields",
        "allowed_commands",
        "allowed_paths",
        "boolean_threshold",
        "built_in_tools",
        "dangerous_patterns",
        "denied_commands",
        "descriptions",
        "enable_command_filtering",
        "extra_create_args",
        "hide_tools",
        "include_name_in_message",
        "include_thoughts",
        "json_output",
        "k",
        "max_output_tokens",
        "max_tool_calls",
        "maxTokens",
        "min_p",
        "native_tool_calls",
        "num_ctx",
        "num_predict",
        "p",
        "random_seed",
        "reasoning",
        "repeat_penalty",
        "repetition_penalty",
        "safe_prompt",
        "safety_model",
        "safety_settings",
        "stop_sequences",
        "strict_tools",
        "supports_system_prompts",
        "thinking",
        "thinking_budget",
        "thinking_level",
        "tool_config",
        "topP",
        "truncation",
        "voice",
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
        "aws_access_key",
        "aws_profile_name",
        "aws_region",
        "aws_secret_key",
        "aws_session_token",
        "client_host",
        "client_name",
        "credentials",
        "gcp_auth_token",
        "gcp_project_id",
        "gcp_region",
        "google_application_credentials",
        "location",
        "max_attempts",
        "mode",  # of trying again, with Bedrock
        "project_id",
        "proxy",
        "total_max_attempts",
        # How the answer travels: the same text, whole or in pieces.
        "stream",
        "stream_options",
        "include_usage",
        "max_consecutive_empty_chunk_tolerance",
        "streaming",
        # Labels and accounting on the provider's side.
        "metadata",
        "prompt_cache_diagnostics",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        # The frameworks' own, used up before the request is made: what they do to it shows in the request.
        "agent",
        "allow_format_str_template",
        "cache",
        "cache_seed",
        "cancellation_token",
        "context",
        "filter_func",
        "model_capabilities",
        "model_client_cls",
        "model_info",
        "price",
        "tags",
        "workspace_dir",
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
