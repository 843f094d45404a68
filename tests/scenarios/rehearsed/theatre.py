"""Record the rows of the table, and replay them all with one command, where there is no network."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.model import Run
from harness.store import open_store
from scenarios import runner
from scenarios.verdict import Verdict
from tests.adapters.recorded import said
from tests.scenarios.rehearsed.row import Row
from tests.server import Answer, Reply, Request, Script, ScriptedServer, in_order

WITHOUT_NETWORK = ("unshare", "--map-root-user", "--net")
_CASTS = Path(__file__).parent / "casts"
_COMMAND = "from harness.cli import main; main()"


@cache
def unshares() -> bool:
    """Say whether this kernel lets one run a command in a network namespace of its own, with nothing in it."""
    tried = [*WITHOUT_NETWORK, "true"]
    return bool(shutil.which("unshare")) and not subprocess.run(tried, check=False, capture_output=True).returncode


def record(row: Row, folder: Path, *, ids: str) -> Verdict:
    """Record *row* into *folder* against its script, over what is there.

    Ids of tool calls begin with *ids*, which is always as long: the server counts them as tokens.
    """
    path = folder / f"{row.name}.scenario.yaml"
    path.write_text(row.text, encoding="utf-8")
    shutil.copy(_CASTS / f"cast_{row.family}.py", folder)
    with ScriptedServer(_named(row.script(), ids)) as server, _at(folder, server.environment, row.typed):
        return runner.run_scenario(path, store=folder / "store", record="all")


def replay(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Replay all scenarios in *folder* with ``harness run``, without a key and with no network; by their names.

    Where the kernel does not allow that, the network is there, and the replay's own wall before it.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "HARNESS_"))}
    done = subprocess.run(
        [*(WITHOUT_NETWORK if unshares() else ()), sys.executable, "-c", _COMMAND, "run", "--json", "."],
        cwd=folder,
        env={**environment, "HARNESS_STORE": str(folder / "store")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.stdout, done.stderr
    return {verdict["name"]: verdict for verdict in json.loads(done.stdout)}


def conversation(row: Row, folder: Path, run_id: str) -> str:
    """Write down all that was said in a run of *row*: by whom, to whom, in which role, and every part of it.

    Where agents work at once, it is in order what each of them said in each conversation.
    """
    messages = run(folder, run_id).messages
    if not row.at_once:
        return said([[m.sender, m.recipients, m.role, m.body] for m in messages])
    talks: dict[str | None, list[Any]] = {}
    for message in sorted(messages, key=lambda message: message.sender):
        talks.setdefault(message.conversation_id, []).append([message.sender, message.recipients, message.body])
    return "\n".join(sorted(map(said, talks.values())))


def run(folder: Path, run_id: str) -> Run:
    """Read a run of the store in *folder*."""
    return open_store(folder / "store").run(run_id)


@contextmanager
def _at(folder: Path, environment: Mapping[str, str], typed: Iterable[str]) -> Iterator[None]:
    """Be in *folder*, where the server is known and somebody types."""
    lines = iter(typed)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr("builtins.input", lambda _prompt="": next(lines))
        yield


def _named(script: Script, ids: str) -> Script:
    """Give tool calls ids as models do: others each time."""
    answer, numbers = script if callable(script) else in_order(script), itertools.count()

    def answering(request: Request) -> Answer:
        reply = answer(request)
        if not isinstance(reply, Reply):
            return reply
        return replace(reply, tool_calls=[replace(call, id=f"call_{ids}{next(numbers)}") for call in reply.tool_calls])

    return answering
