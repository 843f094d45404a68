"""Say in SQL what :mod:`harness.derive` says in Python of a single span: its typed facts, read from its attributes.

A value of the wrong type is no value, here as there.
"""

from __future__ import annotations

from harness import semconv
from harness.derive.attributes import MOST_TOKENS
from harness.model import CALLS, EndingKind, Operation

_KEYS = (
    semconv.GEN_AI_AGENT,
    semconv.GEN_AI_TOOL_NAME,
    semconv.HARNESS_CODE_BLOCKS,
    semconv.HARNESS_SELECTION_CHOICE,
    semconv.GEN_AI_REQUEST_MODEL,
    semconv.GEN_AI_RESPONSE_MODEL,
    semconv.GEN_AI_INPUT_TOKENS,
    semconv.GEN_AI_OUTPUT_TOKENS,
    semconv.GEN_AI_COST,
    semconv.HARNESS_CACHE_HIT,
    semconv.ERROR_TYPE,
    semconv.ERROR_MESSAGE,
)
_OPERATIONS = ", ".join(f"'{operation.value}'" for operation in Operation)
CALL_OPERATIONS = ", ".join(sorted(f"'{operation.value}'" for operation in CALLS))
ENDINGS = ", ".join(f"'{kind.value}'" for kind in EndingKind)


def opened(attributes: str, keys: tuple[str, ...]) -> str:
    """Write the column ``told`` that reads *keys* of the JSON *attributes* in one go, for :func:`told`."""
    fields = ", ".join(f'"{key}": "JSON"' for key in keys)
    return f"json_transform({attributes}, '{{{fields}}}') AS told"


def told(key: str) -> str:
    """Name the JSON value of *key* in what ``opened`` read, or NULL."""
    return f'told."{key}"'


# JSON says by its first character what it is. To look there is cheaper than to read it once more for its type.


def text(value: str) -> str:
    """Read the JSON *value* as a string, or NULL."""
    return f"CASE WHEN starts_with({value}, '\"') THEN {value}->>'$' END"


def label(value: str) -> str:
    """Read the JSON *value* as a string that says something, or NULL."""
    return f"nullif({text(value)}, '')"


def whole(value: str) -> str:
    """Read the JSON *value* as an integer, or NULL."""
    return f"CASE WHEN regexp_full_match({value}, '-?[0-9]+') THEN TRY_CAST(CAST({value} AS VARCHAR) AS BIGINT) END"


def count(value: str) -> str:
    """Read the JSON *value* as an integer from 0 to the most there can be, or NULL."""
    return f"CASE WHEN {whole(value)} BETWEEN 0 AND {MOST_TOKENS} THEN {whole(value)} END"


def amount(value: str) -> str:
    """Read the JSON *value* as a finite number of at least 0, or NULL."""
    number = f"TRY_CAST(CASE WHEN NOT starts_with({value}, '\"') THEN CAST({value} AS VARCHAR) END AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) AND {number} >= 0 THEN {number} END"


def flag(value: str) -> str:
    """Read the JSON *value* as a yes; everything else is no."""
    return f"coalesce(CAST({value} AS VARCHAR) = 'true', false)"


def texts(value: str) -> str:
    """Read the JSON *value* as the strings of a list; none for anything else."""
    listed = f"CAST(CASE WHEN starts_with({value}, '[') THEN {value} END AS JSON[])"  # DuckDB 1 casts what it need not
    return (
        f"coalesce(list_transform(list_filter({listed}, lambda item: json_type(item) = 'VARCHAR'), "
        "lambda item: item->>'$'), [])"
    )


def facts(records: str) -> str:
    """Write the SELECT that gives the columns of ``spans`` from the raw *records* (a query or table)."""
    return f"""
        SELECT process, run_id, trace_id, span_id, parent_id, name, kind, operation, status, seq, end_seq, start_ns,
            end_ns, agent,
            CASE operation WHEN 'tool' THEN tool WHEN 'code' THEN
                nullif(CASE WHEN json_valid(blocks) THEN json_extract_string(blocks, '$[0].language') END, '')
                WHEN 'selection' THEN choice END AS call_name,
            CASE WHEN operation = 'chat' THEN coalesce(asked, answered) END AS model,
            CASE WHEN made THEN input_tokens WHEN NOT made THEN 0 END AS input_tokens,
            CASE WHEN made THEN output_tokens WHEN NOT made THEN 0 END AS output_tokens,
            CASE WHEN made THEN cost_usd WHEN NOT made THEN 0 END AS cost_usd,
            made, nullif(concat_ws(': ', error_type, error_message), '') AS error,
            CASE WHEN starts_with(attributes, '{{') THEN attributes ELSE CAST('{{}}' AS JSON) END AS attributes
        FROM (
            SELECT *, CASE WHEN operation = 'chat' THEN NOT {flag(told(semconv.HARNESS_CACHE_HIT))} END AS made,
                {label(told(semconv.GEN_AI_AGENT))} AS agent, {label(told(semconv.GEN_AI_TOOL_NAME))} AS tool,
                {text(told(semconv.HARNESS_CODE_BLOCKS))} AS blocks,
                {label(told(semconv.HARNESS_SELECTION_CHOICE))} AS choice,
                {label(told(semconv.GEN_AI_REQUEST_MODEL))} AS asked,
                {label(told(semconv.GEN_AI_RESPONSE_MODEL))} AS answered,
                {count(told(semconv.GEN_AI_INPUT_TOKENS))} AS input_tokens,
                {count(told(semconv.GEN_AI_OUTPUT_TOKENS))} AS output_tokens,
                {amount(told(semconv.GEN_AI_COST))} AS cost_usd,
                {label(told(semconv.ERROR_TYPE))} AS error_type, {label(told(semconv.ERROR_MESSAGE))} AS error_message
            FROM (
                SELECT process, run_id, coalesce(trace_id, '') AS trace_id, span_id, parent_id,
                    coalesce(name, '') AS name, coalesce(kind, 'INTERNAL') AS kind,
                    CASE WHEN operation IN ({_OPERATIONS}) THEN operation ELSE '{Operation.OTHER.value}' END
                        AS operation,
                    status, seq, end_seq, start_ns, end_ns,
                    attributes, {opened("attributes", _KEYS)}
                FROM {records}
            )
        )"""
