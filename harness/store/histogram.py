"""How the table ``latencies`` looks, and how spans are counted into it: small, however many spans there are.

How long they took is a histogram. A bucket is 4 % wide, so what is read from its middle is within 2 % of the truth.
"""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 1.04
DAY_NS = 86_400_000_000_000
COLUMNS = {
    "day": "BIGINT",
    "operation": "VARCHAR",
    "agent": "VARCHAR",
    "name": "VARCHAR",
    "model": "VARCHAR",
    "made": "BOOLEAN",
    "bucket": "INTEGER",
    "number": "BIGINT",
    "errors": "BIGINT",
    "unpriced": "BIGINT",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cost_usd": "DOUBLE",
}
"""The columns of the table. *day* counts days since the Unix epoch; *bucket* 0 is no time at all, NULL no known time.

The others say what *number* spans alike have in sum. *unpriced* are those that asked a model at an unknown cost.
"""
SUMS = ("number", "errors", "unpriced", "input_tokens", "output_tokens", "cost_usd")
ALIKE = ", ".join(column for column in COLUMNS if column not in SUMS)


def histogram(spans: str) -> str:
    """Write the SELECT that counts *spans*, a query or table with the columns of the table ``spans``.

    Messages are no operations: they took no time, and used nothing.
    """
    return f"""
        SELECT start_ns // {DAY_NS} AS day, operation, agent, call_name AS name, model, made,
            CASE WHEN end_ns <= start_ns THEN 0 WHEN end_ns IS NOT NULL THEN
                1 + CAST(floor(ln(CAST(CAST(end_ns AS HUGEINT) - start_ns AS DOUBLE)) / ln({WIDTH})) AS INTEGER)
                END AS bucket,
            count(*) AS number, count(*) FILTER (WHERE status = 'error') AS errors,
            count(*) FILTER (WHERE made AND cost_usd IS NULL) AS unpriced,
            CAST(sum(input_tokens) AS BIGINT) AS input_tokens, CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
            fsum(cost_usd) AS cost_usd
        FROM {spans} WHERE operation <> 'message' GROUP BY ALL"""


def places(percents: Sequence[int], alike: str) -> tuple[str, str]:
    """Write the columns that count up the *number* of rows by bucket, and those that read percentiles from them.

    Rows of one bucket are to be one by then; *alike* names the columns that rows for one answer share.
    """
    within = f"PARTITION BY {alike}" if alike else ""
    known = "sum(number) FILTER (WHERE bucket IS NOT NULL) OVER ({})"
    counts = f"{known.format(f'{within} ORDER BY bucket NULLS LAST')} AS upto, {known.format(within)} AS total"
    middle = f"CASE WHEN {{0}} = 0 THEN 0 ELSE round(pow({WIDTH}, {{0}} - 0.5))::BIGINT END"
    found = ", ".join(
        f"{middle.format(f'min(bucket) FILTER (WHERE upto * 100 >= total * {part})')} AS p{part}_ns"
        for part in percents
    )
    return counts, found
