"""Make a store of millions of spans in minutes: a part is taken in for real, and the rest are copies of that part.

A copy is later in time, has ids and hashes of its own, and is summed up by the SQL that an ingest uses. So it is what
an ingest of as many journals would have kept; ``harness store verify`` says the same.
"""

# ruff: noqa: S608 - names of our own, and numbers

from __future__ import annotations

import json
import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.canonical import encode
from harness.journal import make_store
from harness.store import Store, open_store, schema
from harness.store.histogram import histogram
from harness.store.rollup import rollup, scope

from .journals import AGENTS, FIRST_NS, NEEDLE, RUN_NS, SPANS_PER_RUN, TOOLS, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from duckdb import DuckDBPyConnection as Connection

COPIED = 100_000
"""How many spans are taken in for real, and copied."""

TEAMS = 6
"""Each team has agents and tools of its own, by the same five and three names."""

RARE = 10
"""One in so many copies says the rare word, once."""

SEGMENT_RUNS = 40
_SPANS = ", ".join(schema.SPAN_COLUMNS)
_RUNS = ", ".join(schema.RUN_COLUMNS)


def filled(path: Path, spans: int) -> tuple[Store, float]:
    """Give the store at *path* with *spans* spans in its database, and the bytes of journal that one of them was.

    The one that lies there is used again.
    """
    store = open_store(path)
    done = path / "filled.json"
    told = json.loads(done.read_text()) if done.exists() else {}
    if told.get("spans") != spans:
        shutil.rmtree(path, ignore_errors=True)
        taken = min(spans, COPIED)
        told = {"spans": spans, "journal_bytes": _take_in(store, taken) / taken}
        with closing(schema.connect(path)) as con:
            con.execute("SET preserve_insertion_order = false")
            schema.attach(con, path, read_only=False)
            row = con.execute("SELECT max(batch) FROM stored.batches").fetchone()
            batches = row[0] if row else 1
            for number in range(1, spans // COPIED):
                _copy(con, number, batches)
            con.execute("CHECKPOINT stored")
        done.write_text(json.dumps(told))
    return store, told["journal_bytes"]


def _take_in(store: Store, spans: int) -> int:
    """Take in the first spans for real, and say how many bytes of journal they were."""
    runs = spans // SPANS_PER_RUN
    written = 0
    for first in range(0, runs, SEGMENT_RUNS):
        header = {"k": "h", "v": 1, "journal": "", "pid": 1, "at_ns": FIRST_NS, "program": "benchmark", "versions": {}}
        lines = [record for number in range(first, min(first + SEGMENT_RUNS, runs)) for record in _varied(number)]
        content = "".join(encode(record) + "\n" for record in (header, *lines))
        written += (make_store(store.path) / f"{first:012x}-0000.jsonl").write_text(content)
    store.ingest()
    return written


def _varied(number: int) -> Iterator[dict[str, Any]]:
    """Give the records of one run as its team has it: one call in thirty fails, and in some runs every other one."""
    team = number * 7 // 3 % TEAMS
    troubled = number % 250 == 17
    for record in run(number):
        told = encode(record)
        for name in (*AGENTS, *TOOLS):
            told = told.replace(f'"{name}"', f'"{name}-{team}"')
        found: dict[str, Any] = json.loads(told)
        if found["k"] == "e" and found["operation"] in {"chat", "tool"}:
            place = int(found["span_id"][-4:], 16)
            if (number * 31 + place * 17) % 30 == 0 or (troubled and place % 4 == 2):
                found["status"] = "error"
                found["attributes"]["error.type"] = "RateLimitError" if troubled else "TimeoutError"
                found["attributes"]["error.message"] = "try again later"
        yield found


def _copy(con: Connection, number: int, batches: int) -> None:
    """Keep the first spans, parts and links once more, *number* times their whole length later."""
    length = (COPIED // SPANS_PER_RUN) * RUN_NS
    run = _renamed("run_id", number)
    batch = f"batch + {number * batches}"
    attributes = "CAST(attributes AS VARCHAR)"
    for key in (semconv.HARNESS_MESSAGE_PART, semconv.HARNESS_INPUT_CONTEXT):
        # What names nothing is replaced by itself.
        named = f"""coalesce(json_extract_string(attributes, '$."{key}"'), '')"""
        attributes = f"replace({attributes}, {named}, CASE {named} WHEN '' THEN '' ELSE {_renamed(named, number)} END)"
    body = "body" if number % RARE == 1 else f"CAST(replace(CAST(body AS VARCHAR), '{NEEDLE}', 'change') AS JSON)"
    told = {
        "run_id": run,
        "trace_id": run,
        "span_id": f"left({run}, 12) || right(span_id, 4)",
        "parent_id": f"left({run}, 12) || right(parent_id, 4)",
        "start_ns": f"start_ns + {number * length}",
        "end_ns": f"end_ns + {number * length}",
        "attributes": f"CAST({attributes} AS JSON)",
    }
    first = f"WHERE batch <= {batches}"
    places = ", ".join(f"{name} + {number * batches} AS {name}" for name in ("first_batch", "last_batch"))
    con.execute("BEGIN")
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE made AS
        SELECT * REPLACE ({", ".join(f"{value} AS {name}" for name, value in told.items())})
        FROM stored.spans WHERE start_ns < {FIRST_NS + length}"""
    )
    con.execute(f"INSERT INTO stored.spans SELECT {_SPANS} FROM made")
    con.execute(f"INSERT INTO stored.latencies {histogram('made')}")
    con.execute(
        f"INSERT INTO stored.parts SELECT {run}, {_renamed('hash', number)}, {body}, {batch} FROM stored.parts {first}"
    )
    links = ", ".join(_renamed(name, number) for name in ("hash", "prev", "part"))
    con.execute(f"INSERT INTO stored.links SELECT {run}, {links}, {batch} FROM stored.links {first}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE scoped AS {scope('made')}")
    con.execute(
        f"""INSERT INTO stored.runs SELECT {_RUNS}, first_batch, last_batch FROM ({rollup("scoped", None)}) JOIN
        (SELECT {run} AS run_id, {places} FROM stored.runs WHERE last_batch <= {batches})
        USING (run_id)"""
    )
    con.execute(f"INSERT INTO stored.batches SELECT {batch}, at_ns, segments, lines, bad FROM stored.batches {first}")
    con.execute("COMMIT")


def _renamed(column: str, number: int) -> str:
    return f"md5({column} || '{number}')"
