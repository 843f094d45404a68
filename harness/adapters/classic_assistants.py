"""Where classic AutoGen waits for an assistant that OpenAI keeps: its ``GPTAssistantAgent``, up to pyautogen 0.9.

It posts what is new to a thread, starts a run of it, and then waits for that in ``_get_run_response``, which is found
by name each time. The wait is recorded as one model call, with the whole thread as it was asked. The functions that
the assistant wants meanwhile are inside, and the tokens are those of the run as a whole: nobody tells them apart.
Only what it says is played back: the thread is at OpenAI, and to build such an agent takes its network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.adapters import classic_messages as native
from harness.adapters.classic_seam import Watcher
from harness.adapters.seam import Value, make_call, through
from harness.call import Call
from harness.model import Json, Operation
from harness.trace import current

if TYPE_CHECKING:
    from harness.adapters.patching import Function

_RUN = "assistant_run"
_CALLED = {"temperature", "top_p", "max_completion_tokens"}


def prepare(adapter: Watcher, agent: object) -> None:
    """Put hooks onto the class of *agent*, if it is one that asks an assistant."""
    if getattr(agent, "_openai_assistant", None) is not None:
        adapter.patches.wrap_all(type(agent), "_get_run_response", lambda original: _answer(adapter, original))
        adapter.patches.wrap_all(type(agent), "_wait_for_run", _wait)


def _answer(adapter: Watcher, original: Function) -> Function:
    def _get_run_response(agent: Any, thread: Any, run: Any, *args: Any, **kwargs: Any) -> Any:
        return through(
            adapter,
            lambda: _asked(adapter, agent, thread, run),
            lambda: original(agent, thread, run, *args, **kwargs),
            lambda answers: _read(run, answers),
            _again,
        )

    return _get_run_response


def _wait(original: Function) -> Function:
    def _wait_for_run(agent: Any, *args: Any, **kwargs: Any) -> Any:
        run = original(agent, *args, **kwargs)
        scope = current()
        if scope is not None and scope.operation is Operation.CHAT:
            scope.notes[_RUN] = run
        return run

    return _wait_for_run


def _asked(adapter: Watcher, agent: Any, thread: Any, run: Any) -> Call:
    partner = next((who for who, its in agent._openai_threads.items() if its.id == thread.id), None)  # noqa: SLF001
    said = dict.get(agent._oai_messages, partner) or ()  # noqa: SLF001 - no list springs to life
    told = {"role": "system", "content": getattr(run, "instructions", None) or agent.system_message}
    asked = {
        "model": getattr(run, "model", None),
        "messages": [told, *said],
        "tools": [tool.to_dict() for tool in getattr(run, "tools", None) or ()],
        **{name: value for name in sorted(_CALLED) if (value := getattr(run, name, None)) is not None},
    }
    return make_call(Operation.CHAT, agent, native.request(asked, adapter.messages))


def _read(run: Any, answers: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    """Read what the assistant said; the tokens are in the run as it was when it was over."""
    scope = current()
    over = scope.notes.get(_RUN, run) if scope is not None else run
    parts = [part for answer in answers for part in native.neutral(answer)["parts"]]
    return {
        "message": {"role": "assistant", "parts": parts},
        "finish_reason": "stop",
        "model": getattr(over, "model", None),
        "id": getattr(over, "id", None),
        "usage": native.tokens(getattr(over, "usage", None)),
    }


def _again(value: Value) -> list[dict[str, Json]]:
    parts = (value.get("message") or {}).get("parts") or ()
    return [{"role": "assistant", "content": part.get("content") or ""} for part in parts]
