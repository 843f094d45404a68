"""Where AG2 1.x runs code or a command that a model wrote: at the adapter above any sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ag2.tools.code.environment import CodeRunResult
from ag2.tools.sandbox import CodeAdapter
from ag2.tools.sandbox.adapter.shell import ShellAdapter

from harness import semconv
from harness.adapters.ag2_setup import executor
from harness.adapters.seam import Value, a_through, make_call, within
from harness.call import Call
from harness.model import Json, Operation
from harness.trace import safely

if TYPE_CHECKING:
    from harness.adapters.ag2 import Ag2
    from harness.adapters.patching import Function

_LOCAL = ("Local",)
_APART = ("Docker", "Daytona", "Tenki")
_FAILED = re.compile(r"\[exit code: (-?\d+)\]$")
_REFUSED = "Command not allowed"


def attach(adapter: Ag2) -> None:
    """Put hooks onto the framework's own ways to run code and commands."""
    adapter.patches.wrap(CodeAdapter, "run", lambda original: _run(adapter, original))
    adapter.patches.wrap(ShellAdapter, "run", lambda original: _run_command(adapter, original))


@safely
def prepare(adapter: Ag2, tools: Iterable[Any]) -> None:
    """Put hooks onto environments of the user's own among *tools*."""
    for tool in tools:
        environment = getattr(tool, "_env", None)
        if environment is not None and not isinstance(environment, CodeAdapter):
            adapter.patches.wrap_all(type(environment), "run", lambda original: _run(adapter, original))


def _asked(adapter: Ag2, inside: Any, language: str, code: str) -> Call:
    name = executor(inside)
    named: dict[str, Json] = {semconv.HARNESS_CODE_EXECUTOR: name}
    if name.startswith((*_LOCAL, *_APART)):
        named[semconv.HARNESS_CODE_SANDBOXED] = name.startswith(_APART)
    block = adapter.messages().ids.hide({"language": language, "code": code})
    return make_call(Operation.CODE, None, {"blocks": [block]}, named)


def _run(adapter: Ag2, original: Function) -> Function:
    async def run(inside: Any, code: str, language: str, **kwargs: Any) -> Any:
        if within(Operation.CODE):
            return await original(inside, code, language, **kwargs)
        return await a_through(
            adapter,
            lambda: _asked(adapter, inside, language, code),
            lambda: original(inside, code, language, **kwargs),
            lambda result: {"exit_code": result.exit_code, "output": adapter.messages().ids.hide(result.output)},
            lambda value: CodeRunResult(output=_output(adapter, value), exit_code=value.get("exit_code") or 0),
        )

    return run


def _run_command(adapter: Ag2, original: Function) -> Function:
    async def run(inside: Any, command: str, **kwargs: Any) -> Any:
        return await a_through(
            adapter,
            lambda: _asked(adapter, inside, "sh", command),
            lambda: original(inside, command, **kwargs),
            lambda output: {"exit_code": _exit_code(output), "output": adapter.messages().ids.hide(output)},
            lambda value: _output(adapter, value),
        )

    return run


def _output(adapter: Ag2, value: Value) -> str:
    return str(adapter.messages().ids.show(value.get("output") or ""))


def _exit_code(output: str) -> int | None:
    """Read the exit code off the text that the model gets; a command that was refused has none."""
    failed = _FAILED.search(output)
    if failed is not None:
        return int(failed[1])
    return None if output.startswith(_REFUSED) else 0
