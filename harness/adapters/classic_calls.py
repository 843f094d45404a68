"""Where classic AutoGen runs code, asks a human, or has a speaker picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.adapters import classic_assistants, classic_models, classic_tools
from harness.adapters.classic_seam import Watcher
from harness.adapters.classic_setup import code_in_docker, sandboxed
from harness.adapters.seam import Value, a_through, failed, make_call, through, up, within
from harness.call import Call, StoppedError
from harness.model import Json, Operation
from harness.trace import safely

if TYPE_CHECKING:
    from harness.adapters.patching import Function


def attach(adapter: Watcher, agent: type, group: type, wrapper: type) -> None:
    """Put hooks for every kind of call onto the framework's agent, group chat and model wrapper classes."""
    classic_models.attach(adapter, wrapper)
    classic_tools.attach(adapter, agent)
    wrap = adapter.patches.wrap
    wrap(agent, "run_code", lambda original: _run_code(adapter, original))
    wrap(agent, "get_human_input", lambda original: _human(adapter, original))
    wrap(agent, "a_get_human_input", lambda original: _a_human(adapter, original))
    wrap(group, "select_speaker", lambda original: _select(adapter, original))
    wrap(group, "a_select_speaker", lambda original: _a_select(adapter, original))
    wrap(group, "_prepare_and_select_agents", _eligible)


@safely
def prepare(adapter: Watcher, agent: Any) -> None:
    """Put hooks onto what an agent brings along: an executor of any class, a human input method of its own."""
    executor = getattr(agent, "_code_executor", None)
    wrap_all = adapter.patches.wrap_all
    if executor is not None:
        wrap_all(type(executor), "execute_code_blocks", lambda original: _execute_code(adapter, original))
    if getattr(agent, "human_input_mode", None) != "NEVER":
        wrap_all(type(agent), "get_human_input", lambda original: _human(adapter, original))
        wrap_all(type(agent), "a_get_human_input", lambda original: _a_human(adapter, original))
    classic_assistants.prepare(adapter, agent)


# Code ----------------------------------------------------------------------------------------------------------------


def _execute_code(adapter: Watcher, original: Function) -> Function:
    def execute_code_blocks(executor: Any, code_blocks: Any, *args: Any, **kwargs: Any) -> Any:
        if within(Operation.CODE):
            return original(executor, code_blocks, *args, **kwargs)

        def asked() -> Call:
            blocks = [{"language": block.language, "code": block.code} for block in code_blocks]
            named = {
                semconv.HARNESS_CODE_EXECUTOR: type(executor).__name__,
                semconv.HARNESS_CODE_SANDBOXED: sandboxed(executor),
            }
            return make_call(Operation.CODE, None, {"blocks": blocks}, named)

        return through(
            adapter,
            asked,
            lambda: original(executor, code_blocks, *args, **kwargs),
            lambda result: {"exit_code": result.exit_code, "output": result.output},
            _code_result,
        )

    return execute_code_blocks


def _code_result(value: Value) -> Any:
    from autogen.coding.base import CodeResult

    return CodeResult(exit_code=value.get("exit_code") or 0, output=value.get("output") or "")


def _run_code(adapter: Watcher, original: Function) -> Function:
    def run_code(agent: Any, code: Any, *args: Any, **kwargs: Any) -> Any:
        def asked() -> Call:
            blocks = [{"language": kwargs.get("lang") or "python", "code": code}]
            docker = code_in_docker(kwargs)
            named = {
                semconv.HARNESS_CODE_EXECUTOR: "docker" if docker else "local",
                semconv.HARNESS_CODE_SANDBOXED: docker,
            }
            return make_call(Operation.CODE, agent, {"blocks": blocks}, named)

        return through(
            adapter,
            asked,
            lambda: original(agent, code, *args, **kwargs),
            lambda result: {"exit_code": result[0], "output": result[1]},
            lambda value: (value.get("exit_code") or 0, value.get("output") or "", None),
        )

    return run_code


# Humans --------------------------------------------------------------------------------------------------------------


def _human(adapter: Watcher, original: Function) -> Function:
    def get_human_input(agent: Any, prompt: Any, *args: Any, **kwargs: Any) -> Any:
        if within(Operation.HUMAN):
            return original(agent, prompt, *args, **kwargs)
        answer = through(
            adapter,
            lambda: make_call(Operation.HUMAN, agent, {"prompt": prompt}),
            lambda: original(agent, prompt, *args, **kwargs),
            lambda typed: {"input": typed},
            lambda value: _typed_again(agent, value),
        )
        _note_typed(answer)
        return answer

    return get_human_input


def _a_human(adapter: Watcher, original: Function) -> Function:
    async def a_get_human_input(agent: Any, prompt: Any, *args: Any, **kwargs: Any) -> Any:
        if within(Operation.HUMAN):
            return await original(agent, prompt, *args, **kwargs)
        answer = await a_through(
            adapter,
            lambda: make_call(Operation.HUMAN, agent, {"prompt": prompt}),
            lambda: original(agent, prompt, *args, **kwargs),
            lambda typed: {"input": typed},
            lambda value: _typed_again(agent, value),
        )
        _note_typed(answer)
        return answer

    return a_get_human_input


def _typed_again(agent: Any, value: Value) -> Json:
    """Give what was typed when it was recorded; the agent keeps it, as it keeps what is typed live."""
    kept = getattr(agent, "_human_input", None)
    if isinstance(kept, list):
        kept.append(value.get("input"))
    return value.get("input")


@safely
def _note_typed(answer: object) -> None:
    """Let the turn know what the person typed: it may end the conversation."""
    turn = up(Operation.TURN)
    if turn is not None:
        turn.notes["human"] = answer


# Speakers ------------------------------------------------------------------------------------------------------------


def _select(adapter: Watcher, original: Function) -> Function:
    def select_speaker(group: Any, last: Any, selector: Any, *args: Any, **kwargs: Any) -> Any:
        adapter.heard()
        with _nobody():
            return through(
                adapter,
                lambda: _selection(group, last, selector),
                lambda: original(group, last, selector, *args, **kwargs),
                lambda chosen: {"choice": getattr(chosen, "name", None)},
                lambda value: group.agent_by_name(value.get("choice")),
            )

    return select_speaker


def _a_select(adapter: Watcher, original: Function) -> Function:
    async def a_select_speaker(group: Any, last: Any, selector: Any, *args: Any, **kwargs: Any) -> Any:
        adapter.heard()
        with _nobody():
            return await a_through(
                adapter,
                lambda: _selection(group, last, selector),
                lambda: original(group, last, selector, *args, **kwargs),
                lambda chosen: {"choice": getattr(chosen, "name", None)},
                lambda value: group.agent_by_name(value.get("choice")),
            )

    return a_select_speaker


def _eligible(original: Function) -> Function:
    """Note whom the group's own rules leave to choose from: its transitions, and whether one may speak again."""

    def _prepare_and_select_agents(group: Any, *args: Any, **kwargs: Any) -> Any:
        found = original(group, *args, **kwargs)
        _note_eligible(found)
        return found

    return _prepare_and_select_agents


@safely
def _note_eligible(found: Any) -> None:
    selection = up(Operation.SELECTION)
    agents = found[1]
    # What a die or a person chose is played back for the same request, which names the whole group.
    if selection is None or not agents or selection.record["attributes"].get(_METHOD) in {"random", "manual"}:
        return
    selection.notes["end"] = {semconv.HARNESS_SELECTION_CANDIDATES: [agent.name for agent in agents]}


_METHOD = semconv.HARNESS_SELECTION_METHOD


class _nobody:  # noqa: N801 - reads as a statement
    """Note for the conversation that nobody may speak next; in a run that was stopped nobody may."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        conversation = up(Operation.CONVERSATION)
        if isinstance(error, StoppedError) and error.ends:
            if conversation is not None:
                conversation.notes["stopped"] = error
            raise _no_speaker()(str(error)) from None
        if error is not None and conversation is not None and failed(error).value is not None:
            conversation.notes["no_speaker"] = str(error) or "no eligible speaker"


def _no_speaker() -> type[Exception]:
    """Find the framework's own exception for that: the way its group chats end without one."""
    from autogen import exception_utils

    names = ("NoEligibleSpeakerError", "NoEligibleSpeaker")
    found: type[Exception] = next(getattr(exception_utils, name) for name in names if hasattr(exception_utils, name))
    return found


def _selection(group: Any, last: Any, selector: Any) -> Call:
    method = getattr(group, "speaker_selection_method", None)
    request = {
        "method": method.lower() if isinstance(method, str) else "custom",
        "candidates": [agent.name for agent in group.agents],
        "last": getattr(last, "name", None),
    }
    return make_call(Operation.SELECTION, selector, request)
