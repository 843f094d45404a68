"""Play a recording up to a point, and go on for real from there: with the models themselves, or with others.

The point is a message: what is asked before it is spoken is answered by the cassette, everything after it by the world.
Without one, it is the end of the recording: where an agent has used up what was recorded for it, it goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from harness.call import Call, Reply
from harness.errors import UsageError
from harness.model import Operation
from harness.scopes import current

if TYPE_CHECKING:
    from .replaying import Replay

VARIABLE = "HARNESS_FORK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Where a replay goes on for real, and what changes there.

    *message* is the number of the last message that is played, from 1; with 0 nothing is played, and with None all that
    was recorded is. *model* takes the place of every agent's, *prompts* that of the system message of those it names.
    *says* are numbers of conversations that the program began, each with what who began it says when it is over, as if
    it were not. What is said so is a conversation with the next number.
    """

    message: int | None = None
    model: str | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    says: tuple[tuple[int, str], ...] = ()

    @property
    def text(self) -> str:
        """Say it in a few words."""
        played = "all that was recorded" if self.message is None else f"message {self.message}"
        changed = [f"with the model {self.model!r}"] if self.model else []
        changed += [f"with another prompt for {agent!r}" for agent in self.prompts]
        changed += [f"with {len(self.says)} more message{'' if len(self.says) == 1 else 's'}"] if self.says else []
        return ", ".join([f"up to {played}", *changed])


def environment(fork: Fork | None) -> dict[str, str]:
    """Write what ``from_environment`` reads, for a program in a process of its own."""
    return {VARIABLE: json.dumps(asdict(fork))} if fork is not None else {}


def from_environment() -> Fork | None:
    """Read where the program shall go on for real, if it shall. Raises UsageError for what says nothing."""
    told = os.environ.get(VARIABLE)
    try:
        if not told:
            return None
        known = json.loads(told)
        return Fork(**{**known, "says": tuple((int(number), str(text)) for number, text in known.get("says", ()))})
    except (ValueError, TypeError) as error:
        raise UsageError(f"{VARIABLE} does not say where to fork: {error}") from error


class Forking:
    """An interceptor that lets a replay answer up to the fork, and nobody after it."""

    def __init__(self, replay: Replay, fork: Fork) -> None:
        """Play *replay* up to *fork*."""
        self.replay = replay
        self.fork = fork

    def __call__(self, call: Call) -> Generator[Call, Reply, Reply]:
        """Have *call* answered by whoever it is up to."""
        if not self._gone_on(call):
            return (yield from self.replay(call))
        reply = yield from self.replay.live(call)
        return reply

    def amend(self, agent: str | None) -> Mapping[str, str]:
        """Say what *agent*'s model call shall have instead of its own: nothing before the fork."""
        if not (self._spoken() if self.fork.message is not None else self.replay.used_up(Operation.CHAT, agent)):
            return {}
        prompt = self.fork.prompts.get(agent or "")
        return {
            **({"model": self.fork.model} if self.fork.model else {}),
            **({"prompt": prompt} if prompt is not None else {}),
        }

    def _gone_on(self, call: Call) -> bool:
        return self._spoken() if self.fork.message is not None else self.replay.over(call)

    def _spoken(self) -> bool:
        """Say whether the last message that is played has been spoken in the run that goes on here."""
        scope = current()
        spoken = scope.run.messages if scope is not None else 0
        return self.fork.message is not None and spoken >= self.fork.message
