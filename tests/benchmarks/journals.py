"""Fill journals with runs like real ones, fast: the same numbers give the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.canonical import encode
from harness.journal import make_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPANS_PER_RUN = 50
SEGMENT_BYTES = 4 << 20
FIRST_NS = 1_760_000_000_000_000_000
RUN_NS = 12_000_000_000
"""A run takes twelve seconds, and the next one starts when it ends."""

AGENTS = ("planner", "coder", "critic", "tester", "user")
MODELS = ("gpt-4o-mini", "gpt-4o", "claude-sonnet-4-5")
TOOLS = ("search", "read_file", "run_tests")
NEEDLE = "heisenbug"
"""A word that one message in five thousand runs says."""

_WORDS = (
    "agree ask branch build cache change check claim compare cover deploy draft edge explain fail figure fix guess "
    "handle improve index list load measure merge note number order parse plan print prove query read reason refactor "
    "report result retry return review revise run score search send show sketch sort split start step store sum table "
    "test time token trace try unit update value verify view wait write"
).split()


def fill(store: Path, spans: int, *, first: int = 0) -> int:
    """Write sealed segments that hold *spans* ended spans, some 2 kB each, and return their bytes.

    They go on where a store with the *first* spans left off.
    """
    folder = make_store(store)
    lines: list[bytes] = []
    size = total = segment = 0

    def leave() -> None:
        nonlocal lines, size, total, segment
        header = {"k": "h", "v": 1, "journal": "", "pid": 1, "at_ns": FIRST_NS, "program": "benchmark", "versions": {}}
        content = encode(header).encode() + b"\n" + b"".join(lines)
        (folder / f"{first:012x}-{segment:04d}.jsonl").write_bytes(content)
        lines, size, total, segment = [], 0, total + len(content), segment + 1

    for number in range(first // SPANS_PER_RUN, (first + spans) // SPANS_PER_RUN):
        for record in run(number):
            line = encode(record).encode() + b"\n"
            lines.append(line)
            size += len(line)
        if size >= SEGMENT_BYTES:
            leave()
    if lines:
        leave()
    return total


def run(number: int) -> Iterator[dict[str, Any]]:
    """Give the records of one run: a conversation, and turns that each ask a model, call a tool and say something."""
    run_id = f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}{number:016x}"
    start_ns = FIRST_NS + number * RUN_NS
    top = {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.agent.name": "user",
        "harness.run.name": f"task {number % 97}",
        "harness.framework": "pyautogen 0.9",
        "harness.run.tags": ["nightly"] if number % 3 else ["nightly", "slow"],
        "harness.conversation.pattern": "group",
    }
    context = None
    last = (SPANS_PER_RUN - 1) // 4
    yield _began(run_id, 0, None, "conversation", start_ns, top)
    for turn in range(last):
        agent = AGENTS[(number + turn) % len(AGENTS)]
        at_ns = start_ns + turn * (RUN_NS // (last + 1))
        place = 1 + turn * 4
        turned = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent, "gen_ai.provider.name": "x"}
        yield _began(run_id, place, 0, "turn", at_ns, turned)
        seconds = 1 + number * 7919 % 61 / 10 + turn * 31 % 7
        yield from _chat(run_id, place + 1, place, agent, at_ns + 1_000_000, seconds, context)
        yield from _tool(run_id, place + 2, place, agent, at_ns + 500_000_000)
        text = _text(number * last + turn, 560)
        if turn == 0 and number % 5000 == 7:
            text += f" {NEEDLE}"
        part = f"{number:016x}{turn:016x}"
        link = f"{number:015x}c{turn:016x}"
        body = {"role": "assistant", "name": agent, "parts": [{"type": "text", "content": text}]}
        yield {"k": "p", "run_id": run_id, "hash": part, "body": body}
        yield {"k": "l", "run_id": run_id, "hash": link, "prev": context, "part": part}
        context = link
        said = {
            "harness.message.sender": agent,
            "harness.message.recipients": [other for other in AGENTS if other != agent],
            "harness.message.role": "assistant",
            "harness.message.part": part,
        }
        spoken_ns = at_ns + 600_000_000
        yield _began(run_id, place + 3, place, "message", spoken_ns, said)
        yield _ended(run_id, place + 3, place, "message", spoken_ns, 0, said)
        yield _ended(run_id, place, 0, "turn", at_ns, 700_000_000, turned)
    # What is left of the fifty: a human is asked.
    asked = {"gen_ai.agent.name": "user", "harness.human.prompt": "Anything else?", "harness.human.input": "exit"}
    end_ns = start_ns + RUN_NS
    yield _began(run_id, SPANS_PER_RUN - 1, 0, "human", end_ns - 10_000_000, asked)
    yield _ended(run_id, SPANS_PER_RUN - 1, 0, "human", end_ns - 10_000_000, 9_000_000, asked)
    ending = {**top, "harness.ending": "human", "harness.ending.agent": "user"}
    yield _ended(run_id, 0, None, "conversation", start_ns, RUN_NS, ending)


def _chat(
    run_id: str, place: int, parent: int, agent: str, at_ns: int, seconds: float, context: str | None
) -> Iterator[dict[str, Any]]:
    model = MODELS[place % len(MODELS)]
    asked: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.agent.name": agent,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 512,
        "server.address": "api.example.com",
        "server.port": 443,
        "harness.input.context": context,
        "harness.request.parameters": _text(place, 900),
    }
    answered = {
        **asked,
        "gen_ai.response.model": f"{model}-2026-07-18",
        "gen_ai.response.id": f"chatcmpl-{run_id[:12]}{place:04d}",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 220 + place,
        "gen_ai.usage.output_tokens": 31 + place % 7,
        "gen_ai.usage.cost": 0.0001 * (place % 9),
    }
    failed = {**asked, "error.type": "RateLimitError", "error.message": "429: try again later"}
    bad = int(run_id[12:16], 16) % 400 == 0 and place % 4 == 2
    yield _began(run_id, place, parent, "chat", at_ns, asked)
    yield _ended(
        run_id, place, parent, "chat", at_ns, int(seconds * 1e8), failed if bad else answered, "error" if bad else "ok"
    )


def _tool(run_id: str, place: int, parent: int, agent: str, at_ns: int) -> Iterator[dict[str, Any]]:
    called = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": TOOLS[place % len(TOOLS)],
        "gen_ai.agent.name": agent,
        "gen_ai.tool.call.id": f"call_{place}",
        "gen_ai.tool.call.arguments": '{"path": "src/app.py", "lines": [1, 200]}',
    }
    yield _began(run_id, place, parent, "tool", at_ns, called)
    replied = {**called, "gen_ai.tool.call.result": _text(place * 7, 1000)}
    yield _ended(run_id, place, parent, "tool", at_ns, 3_000_000 + place * 40_000, replied)


def _began(
    run_id: str, place: int, parent: int | None, operation: str, at_ns: int, attributes: dict[str, Any]
) -> dict[str, Any]:
    return {
        "k": "s",
        "run_id": run_id,
        "trace_id": run_id,
        "span_id": f"{run_id[:12]}{place:04x}",
        "parent_id": None if parent is None else f"{run_id[:12]}{parent:04x}",
        "name": f"{operation} {place}",
        "kind": "CLIENT" if operation == "chat" else "INTERNAL",
        "operation": operation,
        "seq": place * 2,
        "start_ns": at_ns,
        "attributes": attributes,
    }


def _ended(
    run_id: str,
    place: int,
    parent: int | None,
    operation: str,
    at_ns: int,
    took_ns: int,
    attributes: dict[str, Any],
    status: str = "ok",
) -> dict[str, Any]:
    start = _began(run_id, place, parent, operation, at_ns, attributes)
    return {**start, "k": "e", "end_ns": at_ns + took_ns, "end_seq": place * 2 + 1, "status": status}


def _text(seed: int, size: int) -> str:
    """Make a text of about *size* letters from everyday words."""
    words = []
    state = seed * 2654435761 + 12345
    while size > 0:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        word = _WORDS[(state >> 33) % len(_WORDS)]
        words.append(word)
        size -= len(word) + 1
    return " ".join(words)
