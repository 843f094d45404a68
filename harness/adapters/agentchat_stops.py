"""How a team of AgentChat ends that was stopped: its manager says so, as it does of every other ending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.adapters.seam import Adapter, up
from harness.call import StoppedError
from harness.model import Operation

if TYPE_CHECKING:
    from harness.adapters.patching import Function


async def end(manager: Any, error: StoppedError) -> bool:
    """Let *manager* end its team for what *error* says; say whether that could be done and was to be."""
    if not error.ends or not hasattr(manager, "_signal_termination"):
        return False
    from autogen_agentchat.messages import StopMessage

    conversation = up(Operation.CONVERSATION)
    if conversation is not None:
        conversation.notes["stopped"] = error
    if manager._termination_condition is not None:  # noqa: SLF001 - as the manager does at every ending
        await manager._termination_condition.reset()  # noqa: SLF001
    manager._current_turn = 0  # noqa: SLF001
    await manager._signal_termination(StopMessage(content=str(error), source=manager._name))  # noqa: SLF001
    return True


def applied(adapter: Adapter, original: Function) -> Function:
    """Let a team whose own conditions let it go on end all the same where its run is stopped."""

    async def _apply_termination_condition(manager: Any, *args: Any, **kwargs: Any) -> bool:
        over: bool = await original(manager, *args, **kwargs)
        if over:
            return True
        stopped = adapter.recording.stops.stopped()
        if stopped is None:
            return False
        if not await end(manager, stopped):
            raise stopped
        return True

    return _apply_termination_condition


def ending(original: Function) -> Function:
    """Let a manager that may not pick a speaker, or take its next step, end its team."""

    async def picking(manager: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await original(manager, *args, **kwargs)
        except StoppedError as error:
            if not await end(manager, error):
                raise

    return picking
