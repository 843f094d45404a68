"""Name every span attribute the harness reads or writes, once, with its source.

``GEN_AI_*`` and ``ERROR_TYPE`` are OpenTelemetry names (open-telemetry/semantic-conventions-genai,
development channel 1.42, and the stable registry). ``HARNESS_*`` are ours: OpenTelemetry has no
convention for messages, speaker selection, human input, endings or cost.
"""

from __future__ import annotations

from typing import Final

# OpenTelemetry GenAI, semantic-conventions-genai 1.42-dev.
GEN_AI_OPERATION: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER: Final = "gen_ai.provider.name"
GEN_AI_WORKFLOW: Final = "gen_ai.workflow.name"
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_AGENT: Final = "gen_ai.agent.name"
GEN_AI_AGENT_DESCRIPTION: Final = "gen_ai.agent.description"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
GEN_AI_REQUEST_TOP_P: Final = "gen_ai.request.top_p"
GEN_AI_REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
GEN_AI_REQUEST_SEED: Final = "gen_ai.request.seed"
GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"  # one for each choice
GEN_AI_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"  # double, seconds since the request
GEN_AI_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
GEN_AI_TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
GEN_AI_TOOL_NAME: Final = "gen_ai.tool.name"
GEN_AI_TOOL_TYPE: Final = "gen_ai.tool.type"
GEN_AI_TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
GEN_AI_TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
GEN_AI_TOOL_RESULT: Final = "gen_ai.tool.call.result"
ERROR_TYPE: Final = "error.type"
ERROR_MESSAGE: Final = "error.message"
HTTP_STATUS: Final = "http.response.status_code"  # int, of a provider's refusal
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
PROCESS_ARGUMENTS: Final = "process.command_args"  # list of strings: a traced program and its arguments
PROCESS_FOLDER: Final = "process.working_directory"

# De facto, not a convention: a double in US dollars, read by Langfuse and written by several emitters.
GEN_AI_COST: Final = "gen_ai.usage.cost"

# Ours. RUN_* sit on a run's root spans.
HARNESS_RUN_ID: Final = "harness.run.id"
HARNESS_RUN_NAME: Final = "harness.run.name"
HARNESS_RUN_TAGS: Final = "harness.run.tags"  # list of strings
HARNESS_RUN_SOURCE_ID: Final = "harness.run.source_id"
HARNESS_RUN_MODE: Final = "harness.run.mode"  # live | record | replay
HARNESS_FREEZE: Final = "harness.freeze"  # list of strings, on root spans: which of clock, uuid, random stood still
HARNESS_SCENARIO: Final = "harness.scenario"  # the path of the scenario file a run rehearses, on root spans
HARNESS_FAMILY: Final = "harness.family"  # what the runs of one traced program and its children share, on root spans
HARNESS_FORKED: Final = "harness.forked"  # what of a run was played before it went on for real, on root spans
HARNESS_FORKED_MODEL: Final = "harness.forked.model"  # the model that took the place of every agent's from there on
HARNESS_SAID: Final = (
    "harness.said"  # JSON string, on root spans: [[number, text]], said after the number-th conversation
)
HARNESS_CAPTURE: Final = "harness.capture"  # metadata | off, on root spans; nothing where contents are kept
HARNESS_FRAMEWORK: Final = "harness.framework"  # e.g. "pyautogen 0.9"
HARNESS_OPERATION: Final = "harness.operation"  # one of model.Operation
HARNESS_STATUS: Final = "harness.status"  # open | interrupted; only on spans that leave for other tools
HARNESS_AGENTS: Final = "harness.agents"  # JSON string: the set-up of each agent that takes part
HARNESS_CONVERSATION_PATTERN: Final = "harness.conversation.pattern"  # two_agent | group | sequential
HARNESS_ENDING: Final = "harness.ending"  # one of model.EndingKind
HARNESS_ENDING_AGENT: Final = "harness.ending.agent"
HARNESS_ENDING_DETAIL: Final = "harness.ending.detail"
HARNESS_ENDING_CONDITION: Final = "harness.ending.condition"  # name of the framework's condition; of several, ", "
HARNESS_SENDER: Final = "harness.message.sender"
HARNESS_RECIPIENTS: Final = "harness.message.recipients"  # list of strings, in order of delivery
HARNESS_ROLE: Final = "harness.message.role"
HARNESS_MESSAGE_PART: Final = "harness.message.part"  # part hash
HARNESS_MESSAGE_BODY: Final = "harness.message.body"  # JSON string; only on spans that leave for other tools
HARNESS_INPUT_CONTEXT: Final = "harness.input.context"  # context hash
HARNESS_OUTPUT_PART: Final = "harness.output.part"  # part hash
HARNESS_OUTPUT_CHOICES: Final = "harness.output.choices"  # list of part hashes: the choices beyond the first
HARNESS_OUTPUT_CHUNKS: Final = "harness.output.chunks"  # list of int: how many characters of text each chunk brought
HARNESS_ERROR_BODY: Final = "harness.error.body"  # JSON string: the error as the provider wrote it
HARNESS_TOOLS_PART: Final = "harness.tools.part"  # part hash of the tool definitions
HARNESS_REQUEST_PARAMETERS: Final = (
    "harness.request.parameters"  # JSON string: answer-changing, beyond model, messages, tools
)
HARNESS_COST_FRAMEWORK: Final = "harness.cost.framework"  # double, US dollars as the framework itself counts
HARNESS_CACHE_HIT: Final = "harness.cache.hit"  # the framework's own response cache answered
HARNESS_RETRIES: Final = "harness.retries"  # how often the model's client asked again after a failure, if it did
HARNESS_REPLAYED: Final = "harness.replayed"  # the reply came from a cassette
HARNESS_REPLAY_VERDICT: Final = "harness.replay.verdict"  # hit | normalised hit | changed hit | live | stub | miss
HARNESS_REPLAY_EXCHANGE: Final = "harness.replay.exchange"  # int: which exchange of the cassette, from 1
HARNESS_CODE_BLOCKS: Final = "harness.code.blocks"  # JSON string: [{"language", "code"}]
HARNESS_CODE_EXIT: Final = "harness.code.exit_code"
HARNESS_CODE_OUTPUT: Final = "harness.code.output"
HARNESS_TOOL_ACTS: Final = "harness.tool.acts"  # the result is more than its text, so it cannot be replayed
HARNESS_CODE_EXECUTOR: Final = "harness.code.executor"  # its class, or local | docker
HARNESS_CODE_SANDBOXED: Final = "harness.code.sandboxed"  # false: it runs on this machine; absent: nobody knows
HARNESS_HUMAN_PROMPT: Final = "harness.human.prompt"
HARNESS_HUMAN_INPUT: Final = "harness.human.input"
HARNESS_SELECTION_METHOD: Final = "harness.selection.method"
HARNESS_SELECTION_CANDIDATES: Final = "harness.selection.candidates"  # list of strings
HARNESS_SELECTION_CHOICE: Final = "harness.selection.choice"
HARNESS_REFUSED: Final = "harness.refused"  # list of strings: what a replay kept from the network during the span
HARNESS_GUARD: Final = "harness.guard"  # note | nudge | stop: what a guard did, on a span of its own
HARNESS_GUARD_CODE: Final = "harness.guard.code"  # the check that moved it, if one did
HARNESS_GUARD_LIMIT: Final = (
    "harness.guard.limit"  # the limit that was reached, if one was: max_tokens, day.max_cost_usd
)
HARNESS_GUARD_TEXT: Final = "harness.guard.text"  # what it said
HARNESS_FAULT: Final = "harness.fault"  # what of the tracing itself failed; on a span of its own

# Ours, on runs that were imported.
HARNESS_IMPORT_FORMAT: Final = "harness.import.format"  # the kind of file, on root spans
HARNESS_TIME_SYNTHETIC: Final = "harness.time.synthetic"  # the times give the order and nothing else
HARNESS_SOURCE_PREFIX: Final = "harness.source."  # and a key of the file that we have no name for

STRUCTURE: Final = frozenset(
    {
        GEN_AI_OPERATION,
        GEN_AI_TOOL_TYPE,
        HARNESS_CAPTURE,
        HARNESS_ENDING,
        HARNESS_FAULT,
        HARNESS_GUARD,
        HARNESS_GUARD_CODE,
        HARNESS_INPUT_CONTEXT,
        HARNESS_MESSAGE_PART,
        HARNESS_OPERATION,
        HARNESS_OUTPUT_PART,
        HARNESS_ROLE,
        HARNESS_RUN_ID,
        HARNESS_RUN_MODE,
        HARNESS_TOOLS_PART,
    }
)
"""Attributes whose values are words and hashes of ours, which nobody's idea of a secret may change."""
