"""Make each function of the tracing raise in turn, in a real conversation; print what became of it as JSON lines.

A program of its own: under pytest a fault of the tracing is raised instead of being kept from the program.
"""

from __future__ import annotations

import contextvars
import importlib
import inspect
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import harness
from harness import faults, semconv
from harness.store import open_store
from harness.trace import safely
from tests.adapters.stage import autogen
from tests.classic import settled_once
from tests.server import Reply, ScriptedServer, ToolCall

MODULES = (
    "harness.trace",
    "harness.contents",
    "harness.describe",
    "harness.privacy",
    "harness.lines",
    "harness.bridging",
    "harness.journal",
    "harness.adapters.run_ids",
    "harness.adapters.seam",
    "harness.adapters.classic",
    "harness.adapters.classic_agents",
    "harness.adapters.classic_calls",
    "harness.adapters.classic_endings",
    "harness.adapters.classic_messages",
    "harness.adapters.classic_models",
    "harness.adapters.classic_setup",
    "harness.adapters.classic_tools",
)


WORKERS = frozenset(
    {
        "trace:Trace._begin",
        "trace:Trace._emit",
        "contents:Contents.part",
        "contents:Contents.context",
        "trace:Trace.new_run",
        "describe:asked",
        "describe:answered",
        "privacy:Privacy.body",
        "privacy:Privacy.told",
        "bridging:around",
        "journal:Journal.write",
        "adapters.run_ids:find",
        "adapters.seam:make_call",
        "adapters.classic_agents:human",
        "adapters.classic:Classic._body",
        "adapters.classic_endings:conversation_ending",
        "adapters.classic_endings:turn_ending",
        "adapters.classic_messages:arguments",
        "adapters.classic_messages:neutral",
        "adapters.classic_messages:reply",
        "adapters.classic_messages:request",
        "adapters.classic_models:_priced",
        "adapters.classic_setup:describe",
        "adapters.classic_tools:_result",
    }
)
"""What the hooks work with, beside the functions that are guarded themselves."""


def answer(request: dict[str, Any]) -> Any:
    """Answer the same to the same request, whenever it comes."""
    messages = request["messages"]
    prompt, last = str(messages[0]["content"]), messages[-1]
    if "role play" in prompt:
        return "coder" if len(messages) % 2 else "user"
    if last["role"] == "tool":
        return "```python\nprint(6 * 7)\n```"
    if "exitcode" in str(last.get("content")):
        return "Done. TERMINATE"
    return Reply(tool_calls=[ToolCall(id="call_1", name="add", arguments={"a": 1, "b": 2})])


class Typing(autogen.UserProxyAgent):
    """Asks a person, who says nothing."""

    def get_human_input(self, prompt: str, **_: Any) -> str:
        """Type nothing."""
        return ""


def converse(server: ScriptedServer, folder: Path) -> Any:
    """Hold a chat with a tool, code and a human, and a group chat; give what the framework says of them."""
    config = {
        "config_list": [
            {"model": "gpt-4o-mini", "api_key": "scripted-key", "base_url": server.base_url, "price": [0.001, 0.002]}
        ],
        "cache_seed": None,
    }

    def ends(message: dict[str, Any]) -> bool:
        return "TERMINATE" in str(message.get("content") or "")

    executor = autogen.coding.LocalCommandLineCodeExecutor(work_dir=folder / "code", timeout=60)
    execution = {"executor": executor}
    user = Typing("user", human_input_mode="ALWAYS", code_execution_config=execution, is_termination_msg=ends)
    coder = autogen.AssistantAgent("coder", llm_config=config, system_message="You code.", is_termination_msg=ends)

    @user.register_for_execution()
    @coder.register_for_llm(description="Add.")
    def add(a: int, b: int) -> int:
        return a + b

    one = user.initiate_chat(coder, message="Add one and two.", max_turns=6, silent=True)
    group = autogen.GroupChat([user, coder], messages=[], max_round=4)
    manager = autogen.GroupChatManager(group, llm_config=config, is_termination_msg=ends, silent=True)
    two = user.initiate_chat(manager, message="Add them again.", silent=True)
    costs = [result.cost["usage_including_cached_inference"]["total_cost"] for result in (one, two)]
    return [one.chat_history, one.summary, two.chat_history, group.messages, costs]


def targets() -> Iterator[tuple[str, Any, str, Any]]:
    """Give each function of the tracing with where it is found."""
    for name in MODULES:
        module = importlib.import_module(name)
        for owner in (module, *(each for each in vars(module).values() if inspect.isclass(each))):
            if owner is not module and owner.__module__ != name:
                continue
            for attribute, found in list(vars(owner).items()):
                if not inspect.isfunction(found) or found.__module__ != name:
                    continue
                place = f"{name.removeprefix('harness.')}:{found.__qualname__}"
                if found.__code__ is GUARD or place in WORKERS:
                    yield place, owner, attribute, found


class Heard(logging.Handler):
    """Counts what the harness logs."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.said.append(record.getMessage())


def broken(*_args: Any, **_kwargs: Any) -> Any:
    """Fail, as the tracing might."""
    raise ZeroDivisionError("injected: sk-injectedinjectedinjected")


GUARD = safely(broken).__code__


def failing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give what fails in the place of *function*, behind the same guard that it has."""
    guarded = getattr(function, "__code__", None) is GUARD
    return safely(broken) if guarded else broken


def everywhere(owner: Any, attribute: str, function: Callable[..., Any]) -> list[Any]:
    """List the places where *function* is looked up: its class, or every module of ours that imported it."""
    if inspect.isclass(owner):
        return [owner]
    ours = [module for name, module in list(sys.modules.items()) if name.startswith("harness.")]
    return [module for module in ours if vars(module).get(attribute) is function]


def main(folder: Path, only: list[str]) -> None:
    """Try them all."""
    heard = Heard()
    log = logging.getLogger("harness")
    log.addHandler(heard)
    log.propagate = False
    os.chdir(folder)
    settled_once()
    kept: Callable[..., Any]
    store = folder / "store"
    outcomes: list[tuple[int, int, dict[str, Any]]] = []
    with ScriptedServer(answer) as server:
        harness.uninstrument()
        expected = json.dumps(converse(server, folder))
        for name, owner, attribute, kept in list(targets()):
            if only and name not in only:
                continue
            heard.said.clear()
            faults.counted.clear()
            since_ns = time.time_ns()
            harness.instrument(store)
            places = everywhere(owner, attribute, kept)
            for place in places:
                setattr(place, attribute, staticmethod(failing(kept)) if inspect.isclass(place) else failing(kept))
            told = {"fault": name, "same": False, "error": None}
            try:
                said = contextvars.copy_context().run(converse, server, folder)  # a scope left open stays in there
                told["same"] = json.dumps(said) == expected
            except BaseException as error:  # noqa: BLE001
                told["error"] = repr(error)
            finally:
                for place in places:
                    setattr(place, attribute, kept)
            harness.uninstrument()
            told.update(counted=dict(faults.counted), logged=heard.said[:])
            outcomes.append((since_ns, time.time_ns(), told))
    causes = written(store)
    for since_ns, until_ns, told in outcomes:
        told["told"] = sorted({cause for at_ns, cause in causes if since_ns <= at_ns <= until_ns})
        print(json.dumps(told), flush=True)  # noqa: T201


def written(store: Path) -> list[tuple[int, str]]:
    """List the faults that *store* tells of, with when they were written."""
    opened = open_store(store)
    opened.ingest()
    spans = [span for summary in opened.runs(limit=10_000) for span in opened.run(summary.run_id).spans]
    return [(span.start_ns, cause) for span in spans if (cause := span.attributes.get(semconv.HARNESS_FAULT))]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
