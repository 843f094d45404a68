"""The error that a program gets where its guard raises: the OpenAI client's for a limit, with AgentWall's body.

So what a program does about that gateway's answer, it does about this; and no client asks again, for none has been
asked.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from harness.call import StoppedError
from harness.model import Json

LOOP: Final = "loop_detected"
BUDGET: Final = "budget_exceeded"
LIMIT: Final = "run_limit_exceeded"
KILLED: Final = "run_killed"
_CODES: Final[Mapping[str, str]] = {
    LOOP: "agentwall_loop",
    BUDGET: "agentwall_budget",
    LIMIT: "agentwall_limit",
    KILLED: "agentwall_killed",
}
_STATUS = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a run was stopped: the *kind* is one of AgentWall's error types, *more* are further fields of its body.

    *code* is the check that found it, if one did, and *limit* the limit that was reached.
    """

    kind: str
    reason: str
    code: str | None = None
    limit: str | None = None
    more: Mapping[str, Json] = field(default_factory=dict)

    def body(self, run_id: str) -> dict[str, Json]:
        """Write it as AgentWall's gateway answers."""
        said = {"message": self.reason, "type": self.kind, "code": _CODES[self.kind], "run_id": run_id}
        return {"error": {**said, **self.more}}


def refusal(why: Why, run_id: str) -> StoppedError:
    """Make the error for a run that was stopped; without the OpenAI client it is a StoppedError with the same text."""
    body = why.body(run_id)
    text = f"Error code: {_STATUS} - {body}"
    kind = _kind()
    if kind is None:
        return StoppedError(text, ends=False)
    made: StoppedError = kind(text, body["error"])
    return made


@functools.cache
def _kind() -> Any:  # noqa: ANN401 - a class with two unlike constructors
    """Make the class that is both errors, so that either name catches it."""
    try:
        import openai
    except ImportError:
        return None
    # The client brings httpx or, in newer versions, httpx2.
    http = sys.modules[type(openai.DEFAULT_CONNECTION_LIMITS).__module__.partition(".")[0]]

    def __init__(error: Any, text: str, body: Mapping[str, Json]) -> None:  # noqa: ANN401, N807 - it is one
        request = http.Request("POST", "http://guard.invalid")
        response = http.Response(_STATUS, request=request, headers={"x-should-retry": "false"}, json={"error": body})
        openai.RateLimitError.__init__(error, text, response=response, body=body)
        error.hint, error.ends = "", False

    fields = {"__init__": __init__, "__doc__": StoppedError.__doc__, "__module__": StoppedError.__module__}
    return type("StoppedError", (openai.RateLimitError, StoppedError), fields)
