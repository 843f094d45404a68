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


def paths(keys: tuple[str, ...]) -> str:
    """Write the list of JSON paths that reads *keys* in one go."""
    return "[" + ", ".join(f"""'$."{key}"'""" for key in keys) + "]"


def text(value: str) -> str:
    """Read the JSON *value* as a string, or NULL."""
    return f"CASE WHEN json_type({value}) = 'VARCHAR' THEN {value}->>'$' END"


def texts(value: str) -> str:
    """Read the JSON *value* as the strings of a list; none for anything else."""
    return (
        f"CASE WHEN json_type({value}) = 'ARRAY' THEN list_transform(list_filter(CAST({value} AS JSON[]), "
        "lambda item: json_type(item) = 'VARCHAR'), lambda item: item->>'$') ELSE [] END"
    )


def whole(value: str) -> str:
    """Read the JSON *value* as an integer, or NULL."""
    return f"CASE WHEN json_type({value}) IN ('UBIGINT', 'BIGINT') THEN TRY_CAST({value} AS BIGINT) END"


def _label(value: str) -> str:
    return f"nullif({text(value)}, '')"


def _count(value: str) -> str:
    number = whole(value)
    return f"CASE WHEN {number} BETWEEN 0 AND {MOST_TOKENS} THEN {number} END"


def _amount(value: str) -> str:
    number = f"CASE WHEN json_type({value}) IN ('UBIGINT', 'BIGINT', 'DOUBLE') THEN TRY_CAST({value} AS DOUBLE) END"
    return f"CASE WHEN isfinite({number}) AND {number} >= 0 THEN {number} END"


def _at(key: str) -> str:
    return f"a[{_KEYS.index(key) + 1}]"


def facts(records: str) -> str:
    """Write the SELECT that gives the columns of ``spans`` from the raw *records* (a query or table)."""
    agent, tool, choice = (
        _label(_at(key)) for key in (semconv.GEN_AI_AGENT, semconv.GEN_AI_TOOL_NAME, semconv.HARNESS_SELECTION_CHOICE)
    )
    blocks = text(_at(semconv.HARNESS_CODE_BLOCKS))
    language = _label(f"CASE WHEN json_valid({blocks}) THEN json_extract(CAST({blocks} AS JSON), '$[0].language') END")
    asked, answered = (_label(_at(key)) for key in (semconv.GEN_AI_REQUEST_MODEL, semconv.GEN_AI_RESPONSE_MODEL))
    given, taken = (_count(_at(key)) for key in (semconv.GEN_AI_INPUT_TOKENS, semconv.GEN_AI_OUTPUT_TOKENS))
    failure = f"nullif(concat_ws(': ', {_label(_at(semconv.ERROR_TYPE))}, {_label(_at(semconv.ERROR_MESSAGE))}), '')"
    return f"""
        SELECT process, run_id, trace_id, span_id, parent_id, name, kind, operation, status, seq, end_seq, start_ns,
            end_ns, {agent} AS agent,
            CASE operation WHEN 'tool' THEN {tool} WHEN 'code' THEN {language} WHEN 'selection' THEN {choice} END
                AS call_name,
            CASE WHEN operation = 'chat' THEN coalesce({asked}, {answered}) END AS model,
            CASE WHEN made THEN {given} WHEN NOT made THEN 0 END AS input_tokens,
            CASE WHEN made THEN {taken} WHEN NOT made THEN 0 END AS output_tokens,
            CASE WHEN made THEN {_amount(_at(semconv.GEN_AI_COST))} WHEN NOT made THEN 0 END AS cost_usd,
            made, {failure} AS error, attributes
        FROM (
            SELECT *, CASE WHEN operation = 'chat' THEN
                coalesce(CAST({_at(semconv.HARNESS_CACHE_HIT)} AS VARCHAR), '') <> 'true' END AS made
            FROM (
                SELECT process, run_id, coalesce(trace_id, '') AS trace_id, span_id, parent_id,
                    coalesce(name, '') AS name, coalesce(kind, 'INTERNAL') AS kind,
                    CASE WHEN operation IN ({_OPERATIONS}) THEN operation ELSE '{Operation.OTHER.value}' END
                        AS operation,
                    status, seq, end_seq, start_ns, end_ns,
                    CASE WHEN json_type(attributes) = 'OBJECT' THEN attributes ELSE CAST('{{}}' AS JSON) END
                        AS attributes,
                    json_extract(attributes, {paths(_KEYS)}) AS a
                FROM {records}
            )
        )"""
