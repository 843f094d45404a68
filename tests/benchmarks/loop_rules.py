"""Published loop rules, in our own words, to be measured on the same conversations: each gives where it first fires.

They are written for tool calls or for requests to a model. Where a rule wants an action, it is given a call; where it
wants what a user said, what the agent that speaks next was told last.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.checks.real import Conversation

Rule = Callable[[Conversation], int | None]
_ERRORS = ("Error", "Traceback", "exitcode: 1")


def RULES() -> dict[str, Rule]:  # noqa: N802 - a table that is made when it is asked for
    """List the rules by name, those of packages only where they are installed."""
    return {
        "OpenHands SDK": openhands,
        "Gemini CLI, without its model": gemini,
        "Roo Code": lambda each: identical_calls(each, 4),
        "Cline": lambda each: identical_calls(each, 5),
        "AG2 LoopDetector": ag2,
        "AgentWall": agentwall,
        "equal three times": equal_three_times,
        "word Jaccard .8 three times": alike_three_times,
        **packages(),
    }


def _calls(message: Any) -> list[tuple[str, Any]]:
    inner = [each.get("function", each) for each in message.get("tool_calls") or []]
    return [(str(each.get("name")), each.get("arguments")) for each in inner]


def _canonical(arguments: Any) -> str:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return arguments
    return json.dumps(arguments, sort_keys=True)


def _all_calls(conversation: Conversation, *, raw: bool = False) -> Iterator[tuple[int, str]]:
    for number, message in enumerate(conversation["messages"]):
        for name, arguments in _calls(message):
            yield number, f"{name} {arguments if raw else _canonical(arguments)}"


def identical_calls(conversation: Conversation, times: int) -> int | None:
    """Fire at so many equal calls in a row, whatever they returned (Roo Code, Cline)."""
    last, run = "", 0
    for number, call in _all_calls(conversation):
        run = run + 1 if call == last else 1
        last = call
        if run == times:
            return number
    return None


def ag2(conversation: Conversation) -> int | None:
    """Fire at three equal calls in a row among the last ten, arguments compared as written."""
    window: deque[str] = deque(maxlen=10)
    for number, call in _all_calls(conversation, raw=True):
        window.append(call)
        if len(window) >= 3 and len(set(list(window)[-3:])) == 1:
            return number
    return None


def gemini(conversation: Conversation) -> int | None:
    """Fire at five repeats of a cycle of one to five calls, or at a text of 50 characters ten times close together."""
    calls: list[str] = []
    for number, message in enumerate(conversation["messages"]):
        for name, arguments in _calls(message):
            calls.append(f"{name} {json.dumps(arguments)}")
            if any(_cycles(calls, period, 5) for period in range(1, 6)):
                return number
        if message["role"] == "assistant" and "```" not in (message.get("content") or "") and _chants(message):
            return number
    return None


def _cycles(calls: Sequence[str], period: int, times: int) -> bool:
    tail = calls[-period * times :]
    return len(tail) == period * times and all(each == tail[place % period] for place, each in enumerate(tail))


def _chants(message: Any) -> bool:
    text, seen = message.get("content") or "", {}
    for place in range(len(text) - 49):
        places = seen.setdefault(text[place : place + 50], [])
        places.append(place)
        if len(places) >= 10 and (places[-1] - places[-10]) / 9 <= 250:
            return True
    return False


def openhands(conversation: Conversation) -> int | None:
    """Fire at an action with one result four times, or one error three; three messages in a row; or A-B-A-B-A-B."""
    moves: list[tuple[str, str]] = []
    spoken: list[str] = []
    for number, message in enumerate(conversation["messages"]):
        text = message.get("content") or ""
        if message["role"] == "user":
            moves, spoken = [], []
            continue
        if message["role"] in {"tool", "execution"}:
            if moves:
                moves[-1] = (moves[-1][0], text)
            spoken = []
        else:
            calls = " ".join(f"{name} {_canonical(arguments)}" for name, arguments in _calls(message))
            moves.append((f"{message['sender']}: {text} {calls}", ""))
            spoken = [] if calls or (spoken and spoken[-1] != message["sender"]) else spoken
            spoken.append(message["sender"])
        if _stuck(moves) or len(spoken) >= 3:
            return number
    return None


def _stuck(moves: Sequence[tuple[str, str]]) -> bool:
    same = len(moves) >= 4 and len(set(moves[-4:])) == 1
    failing = len({move for move, _ in moves[-3:]}) == 1 and len(moves) >= 3
    failing = failing and all(result.startswith(_ERRORS) for _, result in moves[-3:])
    tail = moves[-6:]
    turns = len(tail) == 6 and len(set(tail[::2])) == 1 and len(set(tail[1::2])) == 1
    return same or failing or turns


def agentwall(conversation: Conversation) -> int | None:
    """Fire when what an agent is asked equals one of the last five, or nearly so."""
    asked: dict[str, deque[frozenset[str]]] = {}
    heard = ""
    for number, message in enumerate(conversation["messages"]):
        if number and message["role"] not in {"tool", "execution"} and heard:
            words = frozenset(heard[:500].lower().split())
            before = asked.setdefault(message["sender"], deque(maxlen=5))
            if any(len(words & each) >= 0.95 * len(words | each) for each in before):
                return number
            before.append(words)
        if message["role"] not in {"tool", "execution"} and not message.get("tool_calls"):
            heard = message.get("content") or ""
    return None


def equal_three_times(conversation: Conversation) -> int | None:
    """Fire at the third equal message of one sender."""
    seen: Counter[tuple[str, str]] = Counter()
    for number, message in enumerate(conversation["messages"]):
        key = (message["sender"], f"{' '.join((message.get('content') or '').lower().split())} {_calls(message)}")
        seen[key] += 1
        if seen[key] == 3:
            return number
    return None


def alike_three_times(conversation: Conversation) -> int | None:
    """Fire at the third message of one sender whose words are nearly those of two others."""
    seen: dict[str, list[frozenset[str]]] = {}
    for number, message in enumerate(conversation["messages"]):
        words = frozenset(f"{message.get('content') or ''} {_calls(message)}".lower().split())
        before = seen.setdefault(message["sender"], [])
        if sum(len(words & each) >= 0.8 * len(words | each) for each in before if words or each) >= 2:
            return number
        before.append(words)
    return None


def packages() -> dict[str, Rule]:
    """List the guards that are installed; say on stderr which are not. Each message is a call of theirs."""
    found: dict[str, Rule] = {}
    for name, module, rule in (
        ("agentloopguard-sdk", "agentloopguard", _loop_guard),
        ("agent-budget-guard-py", "agentguard.loop", _budget_guard),
    ):
        try:
            loaded = importlib.import_module(module)
        except ImportError:  # noqa: PERF203 - there are two
            sys.stderr.write(f"{name} is not installed, and not measured\n")
        else:
            found[name] = lambda each, loaded=loaded, rule=rule: rule(loaded, each)
    return found


def _loop_guard(package: Any, conversation: Conversation) -> int | None:
    alarms: list[Any] = []
    session = package.LoopGuard(on_alert="ignore", alert_callback=alarms.append).session()
    for number, name, arguments, text in _steps(conversation):
        session.record({"tool_name": name, "tool_args": arguments, "output": text})
        if alarms:
            return number
    return None


def _budget_guard(package: Any, conversation: Conversation) -> int | None:
    monitor = package.LoopMonitor()
    for number, name, arguments, _ in _steps(conversation):
        if monitor.observe(package.call_signature(name, arguments), number + 1) is not None:
            return number
    return None


def _steps(conversation: Conversation) -> Iterator[tuple[int, str, dict[str, Any], str]]:
    """Give what they are to see of each message: the call it makes, or else who says what."""
    for number, message in enumerate(conversation["messages"]):
        text = message.get("content") or ""
        calls = _calls(message)
        for name, arguments in calls:
            yield number, name, {"arguments": _canonical(arguments)}, text
        if not calls:
            yield number, message["sender"] or "?", {"text": text}, text
