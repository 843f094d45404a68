"""Where AgentChat runs code, asks a human, or has a speaker picked."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.adapters.agentchat_models import Watcher
from harness.adapters.agentchat_stops import ending
from harness.adapters.seam import Value, a_through, make_call, through, up, within
from harness.call import Call
from harness.model import Operation
from harness.trace import safely

if TYPE_CHECKING:
    from harness.adapters.patching import Function


def attach(  # noqa: PLR0913, PLR0917 - each is a class of the framework's
    adapter: Watcher, executor: type, coder: type, proxy: type, manager: type, orchestrator: type
) -> None:
    """Put hooks onto every class of code executors, user proxies and team managers, and onto Magentic-One's own.

    *coder* is the agent that runs code, and may ask for approval first.
    """
    patches = adapter.patches

    @safely
    def executes(cls: type) -> None:
        patches.wrap(cls, "execute_code_blocks", lambda original: _execute_code(adapter, original))

    @safely
    def asks(cls: type) -> None:
        patches.wrap(cls, "_get_input", lambda original: _human(adapter, original))

    @safely
    def selects(cls: type) -> None:
        if not issubclass(cls, orchestrator):
            patches.wrap(cls, "select_speaker", lambda original: _select(adapter, original))
        patches.wrap(cls, "_select_speaker", _candidates)

    patches.each(executor, executes)
    patches.each(proxy, asks)
    patches.each(manager, selects)
    patches.watch(coder, "_approval_func", lambda agent, approve: _approval(adapter, agent, approve))
    patches.wrap(orchestrator, "_orchestrate_step", lambda original: ending(_orchestrate(adapter, original)))


# Code ----------------------------------------------------------------------------------------------------------------


def _execute_code(adapter: Watcher, original: Function) -> Function:
    async def execute_code_blocks(executor: Any, code_blocks: Any, *args: Any, **kwargs: Any) -> Any:
        if within(Operation.CODE):
            return await original(executor, code_blocks, *args, **kwargs)

        def asked() -> Call:
            blocks = [{"language": block.language, "code": block.code} for block in code_blocks]
            about = {semconv.HARNESS_CODE_EXECUTOR: type(executor).__name__, **sandbox(executor), **adapter.about()}
            return make_call(Operation.CODE, None, {"blocks": blocks}, about)

        return await a_through(
            adapter,
            asked,
            lambda: original(executor, code_blocks, *args, **kwargs),
            lambda result: {"exit_code": result.exit_code, "output": result.output},
            _code_result,
        )

    return execute_code_blocks


def _code_result(value: Value) -> Any:
    from autogen_core.code_executor import CodeResult

    return CodeResult(exit_code=value.get("exit_code") or 0, output=value.get("output") or "")


def sandbox(executor: object) -> Value:
    """Say whether code runs apart from this machine, as far as the executor's class tells; empty if it does not."""
    name = type(executor).__name__
    if "Docker" in name or name.startswith("ACA"):
        return {semconv.HARNESS_CODE_SANDBOXED: True}
    return {semconv.HARNESS_CODE_SANDBOXED: False} if name.startswith(("Local", "Jupyter")) else {}


# Humans --------------------------------------------------------------------------------------------------------------


def _human(adapter: Watcher, original: Function) -> Function:
    async def _get_input(agent: Any, prompt: Any, *args: Any, **kwargs: Any) -> Any:
        if within(Operation.HUMAN):
            return await original(agent, prompt, *args, **kwargs)
        return await a_through(
            adapter,
            lambda: make_call(Operation.HUMAN, agent, {"prompt": prompt}, adapter.about()),
            lambda: original(agent, prompt, *args, **kwargs),
            lambda typed: {"input": typed},
            lambda value: value.get("input"),
        )

    return _get_input


def _approval(adapter: Watcher, agent: Any, approve: Any) -> Any:
    """Take whoever approves of code for a person: that is what the framework has the function for."""
    if approve is None or up(Operation.CONVERSATION) is None:
        return approve

    def asked(request: Any) -> Call:
        return make_call(Operation.HUMAN, agent, {"prompt": request.code})

    async def awaited(request: Any) -> Any:
        return await a_through(adapter, lambda: asked(request), lambda: approve(request), _approved, _approval_response)

    def called(request: Any) -> Any:
        return through(adapter, lambda: asked(request), lambda: approve(request), _approved, _approval_response)

    return awaited if inspect.iscoroutinefunction(approve) else called


def _approved(response: Any) -> Value:
    return {"input": f"{_APPROVED if response.approved else _REFUSED}{response.reason}"}


_APPROVED, _REFUSED = "approved: ", "refused: "


def _approval_response(value: Value) -> Any:
    from autogen_agentchat.agents import ApprovalResponse

    said = str(value.get("input") or "")
    approved = said.startswith(_APPROVED)
    return ApprovalResponse(approved=approved, reason=said.removeprefix(_APPROVED if approved else _REFUSED))


# Speakers ------------------------------------------------------------------------------------------------------------

_METHODS = {
    "RoundRobinGroupChatManager": "round_robin",
    "SwarmGroupChatManager": "handoff",
    "GraphFlowManager": "graph",
    "MagenticOneOrchestrator": "ledger",
}


def _select(adapter: Watcher, original: Function) -> Function:
    async def select_speaker(manager: Any, *args: Any, **kwargs: Any) -> Any:
        if within(Operation.SELECTION):
            return await original(manager, *args, **kwargs)
        return await a_through(
            adapter,
            lambda: _selection(manager),
            lambda: original(manager, *args, **kwargs),
            lambda chosen: _chosen(manager, [chosen] if isinstance(chosen, str) else list(chosen)),
            lambda value: str(value.get("choice") or "").split(", "),
        )

    return select_speaker


def _chosen(manager: Any, names: list[str]) -> Value:
    selection = up(Operation.SELECTION)
    if selection is not None and "end" not in selection.notes and method_of(manager) == "auto":
        # A model is asked only where there is a choice: who was chosen without was the only one left.
        selection.notes["end"] = {semconv.HARNESS_SELECTION_CANDIDATES: names}
    return {"choice": ", ".join(names)}


def _selection(manager: Any) -> Call:
    request = {"method": method_of(manager), "candidates": list(manager._participant_names)}  # noqa: SLF001
    return make_call(Operation.SELECTION, manager._name, request)  # noqa: SLF001


def method_of(manager: Any) -> str:
    """Name how *manager* finds the next speaker: by a model it is ``auto``, by the program's own code ``custom``."""
    if getattr(manager, "_selector_func", None) is not None:
        return "custom"
    known = (_METHODS.get(cls.__name__) for cls in type(manager).__mro__)
    return next(filter(None, known), "auto" if hasattr(manager, "_selector_prompt") else "custom")


def _candidates(original: Function) -> Function:
    """Note whom the model may choose from, which is decided only after the program's own functions were asked."""

    async def _select_speaker(manager: Any, roles: Any, participants: Sequence[str], *args: Any, **kwargs: Any) -> Any:
        selection = up(Operation.SELECTION)
        if selection is not None:
            selection.notes["end"] = {
                semconv.HARNESS_SELECTION_METHOD: "auto",
                semconv.HARNESS_SELECTION_CANDIDATES: list(participants),
            }
        return await original(manager, roles, participants, *args, **kwargs)

    return _select_speaker


def _orchestrate(adapter: Watcher, original: Function) -> Function:
    """See a step of Magentic-One as the selection that it is: its ledger names the next speaker, or ends the task."""

    async def _orchestrate_step(manager: Any, *args: Any, **kwargs: Any) -> Any:
        if within(Operation.SELECTION):  # it plans anew, and takes the step again
            return await original(manager, *args, **kwargs)
        chosen: list[str] = []

        async def run() -> Any:
            selection = up(Operation.SELECTION)
            if selection is not None:
                selection.notes["chosen"] = chosen
            return await original(manager, *args, **kwargs)

        return await a_through(
            adapter,
            lambda: _selection(manager),
            run,
            lambda _result: {"choice": ", ".join(chosen) or None},
            lambda _value: None,
        )

    return _orchestrate_step
