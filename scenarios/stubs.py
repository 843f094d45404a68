"""Answer tools, code and people as a scenario says, while it is recorded and while it is played."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING

from harness import semconv
from harness.call import Call, Reply
from harness.errors import UsageError
from harness.model import Operation

from .exchanges import Outcome

if TYPE_CHECKING:
    from harness.model import Json

VARIABLE = "HARNESS_STUBS"


class Stubs:
    """An interceptor that answers calls of some kinds by itself; the others go on."""

    def __init__(self, answers: Mapping[Operation, Json]) -> None:
        """*answers* has for each kind one answer, or a mapping from names to answers (see ``modes``)."""
        self._answers = answers

    def __bool__(self) -> bool:
        return bool(self._answers)

    def __call__(self, call: Call) -> Generator[Call, Reply, Reply]:
        """Answer *call* if it is stubbed."""
        value = self.answer(call)
        if value is None:
            return (yield call)
        return Reply(value=value, attributes={semconv.HARNESS_REPLAY_VERDICT: Outcome.STUB.value})

    def answer(self, call: Call) -> dict[str, Json] | None:
        """Give the reply's value, an object of the program's own; None if *call* is not stubbed."""
        if call.operation not in self._answers:
            return None
        given = self._answers[call.operation]
        if call.operation is Operation.CODE:
            return {"exit_code": 0, "output": given} if isinstance(given, str) else dict(given)
        if isinstance(given, Mapping):
            name = call.request.get("name") if call.operation is Operation.TOOL else call.agent
            if name not in given:
                return None
            given = given[name]
        return {"result" if call.operation is Operation.TOOL else "input": copy.deepcopy(given)}


def environment(answers: Mapping[Operation, Json]) -> dict[str, str]:
    """Write what ``from_environment`` reads, for a program in a process of its own."""
    return {VARIABLE: json.dumps({kind.value: answer for kind, answer in answers.items()})} if answers else {}


def from_environment() -> Stubs:
    """Read the stubs that the program's scenario asks for. Raises UsageError for what is none."""
    text = os.environ.get(VARIABLE)
    if not text:
        return Stubs({})
    try:
        return Stubs({Operation(kind): answer for kind, answer in json.loads(text).items()})
    except (ValueError, AttributeError) as error:
        hint = 'It is a JSON object such as {"human": "yes"}.'
        raise UsageError(f"{VARIABLE} does not say what stubs answer: {error}", hint=hint) from error
