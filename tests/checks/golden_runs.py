"""Read golden runs: small files that tell a run in lines to review. ``golden/README.md`` has their form."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from harness import check, checks
from harness.check.registry import classes
from harness.model import Event, Finding, Operation, Status
from tests.checks.talks import Talk, call, result

FOLDER = Path(__file__).parent / "golden"


NAMES = {
    "fault": "HARNESS_FAULT",
    "guard": "HARNESS_GUARD",
    "limit": "HARNESS_GUARD_LIMIT",
    "code": "HARNESS_GUARD_CODE",
    "text": "HARNESS_GUARD_TEXT",
}
NOTED = frozenset({"fault", "guard"})


@cache
def ours() -> tuple[type[check.Check], ...]:
    """List the checks that this checkout brings, whatever is installed."""
    names = [f"{checks.__name__}.{module.name}" for module in pkgutil.iter_modules(checks.__path__)]
    found = {kind.code: kind for name in names for kind in classes(import_module(name))}
    return tuple(found[code] for code in sorted(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """One golden run, and by what it is judged."""

    about: str
    settings: check.Settings
    events: list[Event]
    extra: tuple[type[check.Check], ...] = ()

    def findings(self) -> list[Finding]:
        """Judge it by every check of ours."""
        judging = check.Judge(self.settings, checks=[*ours(), *self.extra])
        found = [finding for event in self.events for finding in judging.see(event)]
        return [*found, *judging.finish()]


def read(path: Path) -> Golden:
    """Read the golden run at *path*."""
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    unknown = told.keys() - {"about", "limits", "prices", "thresholds", "mode", "check", "run"}
    assert not unknown, f"{path}: {unknown}"
    talk = Talk(told.get("mode"))
    _tell(talk, told["run"], None)
    module, _, name = told.get("check", "").partition(":")
    return Golden(
        about=told["about"],
        settings=check.Settings(
            limits=told.get("limits", {}),
            prices={model: (given, taken) for model, (given, taken) in told.get("prices", {}).items()},
            thresholds=told.get("thresholds", {}),
        ),
        events=talk.events(),
        extra=(getattr(import_module(module), name),) if module else (),
    )


def written(findings: Iterable[Finding]) -> str:
    """Write *findings* as text to review."""
    return "\n".join(
        f"{each.code} {each.name} {each.severity.value} at {each.seq}\n  {each.text}\n  "
        + json.dumps(dict(each.evidence), sort_keys=True, ensure_ascii=False)
        + "\n"
        for each in findings
    )


def _tell(talk: Talk, items: Iterable[Any], parent: str | None) -> None:
    for item in items:
        _one(talk, item, parent)


def _one(talk: Talk, item: Any, parent: str | None) -> None:
    if isinstance(item, str) or "from" in item:
        assert parent is not None, "messages are said in a conversation"
        return _message(talk, item, parent)
    if "repeat" in item:
        for number in range(item["repeat"]):
            _tell(talk, _numbered(item["said"], number), parent)
        return None
    if "conversation" in item:
        return _conversation(talk, item, parent)
    if "turn" in item:
        turn = talk.span(Operation.TURN, parent=parent, GEN_AI_AGENT=item["turn"])
        return _tell(talk, item.get("said", ()), turn)
    if NOTED & item.keys():
        told = {NAMES[key]: value for key, value in item.items()}
        talk.span(Operation.OTHER, parent=parent, **told)
        return None
    return _call(talk, item, parent)


def _numbered(value: Any, number: int) -> Any:
    """Put *number* for ``{n}`` wherever it stands."""
    if isinstance(value, str):
        return value.replace("{n}", str(number))
    if isinstance(value, list):
        return [_numbered(each, number) for each in value]
    if isinstance(value, dict):
        return {key: _numbered(each, number) for key, each in value.items()}
    return value


def _message(talk: Talk, item: str | Mapping[str, Any], parent: str) -> None:
    if isinstance(item, str):
        talk.say(parent, item)
        return
    parts: list[Mapping[str, Any]] = [{"type": "text", "content": item["text"]}] if "text" in item else []
    parts += [call(each["name"], each.get("arguments", {}), each.get("id", "call")) for each in item.get("calls", ())]
    parts += [result(each, item.get("id", "call")) for each in item.get("results", ())]
    talk.say(parent, (item["from"], parts), role=item.get("role", "assistant"), to=item.get("to", ["all"]))


def _conversation(talk: Talk, item: Mapping[str, Any], parent: str | None) -> None:
    about = dict(item["conversation"] or {})
    more = {}
    if "agents" in about:
        more["HARNESS_AGENTS"] = json.dumps(about["agents"])
    for key, name in (
        ("limit", "HARNESS_ENDING_DETAIL"),
        ("by", "HARNESS_ENDING_AGENT"),
        ("pattern", "HARNESS_CONVERSATION_PATTERN"),
        ("framework", "HARNESS_FRAMEWORK"),
        ("capture", "HARNESS_CAPTURE"),
    ):
        if key in about:
            more[name] = about[key]
    if "error" in about:
        more["ERROR_TYPE"], _, more["ERROR_MESSAGE"] = about["error"].partition(": ")
    said = [lambda me, each=each: _one(talk, each, me) for each in item.get("said", ())]
    status = Status(about.get("status", "ok"))
    talk.conversation(*said, parent=parent, ending=about.get("ending", "unknown"), status=status, **more)


def _call(talk: Talk, item: Mapping[str, Any], parent: str | None) -> None:
    kinds = {"chat": Operation.CHAT, "tool": Operation.TOOL, "code": Operation.CODE, "human": Operation.HUMAN}
    kinds["pick"] = Operation.SELECTION
    kind = next(kind for kind in kinds if kind in item)
    names = {
        "model": "GEN_AI_REQUEST_MODEL",
        "input": "HARNESS_HUMAN_INPUT" if kind == "human" else "GEN_AI_INPUT_TOKENS",
        "output": "HARNESS_CODE_OUTPUT" if kind == "code" else "GEN_AI_OUTPUT_TOKENS",
        "cost": "GEN_AI_COST",
        "cached": "HARNESS_CACHE_HIT",
        "max_tokens": "GEN_AI_REQUEST_MAX_TOKENS",
        "retries": "HARNESS_RETRIES",
        "by": "GEN_AI_AGENT",
        "http": "HTTP_STATUS",
        "exit": "HARNESS_CODE_EXIT",
        "executor": "HARNESS_CODE_EXECUTOR",
        "sandboxed": "HARNESS_CODE_SANDBOXED",
        "choice": "HARNESS_SELECTION_CHOICE",
        "method": "HARNESS_SELECTION_METHOD",
        "candidates": "HARNESS_SELECTION_CANDIDATES",
    }
    found = {name: item[key] for key, name in names.items() if key in item}
    if kind in {"chat", "human", "pick"}:
        found["GEN_AI_AGENT"] = item[kind]
    if kind == "tool":
        found["GEN_AI_TOOL_NAME"] = item["tool"]
        found["GEN_AI_TOOL_ARGUMENTS"] = json.dumps(item.get("arguments", {}))
        found |= {"GEN_AI_TOOL_RESULT": json.dumps(item["result"])} if "result" in item else {}
    if kind == "code":
        found["HARNESS_CODE_BLOCKS"] = json.dumps([{"language": item.get("language", "python"), "code": item["code"]}])
    if "asks" in item:
        said = [{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in item["asks"]]
        found["GEN_AI_INPUT_MESSAGES"] = json.dumps(said)
    if "tools" in item:
        tools = [{"type": "function", "function": {"name": name}} for name in item["tools"]]
        found["GEN_AI_TOOL_DEFINITIONS"] = json.dumps(tools)
    if "calls" in item:
        parts = [call(each["name"], each.get("arguments", {})) for each in item["calls"]]
        found["GEN_AI_OUTPUT_MESSAGES"] = json.dumps([{"role": "assistant", "parts": parts}])
    if "finish" in item:
        found["GEN_AI_FINISH_REASONS"] = [item["finish"]]
    if "error" in item:
        error, _, why = item["error"].partition(": ")
        found |= {"ERROR_TYPE": error, "ERROR_MESSAGE": why}
    status = Status.ERROR if "error" in item else Status.OK
    talk.span(kinds[kind], parent=parent, status=status, seconds=item.get("seconds", 0), **found)
