"""Play a cassette up to a fork, and what comes after it for real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import harness
from harness import plugins
from harness.store import open_store
from tests.server import ScriptedServer


class Forked:
    """What came of it: the *run*, once the block has ended, and the requests that reached the server."""

    run: Any

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server

    @property
    def asked(self) -> list[tuple[str, str, str]]:
        """Of each request that was made for real: the model, the system message, and the last message."""
        requests = [entry["request"] for entry in self._server.log]
        return [(one["model"], one["messages"][0]["content"], one["messages"][-1]["content"]) for one in requests]

    @property
    def verdicts(self) -> list[str]:
        """What became of each model call, in order."""
        return [str(call.span.attributes["harness.replay.verdict"]) for call in self.run.calls if call.model]

    @property
    def models(self) -> list[str]:
        """The model that each call is recorded to have asked."""
        return [call.model for call in self.run.calls if call.model]


@contextmanager
def forked(store: Path, server: ScriptedServer, cassette: str = "c.jsonl", **fork: Any) -> Iterator[Forked]:
    """Let the block be answered by *cassette* up to a Fork of *fork*, and by *server* from there."""
    playing, replaying = plugins.sibling("scenarios.playing"), plugins.sibling("scenarios.replaying")
    made = plugins.sibling("scenarios.forking").Fork(**fork)
    play = playing.Playing(replay=replaying.Replay.load(store / cassette), fork=made)
    harness.uninstrument()
    attached = harness.instrument(store, mode=play.mode, interceptors=play.interceptors)
    found = Forked(server)
    try:
        with harness.run(id="forked"):
            play.begin(attached)
            yield found
    finally:
        harness.uninstrument()
    found.run = open_store(store).run("forked")
