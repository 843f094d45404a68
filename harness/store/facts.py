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
_WHOLE = "'UBIGINT', 'BIGINT'"
_NUMBER = "'UBIGINT', 'BIGINT', 'DOUBLE'"
ENDINGS = ", ".join(f"'{kind.value}'" for kind in EndingKind)


def opened(attributes: str, keys: tuple[str, ...]) -> str:
    """Write the two columns ``types`` and ``values`` that read *keys* of the JSON *attributes* in one go each.

    The last of the types is that of the attributes themselves.
    """
    paths = ", ".join(f"""'$."{key}"'""" for key in keys)
    return f"json_type({attributes}, [{paths}, '$']) AS types, json_extract_string({attributes}, [{paths}]) AS values"


class Reader:
    """Writes how one key is read from the columns that ``opened`` made. A value of the wrong type is NULL."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = keys

    def text(self, key: str) -> str:
        """Read a string."""
        return self._typed(key, "'VARCHAR'")

    def label(self, key: str) -> str:
        """Read a string that says something."""
        return f"nullif({self.text(key)}, '')"

    def count(self, key: str) -> str:
        """Read an integer from 0 to the most there can be."""
        number = f"TRY_CAST({self._typed(key, _WHOLE)} AS BIGINT)"
        return f"CASE WHEN {number} BETWEEN 0 AND {MOST_TOKENS} THEN {number} END"

    def amount(self, key: str) -> str:
        """Read a finite number of at least 0."""
        number = f"TRY_CAST({self._typed(key, _NUMBER)} AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) AND {number} >= 0 THEN {number} END"

    def flag(self, key: str) -> str:
        """Read a yes; everything else is no."""
        return f"coalesce(types[{self._place(key)}] = 'BOOLEAN' AND values[{self._place(key)}] = 'true', false)"

    def texts(self, key: str) -> str:
        """Read the strings of a list; none for anything else."""
        listed = self._typed(key, "'ARRAY'")
        return texts(f"CAST({listed} AS JSON)")

    def _typed(self, key: str, types: str) -> str:
        place = self._place(key)
        return f"CASE WHEN types[{place}] IN ({types}) THEN values[{place}] END"

    def _place(self, key: str) -> int:
        return self._keys.index(key) + 1


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
    return f"CASE WHEN json_type({value}) IN ({_WHOLE}) THEN TRY_CAST({value} AS BIGINT) END"


def facts(records: str) -> str:
    """Write the SELECT that gives the columns of ``spans`` from the raw *records* (a query or table)."""
    read = Reader(_KEYS)
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
            CASE WHEN types[{len(_KEYS) + 1}] = 'OBJECT' THEN attributes ELSE CAST('{{}}' AS JSON) END AS attributes
        FROM (
            SELECT *, CASE WHEN operation = 'chat' THEN NOT {read.flag(semconv.HARNESS_CACHE_HIT)} END AS made,
                {read.label(semconv.GEN_AI_AGENT)} AS agent, {read.label(semconv.GEN_AI_TOOL_NAME)} AS tool,
                {read.text(semconv.HARNESS_CODE_BLOCKS)} AS blocks,
                {read.label(semconv.HARNESS_SELECTION_CHOICE)} AS choice,
                {read.label(semconv.GEN_AI_REQUEST_MODEL)} AS asked,
                {read.label(semconv.GEN_AI_RESPONSE_MODEL)} AS answered,
                {read.count(semconv.GEN_AI_INPUT_TOKENS)} AS input_tokens,
                {read.count(semconv.GEN_AI_OUTPUT_TOKENS)} AS output_tokens,
                {read.amount(semconv.GEN_AI_COST)} AS cost_usd,
                {read.label(semconv.ERROR_TYPE)} AS error_type, {read.label(semconv.ERROR_MESSAGE)} AS error_message
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
