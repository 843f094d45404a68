"""Put together what answers a program's calls: stubs and a cassette, and after a fork the real thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness import freezing, semconv
from harness.freezing import Freeze

from . import forking, stubs
from .forking import Fork, Forking
from .replaying import Replay, environment
from .stubs import Stubs

if TYPE_CHECKING:
    from pathlib import Path

    from harness.call import Interceptor
    from harness.model import Json
    from harness.recording import Recording

    from .scenario import Scenario

SCENARIO = "HARNESS_SCENARIO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """What answers. *replay* is the cassette's part of it, if there is one; *fork* says where that ends."""

    replay: Replay | None = None
    stubs: Stubs = field(default_factory=lambda: Stubs({}))
    fork: Fork | None = None
    freeze: Freeze = field(default_factory=lambda: Freeze(()))

    @property
    def mode(self) -> str:
        """How it is attached: a replay that goes on for real needs its keys and the network."""
        return "replay" if self.replay is not None and self.fork is None else "record"

    @property
    def interceptors(self) -> tuple[Interceptor, ...]:
        """Who may answer, outermost first."""
        found: list[Interceptor] = []
        if self.replay is None:
            found += [self.stubs] if self.stubs else []
        else:
            found.append(self.replay if self.fork is None else Forking(self.replay, self.fork))
        return (*found, *([self.freeze] if self.freeze.names else []))

    @property
    def attributes(self) -> dict[str, Json]:
        """What to say of it on each run."""
        told: dict[str, Json] = dict(self.freeze.attributes)
        if self.fork is None:
            return told
        said = {semconv.HARNESS_SAID: json.dumps(self.fork.says)} if self.fork.says else {}
        model = {semconv.HARNESS_FORKED_MODEL: self.fork.model} if self.fork.model else {}
        return {**told, semconv.HARNESS_FORKED: self.fork.text, **model, **said}

    def begin(self, attached: Recording) -> None:
        """Begin what is more than answers, until *attached* is taken off. Raises as ``Freeze.begin`` does."""
        if self.replay is not None and self.fork is not None:
            attached.changes = Forking(self.replay, self.fork).amend
            if self.fork.says:
                from harness.adapters import onward

                attached.undo.callback(onward.say(dict(self.fork.says)))
        attached.undo.enter_context(self.freeze.still())


def of_scenario(what: Scenario, replay: Replay | None, fork: Fork | None = None) -> Playing:
    """Say what answers the calls of *what*; without a *replay* it is recorded."""
    frozen = what.freeze or (replay.cassette.header.freeze if replay is not None else ())
    return Playing(replay=replay, stubs=Stubs(what.stubs), fork=fork, freeze=Freeze(frozen))


def variables(what: Scenario, matching: str, fork: Fork | None = None) -> dict[str, str]:
    """Write what ``from_environment`` reads, so that a program in a process of its own is played as *what* says."""
    return {
        **environment(matching=matching, normalise=what.normalise, live=what.live),
        **stubs.environment(what.stubs),
        **freezing.environment(what.freeze),
        **forking.environment(fork),
        SCENARIO: str(what.path.absolute()),
    }


def from_environment(cassette: Path | None, *, redact: Callable[[str], str], shared: Path) -> Playing:
    """Say what answers the calls of this process: *cassette*, if there is one, and what the environment says.

    *redact* and *shared* are as for ``Replay``. Raises UsageError for a cassette or
    a variable that cannot be read.
    """
    replay = Replay.load(cassette, redact=redact, shared=shared) if cassette is not None else None
    frozen = freezing.from_environment() or (replay.cassette.header.freeze if replay else ())
    fork = forking.from_environment() if replay is not None else None
    return Playing(
        replay=replay,
        stubs=stubs.from_environment(),
        fork=fork,
        freeze=Freeze(frozen),
    )
