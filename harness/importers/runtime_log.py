"""Read the SQLite file that classic AutoGen's own ``runtime_logging`` writes: messages heard, model calls, functions.

A session becomes a run of one conversation. The file does not say which model call or function belongs to which
message, nor why a conversation ended; what it does not say stays unknown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from harness import semconv
from harness.canonical import canonical
from harness.errors import UsageError
from harness.importers import files, logged
from harness.importers.draft import Bad, BadLineError, Draft, Told, run_name
from harness.model import EndingKind, Json, Operation

KIND = "runtime-logging"
_MAGIC = b"SQLite format 3\x00"
_COLUMNS = {
    "chat_completions": "session_id, source_name, request, response, is_cached, cost, start_time, end_time",
    "events": "event_name, source_name, json_state, timestamp",
    "function_calls": "source_name, function_name, args, returns, timestamp",
    "agents": "session_id, name, class, init_args, timestamp",
}
_INTERNAL = frozenset({"checking_agent", "speaker_selection_agent"})
_MANAGER = "GroupChatManager"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row of one table, its number there, and when it was written."""

    table: str
    number: int
    at_ns: int
    values: Mapping[str, Json]


class RuntimeLog:
    """Reads the databases of ``autogen.runtime_logging``."""

    title = "AutoGen runtime_logging SQLite"

    def sniff(self, head: bytes) -> bool:
        """Say whether the file is a SQLite database."""
        return head.startswith(_MAGIC)

    def read(self, path: Path) -> Iterator[Draft | Bad]:
        """Yield every bad row, then a run for each session. Raises UsageError if it is another database, or broken."""
        bad: list[Bad] = []
        with TemporaryDirectory(prefix="harness-") as folder:
            rows = _rows(_plain(path, Path(folder)), path, bad)
        drafts = [_draft(name, number, found, bad) for number, (name, found) in enumerate(_sessions(rows), start=1)]
        yield from bad
        yield from drafts


def _plain(path: Path, folder: Path) -> Path:
    """Give a file that SQLite can open: *path* itself, or what is zipped in it."""
    with closing(files.open_file(path)) as file, files.reading(path):
        if not hasattr(file, "mtime"):
            return path
        copy = folder / "log.db"
        copy.write_bytes(file.read())
        return copy


def _rows(file: Path, path: Path, bad: list[Bad]) -> list[_Row]:
    found: list[_Row] = []
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True)) as con:
            con.text_factory = lambda raw: raw.decode(errors="replace")
            tables = {str(row[0]) for row in con.execute("SELECT name FROM sqlite_master")}
            if not {"events", "chat_completions"} <= tables:
                hint = "Only the logs of autogen.runtime_logging can be imported."
                raise UsageError(f"{str(path)!r} is a database, but no log of AutoGen", hint=hint)
            for table, columns in _COLUMNS.items():
                if table in tables:
                    names = ["number", *columns.split(", ")]
                    for row in con.execute(f"SELECT rowid, {columns} FROM {table} ORDER BY rowid"):  # noqa: S608 - ours
                        _take(table, dict(zip(names, row, strict=True)), found, bad)
    except sqlite3.Error as error:
        raise UsageError(f"cannot read {str(path)!r}: {error}") from error
    order = list(_COLUMNS)
    return sorted(found, key=lambda row: (row.at_ns, order.index(row.table), row.number))


def _take(table: str, values: dict[str, Json], found: list[_Row], bad: list[Bad]) -> None:
    at_ns = _time(values.get("start_time", values.get("timestamp")))
    if at_ns is None:
        bad.append(Bad(line=values["number"], why=f"row {values['number']} of {table} has no time"))
    else:
        found.append(_Row(table=table, number=values["number"], at_ns=at_ns, values=values))


def _time(value: Json) -> int | None:
    """Read a time as the logger writes it, in UTC and without saying so."""
    try:
        moment = datetime.fromisoformat(value).replace(tzinfo=timezone.utc)
    except (ValueError, TypeError):
        return None
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def _sessions(rows: Sequence[_Row]) -> list[tuple[str, list[_Row]]]:
    """Part the rows into sessions. Events do not name theirs: they belong to the last one that had begun."""
    begun: dict[str, int] = {}
    for row in rows:
        name = row.values.get("session_id")
        if isinstance(name, str):
            begun.setdefault(name, row.at_ns)
    if not begun:
        return [("unknown", list(rows))] if rows else []
    names = list(begun)
    found: dict[str, list[_Row]] = {name: [] for name in names}
    for row in rows:
        named = row.values.get("session_id")
        earlier = [name for name in names if begun[name] <= row.at_ns]
        found[named if isinstance(named, str) else earlier[-1] if earlier else names[0]].append(row)
    return list(found.items())


def _draft(name: str, number: int, rows: Sequence[_Row], bad: list[Bad]) -> Draft:
    run_id = run_name(KIND, name, canonical([dict(row.values) for row in rows]))
    told = Told(run_id, name, number=number, start_ns=rows[0].at_ns)
    managers = frozenset(str(row.values["name"]) for row in rows if row.values.get("class") == _MANAGER)
    writers: Mapping[str, Callable[[Told, _Row], None]] = {"chat_completions": _chat, "function_calls": _function}
    heard = _Heard(managers)
    for row in rows:
        try:
            if row.table == "events":
                heard.take(row)
            elif row.table in writers:
                heard.flush(told)
                writers[row.table](told, row)
        except BadLineError as error:  # noqa: PERF203 - a row that is bad is left out, and only that one
            bad.append(Bad(line=row.number, why=f"row {row.number} of {row.table}: {error}"))
    heard.flush(told)
    agents = [
        {"name": row.values["name"], "class": row.values["class"], "init_args": row.values["init_args"]}
        for row in rows
        if row.table == "agents"
    ]
    ending = {semconv.HARNESS_ENDING: EndingKind.UNKNOWN.value}
    return told.draft(KIND, name, {**ending, f"{semconv.HARNESS_SOURCE_PREFIX}agents": agents})


class _Heard:
    """Collects who heard a message: a manager's copies to the others of its group are deliveries of the one."""

    def __init__(self, managers: frozenset[str]) -> None:
        self._managers = managers
        self._waiting: list[tuple[str, list[str], dict[str, Json], int]] = []

    def take(self, row: _Row) -> None:
        if row.values["event_name"] != "received_message":
            return
        state = logged.parsed(row.values["json_state"])
        if not isinstance(state, dict) or not isinstance(state.get("sender"), str):
            raise BadLineError("a message without a sender")
        sender, recipient = state["sender"], str(row.values["source_name"])
        if _INTERNAL & {sender, recipient}:
            return
        body = logged.message(state.get("message"))
        last = self._waiting[-1] if self._waiting else None
        if last is not None and sender in self._managers and last[2]["parts"] == body["parts"]:
            if recipient not in last[1]:
                last[1].append(recipient)
            return
        self._waiting.append((sender, [recipient], body, row.at_ns))

    def flush(self, told: Told) -> None:
        for sender, recipients, body, at_ns in self._waiting:
            told.say(sender, recipients, body, at_ns=at_ns)
        self._waiting = []


def _chat(told: Told, row: _Row) -> None:
    values = row.values
    request = logged.parsed(values["request"])
    if not isinstance(request, dict):
        raise BadLineError("a model call without a request")
    attributes = logged.chat(request, logged.parsed(values["response"]), told.contents)
    attributes[semconv.GEN_AI_AGENT] = values["source_name"]
    cost = values["cost"]
    if isinstance(cost, (int, float)) and cost > 0:  # the framework says 0 where it knows no price
        attributes[semconv.GEN_AI_COST] = attributes[semconv.HARNESS_COST_FRAMEWORK] = float(cost)
    if values["is_cached"]:
        attributes[semconv.HARNESS_CACHE_HIT] = True
    end_ns = max(row.at_ns, _time(values["end_time"]) or row.at_ns)
    failed = semconv.ERROR_TYPE in attributes
    told.add(
        Operation.CHAT, f"chat {request.get('model') or ''}".rstrip(), (row.at_ns, end_ns), attributes, failed=failed
    )


def _function(told: Told, row: _Row) -> None:
    values = row.values
    attributes: dict[str, Json] = {
        semconv.HARNESS_OPERATION: Operation.TOOL.value,
        semconv.GEN_AI_OPERATION: "execute_tool",
        semconv.GEN_AI_AGENT: values["source_name"],
        semconv.GEN_AI_TOOL_NAME: values["function_name"],
        semconv.GEN_AI_TOOL_TYPE: "function",
        semconv.GEN_AI_TOOL_ARGUMENTS: values["args"],
        semconv.GEN_AI_TOOL_RESULT: values["returns"],
    }
    known = {key: value for key, value in attributes.items() if value is not None}
    told.add(Operation.TOOL, f"execute_tool {values['function_name']}", (row.at_ns, row.at_ns), known)
