"""Sum runs up in SQL, as :mod:`harness.derive.totals` does in Python. Change both or neither."""

from __future__ import annotations

from harness import semconv
from harness.derive.totals import DEFAULT_MODE
from harness.model import Severity
from harness.store.facts import CALL_OPERATIONS, ENDINGS, label, opened, text, texts, told, whole

_KEYS = (
    semconv.HARNESS_RUN_NAME,
    semconv.HARNESS_RUN_SOURCE_ID,
    semconv.HARNESS_RUN_MODE,
    semconv.HARNESS_FRAMEWORK,
    semconv.HARNESS_RUN_TAGS,
    semconv.GEN_AI_WORKFLOW,
    semconv.HARNESS_ENDING,
)
_SEVERITIES = [severity.value for severity in (Severity.NOTE, Severity.WARNING, Severity.ERROR)]


def scope(spans: str) -> str:
    """Write the SELECT that says of each of *spans* (whole runs) whether it is a root, and what only those say."""
    return f"""
        WITH RECURSIVE
        known AS (
            SELECT run_id, span_id, parent_id, name, operation, status, seq, start_ns, end_ns, input_tokens,
                output_tokens, cost_usd, made, agent, call_name, model FROM {spans}
        ),
        inner_talk AS (
            SELECT run_id, span_id, parent_id FROM known WHERE operation = 'conversation' AND parent_id IS NOT NULL
        ),
        above AS (SELECT run_id, span_id, parent_id, operation FROM known SEMI JOIN inner_talk USING (run_id)),
        climb(run_id, conversation, parent_id) AS (
            FROM inner_talk
            UNION
            SELECT climb.run_id, climb.conversation, above.parent_id
            FROM climb JOIN above ON above.run_id = climb.run_id AND above.span_id = climb.parent_id
            WHERE above.operation <> 'conversation' AND above.parent_id IS NOT NULL
        ),
        nested AS (
            SELECT DISTINCT climb.run_id, climb.conversation AS span_id
            FROM climb JOIN above ON above.run_id = climb.run_id AND above.span_id = climb.parent_id
            WHERE above.operation = 'conversation'
        ),
        orphans AS (
            SELECT run_id, span_id FROM known AS child
            WHERE NOT EXISTS (FROM known AS up WHERE up.run_id = child.run_id AND up.span_id = child.parent_id)
        ),
        telling AS (SELECT run_id, span_id FROM known WHERE operation = 'conversation' UNION FROM orphans),
        read AS (
            SELECT spans.run_id, spans.span_id, orphans.span_id IS NOT NULL AS root,
                operation = 'conversation' AND nested.span_id IS NULL AS outer_talk, {opened("attributes", _KEYS)}
            FROM (FROM {spans} AS every SEMI JOIN telling USING (run_id, span_id)) AS spans
                LEFT JOIN orphans USING (run_id, span_id) LEFT JOIN nested USING (run_id, span_id)
        ),
        heard AS (
            SELECT run_id, span_id, root, outer_talk, {label(told(semconv.HARNESS_RUN_NAME))} AS run_name,
                {label(told(semconv.HARNESS_RUN_SOURCE_ID))} AS source_id,
                {label(told(semconv.HARNESS_RUN_MODE))} AS mode, {label(told(semconv.HARNESS_FRAMEWORK))} AS framework,
                {texts(told(semconv.HARNESS_RUN_TAGS))} AS tags, {label(told(semconv.GEN_AI_WORKFLOW))} AS workflow,
                {text(told(semconv.HARNESS_ENDING))} AS said
            FROM read
        )
        SELECT known.*, {{'at': start_ns, 'seq': seq, 'span_id': span_id}} AS place, coalesce(root, false) AS root,
            coalesce(outer_talk, false) AS outer_talk, run_name, source_id, mode, framework, tags, workflow, said
        FROM known LEFT JOIN heard USING (run_id, span_id)"""


def rollup(scoped: str, verdicts: str | None) -> str:
    """Write the SELECT that gives the columns of ``runs`` from *scoped* spans and their runs' *verdicts*, if any."""
    judged = "0 AS findings, NULL::VARCHAR AS worst"
    beside = ""
    if verdicts is not None:
        judged = "coalesce(judged.findings, 0) AS findings, judged.worst"
        beside = f"""LEFT JOIN (
            SELECT run_id, count(*) AS findings, arg_max(severity, list_position({_SEVERITIES}, severity)) AS worst
            FROM {verdicts} GROUP BY run_id
        ) AS judged USING (run_id)"""
    talk = "arg_max({}, place) FILTER (WHERE outer_talk)"
    return f"""
        SELECT run_id, source_id, name, started_ns, CASE WHEN status <> 'running' THEN ended_ns END AS ended_ns,
            status,
            CASE WHEN last_status = 'interrupted' THEN 'interrupted' WHEN last_status = 'open' THEN NULL
                WHEN last_said IN ({ENDINGS}) THEN last_said WHEN last_status = 'error' THEN 'error'
                WHEN last_status IS NOT NULL THEN 'unknown' END AS ending,
            mode, framework, messages, model_calls, tool_calls, turns, errors, input_tokens, output_tokens, cost_usd,
            {judged}, tags, agents, models, tools
        FROM (
            SELECT run_id,
                arg_min(source_id, place) FILTER (WHERE root AND source_id IS NOT NULL) AS source_id,
                coalesce(arg_min(run_name, place) FILTER (WHERE root AND run_name IS NOT NULL),
                    arg_min(workflow, place) FILTER (WHERE operation = 'conversation' AND workflow IS NOT NULL),
                    arg_min(name, place) FILTER (WHERE root), arg_min(name, place)) AS name,
                min(start_ns) AS started_ns, max(greatest(start_ns, coalesce(end_ns, start_ns))) AS ended_ns,
                CASE
                    WHEN {_under_way("open")} THEN 'running'
                    WHEN {_under_way("interrupted")} THEN 'interrupted'
                    WHEN bool_or(root AND status = 'error') THEN 'failed' ELSE 'finished' END AS status,
                {talk.format("status")} AS last_status,
                {talk.format("coalesce(said, '')")} AS last_said,
                coalesce(arg_min(mode, place) FILTER (WHERE root AND mode IS NOT NULL), '{DEFAULT_MODE}') AS mode,
                arg_min(framework, place) FILTER (WHERE root AND framework IS NOT NULL) AS framework,
                count(*) FILTER (WHERE operation = 'message') AS messages,
                count(*) FILTER (WHERE made) AS model_calls,
                count(*) FILTER (WHERE operation = 'tool') AS tool_calls,
                count(*) FILTER (WHERE operation = 'turn') AS turns,
                count(*) FILTER (WHERE status = 'error') AS errors,
                {_total("sum", "input_tokens")}, {_total("sum", "output_tokens")}, {_total("fsum", "cost_usd")},
                list_sort(list_distinct(flatten(coalesce(list(tags) FILTER (WHERE root), [])))) AS tags,
                {called()}
            FROM {scoped}
            GROUP BY run_id
        )
        {beside}"""


def _under_way(status: str) -> str:
    """Ask for *status* among what holds a run up: messages only do where there is nothing else."""
    return (
        f"bool_or(status = '{status}' AND operation <> 'message') "
        f"OR (bool_and(operation = 'message') AND bool_or(status = '{status}'))"
    )


def called() -> str:
    """Write the columns that list whose calls there are in a run, of its spans."""
    listed = (("agent", CALL_OPERATIONS, "agents"), ("model", "'chat'", "models"), ("call_name", "'tool'", "tools"))
    return ", ".join(
        f"coalesce(list(DISTINCT {column}) FILTER (WHERE operation IN ({operations})), []) AS {name}"
        for column, operations, name in listed
    )


def _total(function: str, column: str) -> str:
    """Sum over model calls that were made; only if none was do answers from a cache count, as 0."""
    kind = "DOUBLE" if column == "cost_usd" else "BIGINT"
    made = f"{function}({column}) FILTER (WHERE made)"
    return f"CAST(CASE WHEN bool_or(made) THEN {made} ELSE {function}({column}) END AS {kind}) AS {column}"


def verdicts(judgements: str) -> str:
    """Write the SELECT that lists the findings of each run's newest judgement, in their order.

    A finding without code, name, severity or text is none.
    """
    said = {
        name: text(f"json_extract(finding, '$.{name}')") for name in ("code", "name", "severity", "text", "span_id")
    }
    evidence = "json_extract(finding, '$.evidence')"
    listed = "CASE WHEN json_type(body) = 'ARRAY' THEN CAST(body AS JSON[]) ELSE [] END"
    return f"""
        SELECT run_id, place, {said["code"]} AS code, {said["name"]} AS name, {said["severity"]} AS severity,
            {whole("json_extract(finding, '$.seq')")} AS seq, {said["span_id"]} AS span_id, {said["text"]} AS text,
            CASE WHEN json_type({evidence}) = 'OBJECT' THEN {evidence} ELSE CAST('{{}}' AS JSON) END AS evidence
        FROM (
            SELECT run_id, unnest(found) AS finding, unnest(range(len(found))) AS place
            FROM (SELECT run_id, {listed} AS found
                FROM (SELECT run_id, arg_max(body, at_ns) AS body FROM {judgements} GROUP BY run_id))
        )
        WHERE code IS NOT NULL AND name IS NOT NULL AND text IS NOT NULL AND severity IN {tuple(_SEVERITIES)}"""
